//! config.md, POSIX-platform Hooks.

use super::{absolute, process, within};
use crate::json::Value;
use crate::path::Path;
use crate::report::Report;

/// The lists of hooks, in the order in which they run.
pub const LISTS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

pub fn check(spec: &Value, path: &Path, report: &mut Report) {
    let hooks = match spec.get("hooks") {
        Some(hooks) => hooks,
        None => return,
    };
    let path = path.key("hooks");
    for list in LISTS {
        let path = path.key(list);
        for (i, hook) in hooks.list_at(list).iter().enumerate() {
            let path = path.index(i);
            absolute(hook, "path", "hooks.relative_path", &path, report);
            within(hook, "timeout", 1, i128::from(i64::MAX), "hooks.timeout", &path, report);
            process::env(hook, &path, "hooks.env", report);
        }
    }
}
