//! Rules that a schema cannot say, by part of the spec. Each names the section of the
//! OCI runtime-spec 1.3 it is from, or says what runc or the kernel does.

mod capabilities;
mod cgroups;
mod devices;
pub mod hooks;
mod linux;
mod mappings;
mod mounts;
mod namespaces;
mod process;
mod seccomp;
mod sysctl;

pub use capabilities::{bit as capability_bit, NAMES as CAPABILITIES, SETS as CAPABILITY_SETS};
pub use mounts::Options as MountOptions;
pub use namespaces::Namespaces;

use std::fmt;

use crate::json::Value;
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text;

/// Runs every check on a spec.
pub fn all(spec: &Value, path: &Path, report: &mut Report) {
    let namespaces = Namespaces::of(spec);
    version(spec, path, report);
    root(spec, path, report);
    if let Some(process) = spec.get("process") {
        process::check(process, &path.key("process"), report);
    }
    mounts::check(spec, &namespaces, path, report);
    hooks::check(spec, path, report);
    annotations(spec, path, report);
    namespaces::check(spec, &namespaces, path, report);
    if let Some(linux) = spec.get("linux") {
        let path = path.key("linux");
        mappings::check(spec, linux, &namespaces, &path, report);
        sysctl::check(linux, &namespaces, &path, report);
        devices::check(linux, &path, report);
        cgroups::check(linux, &path, report);
        seccomp::check(linux, &path, report);
        linux::check(linux, &namespaces, &path, report);
    }
}

/// config.md, Specification version: SemVer 2.0.0.
fn version(spec: &Value, path: &Path, report: &mut Report) {
    let version = match spec.text_at("ociVersion") {
        Some(version) => version,
        None => return,
    };
    let core = version.split(|c| c == '-' || c == '+').next().unwrap_or_default();
    let rest = &version[core.len()..];
    let number = |n: &str| {
        !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()) && (n == "0" || !n.starts_with('0'))
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'+';
    let semver = core.split('.').count() == 3
        && core.split('.').all(number)
        && rest.len() != 1
        && rest.bytes().all(word);
    if !semver {
        report.violation(
            "version.invalid",
            &path.key("ociVersion"),
            format_args!("{} is not a SemVer version", Quoted(version)),
            format_args!("use the version of the OCI runtime-spec that was followed, such as 1.3.0"),
        );
    }
}

/// config.md, Root: a path to the root filesystem.
fn root(spec: &Value, path: &Path, report: &mut Report) {
    if spec.get("root").and_then(|root| root.text_at("path")) == Some("") {
        report.violation(
            "root.empty",
            &path.key("root").key("path"),
            format_args!("is empty"),
            format_args!("use rootfs, or the path of the root filesystem"),
        );
    }
}

/// config.md, Annotations: keys must not be empty.
fn annotations(spec: &Value, path: &Path, report: &mut Report) {
    let path = path.key("annotations");
    for (key, _) in spec.members_at("annotations") {
        if key.is_empty() {
            report.violation(
                "annotations.empty_key",
                &path.key(key),
                format_args!("an annotation has an empty key"),
                format_args!("name it, in reverse domain notation"),
            );
        }
    }
}

/// Reports a value that is none of those that are known.
fn known(values: &[&str], value: &Value, code: &str, path: &Path, report: &mut Report) {
    if let Some(text) = value.text().filter(|text| text::position(values, text).is_none()) {
        report.violation(
            code,
            path,
            format_args!("{} is not known", Quoted(text)),
            format_args!("use one of {}", List(values)),
        );
    }
}

/// The same for a member of an object, if it is there.
fn known_at(values: &[&str], of: &Value, key: &str, code: &str, path: &Path, report: &mut Report) {
    if let Some(value) = of.get(key) {
        known(values, value, code, &path.key(key), report);
    }
}

/// Reports a number that is there and not within bounds, inclusive.
fn within(of: &Value, key: &str, least: i128, most: i128, code: &str, path: &Path, report: &mut Report) {
    if let Some(n) = of.integer_at(key).filter(|n| *n < least || *n > most) {
        report.violation(
            code,
            &path.key(key),
            format_args!("{} is not from {} to {}", n, least, most),
            format_args!("use an integer from {} to {}", least, most),
        );
    }
}

/// Reports a path that is there and not absolute.
fn absolute(of: &Value, key: &str, code: &str, path: &Path, report: &mut Report) {
    if let Some(text) = of.text_at(key).filter(|text| !text.starts_with('/')) {
        report.violation(
            code,
            &path.key(key),
            format_args!("{} is not an absolute path", Quoted(text)),
            format_args!("start it with /"),
        );
    }
}

/// Texts one after another, for messages.
struct List<'a>(&'a [&'a str]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(item)?;
        }
        Ok(())
    }
}
