//! Linux paths by their text alone: nothing here looks at a file system.

use std::borrow::Cow;

use crate::text;

/// The path with `.`, empty and `..` steps resolved by text, starting at `/`, so that
/// it cannot leave the root: how runc reads paths inside a container.
pub fn clean(path: &str) -> Cow<str> {
    if is_clean(path) {
        return Cow::Borrowed(path);
    }
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut cleaned = String::with_capacity(path.len() + 1);
    for step in steps {
        cleaned.push('/');
        cleaned.push_str(step);
    }
    if cleaned.is_empty() {
        cleaned.push('/');
    }
    Cow::Owned(cleaned)
}

/// Most paths are; this saves taking them apart.
fn is_clean(path: &str) -> bool {
    let bytes = path.as_bytes();
    let (first, last) = match bytes {
        [b'/'] => return true,
        [first, .., last] => (*first, *last),
        _ => return false,
    };
    // A step that begins with a dot may be . or .., or just a name.
    first == b'/' && last != b'/' && !bytes.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// Whether a relative path leaves the directory it is relative to.
pub fn leaves(path: &str) -> bool {
    let mut depth = 0i32;
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

pub fn has_parent_step(path: &str) -> bool {
    path.split('/').any(|step| step == "..")
}

/// Whether the cleaned path `path` is the cleaned path `tree` or below it.
pub fn within(path: &str, tree: &str) -> bool {
    let at = tree.len();
    text::starts(path, tree) && (path.len() == at || at == 1 || path.as_bytes()[at] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans() {
        for (path, want) in [
            ("/", "/"),
            ("", "/"),
            ("//proc/./sys/", "/proc/sys"),
            ("/a/../../b", "/b"),
            ("var/run", "/var/run"),
            ("/a/.b", "/a/.b"),
            ("/a/..", "/"),
            ("/a", "/a"),
        ] {
            assert_eq!(clean(path), want, "{:?}", path);
        }
    }

    #[test]
    fn contains() {
        assert!(within("/proc/sys", "/proc"));
        assert!(within("/proc", "/proc"));
        assert!(within("/proc", "/"));
        assert!(!within("/process", "/proc"));
        assert!(!within("/", "/proc"));
    }

    #[test]
    fn escapes() {
        assert!(leaves("../x"));
        assert!(leaves("a/../../x"));
        assert!(!leaves("a/../x"));
    }
}
