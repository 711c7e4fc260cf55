//! config-linux.md, Namespaces, and what needs a namespace of the container's own.

use super::{absolute, known_at};
use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text;

/// The types, in the order of the fields of the bit set.
const TYPES: [&str; 8] = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];

/// The namespaces that a spec lists, the first of each type.
pub struct Namespaces<'a> {
    listed: [Option<Listed<'a>>; TYPES.len()],
}

#[derive(Clone, Copy)]
pub struct Listed<'a> {
    pub index: usize,
    /// The existing namespace to join; empty for a new one, as for Go.
    pub path: &'a str,
}

impl<'a> Namespaces<'a> {
    pub fn of(spec: &'a Value) -> Namespaces<'a> {
        let mut listed = [None; TYPES.len()];
        let all = spec.get("linux").map_or(&[][..], |linux| linux.list_at("namespaces"));
        for (index, namespace) in all.iter().enumerate() {
            let kind = namespace.text_at("type").unwrap_or_default();
            if let Some(slot) = text::position(&TYPES, kind).map(|n| &mut listed[n]) {
                let path = namespace.text_at("path").unwrap_or_default();
                slot.get_or_insert(Listed { index, path });
            }
        }
        Namespaces { listed }
    }

    /// The namespace of a type; none means the host's.
    pub fn get(&self, kind: &str) -> Option<Listed<'a>> {
        text::position(&TYPES, kind).and_then(|n| self.listed[n])
    }

    pub fn has(&self, kind: &str) -> bool {
        self.get(kind).is_some()
    }
}

pub fn check(spec: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let linux = path.key("linux");
    let list = linux.key("namespaces");
    let all = spec.get("linux").map_or(&[][..], |linux| linux.list_at("namespaces"));
    for (i, namespace) in all.iter().enumerate() {
        let path = list.index(i);
        known_at(&TYPES, namespace, "type", "namespaces.unknown", &path, report);
        if namespace.text_at("path") != Some("") {
            absolute(namespace, "path", "namespaces.relative_path", &path, report);
        }
        let kind = namespace.text_at("type").unwrap_or_default();
        if namespaces.get(kind).map_or(false, |first| first.index != i) {
            report.violation(
                "namespaces.duplicate",
                &path.key("type"),
                format_args!("a namespace of type {} is listed already", Quoted(kind)),
                format_args!("keep one of each type"),
            );
        }
    }
    // Without a namespace of its own the container would change the host's; runc
    // refuses all of these.
    if !namespaces.has("uts") {
        for key in ["hostname", "domainname"] {
            if spec.text_at(key).map_or(false, |name| !name.is_empty()) {
                needs("uts", &path.key(key), report);
            }
        }
    }
    if let Some(of) = spec.get("linux") {
        if !namespaces.has("mount") {
            for key in ["maskedPaths", "readonlyPaths"] {
                if !of.list_at(key).is_empty() {
                    needs("mount", &linux.key(key), report);
                }
            }
        }
        if !namespaces.has("network") && !of.members_at("netDevices").is_empty() {
            needs("network", &linux.key("netDevices"), report);
        }
        if !namespaces.has("time") && !of.members_at("timeOffsets").is_empty() {
            needs("time", &linux.key("timeOffsets"), report);
        }
    }
}

fn needs(kind: &str, path: &Path, report: &mut Report) {
    report.violation(
        "namespaces.needed",
        path,
        format_args!("needs a {} namespace, or it would change the host's", kind),
        format_args!("add {{\"type\":\"{}\"}} to linux.namespaces, or remove this", kind),
    );
}
