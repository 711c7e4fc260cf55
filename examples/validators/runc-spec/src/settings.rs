//! The settings of a binding.

use std::borrow::Cow;
use std::{fmt, str};

use crate::json::Value;
use crate::linuxpath;
use crate::parse;
use crate::path::Path;
use crate::privileges::traits::{self, Traits};
use crate::report::{Quoted, Report};
use crate::shape::{self, Field, Shape};

/// What containerd 1.6 masks, and all since. Newer ones mask more, which is fine.
const MASKED_PATHS: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

/// The read-only paths of containerd, except /proc/sys, which has its own trait.
const READONLY_PATHS: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"];

pub struct Settings<'a> {
    /// The traits that deny.
    pub forbid: Traits,
    /// The traits that only warn.
    pub warn: Traits,
    /// What trait unmasked-paths asks for, cleaned.
    pub masked_paths: Vec<Cow<'a, str>>,
    /// What trait writable-proc asks for, cleaned.
    pub readonly_paths: Vec<Cow<'a, str>>,
}

static TEXT: Shape = Shape::Text;
static TEXTS: Shape = Shape::List(&TEXT);
static SHAPE: Shape = Shape::Closed(&[
    Field { name: "forbid", shape: &TEXTS, required: false },
    Field { name: "warn", shape: &TEXTS, required: false },
    Field { name: "masked_paths", shape: &TEXTS, required: false },
    Field { name: "readonly_paths", shape: &TEXTS, required: false },
]);

impl<'a> Settings<'a> {
    /// Reads settings, reporting what is wrong with them as violations: with bad
    /// settings nothing is admitted.
    pub fn read(settings: &'a Value, path: &Path, report: &mut Report) -> Settings<'a> {
        if *settings != Value::Null {
            shape::check(&SHAPE, settings, path, report);
        }
        Settings {
            forbid: named(settings, "forbid", path, report),
            warn: named(settings, "warn", path, report),
            masked_paths: paths(settings, "masked_paths", &MASKED_PATHS, path, report),
            readonly_paths: paths(settings, "readonly_paths", &READONLY_PATHS, path, report),
        }
    }
}

/// Judges a settings document on its own. Paths are relative to it.
pub fn judge_settings(settings: &[u8]) -> Vec<u8> {
    let mut report = Report::default();
    let path = Path::root("");
    match str::from_utf8(settings).ok().map(parse::value) {
        Some(Ok(value)) => drop(Settings::read(&value, &path, &mut report)),
        Some(Err(err)) => unreadable(&err, &path, &mut report),
        None => unreadable(&"it is not UTF-8", &path, &mut report),
    }
    report.finish()
}

fn unreadable(why: &dyn fmt::Display, path: &Path, report: &mut Report) {
    report.violation(
        "settings.unreadable",
        path,
        format_args!("cannot be read as JSON: {}", why),
        format_args!("make it a JSON object"),
    );
}

fn named(settings: &Value, key: &str, path: &Path, report: &mut Report) -> Traits {
    let mut all = Traits::default();
    let list = path.key(key);
    for (i, item) in settings.list_at(key).iter().enumerate() {
        let name = match item.text() {
            Some(name) => name,
            None => continue,
        };
        if !all.add(name) {
            report.violation(
                "settings.unknown_trait",
                &list.index(i),
                format_args!("{} is no known trait", Quoted(name)),
                format_args!("use a capability such as CAP_SYS_ADMIN, or one of {}", traits::Names),
            );
        }
    }
    all
}

fn paths<'a>(
    settings: &'a Value,
    key: &str,
    usual: &[&'static str],
    path: &Path,
    report: &mut Report,
) -> Vec<Cow<'a, str>> {
    if settings.get(key).is_none() {
        return usual.iter().map(|path| Cow::Borrowed(*path)).collect();
    }
    let list = path.key(key);
    for (i, item) in settings.list_at(key).iter().enumerate() {
        if item.text().map_or(false, |path| !linuxpath::is_absolute(path)) {
            report.violation(
                "settings.relative_path",
                &list.index(i),
                format_args!("is not an absolute path"),
                format_args!("start it with /"),
            );
        }
    }
    settings.list_at(key).iter().filter_map(Value::text).map(linuxpath::clean).collect()
}
