import { checkAnnotations } from "./annotations";
import { Field } from "./field";
import { Kind, Value } from "./json";
import { checkKeys } from "./keys";
import { checkMounts } from "./mounts";
import { checkProcess } from "./process";
import { Report, quote } from "./report";
import { Container } from "./container";
import { Traits } from "./settings";
import { checkTraits } from "./traits";
import { checkRoot, checkWindows } from "./windows";

const specType = "types.containerd.io/opencontainers/runtime-spec/";

// checkRequest judges what containerd would hand to the shim.
export function checkRequest(report: Report, request: Value): void {
  if (request.get("operation").text == "DELETE") return; // which makes nothing less safe
  const object = request.get("object");
  const type = new Field(report, "spec_type", object.get("spec_type"));
  const spec = new Field(report, "spec", object.get("spec"));
  if (!type.text().startsWith(specType)) {
    type.violation("spec.type", "the payload is not called an OCI spec, and the shim would take it for one",
      "give it the type " + specType + "1/Spec");
    return;
  }
  if (spec.value.kind != Kind.Map || isOpaque(spec.value)) {
    spec.violation("spec.not_json", "the spec is not a JSON object", "");
    return;
  }
  checkKeys(report, "spec", spec.value);
  checkSpec(new Container(spec, object.get("rootfs").text), new Traits(request.get("settings")));
}

// isOpaque says whether the host could not show a payload as JSON: then it is a map with
// its bytes alone.
function isOpaque(spec: Value): bool {
  return spec.keys.length == 1 && spec.keys[0] == "base64";
}

function checkSpec(c: Container, traits: Traits): void {
  if (!c.windows.map()) {
    c.windows.violation("windows.missing", "the shim takes no spec without a windows section",
      c.isLinux ? "add one; Linux containers need it too" : "add one");
    return;
  }
  checkWindows(c);
  checkRoot(c);
  checkProcess(c);
  checkMounts(c);
  checkAnnotations(c);
  checkOthers(c);
  checkTraits(c, traits);
}

// What is for other platforms is ignored, which is hardly what was meant.
function checkOthers(c: Container): void {
  const hooks = c.spec.key("hooks");
  if (hooks.map() && hooks.value.keys.length > 0) {
    hooks.warning("spec.ignored", "the shim runs no hooks", "leave them out");
  }
  const platforms = ["solaris", "vm", "zos", "freebsd"];
  for (let i = 0; i < platforms.length; i++) {
    const platform = c.spec.key(platforms[i]);
    if (platform.exists) platform.warning("spec.ignored", quote(platforms[i]) + " is for another platform", "leave it out");
  }
}
