//! Which of the host's files and directories give power over it. Paths are judged by
//! their text: a link on the host that points elsewhere is not followed.

use crate::linuxpath::{clean, is_absolute, leaves, within};

/// What a container reaches through a path of the host.
#[derive(Debug, PartialEq)]
pub enum Reach {
    Harmless,
    /// With the reason, to follow "which".
    Sensitive(&'static str),
    /// A container runtime's or service manager's socket, which takes orders.
    Socket(&'static str),
}

use Reach::{Harmless, Sensitive, Socket};

/// Directories with sockets of runtimes and service managers.
const SOCKETS: [&str; 12] = [
    "/run/buildkit",
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/run/docker",
    "/run/docker.sock",
    "/run/k3s",
    "/run/plimsoll",
    "/run/podman",
    "/run/systemd",
    "/run/user",
    "/var/lib/kubelet/pod-resources",
];

/// The names such sockets have wherever they are.
const SOCKET_NAMES: [&str; 6] =
    ["buildkitd.sock", "containerd.sock", "crio.sock", "docker.sock", "podman.sock", "plimsoll.sock"];

/// What holds the system's state, secrets or running kernel.
const SENSITIVE: [&str; 17] = [
    "/boot",
    "/dev",
    "/etc",
    "/lib/modules",
    "/proc",
    "/root",
    "/sys",
    "/var/lib/buildkit",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/etcd",
    "/var/lib/kubelet",
    "/var/lib/plimsoll",
    "/var/lib/rancher",
    "/var/spool/cron",
];

/// What the host runs: to be read, but not changed.
const PROGRAMS: [&str; 7] = ["/bin", "/lib", "/lib32", "/lib64", "/opt/cni", "/sbin", "/usr"];

/// What containers are commonly shown of /etc, to be read.
const READABLE: [&str; 8] = [
    "/etc/ca-certificates",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/localtime",
    "/etc/pki/ca-trust",
    "/etc/resolv.conf",
    "/etc/ssl/certs",
    "/etc/timezone",
];

/// Devices that every container has.
const DEVICES: [&str; 6] =
    ["/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// Judges a path that a spec makes visible in a container. Relative ones are relative
/// to the bundle, which is the container's own.
pub fn reach(source: &str, read_only: bool) -> Reach {
    if !is_absolute(source) {
        return if leaves(source) { Sensitive("is outside the container's bundle") } else { Harmless };
    }
    let path = clean(source);
    // The same directory on every system there is.
    let path = if within(&path, "/var/run") { &path["/var".len()..] } else { &path };
    let name = path.rsplit('/').next().unwrap_or_default();
    if SOCKET_NAMES.contains(&name) || inside(path, &SOCKETS) {
        return Socket("belongs to a service that takes orders from whoever can connect");
    }
    if (read_only && inside(path, &READABLE)) || DEVICES.contains(&path) {
        return Harmless;
    }
    if inside(path, &SENSITIVE) {
        return Sensitive("is the system's own");
    }
    if !read_only && inside(path, &PROGRAMS) {
        return Sensitive("has programs that the host runs, and is writable");
    }
    let around = |trees: &[&str]| trees.iter().any(|tree| within(tree, path));
    if around(&SENSITIVE) || (!read_only && around(&PROGRAMS)) {
        return Sensitive("contains the system's own files");
    }
    if around(&SOCKETS) {
        return Socket("contains sockets that take orders from whoever can connect");
    }
    Harmless
}

fn inside(path: &str, trees: &[&str]) -> bool {
    trees.iter().any(|tree| within(path, tree))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches() {
        for (path, read_only, want) in [
            ("/srv/data", false, "harmless"),
            ("rootfs", false, "harmless"),
            ("/var/lib/app/hosts", false, "harmless"),
            ("/etc/hosts", true, "harmless"),
            ("/etc/hosts", false, "sensitive"),
            ("/etc/shadow", true, "sensitive"),
            ("/dev/null", false, "harmless"),
            ("/dev/sda", false, "sensitive"),
            ("/", true, "sensitive"),
            ("//srv/..", true, "sensitive"),
            ("/var", true, "sensitive"),
            ("../../../etc", true, "sensitive"),
            ("/usr/share/zoneinfo", true, "harmless"),
            ("/usr/share/zoneinfo", false, "sensitive"),
            ("/lib/modules", true, "sensitive"),
            ("/var/run/docker.sock", true, "socket"),
            ("/run/containerd/containerd.sock", false, "socket"),
            ("/home/me/docker.sock", false, "socket"),
            ("/run", true, "socket"),
            ("/var/run", true, "socket"),
            ("/run/netns", false, "harmless"),
            ("/etcetera", false, "harmless"),
        ] {
            let got = match reach(path, read_only) {
                Harmless => "harmless",
                Sensitive(_) => "sensitive",
                Socket(_) => "socket",
            };
            assert_eq!(got, want, "{} {}", path, read_only);
        }
    }
}
