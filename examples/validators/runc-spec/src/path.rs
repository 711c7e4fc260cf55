//! Paths of fields, such as `spec.mounts[2].destination`. They are built on the way
//! down, on the stack, and turned to text only for what is reported.
//!
//! A key that is not of letters, digits, `_` and `-` is written as a quoted index, as
//! in `spec.annotations["a.b"]`, with JSON's escapes.

use std::fmt;

use crate::report::Quoted;

/// A path: its last step, and what is above it.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// A path of one key, or of none: an empty name is where relative paths start.
    pub fn root(name: &'a str) -> Path<'a> {
        Path { above: None, step: Step::Key(name) }
    }

    pub fn key(&'a self, key: &'a str) -> Path<'a> {
        Path { above: Some(self), step: Step::Key(key) }
    }

    fn is_start(&self) -> bool {
        self.above.is_none() && matches!(self.step, Step::Key(""))
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { above: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.is_start() {
            return Ok(());
        }
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Index(i) => write!(f, "[{}]", i),
            Step::Key(key) if !plain(key) => write!(f, "[{}]", Quoted(key)),
            Step::Key(key) if self.above.map_or(true, Path::is_start) => f.write_str(key),
            Step::Key(key) => write!(f, ".{}", key),
        }
    }
}

fn plain(key: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&key.len()) && key.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn writes_paths() {
        let spec = Path::root("spec");
        let mounts = spec.key("mounts");
        assert_eq!(mounts.index(2).key("destination").to_string(), "spec.mounts[2].destination");
        let annotations = spec.key("annotations");
        assert_eq!(annotations.key("a.b\"").to_string(), r#"spec.annotations["a.b\""]"#);
        assert_eq!(annotations.key("").to_string(), r#"spec.annotations[""]"#);
        assert_eq!(Path::root("").key("forbid").index(0).to_string(), "forbid[0]");
    }
}
