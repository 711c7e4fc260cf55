//! The smaller parts of config-linux.md.

use super::{known, known_at, process, within, Namespaces};
use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};

/// Those of the specification, and the recursive forms that runc knows too.
const PROPAGATIONS: [&str; 8] =
    ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];

const PERSONALITIES: [&str; 2] = ["LINUX", "LINUX32"];

const MEMORY_MODES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_WEIGHTED_INTERLEAVE",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_LOCAL",
];

const MEMORY_FLAGS: [&str; 3] = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

pub fn check(linux: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    if linux.text_at("rootfsPropagation") != Some("") {
        known_at(&PROPAGATIONS, linux, "rootfsPropagation", "linux.propagation", path, report);
    }
    if let Some(personality) = linux.get("personality") {
        known_at(&PERSONALITIES, personality, "domain", "linux.personality", &path.key("personality"), report);
    }
    for key in ["maskedPaths", "readonlyPaths"] {
        let path = path.key(key);
        for (i, item) in linux.list_at(key).iter().enumerate() {
            if let Some(text) = item.text().filter(|text| !text.starts_with('/')) {
                report.violation(
                    "linux.relative_path",
                    &path.index(i),
                    format_args!("{} is not an absolute path", Quoted(text)),
                    format_args!("start it with /"),
                );
            }
        }
    }
    process::selinux(linux, "mountLabel", path, report);
    network_devices(linux, path, report);
    time_offsets(linux, namespaces, path, report);
    intel_rdt(linux, path, report);
    memory_policy(linux, path, report);
}

/// Network Devices: names that the kernel takes.
fn network_devices(linux: &Value, path: &Path, report: &mut Report) {
    let path = path.key("netDevices");
    let valid = |name: &str| {
        (1..=15).contains(&name.len())
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace())
    };
    let mut check = |name: &str, path: &Path| {
        if !valid(name) {
            report.violation(
                "linux.network_device",
                path,
                format_args!("{} is no name of a network device", Quoted(name)),
                format_args!("use 1 to 15 characters without /, : and spaces"),
            );
        }
    };
    for (name, device) in linux.members_at("netDevices") {
        let path = path.key(name);
        check(name, &path);
        if let Some(renamed) = device.text_at("name").filter(|renamed| !renamed.is_empty()) {
            check(renamed, &path.key("name"));
        }
    }
}

/// Time Offsets: two clocks, and a namespace that is new.
fn time_offsets(linux: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let path = path.key("timeOffsets");
    let offsets = linux.members_at("timeOffsets");
    if !offsets.is_empty() && namespaces.get("time").map_or(false, |time| !time.path.is_empty()) {
        report.violation(
            "linux.time_offsets",
            &path,
            format_args!("cannot be set in a time namespace that is joined"),
            format_args!("remove them, or the namespace's path"),
        );
    }
    for (clock, offset) in offsets {
        let path = path.key(clock);
        if clock != "monotonic" && clock != "boottime" {
            report.violation(
                "linux.time_offsets",
                &path,
                format_args!("{} is no clock that has an offset", Quoted(clock)),
                format_args!("use monotonic or boottime"),
            );
        }
        within(offset, "nanosecs", 0, 999_999_999, "linux.time_offsets", &path, report);
    }
}

/// IntelRdt: names of directories and lines of files in resctrl.
fn intel_rdt(linux: &Value, path: &Path, report: &mut Report) {
    let rdt = match linux.get("intelRdt") {
        Some(rdt) => rdt,
        None => return,
    };
    let path = path.key("intelRdt");
    let class = rdt.text_at("closID").unwrap_or_default();
    if class == "." || class == ".." || (class.len() > 1 && class.contains('/')) {
        report.violation(
            "linux.intel_rdt",
            &path.key("closID"),
            format_args!("{} is no name of a directory", Quoted(class)),
            format_args!("use a name without /"),
        );
    }
    let mut one_line = |text: Option<&str>, prefix: &str, path: &Path| {
        if text.map_or(false, |text| text.contains('\n') || !text.starts_with(prefix)) {
            report.violation(
                "linux.intel_rdt",
                path,
                format_args!("is not one line of a schemata file"),
                format_args!("write one line, starting with {}", if prefix.is_empty() { "the resource" } else { prefix }),
            );
        }
    };
    one_line(rdt.text_at("memBwSchema").filter(|text| !text.is_empty()), "MB:", &path.key("memBwSchema"));
    let schemata = path.key("schemata");
    for (i, line) in rdt.list_at("schemata").iter().enumerate() {
        one_line(line.text(), "", &schemata.index(i));
    }
}

/// Memory policy; set_mempolicy(2).
fn memory_policy(linux: &Value, path: &Path, report: &mut Report) {
    let policy = match linux.get("memoryPolicy") {
        Some(policy) => policy,
        None => return,
    };
    let path = path.key("memoryPolicy");
    known_at(&MEMORY_MODES, policy, "mode", "linux.memory_policy", &path, report);
    super::cgroups::number_list(policy, "nodes", "linux.memory_policy", &path, report);
    let flags = path.key("flags");
    for (i, flag) in policy.list_at("flags").iter().enumerate() {
        known(&MEMORY_FLAGS, flag, "linux.memory_policy", &flags.index(i), report);
    }
    let empty = policy.text_at("nodes").map_or(true, str::is_empty);
    let fault = match policy.text_at("mode").unwrap_or_default() {
        "MPOL_DEFAULT" | "MPOL_LOCAL" if !empty => "must be empty for this mode",
        "MPOL_BIND" | "MPOL_INTERLEAVE" | "MPOL_PREFERRED_MANY" | "MPOL_WEIGHTED_INTERLEAVE" if empty => {
            "must name at least one node for this mode"
        }
        _ => return,
    };
    report.violation(
        "linux.memory_policy",
        &path.key("nodes"),
        format_args!("{}", fault),
        format_args!("change nodes or mode"),
    );
}
