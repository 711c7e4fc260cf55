// What gives a container power over the host, or takes its virtual machine out of the
// hands of the administrator. Settings say which are forbidden.
import { socketPrefix } from "./annotations";
import { Container } from "./container";
import { Field, keyPath } from "./field";
import { pipePrefix } from "./mounts";
import { isWithin, parts } from "./paths";
import { quote } from "./report";
import { Traits } from "./settings";

export const traitNames = [
  "credentials", "devices", "host-pipes", "host-process", "lcow-host-network", "lcow-privileged", "physical-disks",
  "process-isolation", "system-paths", "utility-vm",
];

export function checkTraits(c: Container, traits: Traits): void {
  const found = new Found(traits);
  if (c.isHostProcess) found.add("host-process", annotation(c, "microsoft.com/hostprocess-container"), "it runs as a process of the host");
  if (!c.isIsolated) found.add("process-isolation", c.windows, "it shares the host's kernel");
  if (c.windows.key("credentialSpec").exists) found.add("credentials", c.windows.key("credentialSpec"), "it acts as an account of the domain");
  findDevices(c, found);
  findMounts(c, found);
  findLinux(c, found);
  findUtilityVM(c, found);
}

class Found {
  constructor(private traits: Traits) {}

  add(trait: string, field: Field, msg: string): void {
    if (this.traits.forbids(trait)) field.violation("forbidden." + trait, msg, "do without");
    else if (this.traits.warnsOf(trait)) field.warning("forbidden." + trait, msg, "do without");
  }
}

function annotation(c: Container, key: string): Field {
  return new Field(c.spec.report, keyPath(c.annotations.path, key), c.annotations.value.get(key));
}

function findDevices(c: Container, found: Found): void {
  const devices = c.windows.key("devices");
  if (devices.value.items.length > 0) found.add("devices", devices, "it gets devices of the host");
  const extensions = "io.microsoft.container.wcow.deviceextensions";
  if (c.annotation(extensions) != "") found.add("devices", annotation(c, extensions), "files of the host say which devices it sees");
}

function findMounts(c: Container, found: Found): void {
  const mounts = c.spec.key("mounts").value.items;
  for (let i = 0; i < mounts.length; i++) {
    const mount = new Field(c.spec.report, "spec.mounts[" + i.toString() + "]", mounts[i]);
    const source = mount.key("source");
    const path = source.value.text;
    if (mount.key("type").value.text == "physical-disk") {
      found.add("physical-disks", mount, "it gets a disk of the host");
    } else if (path.startsWith(pipePrefix)) {
      found.add("host-pipes", source, "it can talk to whoever serves the pipe on the host");
    } else if (isSystem(path)) {
      found.add("system-paths", source, quote(path) + " holds the host's own files, or may");
    }
  }
}

// Names below a drive that hold what is the system's, or everybody's.
const systemNames = ["windows", "program files", "program files (x86)", "programdata", "users", "perflogs", "recovery",
  "system volume information", "$recycle.bin", "boot", "efi"];

// isSystem also counts a whole drive, and short names such as PROGRA~1, which may stand for
// anything.
function isSystem(path: string): bool {
  const names = parts(path);
  if (names.length == 0 || !names[0].endsWith(":")) return false;
  if (names.length == 1) return true;
  for (let i = 1; i < names.length; i++) {
    const after = names[i].charCodeAt(names[i].indexOf("~") + 1);
    if (names[i].includes("~") && after >= 0x30 && after <= 0x39) return true;
  }
  for (let i = 0; i < systemNames.length; i++) {
    if (isWithin(names, [names[0], systemNames[i]])) return true;
  }
  return false;
}

function findLinux(c: Container, found: Found): void {
  if (!c.isLinux) return;
  const privileged = "io.microsoft.virtualmachine.lcow.privileged";
  const network = "io.microsoft.virtualmachine.lcow.hostnetwork";
  if (c.isSet(privileged)) found.add("lcow-privileged", annotation(c, privileged), "it is privileged in its virtual machine");
  if (c.isSet(network)) found.add("lcow-host-network", annotation(c, network), "it shares the network of its virtual machine");
}

const vm = "io.microsoft.virtualmachine.";

// What a utility VM boots, which drivers and registry it has, who may talk to it, where it
// writes on the host, and what proves that it is the right one.
const vmSettings = ["bootfilesrootpath", "console.pipe", "dump-directory-path", "kerneldrivers", "lcow.dmverity-create-args",
  "lcow.dmverity-rootfs-vhd", "lcow.enforcer", "lcow.extra-exec-command-args", "lcow.extra-vsock-ports", "lcow.gueststatefile",
  "lcow.kernelbootoptions", "lcow.kerneldirectboot", "lcow.preferredrootfstype", "no_security_hardware", "wcow.additional-reg-keys",
  "wcow.enforcer", "wcow.gueststatefile", "wcow.no_secure_boot", "wcow.writable_efi"];

function findUtilityVM(c: Container, found: Found): void {
  const msg = "it changes the virtual machine that is to contain it";
  const path = c.windows.key("hyperv").key("utilityVMPath");
  if (path.exists) found.add("utility-vm", path, msg);
  const keys = c.annotations.value.keys;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const isSetting = key.startsWith(vm) && vmSettings.includes(key.substring(vm.length));
    const isDebug = key.startsWith("io.microsoft.wcow.debug");
    if (isSetting || isDebug || key.startsWith(socketPrefix)) found.add("utility-vm", annotation(c, key), msg);
  }
}
