import { Container } from "./container";
import { Field, wholeNumber } from "./field";
import { Kind, parseText } from "./json";
import { isAbsolute, isGUID, isVolume } from "./paths";
import { quote } from "./report";

const uint16: u64 = 0xffff;
const int32: u64 = 0x7fffffff;
const uint64: u64 = 0x7fffffffffffffff; // and more than anything has

export function checkWindows(c: Container): void {
  checkLayers(c);
  checkHyperV(c);
  checkDevices(c);
  checkNetwork(c.windows.key("network"));
  checkCredentials(c);
  const resources = c.windows.key("resources");
  if (!resources.map()) return;
  checkMemory(resources.key("memory"));
  checkCPU(c, resources.key("cpu"));
  checkStorage(resources.key("storage"));
}

// The folders are the read-only layers, topmost first, and the scratch at the end. Or
// containerd hands over the mounts of a snapshot; the shim takes one or the other.
function checkLayers(c: Container): void {
  const layers = c.windows.key("layerFolders");
  const folders = layers.list();
  if (c.hasSnapshot && folders.length > 0) {
    layers.violation("windows.layer_folders", "the container has a snapshot as well, and the shim takes one or the other",
      "leave layerFolders out, or create the container without a snapshot");
  } else if (!c.hasSnapshot && folders.length < 2) {
    layers.violation("windows.layer_folders", "without a snapshot there must be at least two: the image's layers, and the scratch",
      "list the layers, topmost first, and the scratch at the end");
  }
  const seen = new Set<string>();
  for (let i = 0; i < folders.length; i++) {
    const path = folders[i].text();
    if (path == "" || !isAbsolute(path) && !isVolume(path)) {
      folders[i].violation("windows.layer_folders", quote(path) + " is not an absolute path of Windows", "begin with a drive, as C:\\");
    } else if (seen.has(path.toLowerCase())) {
      folders[i].violation("windows.layer_folders", quote(path) + " is listed twice", "list each layer once");
    }
    seen.add(path.toLowerCase());
  }
}

function checkHyperV(c: Container): void {
  const hyperv = c.windows.key("hyperv");
  if (!hyperv.map()) return;
  const path = hyperv.key("utilityVMPath");
  const text = path.text();
  if (text != "" && !isAbsolute(text)) {
    path.violation("windows.hyperv", quote(text) + " is not an absolute path of Windows", "begin with a drive, as C:\\");
  }
}

export function checkRoot(c: Container): void {
  const root = c.spec.key("root");
  if (!root.map()) return; // the shim makes one
  const path = root.key("path");
  const text = path.text();
  if (c.isLinux) return;
  if (root.key("readonly").flag()) {
    root.key("readonly").violation("root.readonly", "the shim refuses read-only roots of Windows containers", "leave it out");
  }
  if (text == "") return; // the shim mounts the layers
  if (c.isHyperV) {
    path.warning("root.path", "containers of Hyper-V must have no root", "leave it out");
  } else if (!isVolume(text)) {
    path.violation("root.path", quote(text) + " is not the path of a volume by its GUID",
      "leave it out, or write it as \\\\?\\Volume{GUID}\\");
  }
}

const classTypes = ["class", "vpci-class-guid"];
const locationType = "vpci-location-path";
const instanceTypes = ["vpci-instance-id", "vpci", "gpu"];

// Devices are given to a container in the host's kernel by their class or location, and to
// a virtual machine by their instance.
function checkDevices(c: Container): void {
  const devices = c.windows.key("devices").list();
  for (let i = 0; i < devices.length; i++) {
    if (!devices[i].map()) continue;
    const id = devices[i].key("id");
    const type = devices[i].key("idType");
    const kind = type.text();
    if (id.text() == "") id.violation("windows.device", "a device has no id", "");
    const known = c.isIsolated ? instanceTypes.includes(kind) : classTypes.includes(kind) || kind == locationType;
    if (!known) {
      const where = c.isIsolated ? "a virtual machine" : "a container in the host's kernel";
      type.violation("windows.device", "the shim gives no device of type " + quote(kind) + " to " + where,
        "write " + (c.isIsolated ? instanceTypes : classTypes).join(" or ") + (c.isIsolated ? "" : " or " + locationType));
    } else if (classTypes.includes(kind) && !isGUID(id.text())) {
      id.violation("windows.device", quote(id.text()) + " is not the GUID of a class of devices",
        "write one such as 5B45201D-F2F2-4F3B-85BB-30FF1F953599");
    }
  }
}

function checkNetwork(network: Field): void {
  if (!network.map()) return;
  const endpoints = network.key("endpointList");
  const shared = network.key("networkSharedContainerName");
  const namespace = network.key("networkNamespace").text() != "";
  const search = network.key("DNSSearchList");
  const ids = endpoints.list();
  for (let i = 0; i < ids.length; i++) {
    if (!isGUID(ids[i].text())) {
      ids[i].violation("windows.network", quote(ids[i].text()) + " is not the GUID of an endpoint", "take it from the Host Network Service");
    }
  }
  if (namespace && ids.length > 0) {
    endpoints.violation("windows.network", "the network namespace has its own endpoints, and these are not used", "leave them out");
  }
  if (shared.text() != "" && namespace) {
    shared.violation("windows.network", "the network comes from a namespace as well", "leave one of them out");
  }
  const suffixes = search.list();
  for (let i = 0; i < suffixes.length; i++) suffixes[i].text();
  if (network.key("allowUnqualifiedDNSQuery").flag() && namespace || suffixes.length > 0 && namespace) {
    network.warning("windows.network", "next to networkNamespace the specification allows nothing else", "configure DNS in the namespace");
  }
}

const disableAccounts = "io.microsoft.container.wcow.gmsa.disable";

// The value is never quoted: it names accounts.
function checkCredentials(c: Container): void {
  const spec = c.windows.key("credentialSpec");
  if (!spec.exists) return;
  if (spec.value.kind != Kind.Text) {
    spec.violation("windows.credential_spec", "the shim ignores one that is not a string, and the container would run without its account",
      "write the JSON of the credential spec as a string");
    return;
  }
  const content = parseText(spec.value.text);
  if (content === null || content.kind != Kind.Map) {
    spec.violation("windows.credential_spec", "the string is not a JSON object", "write what New-CredentialSpec has made");
  }
  if (c.isSet(disableAccounts) || c.isSet("io.microsoft.disable-unsafe-operations")) {
    spec.violation("windows.credential_spec", "annotations disable group managed service accounts, so the shim refuses it", "leave it out");
  }
}

function checkMemory(memory: Field): void {
  if (!memory.map()) return;
  const limit = memory.key("limit");
  const bytes = limit.number(uint64);
  if (bytes > 0 && bytes < 1 << 20) {
    limit.violation("windows.memory", "the shim rounds down to whole MiB, so less than one is no limit at all", "write at least 1048576");
  }
}

function checkCPU(c: Container, cpu: Field): void {
  if (!cpu.map()) return;
  const count = cpu.key("count").number(int32);
  const shares = cpu.key("shares").number(uint16);
  const maximum = cpu.key("maximum").number(uint16);
  if (shares > 10000) cpu.key("shares").violation("windows.cpu", "there are no more shares than 10000", "write 1 to 10000");
  if (maximum > 10000) cpu.key("maximum").violation("windows.cpu", "10000 is all of the processors' time", "write 1 to 10000");
  if (!c.isLinux) checkExclusive(c, cpu, count, maximum, shares);
  const affinity = cpu.key("affinity").list();
  for (let i = 0; i < affinity.length; i++) {
    if (!affinity[i].map()) continue;
    affinity[i].key("group").number(0xffffffff);
    const mask = affinity[i].key("mask");
    if (!mask.exists || mask.value.text == "0") mask.violation("windows.cpu", "a mask of 0 selects no processor", "set a bit for each");
  }
  if (affinity.length > 0 && c.isIsolated) {
    cpu.key("affinity").warning("windows.cpu", "the shim sets no affinity in virtual machines", "leave it out");
  }
}

const perContainer = "io.microsoft.container.processor.";

// What an annotation says counts more than the spec.
function checkExclusive(c: Container, cpu: Field, count: u64, maximum: u64, shares: u64): void {
  const set: string[] = [];
  if (effective(c, "count", count) > 0) set.push("count");
  if (effective(c, "limit", maximum) > 0) set.push("maximum");
  if (effective(c, "weight", shares) > 0) set.push("shares");
  if (set.length < 2) return;
  cpu.violation("windows.cpu", set.join(" and ") + " are set, and the shim takes one of count, maximum and shares", "keep one, annotations included");
}

function effective(c: Container, annotation: string, value: u64): u64 {
  const number = wholeNumber(c.annotation(perContainer + annotation), int32);
  return number > 0 ? <u64>number : value;
}

function checkStorage(storage: Field): void {
  if (!storage.map()) return;
  const limits = ["iops", "bps"];
  for (let i = 0; i < limits.length; i++) {
    const limit = storage.key(limits[i]);
    if (limit.number(uint64) > int32) {
      limit.violation("windows.storage", "the shim has 31 bits for it, so it would be no limit, or another one", "write at most 2147483647");
    }
  }
  const size = storage.key("sandboxSize");
  if (size.number(uint64) > 0) size.warning("spec.ignored", "the shim does not change the size of the scratch", "give the snapshot its size");
}
