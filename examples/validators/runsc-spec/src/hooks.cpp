#include "checks.h"

// runsc/specutils/hooks.go: it skips hooks of NVIDIA that do not understand it.
static bool skipped(const Node &hook) {
  const Text path = hook.at("path").string();
  if (endsWith(path, "/nvidia-container-runtime-hook")) return true;
  bool disables = false;
  const Node args = hook.at("args");
  args.eachItem([&](const Node &arg) { disables = disables || arg.string() == "disable-device-node-modification"; });
  return disables && endsWith(path, "/nvidia-cdi-hook");
}

void checkHooks(const Node &spec, Report &report) {
  const Node hooks = spec.at("hooks");
  hooks.eachMember([&](Text stage, const Node &list) {
    if (!among("prestart|createRuntime|createContainer|startContainer|poststart|poststop", stage)) return;
    list.eachItem([&](const Node &hook) {
      if (stage == "startContainer") {
        return report.trait(Trait::StartContainerHooks, hook, "runsc runs nothing inside before the container: it skips the hook",
                            "do it in the image, or in createContainer");
      }
      const Node path = hook.at("path");
      if (!startsWith(path.string(), "/")) {
        report.violation("hook.path", path, "runsc refuses hooks whose path is not absolute", "begin it with /");
      }
      if (!skipped(hook)) {
        report.trait(Trait::Hooks, hook, "a hook runs on the host, outside the sandbox", "leave it out");
      }
    });
  });
}
