import { Container } from "./container";
import { Field } from "./field";
import { isAbsolute, isShare, parts } from "./paths";
import { quote } from "./report";

export const pipePrefix = "\\\\.\\pipe\\";
const sandbox = "sandbox://";
const utilityVM = "uvm://";
const diskTypes = ["physical-disk", "virtual-disk", "extensible-virtual-disk"];

export function checkMounts(c: Container): void {
  const mounts = c.spec.key("mounts").list();
  const destinations = new Destinations();
  for (let i = 0; i < mounts.length; i++) {
    if (!mounts[i].map()) continue;
    const options = mounts[i].key("options").list();
    for (let j = 0; j < options.length; j++) options[j].text();
    if (c.isLinux) {
      checkLinuxMount(mounts[i]);
    } else {
      checkMount(c, mounts[i]);
      destinations.check(mounts[i].key("destination"));
    }
  }
}

// The shim maps these into the virtual machine. All others are Linux's own.
function checkLinuxMount(mount: Field): void {
  const type = mount.key("type").text();
  if (type == "bind" || diskTypes.includes(type)) checkBoth(mount);
}

// checkBoth wants both ends of a mount, as the shim does.
function checkBoth(mount: Field): bool {
  const source = mount.key("source").text();
  const destination = mount.key("destination").text();
  if (source != "" && destination != "") return true;
  mount.violation("mount.incomplete", "a mount must have a source and a destination", "give both");
  return false;
}

function checkMount(c: Container, mount: Field): void {
  if (!checkBoth(mount)) return;
  const type = mount.key("type");
  const kind = type.text();
  if (c.isHyperV && kind != "" && !diskTypes.includes(kind)) {
    type.violation("mount.type", "the shim refuses mounts of type " + quote(kind) + " in virtual machines",
      "leave it out, or write " + diskTypes.join(", "));
  } else if (!c.isHyperV && diskTypes.includes(kind)) {
    type.warning("mount.type", "only virtual machines are given disks; this is taken for a directory", "leave it out");
  }
  const source = mount.key("source");
  const from = source.text();
  const isPipe = from.startsWith(pipePrefix) || from.startsWith(utilityVM + pipePrefix);
  if (isPipe) checkPipe(c, mount, from);
  else checkDirectory(c, mount, source, from, diskTypes.includes(kind));
}

function checkPipe(c: Container, mount: Field, from: string): void {
  const to = mount.key("destination");
  if (c.isHostProcess && !c.isHyperV) {
    mount.violation("mount.pipe", "the shim maps no pipes into HostProcess containers, which see those of the host", "use the pipe itself");
  } else if (!to.text().startsWith(pipePrefix)) {
    to.violation("mount.pipe", "a pipe can be mapped to a pipe only, and would be left out here", "begin with " + pipePrefix);
  } else if (from.startsWith(utilityVM) && !c.isHyperV) {
    mount.key("source").violation("mount.pipe", "there is no utility VM that it could be a pipe of", "set windows.hyperv");
  }
}

function checkDirectory(c: Container, mount: Field, source: Field, from: string, isDisk: bool): void {
  const destination = mount.key("destination");
  const to = destination.text();
  if (!isAbsolute(to)) {
    destination.violation("mount.destination", quote(to) + " is not an absolute path of Windows", "begin with a drive, as C:\\");
  }
  if (isDisk) return; // its source may be a device, or a URI
  if (from.startsWith(utilityVM) || from.startsWith(sandbox) && !c.isHyperV) {
    source.violation("mount.source", quote(from) + " is for virtual machines, and for pipes", "mount a directory of the host");
  } else if (isShare(from)) {
    source.violation("mount.source", quote(from) + " is a network share, which the specification does not support",
      "mount a local directory, or have the host map the share");
  } else if (!from.startsWith(sandbox) && !isAbsolute(from)) {
    source.violation("mount.source", quote(from) + " is not an absolute path of Windows", "begin with a drive, as C:\\");
  }
}

// Destinations are those of the mounts so far, none of which may lie in another.
class Destinations {
  private all: Set<string> = new Set<string>();
  private around: Set<string> = new Set<string>();

  check(destination: Field): void {
    if (!isAbsolute(destination.text())) return;
    const names = parts(destination.text());
    let path = "";
    let nested = this.around.has(names.join("\\"));
    for (let i = 0; i < names.length; i++) {
      path = i == 0 ? names[0] : path + "\\" + names[i];
      nested = nested || this.all.has(path);
      this.around.add(path);
    }
    this.all.add(path);
    if (nested) {
      destination.violation("mount.nested", quote(destination.text()) + " is, or is around or inside of, another mount", "mount elsewhere");
    }
  }
}
