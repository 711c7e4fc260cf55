#include "checks.h"

// runsc/specutils/specutils.go, capFromName, without CAP_.
static constexpr Text capabilityNames =
    "CHOWN|DAC_OVERRIDE|DAC_READ_SEARCH|FOWNER|FSETID|KILL|SETGID|SETUID|SETPCAP|LINUX_IMMUTABLE|NET_BIND_SERVICE|"
    "NET_BROADCAST|NET_ADMIN|NET_RAW|IPC_LOCK|IPC_OWNER|SYS_MODULE|SYS_RAWIO|SYS_CHROOT|SYS_PTRACE|SYS_PACCT|SYS_ADMIN|"
    "SYS_BOOT|SYS_NICE|SYS_RESOURCE|SYS_TIME|SYS_TTY_CONFIG|MKNOD|LEASE|AUDIT_WRITE|AUDIT_CONTROL|SETFCAP|MAC_OVERRIDE|"
    "MAC_ADMIN|SYSLOG|WAKE_ALARM|BLOCK_SUSPEND|AUDIT_READ|PERFMON|BPF|CHECKPOINT_RESTORE";

// pkg/sentry/limits/linux.go, FromLinuxResourceName, without RLIMIT_.
static constexpr Text rlimitNames =
    "AS|CORE|CPU|DATA|FSIZE|LOCKS|MEMLOCK|MSGQUEUE|NICE|NOFILE|NPROC|RSS|RTPRIO|RTTIME|SIGPENDING|STACK";

// The fields of the process for which runsc has no use.
static constexpr Text ignoredFields[] = {"scheduler", "ioPriority", "execCPUAffinity"};

static bool known(Text name, Text prefix, Text names) {
  return startsWith(name, prefix) && among(names, name.substr(prefix.size()));
}

static void checkCapabilities(const Node &process, const Settings &settings, Report &report) {
  bool raw = false;
  const Node capabilities = process.at("capabilities");
  capabilities.eachMember([&](Text, const Node &set) {
    set.eachItem([&](const Node &name) {
      if (!name.isString()) return;
      if (!known(name.string(), "CAP_", capabilityNames)) {
        report.violation("process.capability", name, "runsc knows no capability " + quoted(name.string()),
                         "use one that `runsc features` lists");
      } else if (name.string() == "CAP_NET_RAW" && !settings.netRaw && !raw) {
        raw = true;  // in all sets alike
        report.trait(Trait::NetRaw, name, "runsc takes CAP_NET_RAW away unless it runs with --net-raw", "leave it out");
      }
    });
  });
}

static void checkRlimits(const Node &process, Report &report) {
  const Node rlimits = process.at("rlimits");
  rlimits.eachItem([&](const Node &rlimit) {
    const Node type = rlimit.at("type");
    if (known(type.string(), "RLIMIT_", rlimitNames)) return;
    report.violation("process.rlimit", type, "runsc knows no resource " + quoted(type.string()), "use one of setrlimit(2)");
  });
}

// Never quotes a variable: it may be a secret.
static void checkEnvironment(const Node &process, Report &report) {
  const Node env = process.at("env");
  env.eachItem([&](const Node &variable) {
    if (!variable.isString() || variable.string().find('=') != Text::npos) return;
    report.violation("process.env", variable, "runsc refuses variables without =", "write it as NAME=VALUE");
  });
}

void checkProcess(const Node &spec, const Settings &settings, Report &report) {
  const Node process = spec.at("process");
  if (process.absent()) {
    return report.violation("process.missing", process, "runsc refuses a spec without a process", "say what is to be run");
  }
  const Node args = process.at("args");
  if (args.size() == 0) {
    report.violation("process.args", args, "runsc refuses a process without arguments", "say what is to be run");
  }
  const Node label = process.at("selinuxLabel");
  if (!label.string().empty()) {
    report.violation("process.selinux_label", label, "runsc does not support SELinux, and refuses labels",
                     "leave it out, as containerd does with enable_selinux = false");
  }
  const Node profile = process.at("apparmorProfile");
  if (!profile.string().empty()) {
    report.trait(Trait::AppArmor, profile, "runsc does not confine containers with AppArmor: it ignores the profile",
                 "leave it out");
  }
  for (const Text field : ignoredFields) {
    const Node ignored = process.at(field);
    if (!ignored.absent()) report.trait(Trait::IgnoredFields, ignored, "runsc ignores it", "leave it out");
  }
  checkEnvironment(process, report);
  checkCapabilities(process, settings, report);
  checkRlimits(process, report);
}

void checkRoot(const Node &spec, Report &report) {
  const Node root = spec.at("root");
  if (root.absent()) {
    return report.violation("root.missing", root, "runsc refuses a spec without a root", "say where the root file system is");
  }
  const Node path = root.at("path");
  if (path.string().empty()) {
    report.violation("root.path", path, "runsc refuses a root without a path", "say where the root file system is");
  }
}
