import { Field } from "./field";

// Container is a spec, and what the shim makes of it: a Windows container in the host's
// kernel (Argon), one in a virtual machine of its own (Xenon), or a Linux one (LCOW), which
// always has a virtual machine.
export class Container {
  windows: Field;
  annotations: Field;
  isLinux: bool;
  isHyperV: bool;
  // hasSnapshot says whether containerd hands the shim the mounts of a snapshot.
  hasSnapshot: bool;

  constructor(public spec: Field, snapshotKey: string) {
    this.windows = spec.key("windows");
    this.annotations = spec.key("annotations");
    this.isLinux = spec.key("linux").exists;
    this.isHyperV = this.windows.key("hyperv").exists;
    this.hasSnapshot = snapshotKey != "";
  }

  get isIsolated(): bool {
    return this.isLinux || this.isHyperV;
  }

  // annotation returns "" if there is none.
  annotation(key: string): string {
    return this.annotations.value.get(key).text;
  }

  // isSet says whether the shim takes an annotation for true.
  isSet(key: string): bool {
    return isTrue(this.annotation(key));
  }

  // isHostProcess follows the shim, which wants to see exactly this text.
  get isHostProcess(): bool {
    return !this.isLinux && this.annotation("microsoft.com/hostprocess-container") == "true";
  }
}

// What Go's strconv.ParseBool takes.
const yes = ["1", "t", "T", "TRUE", "true", "True"];
const no = ["0", "f", "F", "FALSE", "false", "False"];

export function isTrue(text: string): bool {
  return yes.includes(text);
}

export function isBool(text: string): bool {
  return yes.includes(text) || no.includes(text);
}
