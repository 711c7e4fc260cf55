//! config-linux.md, Seccomp; seccomp(2); what runc and libseccomp know.

use super::{known, known_at, within};
use crate::json::Value;
use crate::path::Path;
use crate::report::Report;

const ACTIONS: [&str; 9] = [
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
];

/// Those of the specification that runc can translate.
const ARCHITECTURES: [&str; 18] = [
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",
    "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
    "SCMP_ARCH_LOONGARCH64",
];

const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// MAX_ERRNO of the kernel; a trace message has 16 bits.
const ERRNO_MOST: i128 = 4095;
const TRACE_MOST: i128 = 65535;

pub fn check(linux: &Value, path: &Path, report: &mut Report) {
    let seccomp = match linux.get("seccomp") {
        Some(seccomp) => seccomp,
        None => return,
    };
    let path = path.key("seccomp");
    known_at(&ACTIONS, seccomp, "defaultAction", "seccomp.action", &path, report);
    each(&ARCHITECTURES, seccomp, "architectures", "seccomp.architecture", &path, report);
    each(&FLAGS, seccomp, "flags", "seccomp.flag", &path, report);
    errno(seccomp, "defaultAction", "defaultErrnoRet", &path, report);
    let default = seccomp.text_at("defaultAction");
    if default == Some("SCMP_ACT_NOTIFY") {
        report.violation(
            "seccomp.notify",
            &path.key("defaultAction"),
            format_args!("cannot be SCMP_ACT_NOTIFY: runc itself could not go on"),
            format_args!("notify of single system calls"),
        );
    }
    let syscalls = path.key("syscalls");
    let mut notifies = false;
    for (i, syscall) in seccomp.list_at("syscalls").iter().enumerate() {
        notifies |= syscall.text_at("action") == Some("SCMP_ACT_NOTIFY");
        rule(syscall, &syscalls.index(i), report);
    }
    let listener = seccomp.text_at("listenerPath").unwrap_or_default();
    if notifies && listener.is_empty() {
        report.violation(
            "seccomp.listener",
            &path.key("listenerPath"),
            format_args!("is missing: SCMP_ACT_NOTIFY has nobody to notify"),
            format_args!("name the agent's unix socket"),
        );
    }
    if listener.is_empty() && seccomp.text_at("listenerMetadata").map_or(false, |data| !data.is_empty()) {
        report.violation(
            "seccomp.listener",
            &path.key("listenerMetadata"),
            format_args!("must not be set without listenerPath"),
            format_args!("set listenerPath or remove it"),
        );
    }
}

fn rule(syscall: &Value, path: &Path, report: &mut Report) {
    let names = syscall.list_at("names");
    if names.is_empty() && matches!(syscall.get("names"), Some(Value::List(_))) {
        report.violation(
            "seccomp.no_names",
            &path.key("names"),
            format_args!("is empty: the rule is for no system call"),
            format_args!("name at least one system call"),
        );
    }
    known_at(&ACTIONS, syscall, "action", "seccomp.action", path, report);
    errno(syscall, "action", "errnoRet", path, report);
    let notify = syscall.text_at("action") == Some("SCMP_ACT_NOTIFY");
    let list = path.key("names");
    for (i, name) in names.iter().enumerate() {
        match name.text() {
            Some("") => report.violation(
                "seccomp.no_names",
                &list.index(i),
                format_args!("is empty"),
                format_args!("name a system call"),
            ),
            Some("write") if notify => report.violation(
                "seccomp.notify",
                &list.index(i),
                format_args!("write cannot be SCMP_ACT_NOTIFY: runc needs it to hand over the listener"),
                format_args!("remove it from this rule"),
            ),
            _ => {}
        }
    }
    let args = path.key("args");
    for (i, arg) in syscall.list_at("args").iter().enumerate() {
        let path = args.index(i);
        // System calls have six arguments.
        within(arg, "index", 0, 5, "seccomp.argument", &path, report);
        known_at(&OPERATORS, arg, "op", "seccomp.operator", &path, report);
    }
}

/// An error number with an action that returns none must be an error.
fn errno(of: &Value, action: &str, key: &str, path: &Path, report: &mut Report) {
    match of.text_at(action) {
        Some("SCMP_ACT_ERRNO") => within(of, key, 0, ERRNO_MOST, "seccomp.errno", path, report),
        Some("SCMP_ACT_TRACE") => within(of, key, 0, TRACE_MOST, "seccomp.errno", path, report),
        Some(other) if of.get(key).is_some() => report.violation(
            "seccomp.errno",
            &path.key(key),
            format_args!("{} returns no error number", other),
            format_args!("remove it, or use SCMP_ACT_ERRNO"),
        ),
        _ => {}
    }
}

fn each(values: &[&str], of: &Value, key: &str, code: &str, path: &Path, report: &mut Report) {
    let path = path.key(key);
    for (i, item) in of.list_at(key).iter().enumerate() {
        known(values, item, code, &path.index(i), report);
    }
}
