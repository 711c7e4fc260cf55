//! Traits of devices: nodes that are made in the container, and rules of the device
//! cgroup about which of them work.

use super::traits::Trait;
use super::Found;
use crate::json::Value;
use crate::path::Path;

/// What a device gives, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    /// Every container has it.
    Usual,
    /// Any other.
    Host,
    /// A disk or memory of the host, past all its permissions.
    Raw,
}

/// Character devices that runc gives every container, by major and minor number.
const USUAL: [(i128, i128); 9] = [
    (1, 3),    // null
    (1, 5),    // zero
    (1, 7),    // full
    (1, 8),    // random
    (1, 9),    // urandom
    (5, 0),    // tty
    (5, 1),    // console
    (5, 2),    // ptmx
    (10, 200), // net/tun
];

/// Pseudo terminals, of the container's own devpts.
const PTS: i128 = 136;

/// mem, kmem, port.
const MEMORY: [i128; 3] = [1, 2, 4];

/// SCSI generic; CPU model-specific registers. See Documentation/admin-guide/devices.txt.
const RAW_MAJORS: [i128; 2] = [21, 202];

/// No minor number means all of a major.
fn class(kind: &str, major: i128, minor: Option<i128>) -> Class {
    let memory = |minor: Option<i128>| minor.map_or(true, |minor| MEMORY.contains(&minor));
    match kind {
        "p" => Class::Usual,
        "b" => Class::Raw,
        _ if major == PTS || minor.map_or(false, |minor| USUAL.contains(&(major, minor))) => Class::Usual,
        _ if RAW_MAJORS.contains(&major) || (major == 1 && memory(minor)) => Class::Raw,
        _ => Class::Host,
    }
}

pub fn find(spec: &Value, path: &Path, found: &mut Found) {
    let linux = match spec.get("linux") {
        Some(linux) => linux,
        None => return,
    };
    let linux_path = path.key("linux");
    let nodes = linux_path.key("devices");
    for (i, node) in linux.list_at("devices").iter().enumerate() {
        let number = |key| node.integer_at(key);
        let kind = node.text_at("type").unwrap_or_default();
        add(class(kind, number("major").unwrap_or_default(), number("minor").or(Some(0))), "makes", &nodes.index(i), found);
    }
    if let Some(resources) = linux.get("resources") {
        let rules = resources.list_at("devices");
        find_in_rules(rules, &linux_path.key("resources").key("devices"), found);
    }
}

fn find_in_rules(rules: &[Value], path: &Path, found: &mut Found) {
    // Rules apply in order, and one for all devices undoes what is before it. Such a
    // rule is one of type a, which is also what no type means; its numbers are ignored.
    let for_all = |rule: &Value| matches!(rule.text_at("type"), None | Some("" | "a"));
    let start = rules.iter().rposition(|rule| for_all(rule) && !rule.true_at("allow")).unwrap_or_default();
    for (i, rule) in rules.iter().enumerate().skip(start) {
        let known = |key| rule.integer_at(key).filter(|n| *n >= 0);
        let access = rule.text_at("access").unwrap_or_default();
        // Making a node is harmless as long as it cannot be opened.
        let opens = access.contains(|c| c == 'r' || c == 'w') || for_all(rule);
        if !rule.true_at("allow") || !opens {
            continue;
        }
        let path = path.index(i);
        match known("major").filter(|_| !for_all(rule)) {
            None => found.add(
                Trait::AllDevices,
                &path,
                format_args!("allows every device of the host"),
                format_args!("allow single devices by type, major and minor"),
            ),
            Some(major) => {
                let kind = rule.text_at("type").unwrap_or_default();
                add(class(kind, major, known("minor")), "allows", &path, found);
            }
        }
    }
}

fn add(class: Class, verb: &str, path: &Path, found: &mut Found) {
    match class {
        Class::Usual => {}
        Class::Raw => found.add(
            Trait::RawDevices,
            path,
            format_args!("{} a device that reads and writes the host's disks or memory", verb),
            format_args!("remove it"),
        ),
        Class::Host => found.add(
            Trait::HostDevices,
            path,
            format_args!("{} a device of the host", verb),
            format_args!("remove it"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (kind, major, minor, want) in [
            ("c", 1, Some(3), Class::Usual),
            ("c", 136, None, Class::Usual),
            ("c", 1, Some(1), Class::Raw),
            ("c", 1, None, Class::Raw),
            ("c", 5, None, Class::Host),
            ("c", 10, Some(232), Class::Host),
            ("c", 21, Some(0), Class::Raw),
            ("b", 8, Some(0), Class::Raw),
            ("p", 0, Some(0), Class::Usual),
        ] {
            assert_eq!(class(kind, major, minor), want, "{} {} {:?}", kind, major, minor);
        }
    }
}
