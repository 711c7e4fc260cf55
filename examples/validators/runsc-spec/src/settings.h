// What the binding says of the runtime, and what it forbids.
#pragma once

#include "json.h"

// What a spec may ask for that is left to the settings. The README says what each means.
enum class Trait : unsigned {
  AppArmor,
  Checkpoint,
  ContainerLimits,
  DebugFlags,
  DeviceRules,
  Devices,
  Hooks,
  HostNamespaces,
  HostNetwork,
  HostSockets,
  IgnoredFields,
  JoinedNamespaces,
  MaskedPaths,
  MountOptions,
  MountTypes,
  NetRaw,
  ReadonlyPaths,
  RootfsAnnotation,
  Seccomp,
  StartContainerHooks,
  Sysctls,
};

Text nameOf(Trait trait);

class Traits {
 public:
  // The traits that a setting lists, or otherwise those of bits.
  Traits(const Node &names, unsigned otherwise);
  bool has(Trait trait) const { return (bits_ >> static_cast<unsigned>(trait) & 1) != 0; }

 private:
  unsigned bits_;
};

// Settings, which the schema in validator.json has been checked against.
struct Settings {
  explicit Settings(const Node &settings);

  Traits forbid, warn;
  // The flags that runsc runs with.
  Text network;  // sandbox, host, none, plugin
  bool ociSeccomp, netRaw, allowFlagOverride, allowRootfsTar;
};
