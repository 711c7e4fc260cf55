//! From a request document to a verdict document.

use std::{fmt, mem, str};

use crate::checks;
use crate::json::Value;
use crate::oci;
use crate::parse::{Error, Parser};
use crate::path::Path;
use crate::privileges;
use crate::report::{Quoted, Report};
use crate::settings::Settings;
use crate::shape;

/// The parts of the request that are looked at. What is absent is null.
struct Request<'a> {
    operation: Value<'a>,
    object: Option<Object<'a>>,
    settings: Value<'a>,
}

struct Object<'a> {
    spec_type: Value<'a>,
    spec: Value<'a>,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Result<Request<'a>, Error> {
        let mut request = Request { operation: Value::Null, object: None, settings: Value::Null };
        let mut parser = Parser::new(text);
        parser.object(|parser, key| {
            match key.as_ref() {
                "operation" => request.operation = parser.value()?,
                "object" => request.object = Some(Object::parse(parser)?),
                "settings" => request.settings = parser.value()?,
                _ => parser.ignore()?,
            }
            Ok(())
        })?;
        parser.end()?;
        Ok(request)
    }
}

impl<'a> Object<'a> {
    fn parse(parser: &mut Parser<'a>) -> Result<Object<'a>, Error> {
        let mut object = Object { spec_type: Value::Null, spec: Value::Null };
        parser.object(|parser, key| {
            match key.as_ref() {
                "spec_type" => object.spec_type = parser.value()?,
                "spec" => object.spec = parser.value()?,
                _ => parser.ignore()?,
            }
            Ok(())
        })?;
        Ok(object)
    }
}

/// Judges a request. Whatever the bytes are, the answer is a verdict: what cannot be
/// read is refused.
pub fn judge(request: &[u8]) -> Vec<u8> {
    let mut report = Report::default();
    let unreadable = |report: &mut Report, why: &dyn fmt::Display| {
        report.violation(
            "json.unreadable",
            &Path::root("spec"),
            format_args!("cannot be read as JSON: {}", why),
            format_args!("use UTF-8, complete escapes and no deep nesting"),
        )
    };
    match str::from_utf8(request) {
        Ok(text) => match Request::parse(text) {
            Ok(request) => {
                judge_request(&request, &mut report);
                // The arena goes as a whole; taking the tree apart would be wasted.
                mem::forget(request);
            }
            Err(err) => unreadable(&mut report, &err),
        },
        Err(err) => unreadable(&mut report, &err),
    }
    report.finish()
}

fn judge_request(request: &Request, report: &mut Report) {
    // Removing a container makes nothing less safe, however bad its spec is.
    if request.operation.text() == Some("DELETE") {
        return;
    }
    let settings = Settings::read(&request.settings, &Path::root("settings"), report);
    let path = Path::root("spec");
    let object = match &request.object {
        Some(object) => object,
        None => {
            return report.violation(
                "spec.missing",
                &path,
                format_args!("there is no object to judge"),
                format_args!("send a container"),
            )
        }
    };
    // containerd hands the payload to the shim whatever its type is called, so a spec
    // under another name would run unjudged if it were let through.
    if object.spec_type.text() != Some(oci::SPEC_TYPE) {
        report.violation(
            "spec.type",
            &Path::root("spec_type"),
            format_args!(
                "{} is not the type of an OCI runtime spec",
                Quoted(object.spec_type.text().unwrap_or_default())
            ),
            format_args!("use {}", oci::SPEC_TYPE),
        );
    }
    let spec = &object.spec;
    if let ([(key, _)], None) = (spec.members(), spec.get("ociVersion")) {
        if key == "base64" {
            return report.violation(
                "spec.not_json",
                &path,
                format_args!("is not a JSON object"),
                format_args!("send an OCI runtime spec as JSON"),
            );
        }
    }
    shape::check(&oci::SPEC, spec, &path, report);
    checks::all(spec, &path, report);
    privileges::all(spec, &path, &settings, report);
}
