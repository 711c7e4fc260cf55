#include <cstdlib>

#include "checks.h"

static void ignored(const Node &linux_, Text field, Trait trait, Text why, Report &report) {
  const Node at = linux_.at(field);
  if (at.absent() || ((at.isArray() || at.isObject()) && at.size() == 0) || (at.isString() && at.string().empty())) return;
  report.trait(trait, at, why, "leave it out, or do not rely on it");
}

// runsc/sandbox/sandbox.go: the sandbox gets namespaces of its own whatever the spec says,
// but for those of the network and of users.
static void checkNamespaces(const Node &linux_, const Settings &settings, Report &report) {
  const Node namespaces = linux_.at("namespaces");
  std::string types = "|";
  namespaces.eachItem([&](const Node &ns) {
    const Text type = ns.at("type").string();
    types += std::string(type) + "|";
    const Node path = ns.at("path");
    if (!among("pid|network|ipc|uts|mount|user|cgroup", type)) {
      const Node at = ns.at("type");
      report.trait(Trait::IgnoredFields, at, "runsc has no namespaces of type " + quoted(type), "leave it out");
    } else if (!path.string().empty() && among("ipc|uts|mount", type)) {
      report.trait(Trait::JoinedNamespaces, path,
                   "runsc does not join it: containers of a sandbox share its own " + std::string(type) + " namespace",
                   "do not rely on sharing it with others");
    }
  });
  for (const Text type : {"pid", "ipc", "uts", "mount"}) {
    if (types.find("|" + std::string(type) + "|") != std::string::npos) continue;
    report.trait(Trait::HostNamespaces, namespaces,
                 "without a " + std::string(type) + " namespace it asks for the host's, and gets the sandbox's own",
                 "ask for a new " + std::string(type) + " namespace");
  }
  if (types.find("|network|") != std::string::npos) return;
  report.trait(Trait::HostNetwork, namespaces,
               settings.network == "host" ? "the sandbox uses the host's network"
                                          : "it asks for the host's network, and gets an empty one: runsc runs with --network=" +
                                                std::string(settings.network),
               "ask for a network namespace");
}

// What the sentry implements, by number, or passes through, by name.
static bool usable(const Node &device) {
  const Text path = device.at("path").string();
  for (const Text prefix : {"/dev/nvidia", "/dev/vfio", "/dev/accel", "/dev/infiniband/uverbs"}) {
    if (startsWith(path, prefix)) return true;
  }
  const long long major = device.at("major").integer(), minor = device.at("minor").integer();
  switch (major) {
    case 1:  // null, zero, full, random, urandom
      return minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9;
    case 5:  // tty, console, ptmx
      return minor <= 2;
    case 10:  // net/tun, fuse
      return minor == 200 || minor == 229;
    default:
      return false;
  }
}

static void checkDevices(const Node &linux_, Report &report) {
  const Node devices = linux_.at("devices");
  devices.eachItem([&](const Node &device) {
    const Node type = device.at("type");
    if (!among("b|c|u|p", type.string())) {
      return report.violation("device.type", type, "runsc refuses devices of type " + quoted(type.string()),
                              "use b, c, u or p");
    }
    if (type.string() == "p" || (type.string() != "b" && usable(device))) return;
    report.trait(Trait::Devices, device,
                 "runsc makes the node of " + quoted(device.at("path").string()) + ", but programs cannot open it",
                 "leave it out, unless runsc runs with another --character-device-policy");
  });
}

static void checkSeccompArgs(const Node &syscall, Report &report) {
  const Node args = syscall.at("args");
  args.eachItem([&](const Node &arg) {
    const Node index = arg.at("index"), op = arg.at("op");
    if (index.integer() < 0 || index.integer() > 5) {
      report.violation("seccomp.arg", index, "system calls have arguments 0 to 5", "use one of those");
    }
    if (!startsWith(op.string(), "SCMP_CMP_") || !among("EQ|NE|GT|GE|LT|LE|MASKED_EQ", op.string().substr(9))) {
      report.violation("seccomp.op", op, "runsc knows no operator " + quoted(op.string()), "use one that `runsc features` lists");
    }
  });
}

static void checkAction(const Node &action, Report &report) {
  const Text name = action.string();
  if (startsWith(name, "SCMP_ACT_") && among("KILL|TRAP|ERRNO|TRACE|ALLOW", name.substr(9))) return;
  report.violation("seccomp.action", action, "runsc knows no action " + quoted(name),
                   "use SCMP_ACT_ALLOW, ERRNO, KILL, TRACE or TRAP");
}

// runsc/specutils/seccomp/seccomp.go: containers with filters need --oci-seccomp, which
// an annotation can set.
static void checkSeccomp(const Node &spec, const Node &linux_, const Settings &settings, Report &report) {
  const Node seccomp = linux_.at("seccomp");
  if (seccomp.absent()) return;
  if (!settings.ociSeccomp && !annotatedTrue(spec, "dev.gvisor.flag.oci-seccomp")) {
    return report.trait(Trait::Seccomp, seccomp, "runsc ignores the filter unless it runs with --oci-seccomp",
                        "set the annotation dev.gvisor.flag.oci-seccomp to true");
  }
  const Node action = seccomp.at("defaultAction");
  checkAction(action, report);
  const Node syscalls = seccomp.at("syscalls");
  syscalls.eachItem([&](const Node &syscall) {
    const Node own = syscall.at("action");
    checkAction(own, report);
    checkSeccompArgs(syscall, report);
  });
}

static bool isNumber(Text s, long long &number) {
  const std::string text(s);
  char *end = nullptr;
  number = strtoll(text.c_str(), &end, 10);
  const bool starts = !s.empty() && (s[0] == '-' || s[0] == '+' || (s[0] >= '0' && s[0] <= '9'));
  return starts && end == text.c_str() + text.size();
}

static void checkSysctls(const Node &linux_, Report &report) {
  const Node sysctl = linux_.at("sysctl");
  sysctl.eachMember([&](Text name, const Node &value) {
    long long number = 0;
    const bool valid = isNumber(value.string(), number);
    if (name == "fs.nr_open") {
      if (!valid || number <= 0 || number > 0x7fffffff) {
        report.violation("sysctl.value", value, "runsc wants a number from 1 to 2147483647", "use such a number");
      }
    } else if (name == "net.ipv6.conf.all.disable_ipv6") {
      if (!valid) report.violation("sysctl.value", value, "runsc wants a number", "use 0 or 1");
    } else {
      report.trait(Trait::Sysctls, value, "runsc sets fs.nr_open and net.ipv6.conf.all.disable_ipv6 only: it ignores this one",
                   "leave it out");
    }
  });
}

static void checkPropagation(const Node &linux_, Report &report) {
  const Node propagation = linux_.at("rootfsPropagation");
  const Text mode = propagation.string();
  if (mode.empty() || among("private|rprivate|slave|rslave", mode)) return;
  report.violation("linux.rootfs_propagation", propagation, "runsc refuses " + quoted(mode) + " for the root",
                   "use private or slave, or rprivate or rslave");
}

static void checkResources(const Node &spec, const Node &linux_, Report &report) {
  const Node resources = linux_.at("resources"), annotations = spec.at("annotations");
  ignored(resources, "devices", Trait::DeviceRules, "runsc has no device cgroup: it ignores the rules", report);
  ignored(resources, "rdma", Trait::IgnoredFields, "runsc ignores it", report);
  if (annotations.at("io.kubernetes.cri.container-type").string() != "container") return;
  for (const Text limit : {"memory", "cpu", "pids"}) {
    ignored(resources, limit, Trait::ContainerLimits, "runsc limits the sandbox as a whole, not the containers in it", report);
  }
}

void checkLinux(const Node &spec, const Settings &settings, Report &report) {
  const Node linux_ = spec.at("linux");
  checkNamespaces(linux_, settings, report);
  checkDevices(linux_, report);
  checkSeccomp(spec, linux_, settings, report);
  checkSysctls(linux_, report);
  checkPropagation(linux_, report);
  checkResources(spec, linux_, report);
  ignored(linux_, "maskedPaths", Trait::MaskedPaths, "runsc ignores it: /proc and /sys are the sandbox's own", report);
  ignored(linux_, "readonlyPaths", Trait::ReadonlyPaths, "runsc ignores it: /proc and /sys are the sandbox's own", report);
  for (const Text field : {"mountLabel", "intelRdt", "personality", "timeOffsets", "netDevices", "memoryPolicy"}) {
    ignored(linux_, field, Trait::IgnoredFields, "runsc ignores it", report);
  }
}
