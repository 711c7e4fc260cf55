//! config.md, Mounts and Linux mount options; what runc makes of them.

use std::borrow::Cow;

use super::{mappings, Namespaces};
use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text;

/// The options that runc takes out of the list. All others are handed to the
/// filesystem.
const FLAGS: [&str; 63] = [
    "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec", "iversion", "lazytime",
    "loud", "mand", "noatime", "nodev", "nodiratime", "noexec", "noiversion", "nolazytime", "nomand",
    "norelatime", "nostrictatime", "nosuid", "nosymfollow", "rbind", "relatime", "remount", "ro", "rw",
    "silent", "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "idmap", "ridmap",
    "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
    "rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec", "rnodiratime", "rdiratime",
    "rrelatime", "rnorelatime", "rnoatime", "ratime", "rstrictatime", "rnostrictatime", "rnosymfollow",
    "rsymfollow", "acl",
];

/// Pairs of which the last one listed counts, which a reader may not know.
const OPPOSITES: [(&str, &str); 5] =
    [("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"), ("noexec", "exec"), ("sync", "async")];

/// The files below /proc that runc lets mounts cover, for lxcfs. It refuses all else.
const PROC_FILES: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// What the options of a mount amount to, taken in order as runc does.
#[derive(Default, Debug, PartialEq)]
pub struct Options {
    /// Only bind and rbind make a bind mount; its type means nothing.
    pub bind: bool,
    pub read_only: bool,
    pub remount: bool,
    /// Mounts made inside reach the host, and the other way round.
    pub shared: bool,
    pub id_mapped: bool,
}

impl Options {
    pub fn of(mount: &Value) -> Options {
        let mut options = Options::default();
        for option in mount.list_at("options").iter().filter_map(Value::text) {
            match option {
                "bind" | "rbind" => options.bind = true,
                "ro" => options.read_only = true,
                "rw" => options.read_only = false,
                "remount" => options.remount = true,
                "shared" | "rshared" => options.shared = true,
                "idmap" | "ridmap" => options.id_mapped = true,
                _ => {}
            }
        }
        options
    }
}

pub fn check(spec: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let mounts = spec.list_at("mounts");
    let path = path.key("mounts");
    let mut destinations: Vec<(Cow<str>, usize)> = Vec::with_capacity(mounts.len());
    for (i, mount) in mounts.iter().enumerate() {
        // The shape pass has reported whatever is no object.
        if !matches!(mount, Value::Object(_)) {
            continue;
        }
        let path = path.index(i);
        let options = Options::of(mount);
        if let Some(given) = mount.text_at("destination") {
            let cleaned = linuxpath::clean(given);
            destination(given, &cleaned, mount, &options, &path.key("destination"), report);
            destinations.push((cleaned, i));
        }
        kind(mount, &options, &path, report);
        contradictions(mount, &path, report);
        id_mappings(mount, &options, namespaces, &path, report);
    }
    unique(destinations, &path, report);
}

fn destination(given: &str, cleaned: &str, mount: &Value, options: &Options, path: &Path, report: &mut Report) {
    if !linuxpath::is_absolute(given) {
        report.violation(
            "mounts.relative_destination",
            path,
            format_args!("{} is not an absolute path", Quoted(given)),
            format_args!("start it with /"),
        );
        return;
    }
    if cleaned == "/" && !options.remount {
        report.violation(
            "mounts.over_root",
            path,
            format_args!("would hide the root filesystem"),
            format_args!("mount below /, or use root.path"),
        );
    }
    let fresh_proc = mount.text_at("type") == Some("proc") && !options.bind;
    let allowed = match cleaned {
        "/proc" => fresh_proc || options.bind,
        below => !linuxpath::within(below, "/proc") || text::position(&PROC_FILES, below).is_some(),
    };
    if !allowed {
        report.violation(
            "mounts.inside_proc",
            path,
            format_args!("{} is covered by /proc, which runc keeps as the kernel gives it", Quoted(cleaned)),
            format_args!("mount it elsewhere"),
        );
    }
}

fn kind(mount: &Value, options: &Options, path: &Path, report: &mut Report) {
    let kind = mount.text_at("type").unwrap_or_default();
    if !options.bind && !options.remount {
        match kind {
            "bind" | "rbind" | "none" => report.violation(
                "mounts.bind_option",
                &path.key("options"),
                format_args!("type {} alone mounts nothing: the kernel has no such filesystem", Quoted(kind)),
                format_args!("add bind or rbind to the options"),
            ),
            "" => report.violation(
                "mounts.no_type",
                &path.key("type"),
                format_args!("is missing, and the options have neither bind nor rbind"),
                format_args!("name the filesystem's type, or add bind or rbind to the options"),
            ),
            _ => {}
        }
        return;
    }
    if options.bind && mount.text_at("source").map_or(true, str::is_empty) {
        report.violation(
            "mounts.no_source",
            &path.key("source"),
            format_args!("is missing: a bind mount has to say what it binds"),
            format_args!("name the host's file or directory"),
        );
    }
    let list = path.key("options");
    for (i, option) in mount.list_at("options").iter().enumerate() {
        if let Some(option) = option.text().filter(|option| options.bind && text::position(&FLAGS, option).is_none()) {
            report.violation(
                "mounts.bind_data",
                &list.index(i),
                format_args!("{} is no flag, and bind mounts take no filesystem options", Quoted(option)),
                format_args!("remove it"),
            );
        }
    }
}

fn contradictions(mount: &Value, path: &Path, report: &mut Report) {
    let options = mount.list_at("options");
    let at = |name: &str| options.iter().rposition(|option| option.text().map_or(false, |text| text::same(text, name)));
    for (one, other) in OPPOSITES {
        if let (Some(i), Some(j)) = (at(one), at(other)) {
            report.warning(
                "mounts.contradiction",
                &path.key("options").index(i.min(j)),
                format_args!("{} and {} are both given: {} counts, being last", one, other, if i > j { one } else { other }),
                format_args!("keep the one that is meant"),
            );
        }
    }
}

/// config.md, POSIX-platform Mounts: mappings come in pairs, for bind mounts only.
fn id_mappings(mount: &Value, options: &Options, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let (uids, gids) = (mount.list_at("uidMappings"), mount.list_at("gidMappings"));
    mappings::ranges(uids, &path.key("uidMappings"), report);
    mappings::ranges(gids, &path.key("gidMappings"), report);
    let mapped = !uids.is_empty() || !gids.is_empty();
    if !mapped && !options.id_mapped {
        return;
    }
    if !options.bind {
        report.violation(
            "mounts.idmap_not_bind",
            path,
            format_args!("only bind mounts can be id-mapped"),
            format_args!("make it a bind mount, or remove idmap and its mappings"),
        );
    }
    if uids.is_empty() != gids.is_empty() {
        report.violation(
            "mounts.idmap_half",
            &path.key(if uids.is_empty() { "uidMappings" } else { "gidMappings" }),
            format_args!("is missing: ids of users and of groups are mapped together"),
            format_args!("give uidMappings and gidMappings"),
        );
    }
    if !mapped && !namespaces.has("user") {
        report.violation(
            "mounts.idmap_unmapped",
            &path.key("uidMappings"),
            format_args!("is missing, and there is no user namespace to take the mappings of"),
            format_args!("give uidMappings and gidMappings, or a user namespace"),
        );
    }
}

/// The later mount would hide the earlier one.
fn unique(mut destinations: Vec<(Cow<str>, usize)>, path: &Path, report: &mut Report) {
    destinations.sort_unstable();
    for pair in destinations.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        report.violation(
            "mounts.duplicate",
            &path.index(pair[1].1).key("destination"),
            format_args!("{} is the destination of mount {} already", Quoted(&pair[1].0), pair[0].1),
            format_args!("keep one mount for each destination"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn the_last_option_counts() {
        for (options, want) in [
            (r#"[]"#, Options::default()),
            (r#"["ro"]"#, Options { read_only: true, ..Options::default() }),
            (r#"["ro","rw"]"#, Options::default()),
            (r#"["rw","ro"]"#, Options { read_only: true, ..Options::default() }),
            (r#"["RO"]"#, Options::default()),
            (r#"["rbind","rshared"]"#, Options { bind: true, shared: true, ..Options::default() }),
        ] {
            let doc = format!("{{\"options\":{}}}", options);
            assert_eq!(Options::of(&parse::value(&doc).unwrap()), want, "{}", options);
        }
    }
}
