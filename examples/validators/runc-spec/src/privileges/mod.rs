//! The privileged traits of a spec: what gives a container, or whoever may write its
//! spec, power over the host. A trait is found whether or not it is forbidden; the
//! settings decide whether it denies, warns or stays silent.

mod devices;
mod files;
mod hostpath;
mod isolation;
mod process;
pub mod traits;

use std::fmt;

use crate::checks::Namespaces;
use crate::json::Value;
use crate::path::Path;
use crate::report::Report;
use crate::settings::Settings;
use traits::Trait;

/// Looks for every trait.
pub fn all(spec: &Value, path: &Path, settings: &Settings, report: &mut Report) {
    let mut found = Found { settings, report };
    let namespaces = Namespaces::of(spec);
    process::find(spec, &namespaces, path, &mut found);
    isolation::find(spec, &namespaces, path, &mut found);
    files::find(spec, path, &mut found);
    devices::find(spec, path, &mut found);
}

/// Takes traits as they are found.
pub struct Found<'a> {
    settings: &'a Settings<'a>,
    report: &'a mut Report,
}

impl Found<'_> {
    fn add(&mut self, which: Trait, path: &Path, msg: fmt::Arguments, fix: fmt::Arguments) {
        if self.settings.forbid.has(which) {
            self.say(true, which.name(), path, msg, fix);
        } else if self.settings.warn.has(which) {
            self.say(false, which.name(), path, msg, fix);
        }
    }

    fn say(&mut self, denies: bool, name: &str, path: &Path, msg: fmt::Arguments, fix: fmt::Arguments) {
        let code = format!("forbidden.{}", name);
        if denies {
            self.report.violation(&code, path, format_args!("{}; {} is forbidden", msg, name), fix);
        } else {
            self.report.warning(&code, path, format_args!("{}; {} is discouraged", msg, name), fix);
        }
    }
}
