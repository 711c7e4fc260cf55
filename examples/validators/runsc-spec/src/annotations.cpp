#include <algorithm>
#include <vector>

#include "flags.h"

bool annotatedTrue(const Node &spec, Text name) {
  const Node annotations = spec.at("annotations");
  return parseBool(annotations.at(name).string()) == 1;
}

// runsc/boot/mount_hints.go: hints of a volume, dev.gvisor.spec.mount.VOLUME.FIELD.
struct Hint {
  Text volume;
  Text share, type, source;
};

static bool validHint(Text field, Text value) {
  if (field == "share") return among("container|pod|shared", value);
  if (field == "type") return among("tmpfs|bind", value);
  if (field == "directfs") return among("default|off", value);
  return field == "options" || (field == "source" && !value.empty());
}

static void checkMountHint(Text name, const Node &value, std::vector<Hint> &hints, Report &report) {
  const size_t dot = name.find('.');
  if (dot == Text::npos || dot == 0 || name.find('.', dot + 1) != Text::npos) {
    return report.violation("annotation.mount_hint", value, "runsc refuses it: it wants dev.gvisor.spec.mount.VOLUME.FIELD",
                            "name a volume without dots, and one field");
  }
  const Text field = name.substr(dot + 1);
  if (!validHint(field, value.string())) {
    return report.warning("annotation.mount_hint", value, "runsc ignores " + quoted(value.string()) + " for " + quoted(field),
                          "fields are share (container, pod, shared), type (tmpfs, bind), source, options, directfs (default, off)");
  }
  Hint hint = {name.substr(0, dot), {}, {}, {}};
  if (field == "share") hint.share = value.string();
  if (field == "type") hint.type = value.string();
  if (field == "source") hint.source = value.string();
  hints.push_back(hint);
}

// Hints of one volume belong together. The shim adds the source of volumes that it knows.
static void checkMountHints(const Node &annotations, std::vector<Hint> &hints, Report &report) {
  std::stable_sort(hints.begin(), hints.end(), [](const Hint &a, const Hint &b) { return a.volume < b.volume; });
  std::vector<Hint> complete;
  for (size_t i = 0; i < hints.size();) {
    Hint all = {hints[i].volume, {}, {}, {}};
    for (; i < hints.size() && hints[i].volume == all.volume; i++) {
      if (!hints[i].share.empty()) all.share = hints[i].share;
      if (!hints[i].type.empty()) all.type = hints[i].type;
      if (!hints[i].source.empty()) all.source = hints[i].source;
    }
    if (all.share.empty() || all.type.empty()) {
      report.warning("annotation.mount_hint", annotations, "runsc ignores what is said of volume " + quoted(all.volume) +
                     ": share or type is missing", "give both");
    } else if (!all.source.empty()) {
      complete.push_back(all);
    }
  }
  std::sort(complete.begin(), complete.end(), [](const Hint &a, const Hint &b) { return a.source < b.source; });
  for (size_t i = 1; i < complete.size(); i++) {
    if (complete[i].source != complete[i - 1].source) continue;
    report.violation("annotation.mount_hint", annotations, "runsc refuses volumes " + quoted(complete[i - 1].volume) + " and " +
                     quoted(complete[i].volume) + ", which have the same source", "give each its own");
  }
}

// runsc/boot/mount_hints.go: the root file system, dev.gvisor.spec.rootfs.FIELD.
static bool validRootfs(Text field, Text value) {
  if (field == "source") return startsWith(value, "/");
  if (field == "type") return among("erofs|bind", value);
  if (field == "directfs") return among("default|off", value);
  if (field == "overlay") return value.empty() || among("memory|self", value) || startsWith(value, "dir=/");
  if (field != "options") return false;
  while (!value.empty()) {
    if (!startsWith(value, "size=")) return false;
    const size_t comma = value.find(',');
    if (comma == Text::npos) return true;
    value.remove_prefix(comma + 1);
  }
  return false;
}

static void checkRootfs(const Node &spec, Report &report) {
  static constexpr Text prefix = "dev.gvisor.spec.rootfs.";
  const Node annotations = spec.at("annotations");
  bool any = false;
  annotations.eachMember([&](Text name, const Node &value) {
    if (!startsWith(name, prefix)) return;
    any = true;
    if (!validRootfs(name.substr(prefix.size()), value.string())) {
      report.violation("annotation.rootfs", value, "runsc refuses it",
                       "fields are source (absolute), type (erofs, bind), overlay, options (size=…), directfs (default, off)");
    }
  });
  if (!any) return;
  const Node source = annotations.at("dev.gvisor.spec.rootfs.source");
  if (source.absent() || annotations.at("dev.gvisor.spec.rootfs.type").absent()) {
    report.violation("annotation.rootfs", annotations, "runsc refuses annotations of the root without source and type",
                     "give both");
  } else {
    report.trait(Trait::RootfsAnnotation, source, "an annotation chooses a root file system of the host's, not root.path",
                 "leave it out");
  }
}

// ValidateSpec in runsc/specutils/specutils.go, and cri.go there.
static void checkCRI(const Node &annotations, Report &report) {
  Text type;
  for (const Text key : {"io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri.container-type"}) {
    const Node at = annotations.at(key);
    if (at.absent()) continue;
    type = at.string();
    if (!among("sandbox|container", type)) {
      report.violation("annotation.container_type", at, "runsc refuses the container type " + quoted(type),
                       "use sandbox or container");
    }
  }
  if (type == "container" && annotations.at("io.kubernetes.cri.sandbox-id").absent() &&
      annotations.at("io.kubernetes.cri-o.SandboxID").absent()) {
    report.violation("annotation.sandbox_id", annotations, "runsc refuses a container of a sandbox that is not named",
                     "set io.kubernetes.cri.sandbox-id");
  }
}

static void checkRootfsTar(const Node &spec, const Node &value, const Settings &settings, Report &report) {
  const Node root = spec.at("root");
  if (value.string().empty()) return;
  if (!settings.allowRootfsTar) {
    report.violation("annotation.rootfs_tar", value, "runsc refuses it unless it runs with --allow-rootfs-tar-annotation",
                     "leave it out");
  } else if (root.at("readonly").isTrue()) {
    report.violation("annotation.rootfs_tar", value, "runsc refuses it for a root that is read-only", "leave one of them out");
  }
}

// Those whose values runsc reads as booleans, and takes for false if they are none.
static bool boolean(Text name) {
  for (const Text prefix : {"internal.checkpoint.", "internal.fscheckpoint."}) {
    if (!startsWith(name, prefix)) continue;
    return among("enable|resume|direct|exclude-committed-zero-pages|cuda-checkpoint-sequential", name.substr(prefix.size()));
  }
  return among("internal.tpuproxy|internal.nvproxy", name) ||
         (startsWith(name, "empty-dir.") && endsWith(name, ".force-shared"));
}

static bool known(Text name) {
  for (const Text prefix : {"internal.checkpoint.", "internal.fscheckpoint.", "internal.seccomp."}) {
    if (startsWith(name, prefix)) return true;
  }
  return boolean(name) || among("internal.cpufeatures|spec.cgroup-parent", name);
}

// Annotations of flags that let more through than the sandbox otherwise does.
static void checkFlagTraits(Text flag, const Node &value, Report &report) {
  if (flag == "host-uds" && !value.string().empty() && value.string() != "none") {
    report.trait(Trait::HostSockets, value, "programs inside can reach unix sockets of the host that are mounted", "leave it out");
  }
  if (among("debug|debug-to-user-log|strace", flag) && parseBool(value.string()) == 1) {
    report.trait(Trait::DebugFlags, value, "what programs do, and data that they handle, is written to logs of the host",
                 "leave it out");
  }
}

static void checkOne(const Node &spec, Text name, const Node &value, const Settings &settings, Report &report) {
  if (startsWith(name, "flag.")) {
    checkFlag(name.substr(5), value, settings, report);
    checkFlagTraits(name.substr(5), value, report);
  } else if (startsWith(name, "bundle.")) {
    if (value.string() != "true") {
      report.violation("annotation.bundle", value, "runsc refuses any value but true", "set it to true, or leave it out");
    } else if (name != "bundle.experimental-high-performance") {
      report.warning("annotation.bundle", value, "runsc has no such bundle of flags and ignores it", "leave it out");
    }
  } else if (name == "tar.rootfs.upper" || startsWith(name, "tar.rootfs.upper.")) {
    checkRootfsTar(spec, value, settings, report);
  } else if (startsWith(name, "container-name-remap.")) {
    if (value.string().find('=') != Text::npos) return;
    report.warning("annotation.ignored", value, "runsc ignores it: it wants CURRENT=SAVED", "write it so");
  } else if (boolean(name) && parseBool(value.string()) < 0) {
    report.warning("annotation.ignored", value, "runsc takes it for false: it is no boolean", "use true or false");
  } else if (!known(name)) {
    report.warning("annotation.unknown", value, "runsc knows no such annotation", "see the README for those that it knows");
  }
  if (name == "internal.checkpoint.path" || name == "internal.fscheckpoint.path") {
    report.trait(Trait::Checkpoint, value, "the container can have its memory or files written to a directory of the host",
                 "leave it out");
  }
}

// Config.Validate in runsc/config/config.go, of what annotations alone can say.
static void checkTogether(const Node &annotations, const Settings &settings, Report &report) {
  const Node burst = annotations.at("dev.gvisor.flag.qdisc-tbf-burst");
  const Text digits = burst.string();
  if (digits.size() > 10 || (digits.size() == 10 && digits > "4294967295")) {
    report.violation("annotation.flag_value", burst, "runsc refuses more than 4294967295", "use less");
  }
  const Node pause = annotations.at("dev.gvisor.flag.pause-external-networking");
  if (parseBool(pause.string()) == 1 && settings.network != "sandbox") {
    report.violation("annotation.flag_value", pause, "runsc refuses it unless it runs with --network=sandbox", "leave it out");
  }
}

void checkAnnotations(const Node &spec, const Settings &settings, Report &report) {
  static constexpr Text prefix = "dev.gvisor.";
  const Node annotations = spec.at("annotations");
  std::vector<Hint> hints;
  annotations.eachMember([&](Text key, const Node &value) {
    if (!startsWith(key, prefix)) return;
    const Text name = key.substr(prefix.size());
    if (startsWith(name, "spec.mount.")) {
      checkMountHint(name.substr(11), value, hints, report);
    } else if (!startsWith(name, "spec.rootfs.")) {  // which are looked at together
      checkOne(spec, name, value, settings, report);
    }
  });
  checkMountHints(annotations, hints, report);
  checkRootfs(spec, report);
  checkCRI(annotations, report);
  checkTogether(annotations, settings, report);
}
