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
  const seen = new Set<string>();
  for (let i = 0; i < value.items.length; i++) {
    if (value.kind == Kind.List) {
      checkKeys(report, path + "[" + i.toString() + "]", value.items[i]);
      continue;
    }
    const key = value.keys[i];
    const below = keyPath(path, key);
    if (seen.has(key)) {
      report.violation("json.duplicate_key", below, "the key is there more than once", "keep one");
    }
    seen.add(key);
    if (path == "spec.annotations") continue;
    const folded = fold(key);
    if (fields.has(folded) && fields.get(folded) != key) {
      report.violation("json.key_case", below, quote(key) + " is read as " + quote(fields.get(folded)) + " by the shim",
        "write " + fields.get(folded));
    }
    if (value.items[i].items.length > 0) checkKeys(report, below, value.items[i]);
  }
}

// fold makes keys equal that Go finds equal.
function fold(key: string): string {
  return key.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}
