// Annotations of the shim. A value that it cannot read it logs and passes over, so that a
// setting is silently not made; here that is a violation.
import { Container, isBool } from "./container";
import { Field, keyPath, wholeNumber } from "./field";
import { Kind } from "./json";
import { isGUID } from "./paths";
import { quote } from "./report";

const enum Type { Text, Bool, Exactly, Int32, Uint32, Uint64, Uint32s, Uint64s, GUID, OneOf }

class Known {
  constructor(public type: Type, public min: i64 = 0, public max: i64 = 0, public values: string[] = []) {}
}

const known = new Map<string, Known>();

function all(type: Type, prefix: string, names: string[]): void {
  for (let i = 0; i < names.length; i++) known.set(prefix + names[i], new Known(type));
}

function range(type: Type, key: string, min: i64, max: i64): void {
  known.set(key, new Known(type, min, max));
}

function oneOf(key: string, values: string[]): void {
  known.set(key, new Known(Type.OneOf, 0, 0, values));
}

const container = "io.microsoft.container.";
const vm = "io.microsoft.virtualmachine.";

all(Type.Exactly, "microsoft.com/", ["hostprocess-container", "hostprocess-inherit-user"]);
all(Type.Bool, "microsoft.com/", ["disable-hostprocess-container"]);
all(Type.Text, "microsoft.com/", ["hostprocess-rootfs-location"]);

all(Type.Text, container, ["processdumplocation", "lcow.tee-log-path", "lcow.tee-log-dir-mount", "gpu.capabilities",
  "wcow.deviceextensions", "wcow.test-registry-annotation"]);
all(Type.Uint64, container, ["memory.sizeinmb"]);
all(Type.Int32, container, ["processor.count", "storage.qos.bandwidthmaximum", "storage.qos.iopsmaximum"]);
all(Type.Bool, container, ["wcow.gmsa.disable"]);
range(Type.Int32, container + "processor.limit", 1, 10000);
range(Type.Int32, container + "processor.weight", 0, 10000);

all(Type.Text, "io.microsoft.", ["cri.tenant-sandbox-id", "cri.virtual-pod-id", "lcow.gpuvhdpath", "lcow.rlimitcore",
  "migration.source-container-id", "network.ncproxy", "network.ncproxy.containerid", "wcow.debug_data_path"]);
all(Type.Bool, "io.microsoft.", ["cri.skip-pod-networking", "disable-unsafe-operations", "migration.support-enabled", "wcow.debug"]);
all(Type.Uint64, "io.microsoft.", ["lcow.shm.size-kb"]);
oneOf("io.microsoft.wcow.processdumptype", ["mini", "full"]);
range(Type.Int32, "io.microsoft.wcow.processdumpcount", 1, i32.MAX_VALUE);

all(Type.Text, vm, ["bootfilesrootpath", "console.pipe", "cpugroup.id", "dump-directory-path", "forwardlogs.sources", "kerneldrivers",
  "lcow.amd-certificate", "lcow.dmverity-create-args", "lcow.dmverity-rootfs-vhd", "lcow.enforcer", "lcow.extra-exec-command-args",
  "lcow.gueststatefile", "lcow.kernelbootoptions", "lcow.securitypolicy", "lcow.uvm-reference-info-file",
  "uvm-hash-envelope-reference-info-file", "wcow.additional-reg-keys", "wcow.amd-certificate", "wcow.enforcer",
  "wcow.gueststatefile", "wcow.securitypolicy", "wcow.uvm-reference-info-file"]);
all(Type.Bool, vm, ["computetopology.memory.allowovercommit", "computetopology.memory.enablecolddiscardhint",
  "computetopology.memory.enabledeferredcommit", "disablecompartmentnamespace", "fileshares.disablewritable",
  "forwardlogs.defaultsources.enable", "forwardlogs.enable", "fullyphysicallybacked", "lcow.dmverity-mode", "lcow.hcl-enabled",
  "lcow.hostnetwork", "lcow.kerneldirectboot", "lcow.network.policybasedrouting", "lcow.privileged", "lcow.securitypolicy.env",
  "lcow.timesync.disable", "lcow.vpcienabled", "lcow.vpmem.nomultimapping", "lcow.writable-overlay-directories",
  "no_security_hardware", "storage.scratch.encrypted", "wcow.no_secure_boot", "wcow.securitypolicy.env",
  "wcow.timezone.noinherit", "wcow.virtualSMB.nodirectmap", "wcow.writable_efi"]);
all(Type.Int32, vm, ["computetopology.processor.count", "storageqos.bandwidthmaximum", "storageqos.iopsmaximum"]);
range(Type.Int32, vm + "computetopology.processor.limit", 1, 100000);
range(Type.Int32, vm + "computetopology.processor.weight", 0, 10000);
all(Type.Uint32, vm, ["computetopology.processor.numa.max-processors-per-node", "devices.virtualpmem.maximumcount"]);
all(Type.Uint64, vm, ["computetopology.memory.highmmiobaseinmb", "computetopology.memory.highmmiogapinmb",
  "computetopology.memory.lowmmiogapinmb", "computetopology.memory.sizeinmb",
  "computetopology.processor.numa.max-size-per-node", "devices.virtualpmem.maximumsizebytes"]);
all(Type.Uint32s, vm, ["computetopology.numa.count-of-processors", "computetopology.numa.mapped-physical-nodes",
  "computetopology.numa.preferred-physical-nodes", "lcow.extra-vsock-ports"]);
all(Type.Uint64s, vm, ["computetopology.numa.count-of-memory-blocks"]);
all(Type.GUID, vm, ["resource-partition-id"]);
oneOf(vm + "lcow.preferredrootfstype", ["initrd", "vhd"]);
oneOf(vm + "wcow.isolation_type", ["SecureNestedPaging", "SNP", "VirtualizationBasedSecurity", "VBS", "GuestStateOnly"]);

// The rest of these keys is a GUID, and the value a JSON object.
export const socketPrefix = vm + "hv-socket.service-table.";

export function checkAnnotations(c: Container): void {
  const annotations = c.annotations;
  if (annotations.exists && !annotations.map()) return;
  const map = annotations.value;
  for (let i = 0; i < map.keys.length; i++) {
    const field = new Field(c.spec.report, keyPath(annotations.path, map.keys[i]), map.items[i]);
    checkAnnotation(field, map.keys[i]);
  }
  checkTogether(c);
}

function checkAnnotation(field: Field, key: string): void {
  const text = field.text();
  if (field.value.kind != Kind.Text) return;
  if (key.startsWith(socketPrefix)) {
    if (!isGUID(key.substring(socketPrefix.length))) {
      field.violation("annotation.value", "the key does not end in the GUID of a service, so the shim passes it over", "");
    }
  } else if (known.has(key)) {
    const wanted = wantedBy(known.get(key), text);
    // Values may be policies or certificates, so only short ones are shown.
    if (wanted != "") {
      field.violation("annotation.value", "the shim cannot read " + quote(text) + ", and would go on without", "write " + wanted);
    }
  } else if (key.startsWith("io.microsoft.")) {
    field.warning("annotation.unknown", "the shim knows no such annotation, and ignores it", "look for a slip in the name");
  }
}

// wantedBy says what a value should be, and nothing if it is that.
function wantedBy(type: Known, text: string): string {
  switch (type.type) {
    case Type.Bool: return isBool(text) ? "" : "true or false";
    case Type.Exactly: return text == "true" || text == "false" ? "" : "exactly true or false";
    case Type.Int32: return wantedNumber(text, i32.MAX_VALUE, type);
    case Type.Uint32: return wantedNumber(text, u32.MAX_VALUE, type);
    case Type.Uint64: return wantedNumber(text, i64.MAX_VALUE, type);
    case Type.Uint32s: return wantedNumbers(text, u32.MAX_VALUE);
    case Type.Uint64s: return wantedNumbers(text, i64.MAX_VALUE);
    case Type.GUID: return isGUID(text) ? "" : "a GUID";
    case Type.OneOf: return type.values.includes(text) ? "" : type.values.join(" or ");
    default: return "";
  }
}

function wantedNumber(text: string, most: u64, type: Known): string {
  const max = type.max > 0 ? <u64>type.max : most;
  const number = wholeNumber(text, max);
  return number >= type.min ? "" : "a whole number from " + type.min.toString() + " to " + max.toString();
}

function wantedNumbers(text: string, most: u64): string {
  const numbers = text.split(",");
  for (let i = 0; i < numbers.length; i++) {
    if (wholeNumber(numbers[i], most) < 0) return "whole numbers with commas between";
  }
  return "";
}

// checkTogether finds what each is fine by itself.
function checkTogether(c: Container): void {
  checkDisabled(c);
  checkPod(c);
  if (c.annotation(vm + "cpugroup.id") != "" && c.annotation(vm + "resource-partition-id") != "") {
    conflict(c, vm + "cpugroup.id", "a resource partition has its own CPU group", "leave one of them out");
  }
  if (!c.isHyperV || c.isLinux) return;
  const policy = c.annotation(vm + "wcow.securitypolicy") != "";
  const memory = c.annotation(vm + "computetopology.memory.sizeinmb");
  if (policy && memory != "" && wholeNumber(memory, i64.MAX_VALUE) < 2048) {
    conflict(c, vm + "computetopology.memory.sizeinmb", "confidential pods need at least 2048 MB", "write 2048 or more");
  }
  if (c.isSet("io.microsoft.wcow.debug") && (!policy || c.annotation("io.microsoft.wcow.debug_data_path") == "")) {
    conflict(c, "io.microsoft.wcow.debug", "it is for confidential pods, and needs io.microsoft.wcow.debug_data_path", "leave it out");
  }
}

const disableUnsafe = "io.microsoft.disable-unsafe-operations";
const disabledWith = ["io.microsoft.container.wcow.gmsa.disable", vm + "fileshares.disablewritable",
  vm + "wcow.virtualSMB.nodirectmap", "microsoft.com/disable-hostprocess-container"];

// The shim gives its value to four others, which must not have one that differs.
function checkDisabled(c: Container): void {
  const value = c.annotation(disableUnsafe);
  for (let i = 0; value != "" && i < disabledWith.length; i++) {
    const other = c.annotation(disabledWith[i]);
    if (other != "" && other != value) conflict(c, disabledWith[i], disableUnsafe + " sets it to another value", "leave it out");
  }
  if (c.annotation("microsoft.com/hostprocess-container") != "true") return;
  if (c.isSet("microsoft.com/disable-hostprocess-container") || c.isSet(disableUnsafe)) {
    conflict(c, "microsoft.com/hostprocess-container", "HostProcess containers are disabled by another annotation", "leave one of them out");
  }
}

const containerType = "io.kubernetes.cri.container-type";
const sandboxID = "io.kubernetes.cri.sandbox-id";

function checkPod(c: Container): void {
  const type = c.annotation(containerType);
  const id = c.annotation(sandboxID);
  if (type != "" && type != "container" && type != "sandbox") {
    conflict(c, containerType, "it is " + quote(type) + ", and the shim knows container and sandbox", "");
  } else if ((type == "") != (id == "")) {
    conflict(c, type == "" ? sandboxID : containerType, "the shim takes " + containerType + " and " + sandboxID + " together", "give both");
  }
}

function conflict(c: Container, key: string, msg: string, fix: string): void {
  c.spec.report.violation("annotation.conflict", keyPath(c.annotations.path, key), msg, fix);
}
