#include "settings.h"

struct TraitInfo {
  Text name;
  bool warns;  // unless the settings say otherwise
};

// In the order of Trait. What nearly every container has does not warn.
static constexpr TraitInfo traits[] = {
    {"apparmor", false},          {"checkpoint", true},         {"container-limits", false}, {"debug-flags", true},
    {"device-rules", false},      {"devices", true},            {"hooks", false},            {"host-namespaces", true},
    {"host-network", true},       {"host-sockets", true},       {"ignored-fields", true},    {"joined-namespaces", false},
    {"masked-paths", false},      {"mount-options", true},      {"mount-types", true},       {"net-raw", false},
    {"readonly-paths", false},    {"rootfs-annotation", true},  {"seccomp", false},          {"start-container-hooks", true},
    {"sysctls", true},
};
static constexpr unsigned traitCount = sizeof traits / sizeof *traits;
static_assert(traitCount == static_cast<unsigned>(Trait::Sysctls) + 1, "every trait has a name");

Text nameOf(Trait trait) { return traits[static_cast<unsigned>(trait)].name; }

static unsigned warningByDefault() {
  unsigned bits = 0;
  for (unsigned i = 0; i < traitCount; i++) {
    if (traits[i].warns) bits |= 1u << i;
  }
  return bits;
}

Traits::Traits(const Node &names, unsigned otherwise) : bits_(names.absent() ? otherwise : 0) {
  names.eachItem([this](const Node &name) {
    for (unsigned i = 0; i < traitCount; i++) {
      if (name.string() == traits[i].name) bits_ |= 1u << i;
    }
  });
}

Settings::Settings(const Node &settings)
    : forbid(settings.at("forbid"), 0),
      warn(settings.at("warn"), warningByDefault()),
      network(settings.at("network").absent() ? Text("sandbox") : settings.at("network").string()),
      ociSeccomp(settings.at("oci_seccomp").isTrue()),
      netRaw(settings.at("net_raw").isTrue()),
      allowFlagOverride(settings.at("allow_flag_override").isTrue()),
      allowRootfsTar(settings.at("allow_rootfs_tar_annotation").isTrue()) {}
