//! config.md, Process.

use super::{absolute, capabilities, known, known_at, within};
use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text;

/// The limits that runc knows; getrlimit(2) has no more.
const RLIMITS: [&str; 16] = [
    "RLIMIT_AS",
    "RLIMIT_CORE",
    "RLIMIT_CPU",
    "RLIMIT_DATA",
    "RLIMIT_FSIZE",
    "RLIMIT_LOCKS",
    "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_NOFILE",
    "RLIMIT_NPROC",
    "RLIMIT_RSS",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
    "RLIMIT_SIGPENDING",
    "RLIMIT_STACK",
];

const SCHEDULERS: [&str; 7] = [
    "SCHED_OTHER",
    "SCHED_FIFO",
    "SCHED_RR",
    "SCHED_BATCH",
    "SCHED_ISO",
    "SCHED_IDLE",
    "SCHED_DEADLINE",
];

const SCHEDULER_FLAGS: [&str; 7] = [
    "SCHED_FLAG_RESET_ON_FORK",
    "SCHED_FLAG_RECLAIM",
    "SCHED_FLAG_DL_OVERRUN",
    "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS",
    "SCHED_FLAG_UTIL_CLAMP_MIN",
    "SCHED_FLAG_UTIL_CLAMP_MAX",
];

const IO_CLASSES: [&str; 3] = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"];

pub fn check(process: &Value, path: &Path, report: &mut Report) {
    args(process, path, report);
    absolute(process, "cwd", "process.cwd", path, report);
    environment(process, path, report);
    capabilities::check(process, path, report);
    rlimits(process, path, report);
    if let Some(user) = process.get("user") {
        within(user, "umask", 0, 0o777, "process.umask", &path.key("user"), report);
    }
    if let Some(size) = process.get("consoleSize") {
        // runc keeps 16 bits of each.
        for key in ["height", "width"] {
            within(size, key, 0, 65535, "process.console_size", &path.key("consoleSize"), report);
        }
    }
    // proc(5), /proc/pid/oom_score_adj.
    within(process, "oomScoreAdj", -1000, 1000, "process.oom_score_adj", path, report);
    scheduler(process, path, report);
    if let Some(io) = process.get("ioPriority") {
        let path = path.key("ioPriority");
        known_at(&IO_CLASSES, io, "class", "process.io_class", &path, report);
        within(io, "priority", 0, 7, "process.io_priority", &path, report);
    }
    if let Some(affinity) = process.get("execCPUAffinity") {
        let path = path.key("execCPUAffinity");
        for key in ["initial", "final"] {
            super::cgroups::number_list(affinity, key, "process.cpu_affinity", &path, report);
        }
    }
    labels(process, path, report);
}

/// At least one entry: the program. runc has no use for commandLine.
fn args(process: &Value, path: &Path, report: &mut Report) {
    let args = process.list_at("args");
    let path = path.key("args");
    if args.is_empty() && !matches!(process.get("args"), Some(v) if !matches!(v, Value::List(_))) {
        report.violation(
            "process.args_empty",
            &path,
            format_args!("is empty: there is no program to run"),
            format_args!("name the program and its arguments"),
        );
    }
    if args.first().and_then(Value::text) == Some("") {
        report.violation(
            "process.args_empty",
            &path.index(0),
            format_args!("the program's name is empty"),
            format_args!("name the program"),
        );
    }
}

/// environ(7): NAME=value. Entries may hold secrets, so messages do not quote them.
fn environment(process: &Value, path: &Path, report: &mut Report) {
    env(process, path, "process.env", report);
}

/// The same for whatever has an env.
pub fn env(of: &Value, path: &Path, code: &str, report: &mut Report) {
    let path = path.key("env");
    for (i, item) in of.list_at("env").iter().enumerate() {
        if let Some(None | Some(0)) = item.text().map(|text| text.find('=')) {
            report.violation(
                code,
                &path.index(i),
                format_args!("is not of the form NAME=value"),
                format_args!("write a name, then =, then the value, which may be empty"),
            );
        }
    }
}

fn rlimits(process: &Value, path: &Path, report: &mut Report) {
    let path = path.key("rlimits");
    let mut seen = 0u32;
    for (i, rlimit) in process.list_at("rlimits").iter().enumerate() {
        let path = path.index(i);
        known_at(&RLIMITS, rlimit, "type", "rlimits.unknown", &path, report);
        let name = rlimit.text_at("type").unwrap_or_default();
        if let Some(n) = text::position(&RLIMITS, name) {
            if seen >> n & 1 == 1 {
                report.violation(
                    "rlimits.duplicate",
                    &path.key("type"),
                    format_args!("{} is limited more than once", name),
                    format_args!("keep one limit of each type"),
                );
            }
            seen |= 1 << n;
        }
        if let (Some(soft), Some(hard)) = (rlimit.integer_at("soft"), rlimit.integer_at("hard")) {
            if soft > hard {
                report.violation(
                    "rlimits.soft_above_hard",
                    &path.key("soft"),
                    format_args!("the soft limit {} is above the hard limit {}", soft, hard),
                    format_args!("lower soft to {} or raise hard", hard),
                );
            }
        }
    }
}

/// config.md, Linux Process, scheduler; sched_setattr(2).
fn scheduler(process: &Value, path: &Path, report: &mut Report) {
    let scheduler = match process.get("scheduler") {
        Some(scheduler) => scheduler,
        None => return,
    };
    let path = path.key("scheduler");
    known_at(&SCHEDULERS, scheduler, "policy", "scheduler.policy", &path, report);
    let flags = path.key("flags");
    for (i, flag) in scheduler.list_at("flags").iter().enumerate() {
        known(&SCHEDULER_FLAGS, flag, "scheduler.flag", &flags.index(i), report);
    }
    let policy = scheduler.text_at("policy").unwrap_or_default();
    if matches!(policy, "SCHED_OTHER" | "SCHED_BATCH") {
        within(scheduler, "nice", -20, 19, "scheduler.nice", &path, report);
    }
    let mut only_for = |keys: &[&str], policies: &str| {
        for key in keys {
            if scheduler.integer_at(key).map_or(false, |n| n != 0) {
                report.violation(
                    "scheduler.inapplicable",
                    &path.key(key),
                    format_args!("has no meaning for policy {}", Quoted(policy)),
                    format_args!("remove it, or use policy {}", policies),
                );
            }
        }
    };
    if !matches!(policy, "SCHED_FIFO" | "SCHED_RR") {
        only_for(&["priority"], "SCHED_FIFO or SCHED_RR");
    }
    if policy != "SCHED_DEADLINE" {
        only_for(&["runtime", "deadline", "period"], "SCHED_DEADLINE");
    }
}

/// Names of security modules' profiles are written to files of the kernel, line by
/// line.
fn labels(process: &Value, path: &Path, report: &mut Report) {
    if let Some(profile) = process.text_at("apparmorProfile") {
        if profile.chars().any(char::is_control) {
            report.violation(
                "process.apparmor",
                &path.key("apparmorProfile"),
                format_args!("{} is no name of an AppArmor profile", Quoted(profile)),
                format_args!("use the name of a loaded profile, or unconfined"),
            );
        }
    }
    selinux(process, "selinuxLabel", path, report);
}

/// user:role:type, and a level on most systems.
pub fn selinux(of: &Value, key: &str, path: &Path, report: &mut Report) {
    let label = of.text_at(key).unwrap_or_default();
    let odd = |c: char| c.is_control() || c == ' ';
    let shaped = label.splitn(4, ':').count() >= 3 && !label.split(':').any(str::is_empty);
    if !label.is_empty() && (!shaped || label.contains(odd)) {
        report.violation(
            "process.selinux",
            &path.key(key),
            format_args!("{} is no SELinux context", Quoted(label)),
            format_args!("use user:role:type:level, such as system_u:system_r:container_t:s0"),
        );
    }
}
