//! From a request document to a verdict document.

use serde::Deserialize;

use crate::checks;
use crate::json::Value;
use crate::oci;
use crate::path::Path;
use crate::privileges;
use crate::report::{Quoted, Report};
use crate::settings::Settings;
use crate::shape;

/// The parts of the request that are looked at; the rest is skipped unparsed.
#[derive(Deserialize)]
struct Request<'a> {
    operation: &'a str,
    #[serde(borrow)]
    object: Option<Object<'a>>,
    #[serde(borrow, default = "absent")]
    settings: Value<'a>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default = "absent")]
    spec_type: Value<'a>,
    #[serde(borrow, default = "absent")]
    spec: Value<'a>,
}

fn absent<'a>() -> Value<'a> {
    Value::Null
}

/// Judges a request. Whatever the bytes are, the answer is a verdict: what cannot be
/// read is refused.
pub fn judge(request: &[u8]) -> Vec<u8> {
    let mut report = Report::default();
    match serde_json::from_slice::<Request>(request) {
        Ok(request) => judge_request(&request, &mut report),
        Err(err) => report.violation(
            "json.unreadable",
            &Path::root("spec"),
            format_args!("cannot be read as JSON: {}", err),
            format_args!("use UTF-8, complete escapes, 64-bit numbers and at most 120 levels"),
        ),
    }
    report.finish()
}

fn judge_request(request: &Request, report: &mut Report) {
    // Removing a container makes nothing less safe, however bad its spec is.
    if request.operation == "DELETE" {
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
