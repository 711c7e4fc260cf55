#include "judge.h"

#include "checks.h"

static constexpr size_t lengthLimit = 512 << 10;
static constexpr Text specType = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

static std::string refusal(Text code, Text message, Text fix) {
  const Node none("settings", nullptr);
  const Settings settings(none);
  Report report(settings);
  report.violation(code, Node("spec", nullptr), message, fix);
  return report.verdict();
}

// containerd gives runsc the payload whatever its type is called.
static void checkType(const Node &object, Report &report) {
  const Text type = object.at("spec_type").string();
  if (type == specType) return;
  report.violation("spec.type", Node("spec_type", nullptr), "runsc runs OCI runtime specs, not " + quoted(type),
                   "use " + std::string(specType));
}

static void checkSpec(const Node &spec, const Settings &settings, Report &report) {
  if (!checkKeys(spec, report)) return;
  checkSchema(spec, report);
  for (const Text platform : {"solaris", "windows"}) {
    if (spec.at(platform).absent()) continue;
    report.violation("spec.platform", spec.at(platform), "runsc runs Linux containers only", "leave it out");
  }
  checkProcess(spec, settings, report);
  checkRoot(spec, report);
  checkMounts(spec, report);
  checkHooks(spec, report);
  checkLinux(spec, settings, report);
  checkAnnotations(spec, settings, report);
}

std::string judge(char *request, size_t length) {
  if (length > lengthLimit) {
    return refusal("spec.too_large", "the spec is too large to be looked at", "keep it below 500 kB");
  }
  rapidjson::Document document;
  document.ParseInsitu<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(request);
  if (document.HasParseError() || !document.IsObject()) {
    return refusal("json.unreadable", "it cannot be read as JSON", "use UTF-8 and complete escapes");
  }
  const Node root("", &document);
  const Settings settings(root.at("settings"));
  Report report(settings);
  if (root.at("operation").string() == "DELETE") return report.verdict();
  const Node object = root.at("object");
  // Paths are of the container: they begin at spec.
  const Node spec("spec", object.at("spec").absent() ? nullptr : &object.at("spec").value());
  checkType(object, report);
  const bool payload = spec.size() == 1 && !spec.at("base64").absent();  // it is not JSON
  if (!spec.isObject() || payload) {
    report.violation("spec.not_json", spec, "it is not a JSON object", "give an OCI runtime spec");
  } else {
    checkSpec(spec, settings, report);
  }
  return report.verdict();
}
