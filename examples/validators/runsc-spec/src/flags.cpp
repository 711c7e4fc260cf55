#include "flags.h"

enum Type {
  Anything,
  Boolean,
  Int,
  Uint,
  OneOf,
  Overlay2,
};

struct Flag {
  Text name;
  Type type;
  Text values;       // of OneOf
  bool overridable;  // by an annotation, without --allow-flag-override
};

// Config in runsc/config/config.go, and overrideAllowlist in runsc/config/flags.go.
static constexpr Flag flags[] = {
    {"EXPERIMENTAL-xdp", Anything, {}, false},
    {"EXPERIMENTAL-xdp-need-wakeup", Boolean, {}, false},
    {"TESTONLY-afs-syscall-panic", Boolean, {}, false},
    {"TESTONLY-autosave-image-path", Anything, {}, false},
    {"TESTONLY-autosave-resume", Boolean, {}, false},
    {"TESTONLY-nftables", Boolean, {}, false},
    {"TESTONLY-test-name-env", Anything, {}, false},
    {"TESTONLY-unsafe-nonroot", Boolean, {}, false},
    {"allow-connected-on-save", Boolean, {}, true},
    {"allow-flag-override", Boolean, {}, false},
    {"allow-live-tcp-migration", Boolean, {}, false},
    {"allow-packet-socket-write", Boolean, {}, false},
    {"allow-rootfs-tar-annotation", Boolean, {}, false},
    {"allow-suid", Boolean, {}, false},
    {"alsologtostderr", Boolean, {}, false},
    {"app-huge-pages", Boolean, {}, false},
    {"character-device-policy", OneOf, "|emulated-only|prefer-emulated|passthrough", false},
    {"control-rpc-stop-timeout", Anything, {}, false},
    {"coverage-report", Anything, {}, false},
    {"cpu-num-from-quota", Boolean, {}, false},
    {"dcache", Int, {}, false},
    {"debug", Boolean, {}, true},
    {"debug-command", Anything, {}, true},
    {"debug-log", Anything, {}, false},
    {"debug-log-format", Anything, {}, false},
    {"debug-to-user-log", Boolean, {}, true},
    {"directfs", Boolean, {}, false},
    {"enable-core-tags", Boolean, {}, false},
    {"fdlimit", Int, {}, false},
    {"file-access", OneOf, "shared|exclusive", false},
    {"file-access-mounts", OneOf, "shared|exclusive", false},
    {"final-metrics-log", Anything, {}, false},
    {"fsgofer-host-uds", Boolean, {}, false},
    {"gofer-network-namespace", Anything, {}, false},
    {"gso", Boolean, {}, false},
    {"gvisor-gro", Boolean, {}, false},
    {"gvisor-marker-file", Boolean, {}, false},
    {"host-fifo", OneOf, "|none|open", false},
    {"host-settings", Anything, {}, false},
    {"host-uds", OneOf, "|none|open|create|all", true},
    {"ignore-cgroups", Boolean, {}, false},
    {"iouring", Boolean, {}, false},
    {"kvm-use-cpu-nums", Boolean, {}, false},
    {"log", Anything, {}, false},
    {"log-format", Anything, {}, false},
    {"log-packets", Boolean, {}, false},
    {"metric-server", Anything, {}, false},
    {"mount-cgroup-v2", Boolean, {}, true},
    {"net-disconnect-ok", Boolean, {}, true},
    {"net-raw", Boolean, {}, false},
    {"network", OneOf, "sandbox|host|none|plugin", false},
    {"network-processors-per-channel", Int, {}, false},
    {"num-network-channels", Int, {}, false},
    {"nvproxy", Boolean, {}, false},
    {"nvproxy-allow-unsupported-driver", Boolean, {}, false},
    {"nvproxy-allowed-driver-capabilities", Anything, {}, false},
    {"nvproxy-docker", Boolean, {}, false},
    {"nvproxy-driver-version", Anything, {}, false},
    {"oci-seccomp", Boolean, {}, true},
    {"overlay", Boolean, {}, false},
    {"overlay2", Overlay2, {}, true},
    {"override-procs", Anything, {}, false},
    {"panic-log", Anything, {}, false},
    {"panic-signal", Int, {}, false},
    {"pause-external-networking", Boolean, {}, true},
    {"pcap-log", Anything, {}, false},
    {"platform", Anything, {}, false},
    {"platform_device_path", Anything, {}, false},
    {"pod-init-config", Anything, {}, false},
    {"profile", Boolean, {}, false},
    {"profile-block", Anything, {}, false},
    {"profile-cpu", Anything, {}, false},
    {"profile-gc-interval", Anything, {}, false},
    {"profile-heap", Anything, {}, false},
    {"profile-mutex", Anything, {}, false},
    {"profiling-metrics", Anything, {}, false},
    {"profiling-metrics-log", Anything, {}, false},
    {"profiling-metrics-rate-us", Int, {}, false},
    {"qdisc", OneOf, "none|fifo|tbf", true},
    {"qdisc-tbf-burst", Uint, {}, true},
    {"qdisc-tbf-rate", Uint, {}, true},
    {"rdmaproxy", Boolean, {}, false},
    {"ref-leak-mode", Anything, {}, false},
    {"reproduce-nat", Boolean, {}, false},
    {"reproduce-nftables", Boolean, {}, true},
    {"restore-spec-validation", Anything, {}, false},
    {"root", Anything, {}, false},
    {"rootless", Boolean, {}, false},
    {"rx-checksum-offload", Boolean, {}, false},
    {"shared-root", Anything, {}, false},
    {"sidecar-release-enforcement-policy", Anything, {}, false},
    {"software-gso", Boolean, {}, false},
    {"strace", Boolean, {}, true},
    {"strace-event", Boolean, {}, false},
    {"strace-log-size", Uint, {}, true},
    {"strace-syscalls", Anything, {}, true},
    {"systemd-cgroup", Boolean, {}, false},
    {"systrap-disable-fast-path", Boolean, {}, false},
    {"systrap-disable-syscall-patching", Boolean, {}, false},
    {"tpuproxy", Boolean, {}, false},
    {"trace", Anything, {}, false},
    {"traceback", Anything, {}, false},
    {"tx-checksum-offload", Boolean, {}, false},
    {"watchdog-action", Anything, {}, false},
};

int parseBool(Text s) {
  if (among("1|t|T|TRUE|true|True", s)) return 1;
  return among("0|f|F|FALSE|false|False", s) ? 0 : -1;
}

// What strconv takes with base 0, but for its rarer spellings: 0x and underscores.
static bool integer(Text s, bool sign) {
  if (sign && !s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  if (startsWith(s, "0x")) s.remove_prefix(2);
  if (s.empty() || s.size() > 19) return false;
  return s.find_first_not_of("0123456789abcdefABCDEF_") == Text::npos;
}

// Overlay2.Set in runsc/config/config.go. *anywhere is set if the overlay is kept at a
// place of its own.
static bool overlay2(Text s, bool *anywhere) {
  if (s == "none") return true;
  const size_t comma = s.find(','), colon = s.find(':');
  if (comma != Text::npos && !startsWith(s.substr(comma), ",size=")) return false;
  if (colon == Text::npos || colon > comma || !among("root|all", s.substr(0, colon))) return false;
  const Text medium = s.substr(0, comma).substr(colon + 1);
  *anywhere = startsWith(medium, "dir=/");
  return *anywhere || medium.empty() || among("memory|self", medium);
}

static bool wellFormed(const Flag &flag, Text value, bool *anywhere) {
  switch (flag.type) {
    case Anything:
      return true;
    case Boolean:
      return parseBool(value) >= 0;
    case Int:
      return integer(value, true);
    case Uint:
      return integer(value, false);
    case OneOf:
      return among(flag.values, value);
    case Overlay2:
      return overlay2(value, anywhere);
  }
}

// What an annotation may not set a flag to, though it may set it.
static Text refused(const Flag &flag, Text value, bool anywhere) {
  if (anywhere) return "it may not choose a directory of the host";
  if (flag.name == "oci-seccomp" && parseBool(value) == 0) return "it may not turn filters off";
  if (flag.name == "qdisc" && value != "tbf") return "it may only choose tbf";
  return Text();
}

static void checkValue(const Flag &flag, const Node &value, const Settings &settings, Report &report) {
  bool anywhere = false;
  if (!wellFormed(flag, value.string(), &anywhere)) {
    return report.violation("annotation.flag_value", value, "runsc refuses " + quoted(value.string()) + " for --" + std::string(flag.name),
                            "see `runsc flags`");
  }
  const Text why = refused(flag, value.string(), anywhere);
  if (!settings.allowFlagOverride && !why.empty()) {
    report.violation("annotation.flag_not_allowed", value, std::string(why) + " unless runsc runs with --allow-flag-override",
                     "leave it out");
  }
}

void checkFlag(Text name, const Node &value, const Settings &settings, Report &report) {
  for (const Flag &flag : flags) {
    if (flag.name != name) continue;
    if (!flag.overridable && !settings.allowFlagOverride) {
      return report.violation("annotation.flag_not_allowed", value,
                              "runsc takes --" + std::string(name) + " from annotations only if it runs with --allow-flag-override",
                              "leave it out");
    }
    return checkValue(flag, value, settings, report);
  }
  report.violation("annotation.flag_unknown", value, "runsc has no flag " + quoted(name) + ", and refuses the container",
                   "see `runsc flags`");
}
