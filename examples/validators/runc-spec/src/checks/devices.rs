//! config-linux.md, Devices; mknod(2).

use std::borrow::Cow;

use super::known_at;
use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::report::{Quoted, Report};

/// u is another word for c.
const TYPES: [&str; 4] = ["c", "b", "u", "p"];

/// Linux's dev_t has 12 bits of major and 20 bits of minor number.
const MAJOR_MOST: i128 = (1 << 12) - 1;
const MINOR_MOST: i128 = (1 << 20) - 1;

/// The type bits of a mode, which runc takes off, and all permission bits.
const MODE_MOST: i128 = 0o177777;

pub fn check(linux: &Value, path: &Path, report: &mut Report) {
    let path = path.key("devices");
    let mut paths: Vec<(Cow<str>, usize)> = Vec::new();
    for (i, device) in linux.list_at("devices").iter().enumerate() {
        let path = path.index(i);
        known_at(&TYPES, device, "type", "devices.type", &path, report);
        if device.text_at("type") != Some("p") {
            number(device, "major", MAJOR_MOST, &path, report);
            number(device, "minor", MINOR_MOST, &path, report);
        }
        super::within(device, "fileMode", 0, MODE_MOST, "devices.mode", &path, report);
        super::absolute(device, "path", "devices.relative_path", &path, report);
        if let Some(given) = device.text_at("path") {
            paths.push((linuxpath::clean(given), i));
        }
    }
    paths.sort_unstable();
    for pair in paths.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        report.violation(
            "devices.duplicate",
            &path.index(pair[1].1).key("path"),
            format_args!("{} is the path of device {} already", Quoted(&pair[1].0), pair[0].1),
            format_args!("keep one device for each path"),
        );
    }
}

fn number(device: &Value, key: &str, most: i128, path: &Path, report: &mut Report) {
    if device.get(key).is_none() {
        report.violation(
            "devices.number",
            &path.key(key),
            format_args!("is missing: only a device of type p has no numbers"),
            format_args!("give major and minor"),
        );
    }
    super::within(device, key, 0, most, "devices.number", path, report);
}
