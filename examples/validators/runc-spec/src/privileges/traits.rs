//! The vocabulary of the settings `forbid` and `warn`.

use std::fmt;

use crate::checks::{capability_bit, CAPABILITIES};

/// A privileged trait; README.md says what each means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trait {
    AllDevices,
    FilesystemMounts,
    Hooks,
    HostCgroup,
    HostDevices,
    HostIpc,
    HostMount,
    HostNetwork,
    HostPaths,
    HostPid,
    HostUser,
    HostUts,
    JoinedNamespaces,
    NetworkDevices,
    NewPrivileges,
    NoSeccomp,
    RawDevices,
    RootUser,
    RuntimeSockets,
    SharedMounts,
    SystemdProperties,
    Unconfined,
    UnmaskedPaths,
    WritableCgroup,
    WritableProc,
    WritableProcSys,
    WritableRootfs,
    WritableSys,
}

use Trait::*;

/// All traits by name, in the order of the enumeration.
const TRAITS: [(&str, Trait); 28] = [
    ("all-devices", AllDevices),
    ("filesystem-mounts", FilesystemMounts),
    ("hooks", Hooks),
    ("host-cgroup", HostCgroup),
    ("host-devices", HostDevices),
    ("host-ipc", HostIpc),
    ("host-mount", HostMount),
    ("host-network", HostNetwork),
    ("host-paths", HostPaths),
    ("host-pid", HostPid),
    ("host-user", HostUser),
    ("host-uts", HostUts),
    ("joined-namespaces", JoinedNamespaces),
    ("network-devices", NetworkDevices),
    ("new-privileges", NewPrivileges),
    ("no-seccomp", NoSeccomp),
    ("raw-devices", RawDevices),
    ("root-user", RootUser),
    ("runtime-sockets", RuntimeSockets),
    ("shared-mounts", SharedMounts),
    ("systemd-properties", SystemdProperties),
    ("unconfined", Unconfined),
    ("unmasked-paths", UnmaskedPaths),
    ("writable-cgroup", WritableCgroup),
    ("writable-proc", WritableProc),
    ("writable-proc-sys", WritableProcSys),
    ("writable-rootfs", WritableRootfs),
    ("writable-sys", WritableSys),
];

/// Each of these alone is as good as root on the host, or breaks its integrity.
const DANGEROUS: [&str; 15] = [
    "CAP_AUDIT_CONTROL",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_DAC_READ_SEARCH",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_PERFMON",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_TIME",
];

/// What containerd and Docker give every container.
const USUAL: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What `--privileged` gives a container, besides dangerous capabilities.
const PRIVILEGED: [Trait; 6] =
    [AllDevices, Unconfined, UnmaskedPaths, WritableCgroup, WritableProcSys, WritableSys];

const GROUPS: [&str; 3] = ["dangerous-capabilities", "extra-capabilities", "privileged"];

impl Trait {
    pub fn name(self) -> &'static str {
        TRAITS[self as usize].0
    }
}

/// A set of traits and capabilities.
#[derive(Default)]
pub struct Traits {
    traits: u32,
    /// By number, as in a kernel's capability set.
    pub capabilities: u64,
}

impl Traits {
    pub fn has(&self, which: Trait) -> bool {
        self.traits >> which as u32 & 1 == 1
    }

    /// Adds what `name` stands for, or says that nothing is called so.
    pub fn add(&mut self, name: &str) -> bool {
        if let Some((_, which)) = TRAITS.iter().find(|(known, _)| *known == name) {
            self.traits |= 1 << *which as u32;
        } else if let Some(bit) = capability_bit(name) {
            self.capabilities |= bit;
        } else {
            match name {
                "dangerous-capabilities" => self.capabilities |= bits(&DANGEROUS),
                "extra-capabilities" => self.capabilities |= ((1 << CAPABILITIES.len()) - 1) & !bits(&USUAL),
                "privileged" => {
                    self.capabilities |= bits(&DANGEROUS);
                    self.traits |= PRIVILEGED.iter().fold(0, |all, which| all | 1 << *which as u32);
                }
                _ => return false,
            }
        }
        true
    }
}

fn bits(names: &[&str]) -> u64 {
    names.iter().filter_map(|name| capability_bit(name)).fold(0, |all, bit| all | bit)
}

/// Writes every name but those of capabilities.
pub struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names = TRAITS.iter().map(|(name, _)| *name).chain(GROUPS);
        for (i, name) in names.enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_order() {
        for (i, (name, which)) in TRAITS.iter().enumerate() {
            assert_eq!(*which as usize, i, "{}", name);
        }
    }

    #[test]
    fn every_name_is_known() {
        for name in Names.to_string().split(", ") {
            assert!(Traits::default().add(name), "{}", name);
        }
        assert!(!Traits::default().add("Host-Network"));
    }

    #[test]
    fn groups_name_real_capabilities() {
        assert_eq!(bits(&DANGEROUS).count_ones() as usize, DANGEROUS.len());
        assert_eq!(bits(&USUAL).count_ones() as usize, USUAL.len());
        assert_eq!(bits(&DANGEROUS) & bits(&USUAL), 0);
    }
}
