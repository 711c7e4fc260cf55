//! Traits of namespaces: what the container shares with the host.

use super::traits::Trait;
use super::Found;
use crate::checks::Namespaces;
use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::report::Quoted;

const NAMESPACES: [(&str, Trait); 7] = [
    ("cgroup", Trait::HostCgroup),
    ("ipc", Trait::HostIpc),
    ("mount", Trait::HostMount),
    ("network", Trait::HostNetwork),
    ("pid", Trait::HostPid),
    ("user", Trait::HostUser),
    ("uts", Trait::HostUts),
];

pub fn find(spec: &Value, namespaces: &Namespaces, path: &Path, found: &mut Found) {
    let linux = path.key("linux");
    let list = linux.key("namespaces");
    for (kind, which) in NAMESPACES {
        let listed = match namespaces.get(kind) {
            Some(listed) => listed,
            None => {
                found.add(
                    which,
                    &list,
                    format_args!("there is no {} namespace: the container shares the host's", kind),
                    format_args!("add {{\"type\":\"{}\"}}", kind),
                );
                continue;
            }
        };
        if listed.path.is_empty() {
            continue;
        }
        let at = list.index(listed.index);
        found.add(
            Trait::JoinedNamespaces,
            &at.key("path"),
            format_args!("the container joins the {} namespace {}", kind, Quoted(listed.path)),
            format_args!("remove the path, for a namespace of its own"),
        );
        if may_be_the_hosts(listed.path) {
            found.add(
                which,
                &at.key("path"),
                format_args!("{} may be the host's own {} namespace", Quoted(listed.path), kind),
                format_args!("remove the path, or join a namespace that is bound to a file outside /proc and /dev"),
            );
        }
    }
    host_root(spec, &linux, found);
    network_devices(spec, &linux, found);
}

/// Below /proc, and links to it below /dev, there are namespaces of every process,
/// the host's among them, and no telling which is whose.
fn may_be_the_hosts(path: &str) -> bool {
    let path = linuxpath::clean(path);
    linuxpath::within(&path, "/proc") || linuxpath::within(&path, "/dev")
}

/// The host loses what the container gets.
fn network_devices(spec: &Value, linux_path: &Path, found: &mut Found) {
    let path = linux_path.key("netDevices");
    for (name, _) in spec.get("linux").map_or(&[][..], |linux| linux.members_at("netDevices")) {
        found.add(
            Trait::NetworkDevices,
            &path.key(name),
            format_args!("takes network device {} from the host", Quoted(name)),
            format_args!("connect the container to a virtual network"),
        );
    }
}

/// A user namespace in which the host's root is somebody isolates little.
fn host_root(spec: &Value, linux_path: &Path, found: &mut Found) {
    let linux = match spec.get("linux") {
        Some(linux) => linux,
        None => return,
    };
    for key in ["uidMappings", "gidMappings"] {
        let path = linux_path.key(key);
        for (i, mapping) in linux.list_at(key).iter().enumerate() {
            if mapping.integer_at("hostID") == Some(0) {
                found.add(
                    Trait::HostUser,
                    &path.index(i).key("hostID"),
                    format_args!("maps the host's root into the container"),
                    format_args!("map to a range that starts above 0"),
                );
            }
        }
    }
}
