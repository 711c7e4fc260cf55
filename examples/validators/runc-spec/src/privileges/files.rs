//! Traits of files: what of the host's the container can read or change.

use std::borrow::Cow;

use super::hostpath::{self, Reach};
use super::traits::Trait;
use super::Found;
use crate::checks::MountOptions;
use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::report::Quoted;

/// Filesystems that show a container nothing but its own, or that have a trait.
const CONFINED: [&str; 9] =
    ["cgroup", "cgroup2", "devpts", "hugetlbfs", "mqueue", "proc", "ramfs", "sysfs", "tmpfs"];

pub fn find(spec: &Value, path: &Path, found: &mut Found) {
    let mounts = path.key("mounts");
    for (i, mount) in spec.list_at("mounts").iter().enumerate() {
        let path = mounts.index(i);
        let options = MountOptions::of(mount);
        if options.shared {
            found.add(
                Trait::SharedMounts,
                &path.key("options"),
                format_args!("mounts made below it in the container appear on the host"),
                format_args!("use rprivate or rslave"),
            );
        }
        if options.bind {
            let source = mount.text_at("source").unwrap_or_default();
            host_path(source, options.read_only, &path.key("source"), found);
        } else {
            // A remount as well: it can make writable what was not.
            filesystem(mount, &options, &path, found);
        }
    }
    root(spec, path, found);
    if let Some("shared" | "rshared") = spec.get("linux").and_then(|l| l.text_at("rootfsPropagation")) {
        found.add(
            Trait::SharedMounts,
            &path.key("linux").key("rootfsPropagation"),
            format_args!("mounts made in the container appear on the host"),
            format_args!("use rprivate or rslave"),
        );
    }
    kept(spec, path, found);
}

fn filesystem(mount: &Value, options: &MountOptions, path: &Path, found: &mut Found) {
    let kind = mount.text_at("type").unwrap_or_default();
    let destination = linuxpath::clean(mount.text_at("destination").unwrap_or_default());
    if kind == "sysfs" && !options.read_only {
        found.add(
            Trait::WritableSys,
            &path.key("options"),
            format_args!("sysfs is mounted writable at {}", destination),
            format_args!("add ro to the options"),
        );
    }
    if matches!(kind, "cgroup" | "cgroup2") && !options.read_only {
        found.add(
            Trait::WritableCgroup,
            &path.key("options"),
            format_args!("control groups are mounted writable at {}", destination),
            format_args!("add ro to the options"),
        );
    }
    let home = match kind {
        "proc" => "/proc",
        "sysfs" => "/sys",
        _ => "",
    };
    if !home.is_empty() && destination != home {
        // Masked paths and read-only paths are below /proc and /sys only.
        for which in [Trait::UnmaskedPaths, Trait::WritableProcSys].into_iter().take(1 + usize::from(kind == "proc")) {
            found.add(
                which,
                &path.key("destination"),
                format_args!("{} is mounted at {}, where none of it is masked or read-only", kind, Quoted(&destination)),
                format_args!("mount it at {}", home),
            );
        }
    }
    if !kind.is_empty() && !CONFINED.contains(&kind) {
        found.add(
            Trait::FilesystemMounts,
            &path.key("type"),
            format_args!("the host's kernel mounts a filesystem of type {}", Quoted(kind)),
            format_args!("mount it on the host, and bind what the container needs of it"),
        );
    }
}

/// containerd puts the snapshot at rootfs in the bundle; any other root is a
/// directory of the host's.
fn root(spec: &Value, path: &Path, found: &mut Found) {
    if let Some(root) = spec.get("root") {
        let source = root.text_at("path").unwrap_or_default();
        host_path(source, root.true_at("readonly"), &path.key("root").key("path"), found);
    }
    if !spec.get("root").map_or(false, |root| root.true_at("readonly")) {
        found.add(
            Trait::WritableRootfs,
            &path.key("root").key("readonly"),
            format_args!("is not true: the container can change its own programs"),
            format_args!("set it to true, and mount what has to be writable"),
        );
    }
}

fn host_path(source: &str, read_only: bool, path: &Path, found: &mut Found) {
    let (which, why) = match hostpath::reach(source, read_only) {
        Reach::Harmless => return,
        Reach::Sensitive(why) => (Trait::HostPaths, why),
        Reach::Socket(why) => (Trait::RuntimeSockets, why),
    };
    found.add(
        which,
        path,
        format_args!("the container gets {} of the host, which {}", Quoted(source), why),
        format_args!("use a directory made for the container"),
    );
}

/// The paths that have to be masked or read-only, and are not.
fn kept(spec: &Value, path: &Path, found: &mut Found) {
    let settings = found.settings;
    let linux_path = path.key("linux");
    let covering = |key: &str| -> Vec<Cow<str>> {
        let list = spec.get("linux").map_or(&[][..], |linux| linux.list_at(key));
        list.iter().filter_map(Value::text).map(linuxpath::clean).collect()
    };
    let masked = covering("maskedPaths");
    let missing = |wanted: &str, covering: &[&[Cow<str>]]| {
        !covering.iter().any(|paths| paths.iter().any(|path| linuxpath::within(wanted, path)))
    };
    let mut report = |which: Trait, key: &str, missing: Vec<&str>| {
        if !missing.is_empty() {
            found.add(
                which,
                &linux_path.key(key),
                format_args!("does not have {}", missing.join(", ")),
                format_args!("add {}", missing.join(", ")),
            );
        }
    };
    let unmasked = settings.masked_paths.iter().filter(|path| missing(path, &[&masked]));
    report(Trait::UnmaskedPaths, "maskedPaths", unmasked.map(Cow::as_ref).collect());
    // What is masked cannot be written to either.
    let read_only = covering("readonlyPaths");
    if missing("/proc/sys", &[&read_only, &masked]) {
        report(Trait::WritableProcSys, "readonlyPaths", vec!["/proc/sys"]);
    }
    let writable = settings.readonly_paths.iter().filter(|path| missing(path, &[&read_only, &masked]));
    report(Trait::WritableProc, "readonlyPaths", writable.map(Cow::as_ref).collect());
}
