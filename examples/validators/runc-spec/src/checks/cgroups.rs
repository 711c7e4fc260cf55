//! config-linux.md, Control groups; cgroups(7).

use super::{known_at, within};
use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::report::{Quoted, Report};

const ANY: i128 = i64::MAX as i128;

pub fn check(linux: &Value, path: &Path, report: &mut Report) {
    cgroups_path(linux, path, report);
    let resources = match linux.get("resources") {
        Some(resources) => resources,
        None => return,
    };
    let path = path.key("resources");
    device_rules(resources, &path, report);
    if let Some(memory) = resources.get("memory") {
        check_memory(memory, &path.key("memory"), report);
    }
    if let Some(cpu) = resources.get("cpu") {
        check_cpu(cpu, &path.key("cpu"), report);
    }
    if let Some(pids) = resources.get("pids") {
        within(pids, "limit", -1, ANY, "cgroups.pids", &path.key("pids"), report);
    }
    if let Some(block) = resources.get("blockIO") {
        check_block(block, &path.key("blockIO"), report);
    }
    hugepages(resources, &path, report);
    network_rdma_unified(resources, &path, report);
}

/// Cgroups Path: a path below the cgroup mount, or slice:prefix:name for systemd.
fn cgroups_path(linux: &Value, path: &Path, report: &mut Report) {
    let given = match linux.text_at("cgroupsPath") {
        None | Some("") => return,
        Some(given) => given,
    };
    let path = path.key("cgroupsPath");
    let fault = if linuxpath::has_parent_step(given) {
        "has a .. in it, which could lead to cgroups of others"
    } else if linuxpath::clean(given) == "/" {
        "is the root of all cgroups, which is the host's"
    } else if !linuxpath::is_absolute(given) && given.contains(':') && !systemd(given) {
        "is neither a path nor of systemd's form slice:prefix:name"
    } else {
        return;
    };
    report.violation(
        "cgroups.path",
        &path,
        format_args!("{} {}", Quoted(given), fault),
        format_args!("use a path such as /default/web, or system.slice:containerd:web"),
    );
}

fn systemd(given: &str) -> bool {
    let parts: Vec<&str> = given.split(':').collect();
    match parts[..] {
        [slice, _, name] => {
            (slice.is_empty() || slice.ends_with(".slice")) && !name.is_empty() && !given.contains('/')
        }
        _ => false,
    }
}

/// Allowed Device list.
fn device_rules(resources: &Value, path: &Path, report: &mut Report) {
    let path = path.key("devices");
    for (i, rule) in resources.list_at("devices").iter().enumerate() {
        let path = path.index(i);
        known_at(&["a", "b", "c"], rule, "type", "cgroups.device_type", &path, report);
        // -1 is runc's word for any.
        within(rule, "major", -1, u32::MAX as i128, "cgroups.device_number", &path, report);
        within(rule, "minor", -1, u32::MAX as i128, "cgroups.device_number", &path, report);
        if !matches!(rule.get("access"), None | Some(Value::Text(_))) {
            continue;
        }
        let access = rule.text_at("access").unwrap_or_default();
        if access.is_empty() || access.chars().any(|c| !"rwm".contains(c)) {
            report.violation(
                "cgroups.device_access",
                &path.key("access"),
                format_args!("{} is not made of r, w and m", Quoted(access)),
                format_args!("use one or more of r (read), w (write) and m (mknod)"),
            );
        }
    }
}

fn check_memory(memory: &Value, path: &Path, report: &mut Report) {
    for key in ["limit", "reservation", "swap", "kernel", "kernelTCP"] {
        within(memory, key, -1, ANY, "cgroups.memory", path, report);
    }
    within(memory, "swappiness", 0, 100, "cgroups.swappiness", path, report);
    // swap is memory and swap together.
    let limit = memory.integer_at("limit").unwrap_or_default();
    if let Some(swap) = memory.integer_at("swap").filter(|swap| *swap > 0) {
        if limit <= 0 || swap < limit {
            report.violation(
                "cgroups.swap",
                &path.key("swap"),
                format_args!("{} for memory and swap together, with a limit of {} for memory", swap, limit),
                format_args!("set limit, and swap to no less"),
            );
        }
    }
    for key in ["kernel", "kernelTCP"] {
        if memory.get(key).is_some() {
            report.warning(
                "cgroups.memory_ignored",
                &path.key(key),
                format_args!("is deprecated, and runc ignores it"),
                format_args!("remove it"),
            );
        }
    }
}

fn check_cpu(cpu: &Value, path: &Path, report: &mut Report) {
    let number = |key| cpu.integer_at(key).unwrap_or_default();
    let mut unless_0 = |key, least, most| {
        if number(key) != 0 {
            within(cpu, key, least, most, "cgroups.cpu", path, report);
        }
    };
    // 0 leaves what there is. The kernel works in periods of 1 ms to 1 s.
    unless_0("shares", 2, 262_144);
    unless_0("period", 1000, 1_000_000);
    unless_0("realtimeRuntime", -1, ANY);
    unless_0("idle", 0, 1);
    if number("quota") != -1 {
        unless_0("quota", 1000, ANY);
    }
    if number("quota") > 0 && number("burst") > number("quota") {
        report.violation(
            "cgroups.cpu",
            &path.key("burst"),
            format_args!("{} is more than the quota {}", number("burst"), number("quota")),
            format_args!("lower burst or raise quota"),
        );
    }
    if number("realtimePeriod") > 0 && number("realtimeRuntime") > number("realtimePeriod") {
        report.violation(
            "cgroups.cpu",
            &path.key("realtimeRuntime"),
            format_args!("{} is more than its period {}", number("realtimeRuntime"), number("realtimePeriod")),
            format_args!("lower realtimeRuntime or raise realtimePeriod"),
        );
    }
    number_list(cpu, "cpus", "cgroups.cpu", path, report);
    number_list(cpu, "mems", "cgroups.cpu", path, report);
}

/// cpuset(7), List format: 0-3,7.
pub fn number_list(of: &Value, key: &str, code: &str, path: &Path, report: &mut Report) {
    let text = of.text_at(key).unwrap_or_default();
    let number = |n: &str| n.trim().parse::<u16>().ok();
    let range = |part: &str| match part.split_once('-') {
        None => number(part).is_some(),
        Some((from, to)) => matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to),
    };
    if !text.is_empty() && !text.split(',').all(range) {
        report.violation(
            code,
            &path.key(key),
            format_args!("{} is no list of numbers", Quoted(text)),
            format_args!("write numbers and ranges with commas between, such as 0-3,7"),
        );
    }
}

fn check_block(block: &Value, path: &Path, report: &mut Report) {
    weights(block, path, report);
    let list = path.key("weightDevice");
    for (i, device) in block.list_at("weightDevice").iter().enumerate() {
        let path = list.index(i);
        weights(device, &path, report);
        device_numbers(device, &path, report);
        if device.get("weight").is_none() && device.get("leafWeight").is_none() {
            report.violation(
                "cgroups.weight",
                &path.key("weight"),
                format_args!("is missing, as is leafWeight"),
                format_args!("give one of them, from 10 to 1000"),
            );
        }
    }
    for key in ["throttleReadBpsDevice", "throttleWriteBpsDevice", "throttleReadIOPSDevice", "throttleWriteIOPSDevice"]
    {
        let list = path.key(key);
        for (i, device) in block.list_at(key).iter().enumerate() {
            device_numbers(device, &list.index(i), report);
        }
    }
}

fn weights(of: &Value, path: &Path, report: &mut Report) {
    for key in ["weight", "leafWeight"] {
        // 0 leaves what there is.
        if of.integer_at(key) != Some(0) {
            within(of, key, 10, 1000, "cgroups.weight", path, report);
        }
    }
}

fn device_numbers(device: &Value, path: &Path, report: &mut Report) {
    for key in ["major", "minor"] {
        within(device, key, 0, u32::MAX as i128, "cgroups.device_number", path, report);
    }
}

fn hugepages(resources: &Value, path: &Path, report: &mut Report) {
    let list = path.key("hugepageLimits");
    let limits = resources.list_at("hugepageLimits");
    for (i, limit) in limits.iter().enumerate() {
        let path = list.index(i);
        let size = match limit.text_at("pageSize") {
            Some(size) => size,
            None => continue,
        };
        let digits = size.trim_end_matches(|c: char| !c.is_ascii_digit());
        let number = !digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !number || !matches!(&size[digits.len()..], "KB" | "MB" | "GB") {
            report.violation(
                "cgroups.hugepages",
                &path.key("pageSize"),
                format_args!("{} is no page size", Quoted(size)),
                format_args!("write a number and KB, MB or GB, such as 2MB"),
            );
        } else if limits[..i.min(16)].iter().any(|other| other.text_at("pageSize") == Some(size)) {
            report.violation(
                "cgroups.hugepages",
                &path.key("pageSize"),
                format_args!("{} is limited more than once", size),
                format_args!("keep one limit of each size"),
            );
        }
    }
}

fn network_rdma_unified(resources: &Value, path: &Path, report: &mut Report) {
    if let Some(network) = resources.get("network") {
        let network_path = path.key("network");
        let list = network_path.key("priorities");
        for (i, priority) in network.list_at("priorities").iter().enumerate() {
            if priority.text_at("name") == Some("") {
                report.violation(
                    "cgroups.network",
                    &list.index(i).key("name"),
                    format_args!("is empty"),
                    format_args!("name a network interface of the host"),
                );
            }
        }
    }
    let rdma = path.key("rdma");
    for (name, limit) in resources.members_at("rdma") {
        if limit.get("hcaHandles").is_none() && limit.get("hcaObjects").is_none() {
            report.violation(
                "cgroups.rdma",
                &rdma.key(name),
                format_args!("limits nothing"),
                format_args!("give hcaHandles, hcaObjects or both"),
            );
        }
    }
    // The keys are names of files in the cgroup's directory.
    let unified = path.key("unified");
    for (name, _) in resources.members_at("unified") {
        if name.contains('/') || !name.contains('.') || name.starts_with('.') || name.contains("..") {
            report.violation(
                "cgroups.unified",
                &unified.key(name),
                format_args!("{} is no file of a cgroup", Quoted(name)),
                format_args!("use controller.file, such as memory.high"),
            );
        }
    }
}
