//! Compares a tree with a schema: types, ranges, required fields, and the ways in
//! which keys can mean something else to Go's decoder than to a reader.

use std::borrow::Cow;
use std::fmt;

use crate::fold;
use crate::json::{Member, Value};
use crate::path::Path;
use crate::report::{Quoted, Report};
use crate::text::same;

/// What a value may be.
pub enum Shape {
    /// Anything: a part of the spec that runc does not read.
    Any,
    Bool,
    Text,
    /// An integer within these bounds, inclusive.
    Integer(i128, i128),
    List(&'static Shape),
    /// An object with known keys: a Go struct. Other keys are warned of.
    Record(&'static [Field]),
    /// The same, but other keys are errors.
    Closed(&'static [Field]),
    /// An object with free keys: a Go map.
    Map(&'static Shape),
}

/// A known key of a record.
pub struct Field {
    pub name: &'static str,
    pub shape: &'static Shape,
    pub required: bool,
}

/// Reports every way in which `value` is not of `shape`.
pub fn check(shape: &'static Shape, value: &Value, path: &Path, report: &mut Report) {
    match (shape, value) {
        (Shape::Any, _) => duplicates_below(value, path, report),
        (Shape::Bool, Value::Bool(_)) => {}
        (Shape::Text, Value::Text(Cow::Borrowed(_))) => {}
        // A NUL can only be written as an escape, which makes the text owned.
        (Shape::Text, Value::Text(Cow::Owned(text))) => no_nul(text, path, report),
        (Shape::Integer(least, most), Value::Unsigned(_) | Value::Signed(_)) => {
            let n = value.integer().unwrap_or_default();
            if n < *least || n > *most {
                report.violation(
                    "shape.range",
                    path,
                    format_args!("{} is out of range", n),
                    format_args!("use an integer from {} to {}", least, most),
                );
            }
        }
        (Shape::List(item), Value::List(items)) => {
            for (i, value) in items.iter().enumerate() {
                check(item, value, &path.index(i), report);
            }
        }
        (Shape::Map(item), Value::Object(members)) => {
            duplicates(members, path, report);
            for (key, value) in members {
                check(item, value, &path.key(key), report);
            }
        }
        (Shape::Record(fields), Value::Object(members)) => {
            record(fields, members, path, report, |key, path, report| {
                report.warning(
                    "shape.unknown_key",
                    path,
                    format_args!("key {} is none of the OCI runtime-spec: runc ignores it", Quoted(key)),
                    format_args!("remove it or correct its name"),
                )
            })
        }
        (Shape::Closed(fields), Value::Object(members)) => {
            record(fields, members, path, report, |key, path, report| {
                report.violation(
                    "shape.unknown_key",
                    path,
                    format_args!("key {} is not known", Quoted(key)),
                    format_args!("use one of {}", Keys(fields)),
                )
            })
        }
        _ => report.violation(
            "shape.type",
            path,
            format_args!("is {}, must be {}", value.kind(), shape),
            format_args!("make it {}", shape),
        ),
    }
}

fn record(
    fields: &'static [Field],
    members: &[Member],
    path: &Path,
    report: &mut Report,
    unknown: impl Fn(&str, &Path, &mut Report),
) {
    duplicates(members, path, report);
    for (key, value) in members {
        let path = path.key(key);
        if let Some(field) = fields.iter().find(|field| same(field.name, key)) {
            // Go's decoder leaves a field alone that is null.
            if *value != Value::Null {
                check(field.shape, value, &path, report);
            }
        } else if let Some(field) = fields.iter().find(|field| fold::same(key, field.name)) {
            report.violation(
                "json.key_case",
                &path,
                format_args!(
                    "key {} differs from {} in case only: Go programs such as runc take it for that field, others do not",
                    Quoted(key),
                    Quoted(field.name)
                ),
                format_args!("write {}", Quoted(field.name)),
            );
        } else {
            duplicates_below(value, &path, report);
            unknown(key, &path, report);
        }
    }
    for field in fields.iter().filter(|field| field.required) {
        let present = |(key, value): &Member| same(key, field.name) && *value != Value::Null;
        if !members.iter().any(present) {
            report.violation(
                "shape.required",
                &path.key(field.name),
                format_args!("is required, and is missing"),
                format_args!("set it to {}", field.shape),
            );
        }
    }
}

/// Which of two equal keys counts depends on the reader: the last for Go, either or
/// none for others.
fn duplicates(members: &[Member], path: &Path, report: &mut Report) {
    let mut add = |key: &str| {
        report.violation(
            "json.duplicate_key",
            &path.key(key),
            format_args!("key {} occurs more than once: readers disagree about which one counts", Quoted(key)),
            format_args!("keep one of them"),
        )
    };
    if members.len() <= 16 {
        for (i, (key, _)) in members.iter().enumerate() {
            if members[..i].iter().any(|(earlier, _)| same(earlier, key)) {
                add(key);
            }
        }
        return;
    }
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
        add(pair[0]);
    }
}

fn duplicates_below(value: &Value, path: &Path, report: &mut Report) {
    for (i, item) in value.list().iter().enumerate() {
        duplicates_below(item, &path.index(i), report);
    }
    if let Value::Object(members) = value {
        duplicates(members, path, report);
        for (key, value) in members {
            duplicates_below(value, &path.key(key), report);
        }
    }
}

fn no_nul(text: &str, path: &Path, report: &mut Report) {
    if text.contains('\0') {
        report.violation(
            "shape.nul",
            path,
            format_args!("contains a NUL character, where the kernel would see its end"),
            format_args!("remove the NUL"),
        );
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Shape::Any => "any value",
            Shape::Bool => "true or false",
            Shape::Text => "a string",
            Shape::Integer(..) => "an integer",
            Shape::List(_) => "an array",
            Shape::Record(_) | Shape::Closed(_) | Shape::Map(_) => "an object",
        })
    }
}

/// Lists the names of fields.
struct Keys(&'static [Field]);

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, field) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(field.name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    static TEXT: Shape = Shape::Text;
    static BYTE: Shape = Shape::Integer(0, 255);
    static RECORD: Shape = Shape::Record(&[
        Field { name: "name", shape: &TEXT, required: true },
        Field { name: "size", shape: &BYTE, required: false },
    ]);

    fn found(doc: &str) -> Vec<(String, String)> {
        let mut report = Report::default();
        check(&RECORD, &parse::value(doc).unwrap(), &Path::root("x"), &mut report);
        let all = report.violations.listed.into_iter().chain(report.warnings.listed);
        all.map(|f| (f.field, f.code)).collect()
    }

    #[test]
    fn checks_records() {
        for (doc, want) in [
            (r#"{"name":"a","size":255}"#, vec![]),
            (r#"{"name":"a","size":null}"#, vec![]),
            (r#"{"name":null}"#, vec![("x.name", "shape.required")]),
            (r#"{"name":1}"#, vec![("x.name", "shape.type")]),
            (r#"{"name":"a","size":256}"#, vec![("x.size", "shape.range")]),
            (r#"{"name":"a","size":1.0}"#, vec![("x.size", "shape.type")]),
            (r#"{"name":"a","Size":1}"#, vec![("x.Size", "json.key_case")]),
            (r#"{"name":"a","name":"b"}"#, vec![("x.name", "json.duplicate_key")]),
            (r#"{"name":"\u0000"}"#, vec![("x.name", "shape.nul")]),
            (r#"{"name":"a","colour":1}"#, vec![("x.colour", "shape.unknown_key")]),
            ("[]", vec![("x", "shape.type")]),
        ] {
            let want: Vec<_> = want.iter().map(|(f, c)| (f.to_string(), c.to_string())).collect();
            assert_eq!(found(doc), want, "{}", doc);
        }
    }

    #[test]
    fn finds_duplicates_among_many_keys() {
        let keys: Vec<String> = (0..40).map(|n| format!("\"k{}\":1", n % 39)).collect();
        let doc = format!("{{\"name\":\"a\",\"m\":{{{}}}}}", keys.join(","));
        assert!(found(&doc).contains(&("x.m.k0".to_string(), "json.duplicate_key".to_string())));
    }
}
