//! The settings of a binding.

use crate::json::Value;
use crate::linuxpath;
use crate::path::Path;
use crate::privileges::traits::{self, Traits};
use crate::report::{Quoted, Report};
use crate::shape::{self, Field, Shape};

/// What containerd has masked since 1.0 and what any generator of specs masks. Newer
/// ones add to it, which is fine.
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

pub struct Settings {
    /// The traits that deny.
    pub forbid: Traits,
    /// The traits that only warn.
    pub warn: Traits,
    /// What trait unmasked-paths asks for, cleaned.
    pub masked_paths: Vec<String>,
    /// What trait writable-proc asks for, cleaned.
    pub readonly_paths: Vec<String>,
}

static TEXT: Shape = Shape::Text;
static TEXTS: Shape = Shape::List(&TEXT);
static SHAPE: Shape = Shape::Closed(&[
    Field { name: "forbid", shape: &TEXTS, required: false },
    Field { name: "warn", shape: &TEXTS, required: false },
    Field { name: "masked_paths", shape: &TEXTS, required: false },
    Field { name: "readonly_paths", shape: &TEXTS, required: false },
]);

impl Settings {
    /// Reads settings, reporting what is wrong with them as violations: with bad
    /// settings nothing is admitted.
    pub fn read(settings: &Value, path: &Path, report: &mut Report) -> Settings {
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
    match serde_json::from_slice::<Value>(settings) {
        Ok(value) => drop(Settings::read(&value, &path, &mut report)),
        Err(err) => report.violation(
            "settings.unreadable",
            &path,
            format_args!("cannot be read as JSON: {}", err),
            format_args!("make it a JSON object"),
        ),
    }
    report.finish()
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

fn paths(settings: &Value, key: &str, usual: &[&str], path: &Path, report: &mut Report) -> Vec<String> {
    if settings.get(key).is_none() {
        return usual.iter().map(|path| path.to_string()).collect();
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
