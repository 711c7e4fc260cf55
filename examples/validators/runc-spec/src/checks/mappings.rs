//! config-linux.md, User namespace mappings; user_namespaces(7).

use super::Namespaces;
use crate::json::Value;
use crate::path::Path;
use crate::report::Report;

/// How many lines the kernel takes for one map.
const MOST: usize = 340;

pub fn check(spec: &Value, linux: &Value, namespaces: &Namespaces, path: &Path, report: &mut Report) {
    let user = namespaces.get("user");
    for key in ["uidMappings", "gidMappings"] {
        let path = path.key(key);
        let mappings = linux.list_at(key);
        ranges(mappings, &path, report);
        match user {
            None if !mappings.is_empty() => report.violation(
                "mappings.no_user_namespace",
                &path,
                format_args!("there is no user namespace to map ids of"),
                format_args!("add {{\"type\":\"user\"}} to linux.namespaces, or remove the mappings"),
            ),
            Some(user) if user.path.is_empty() => root_is_mapped(mappings, &path, report),
            Some(_) if !mappings.is_empty() => report.warning(
                "mappings.joined_namespace",
                &path,
                format_args!("the user namespace that is joined has mappings already: runc wants the same, or none"),
                format_args!("remove the mappings"),
            ),
            _ => {}
        }
    }
    if user.map_or(false, |user| user.path.is_empty()) {
        process_is_mapped(spec, linux, report);
    }
}

/// What the kernel refuses in a map, for any mapping there may be.
pub fn ranges(mappings: &[Value], path: &Path, report: &mut Report) {
    if mappings.len() > MOST {
        report.violation(
            "mappings.too_many",
            path,
            format_args!("{} mappings are more than the {} that Linux takes", mappings.len(), MOST),
            format_args!("merge neighbouring ranges"),
        );
        return;
    }
    for (i, mapping) in mappings.iter().enumerate() {
        let path = path.index(i);
        let size = match mapping.integer_at("size") {
            Some(size) => size,
            None => continue,
        };
        if size == 0 {
            report.violation(
                "mappings.empty",
                &path.key("size"),
                format_args!("maps no id at all"),
                format_args!("use a size of at least 1"),
            );
        }
        for key in ["containerID", "hostID"] {
            let start = mapping.integer_at(key).unwrap_or_default();
            if start + size > 1 << 32 {
                report.violation(
                    "mappings.range",
                    &path.key("size"),
                    format_args!("{} ids from {} {} end beyond 32 bits", size, key, start),
                    format_args!("use a size of at most {}", (1i128 << 32) - start),
                );
            }
            let overlaps = |other: &Value| match (other.integer_at(key), other.integer_at("size")) {
                (Some(from), Some(len)) => start < from + len && from < start + size,
                _ => false,
            };
            if let Some(other) = mappings[..i].iter().position(overlaps) {
                report.violation(
                    "mappings.overlap",
                    &path.key(key),
                    format_args!("overlaps with mapping {}: the kernel refuses that", other),
                    format_args!("map each id once"),
                );
            }
        }
    }
}

/// runc makes root of the container the owner of what it sets up.
fn root_is_mapped(mappings: &[Value], path: &Path, report: &mut Report) {
    if !maps(mappings, 0) {
        report.violation(
            "mappings.root_unmapped",
            path,
            format_args!("id 0 of the container is not mapped: runc needs it"),
            format_args!("add a mapping with containerID 0"),
        );
    }
}

fn process_is_mapped(spec: &Value, linux: &Value, report: &mut Report) {
    let user = match spec.get("process").and_then(|process| process.get("user")) {
        Some(user) => user,
        None => return,
    };
    let spec = Path::root("spec");
    let process = spec.key("process");
    let path = process.key("user");
    let mut check = |id: Option<i128>, mappings: &str, path: &Path| {
        // Id 0 has been looked for already.
        if let Some(id) = id.filter(|id| *id != 0 && !maps(linux.list_at(mappings), *id)) {
            report.violation(
                "mappings.user_unmapped",
                path,
                format_args!("id {} is not in linux.{}: the process could not take it", id, mappings),
                format_args!("map it or use an id that is mapped"),
            );
        }
    };
    check(user.integer_at("uid"), "uidMappings", &path.key("uid"));
    check(user.integer_at("gid"), "gidMappings", &path.key("gid"));
    let more = path.key("additionalGids");
    for (i, gid) in user.list_at("additionalGids").iter().enumerate() {
        check(gid.integer(), "gidMappings", &more.index(i));
    }
}

fn maps(mappings: &[Value], id: i128) -> bool {
    mappings.iter().any(|mapping| match (mapping.integer_at("containerID"), mapping.integer_at("size")) {
        (Some(from), Some(len)) => from <= id && id < from + len,
        _ => false,
    })
}
