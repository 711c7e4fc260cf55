//! config-linux.md, Sysctl. /proc/sys is namespaced in parts only; what is not would
//! be set for the whole host, so runc refuses it.

use super::Namespaces;
use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};

const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub fn check(linux: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let path = path.key("sysctl");
    for (key, _) in linux.members_at("sysctl") {
        let path = path.key(key);
        let name = dotted(key);
        let kind = if IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.") {
            "ipc"
        } else if name.starts_with("net.") {
            "network"
        } else if name.starts_with("user.") {
            "user"
        } else if name == "kernel.domainname" {
            "uts"
        } else if name == "kernel.hostname" && namespaces.has("uts") {
            report.violation(
                "sysctl.hostname",
                &path,
                format_args!("conflicts with the spec's own field for it"),
                format_args!("set hostname instead"),
            );
            continue;
        } else {
            report.violation(
                "sysctl.host",
                &path,
                format_args!("{} is of no namespace: it would be set for the whole host", Quoted(key)),
                format_args!("remove it, and set it on the host if it is needed"),
            );
            continue;
        };
        if !namespaces.has(kind) {
            report.violation(
                "sysctl.needs_namespace",
                &path,
                format_args!("needs a {} namespace, or it would be set for the whole host", kind),
                format_args!("add {{\"type\":\"{}\"}} to linux.namespaces, or remove it", kind),
            );
        }
    }
}

/// sysctl(8) takes names with slashes too; then dots and slashes change places.
fn dotted(key: &str) -> String {
    match key.find(|c| c == '.' || c == '/') {
        Some(first) if key.as_bytes()[first] == b'/' => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::dotted;

    #[test]
    fn reads_both_notations() {
        assert_eq!(dotted("net/ipv4/conf/eth0.1/mtu"), "net.ipv4.conf.eth0/1.mtu");
        assert_eq!(dotted("net.ipv4.ip_forward"), "net.ipv4.ip_forward");
        assert_eq!(dotted(""), "");
    }
}
