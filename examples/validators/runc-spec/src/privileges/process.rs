//! Traits of the process: capabilities, root, what guards its system calls, and
//! programs that run beside it on the host.

use super::traits::Trait;
use super::Found;
use crate::checks::hooks::LISTS;
use crate::checks::{capability_bit, Namespaces, CAPABILITIES, CAPABILITY_SETS};
use crate::json::Value;
use crate::path::Path;
use crate::report::Quoted;

pub fn find(spec: &Value, namespaces: &Namespaces, path: &Path, found: &mut Found) {
    if let Some(process) = spec.get("process") {
        let path = path.key("process");
        capabilities(process, &path, found);
        if !process.true_at("noNewPrivileges") {
            found.add(
                Trait::NewPrivileges,
                &path.key("noNewPrivileges"),
                format_args!("is not true: programs can gain privileges through setuid files"),
                format_args!("set it to true"),
            );
        }
        let uid = process.get("user").and_then(|user| user.integer_at("uid")).unwrap_or_default();
        if uid == 0 && !namespaces.has("user") {
            found.add(
                Trait::RootUser,
                &path.key("user").key("uid"),
                format_args!("the process runs as the host's root user"),
                format_args!("use another uid, or a user namespace"),
            );
        }
    }
    confinement(spec, path, found);
    seccomp(spec, path, found);
    programs(spec, path, found);
}

/// One finding for each capability, at the first place that gives it.
fn capabilities(process: &Value, path: &Path, found: &mut Found) {
    let (forbid, warn) = (found.settings.forbid.capabilities, found.settings.warn.capabilities);
    let given = match process.get("capabilities") {
        Some(given) if forbid | warn != 0 => given,
        _ => return,
    };
    let path = path.key("capabilities");
    let mut seen = 0u64;
    for set in CAPABILITY_SETS {
        let path = path.key(set);
        for (i, item) in given.list_at(set).iter().enumerate() {
            let bit = item.text().and_then(capability_bit).unwrap_or_default() & (forbid | warn) & !seen;
            if bit == 0 {
                continue;
            }
            seen |= bit;
            let name = CAPABILITIES[bit.trailing_zeros() as usize];
            found.say(
                forbid & bit != 0,
                name,
                &path.index(i),
                format_args!("the container may have {}", name),
                format_args!("remove it from every set of capabilities"),
            );
        }
    }
}

/// Types of SELinux's reference policy that it lets do nearly anything.
const FREE_TYPES: [&str; 4] = ["initrc_t", "spc_t", "unconfined_service_t", "unconfined_t"];

/// An explicit way around the security module; whether the host has one is unknown.
fn confinement(spec: &Value, path: &Path, found: &mut Found) {
    let process = match spec.get("process") {
        Some(process) => process,
        None => return,
    };
    let path = path.key("process");
    if process.text_at("apparmorProfile") == Some("unconfined") {
        found.add(
            Trait::Unconfined,
            &path.key("apparmorProfile"),
            format_args!("no AppArmor profile confines the process"),
            format_args!("name a profile"),
        );
    }
    let kind = process.text_at("selinuxLabel").and_then(|label| label.split(':').nth(2));
    if let Some(kind) = kind.filter(|kind| FREE_TYPES.contains(kind)) {
        found.add(
            Trait::Unconfined,
            &path.key("selinuxLabel"),
            format_args!("SELinux lets processes of type {} do nearly anything", kind),
            format_args!("use type container_t"),
        );
    }
}

/// A filter that lets everything through counts as none.
fn seccomp(spec: &Value, path: &Path, found: &mut Found) {
    let filter = spec.get("linux").and_then(|linux| linux.get("seccomp"));
    let lets_through = |action: Option<&str>| matches!(action, Some("SCMP_ACT_ALLOW" | "SCMP_ACT_LOG"));
    let none = filter.map_or(true, |filter| {
        let default = filter.text_at("defaultAction");
        let rules = filter.list_at("syscalls");
        match default {
            // runc takes this for seccomp being off.
            None | Some("") => rules.is_empty(),
            default => {
                lets_through(default) && rules.iter().all(|rule| lets_through(rule.text_at("action")))
            }
        }
    });
    if none {
        found.add(
            Trait::NoSeccomp,
            &path.key("linux").key("seccomp"),
            format_args!("no system call is filtered"),
            format_args!("use the default seccomp profile"),
        );
    }
}

/// What the host runs, or has systemd run, because a spec says so.
fn programs(spec: &Value, path: &Path, found: &mut Found) {
    if let Some(hooks) = spec.get("hooks") {
        let hooks_path = path.key("hooks");
        for list in LISTS {
            let path = hooks_path.key(list);
            // startContainer runs inside, as the container itself does.
            let outside = list != "startContainer";
            for (i, hook) in hooks.list_at(list).iter().enumerate().filter(|_| outside) {
                found.add(
                    Trait::Hooks,
                    &path.index(i),
                    format_args!("runs {} on the host, as root", Quoted(hook.text_at("path").unwrap_or_default())),
                    format_args!("remove the hook"),
                );
            }
        }
    }
    let annotations = path.key("annotations");
    for (key, _) in spec.members_at("annotations") {
        if key.starts_with("org.systemd.property.") {
            found.add(
                Trait::SystemdProperties,
                &annotations.key(key),
                format_args!("sets a property of the container's systemd unit, past the spec's own limits"),
                format_args!("remove the annotation"),
            );
        }
    }
}
