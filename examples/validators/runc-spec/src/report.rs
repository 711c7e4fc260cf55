//! What was found, collected in order and bounded, and written out as the verdict.

use std::fmt;

use crate::path::Path;

/// How many violations, and how many warnings, a verdict lists. Further ones are
/// counted in a last entry.
pub const LIMIT: usize = 64;

/// How many bytes of text violations, and warnings, have in all. Hosts bound a verdict,
/// and take one that is longer for a fault of the validator.
const TEXT_LIMIT: usize = 24 * 1024;

/// How many characters of a value a message quotes.
const QUOTE_LIMIT: usize = 80;

#[derive(Debug, PartialEq)]
pub struct Finding {
    pub field: String,
    pub msg: String,
    pub code: String,
    pub fix: String,
}

#[derive(Default)]
pub struct Report {
    pub violations: Findings,
    pub warnings: Findings,
}

impl Report {
    pub fn violation(&mut self, code: &str, path: &Path, msg: fmt::Arguments, fix: fmt::Arguments) {
        self.violations.add(code, path, msg, fix);
    }

    pub fn warning(&mut self, code: &str, path: &Path, msg: fmt::Arguments, fix: fmt::Arguments) {
        self.warnings.add(code, path, msg, fix);
    }

    /// The verdict document.
    pub fn finish(mut self) -> Vec<u8> {
        self.violations.close("violations");
        self.warnings.close("warnings");
        let mut out = b"{\"violations\":[".to_vec();
        self.violations.write(&mut out);
        out.extend_from_slice(b"],\"warnings\":[");
        self.warnings.write(&mut out);
        out.extend_from_slice(b"]}");
        out
    }
}

#[derive(Default)]
pub struct Findings {
    pub listed: Vec<Finding>,
    text: usize,
    unlisted: usize,
}

impl Findings {
    /// Texts are formatted only if they are listed, so a spec with a million faults
    /// costs little more than one with a few.
    fn add(&mut self, code: &str, path: &Path, msg: fmt::Arguments, fix: fmt::Arguments) {
        if self.listed.len() >= LIMIT || self.text >= TEXT_LIMIT {
            self.unlisted += 1;
            return;
        }
        let found = Finding {
            field: path.to_string(),
            msg: msg.to_string(),
            code: code.to_owned(),
            fix: fix.to_string(),
        };
        self.text += escaped(&found.field) + escaped(&found.msg) + escaped(&found.code) + escaped(&found.fix);
        self.listed.push(found);
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (i, found) in self.listed.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            found.write(out);
        }
    }

    fn close(&mut self, what: &str) {
        if self.unlisted > 0 {
            self.listed.push(Finding {
                field: String::new(),
                msg: format!("and {} more {}", self.unlisted, what),
                code: "report.truncated".to_owned(),
                fix: String::new(),
            });
        }
    }
}

impl Finding {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"msg\":");
        write_text(&self.msg, out);
        for (key, text) in [("field", &self.field), ("code", &self.code), ("fix", &self.fix)] {
            if !text.is_empty() {
                out.extend_from_slice(b",\"");
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(b"\":");
                write_text(text, out);
            }
        }
        out.push(b'}');
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for b in text.bytes() {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            // There are none: see `Quoted`.
            0..=0x1f => out.push(b' '),
            b => out.push(b),
        }
    }
    out.push(b'"');
}

/// The length of a text in JSON. Other characters that have to be escaped there are
/// not in texts: see `Quoted`.
fn escaped(text: &str) -> usize {
    text.len() + text.bytes().filter(|b| matches!(b, b'"' | b'\\')).count()
}

/// Writes a value for a message: quoted, escaped as JSON is, cut when long.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("\"")?;
        for (n, c) in self.0.chars().enumerate() {
            if n == QUOTE_LIMIT {
                f.write_str("…")?;
                break;
            }
            match c {
                '"' | '\\' => write!(f, "\\{}", c)?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_does_not_list() {
        let mut report = Report::default();
        for n in 0..LIMIT + 3 {
            report.violation("x", &Path::root("spec").index(n), format_args!("m"), format_args!(""));
        }
        report.violations.close("violations");
        assert_eq!(report.violations.listed.len(), LIMIT + 1);
        assert_eq!(report.violations.listed[LIMIT].msg, "and 3 more violations");
    }

    #[test]
    fn bounds_the_verdict() {
        let mut report = Report::default();
        let nasty = "\\\u{1b}".repeat(QUOTE_LIMIT);
        for n in 0..LIMIT {
            let spec = Path::root("spec");
            let path = spec.key(&nasty);
            report.violation("x", &path.index(n), format_args!("{}", Quoted(&nasty)), format_args!(""));
            report.warning("x", &path.index(n), format_args!("{}", Quoted(&nasty)), format_args!(""));
        }
        let verdict = report.finish();
        assert!(verdict.len() < 60 << 10, "{}", verdict.len());
    }

    #[test]
    fn quotes() {
        assert_eq!(Quoted("a\"\n").to_string(), r#""a\"\u000a""#);
        assert_eq!(Quoted(&"x".repeat(100)).to_string().chars().count(), QUOTE_LIMIT + 3);
    }
}
