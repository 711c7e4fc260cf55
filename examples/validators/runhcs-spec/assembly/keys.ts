// Keys that the shim reads otherwise than others do. It decodes specs with Go's
// encoding/json, which takes "Windows" for "windows", and the last of equal keys.
import { Kind, Value } from "./json";
import { Field, keyPath } from "./field";
import { Report, quote } from "./report";

// Fields of a spec that this validator looks at, by their names in lower case.
const fields = new Map<string, string>();
const names = [
  "DNSSearchList", "affinity", "allowUnqualifiedDNSQuery", "annotations", "apparmorProfile", "args", "bps", "capabilities",
  "commandLine", "count", "cpu", "credentialSpec", "cwd", "destination", "devices", "endpointList", "group", "hooks",
  "hyperv", "id", "idType", "iops", "layerFolders", "limit", "linux", "mask", "maximum", "memory", "mounts", "network",
  "networkNamespace", "networkSharedContainerName", "noNewPrivileges", "oomScoreAdj", "options", "path", "process",
  "readonly", "resources", "rlimits", "root", "sandboxSize", "selinuxLabel", "shares", "source", "storage", "type",
  "user", "utilityVMPath", "windows",
];
for (let i = 0; i < names.length; i++) fields.set(names[i].toLowerCase(), names[i]);

// checkKeys walks through all of a spec but its annotations, whose keys are anybody's.
export function checkKeys(report: Report, path: string, value: Value): void {
  if (value.kind == Kind.Map) checkMap(report, path, value.keys);
  for (let i = 0; i < value.items.length; i++) {
    const below = value.items[i];
    if (below.items.length == 0) continue;
    checkKeys(report, value.kind == Kind.Map ? keyPath(path, value.keys[i]) : path + "[" + i.toString() + "]", below);
  }
}

function checkMap(report: Report, path: string, keys: string[]): void {
  const seen = new Set<string>();
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (seen.has(key)) report.violation("json.duplicate_key", keyPath(path, key), "the key is there more than once", "keep one");
    if (keys.length > 1) seen.add(key);
    if (fields.has(key) && fields.get(key) == key || path == "spec.annotations") continue;
    const folded = fold(key);
    if (fields.has(folded) && fields.get(folded) != key) {
      report.violation("json.key_case", keyPath(path, key), quote(key) + " is read as " + quote(fields.get(folded)) + " by the shim",
        "write " + fields.get(folded));
    }
  }
}

// fold makes keys equal that Go finds equal.
function fold(key: string): string {
  let plain = true;
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    plain = plain && c >= 0x5b && c < 0x80; // no upper case, no other script
  }
  return plain ? key : key.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}
