//! config.md, Linux Process, capabilities; capabilities(7); capset(2).

use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text;

/// Linux's capabilities in the order of their numbers, so a set of them is a u64.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The sets a spec can give, in the order in which they are looked through.
pub const SETS: [&str; 5] = ["bounding", "permitted", "effective", "inheritable", "ambient"];

/// The capability's bit in a set.
pub fn bit(name: &str) -> Option<u64> {
    text::position(&NAMES, name).map(|n| 1 << n)
}

pub fn check(process: &Value, path: &Path, report: &mut Report) {
    let capabilities = match process.get("capabilities") {
        Some(capabilities) => capabilities,
        None => return,
    };
    let path = path.key("capabilities");
    let mut sets = [0u64; SETS.len()];
    for (set, name) in sets.iter_mut().zip(SETS) {
        let path = path.key(name);
        for (i, item) in capabilities.list_at(name).iter().enumerate() {
            match item.text().map(|text| (text, bit(text))) {
                Some((_, Some(bit))) => *set |= bit,
                // runc drops what it does not know, with a warning nobody sees.
                Some((text, None)) => report.violation(
                    "capabilities.unknown",
                    &path.index(i),
                    format_args!("{} is no capability of Linux: runc would leave it out", Quoted(text)),
                    format_args!("use a name of capabilities(7) in upper case, such as CAP_NET_BIND_SERVICE"),
                ),
                None => {}
            }
        }
    }
    let [bounding, permitted, effective, inheritable, ambient] = sets;
    for name in names(effective & !permitted) {
        report.violation(
            "capabilities.effective",
            &path.key("effective"),
            format_args!("{} is effective but not permitted: the kernel refuses that", name),
            format_args!("add it to permitted or remove it from effective"),
        );
    }
    // These are legal and do nothing, or less than was asked for.
    for name in names(permitted & !bounding) {
        report.warning(
            "capabilities.permitted",
            &path.key("permitted"),
            format_args!("{} is permitted but not in the bounding set: it is lost at exec", name),
            format_args!("add it to bounding or remove it from permitted"),
        );
    }
    for name in names(inheritable & !bounding) {
        report.warning(
            "capabilities.inheritable",
            &path.key("inheritable"),
            format_args!("{} is inheritable but not in the bounding set: the kernel may refuse that", name),
            format_args!("add it to bounding or remove it from inheritable"),
        );
    }
    for name in names(ambient & !(permitted & inheritable)) {
        report.warning(
            "capabilities.ambient",
            &path.key("ambient"),
            format_args!("{} is ambient but not both permitted and inheritable: it will not be raised", name),
            format_args!("add it to permitted and inheritable, or remove it from ambient"),
        );
    }
}

fn names(set: u64) -> impl Iterator<Item = &'static str> {
    NAMES.iter().enumerate().filter(move |(n, _)| set >> n & 1 == 1).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_linux() {
        // include/uapi/linux/capability.h
        for (name, n) in [("CAP_CHOWN", 0), ("CAP_SYS_ADMIN", 21), ("CAP_SYS_RESOURCE", 24), ("CAP_BPF", 39)] {
            assert_eq!(bit(name), Some(1 << n), "{}", name);
        }
        assert_eq!(bit("cap_chown"), None);
    }
}
