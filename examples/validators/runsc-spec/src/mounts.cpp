#include "checks.h"

// What getMountNameAndOptions in runsc/boot/vfs.go mounts; and what containerd gives every
// container though runsc leaves it out, which nobody needs to be told of.
static constexpr Text mountTypes = "bind|cgroup|cgroup2|dev|devpts|erofs|none|proc|sysfs|tmpfs|mqueue";

// optionsMap and propOptionsMap in runsc/specutils/fs.go, which `runsc features` lists.
static constexpr Text mountOptions =
    "acl|async|atime|bind|defaults|dev|diratime|dirsync|exec|iversion|loud|mand|noacl|noatime|nodev|nodiratime|noexec|"
    "noiversion|nomand|norelatime|nostrictatime|nosuid|rbind|relatime|remount|ro|rw|silent|strictatime|suid|sync|"
    "private|rprivate|slave|rslave|unbindable|runbindable";

// tmpfsAllowedData in runsc/boot/vfs.go and SupportedMountOptions in
// pkg/sentry/fsimpl/gofer/gofer.go, which may have values.
static constexpr Text tmpfsOptions = "mode|size|uid|gid";
static constexpr Text bindOptions = "overlayfs_stale_read|disable_file_handle_sharing|dcache";

static bool hasOption(const Node &options, Text words) {
  bool found = false;
  options.eachItem([&](const Node &option) { found = found || among(words, option.string()); });
  return found;
}

static Text trimmed(Text path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

// As runsc takes it: /dev and /dev/pts are its own whatever the spec says.
static Text typeOf(const Node &mount) {
  const Text destination = trimmed(mount.at("destination").string());
  if (destination == "/dev") return "dev";
  if (destination == "/dev/pts") return "devpts";
  const Node options = mount.at("options");
  return hasOption(options, "bind|rbind") ? "bind" : mount.at("type").string();
}

static void checkOption(const Node &option, Text type, bool gofer, Report &report) {
  const Text all = option.string();
  const Text name = all.substr(0, all.find('='));
  if (gofer && among("shared|rshared", all)) {
    return report.violation("mount.option", option, "runsc refuses it: mounts inside must not reach the host",
                            "use rprivate or rslave");
  }
  const bool hasData = among("tmpfs|bind|cgroup", type);
  if (hasData && all.find('=') != all.rfind('=')) {
    return report.violation("mount.option", option, "runsc refuses options with more than one =", "give it one value");
  }
  const Text data = type == "tmpfs" ? tmpfsOptions : type == "bind" ? bindOptions : Text();
  if (!among("tmpfs|bind", type) || among(mountOptions, all) || among(data, name)) return;
  const Text recursive = "rro|rnosuid|rnodev|rnoexec|rnoatime|rrelatime|rnorelatime|rnodiratime|rstrictatime";
  if (among(recursive, all)) {
    return report.trait(Trait::MountOptions, option, "runsc knows no recursive options: it ignores " + quoted(all),
                        "use " + quoted(all.substr(1)));
  }
  report.trait(Trait::MountOptions, option, "runsc does not know the option " + quoted(all) + " and ignores it", "leave it out");
}

void checkMounts(const Node &spec, Report &report) {
  const Node mounts = spec.at("mounts");
  mounts.eachItem([&](const Node &mount) {
    const Node destination = mount.at("destination");
    if (!startsWith(destination.string(), "/")) {
      report.violation("mount.destination", destination, "runsc refuses destinations that are not absolute",
                       "begin it with /");
    }
    const Text type = typeOf(mount);
    const Node declared = mount.at("type");
    if (!among(mountTypes, type)) {
      report.trait(Trait::MountTypes, declared, "runsc cannot mount " + quoted(type) + " and leaves the mount out",
                   "mount it on the host and bind it, or leave it out");
    }
    const Node options = mount.at("options");
    // runsc refuses only what its gofer would serve.
    const bool gofer = (declared.string() == "bind" || hasOption(options, "bind|rbind")) && !mount.at("source").string().empty();
    options.eachItem([&](const Node &option) {
      if (option.isString()) checkOption(option, type, gofer, report);
    });
  });
}
