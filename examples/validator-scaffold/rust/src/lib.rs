//! NAME denies containers that set environment variables which its settings forbid.

mod abi;

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    object: Object,
    settings: Settings,
}

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    process: Option<Process>,
    base64: Option<String>, // of a payload that is no JSON
}

#[derive(Deserialize)]
struct Process {
    env: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Settings {
    forbid: Vec<String>,
}

#[derive(Serialize)]
pub struct Verdict {
    violations: Vec<Violation>,
}

#[derive(Serialize)]
struct Violation {
    msg: String,
    field: String,
    code: &'static str,
    fix: &'static str,
}

/// Returns all that is wrong.
fn judge(document: &[u8]) -> Verdict {
    let request = match serde_json::from_slice::<Request>(document) {
        Ok(r) if r.object.spec.base64.is_none() => r,
        _ => return unreadable(),
    };
    let process = request.object.spec.process;
    let env = process.and_then(|p| p.env).unwrap_or_default();
    let forbid = request.settings.forbid;
    let mut violations = Vec::new();
    for (i, variable) in env.iter().enumerate() {
        let name = variable.split('=').next().unwrap_or("");
        if forbid.iter().any(|f| f == name) {
            violations.push(Violation {
                msg: format!("the variable {} is forbidden", name),
                field: format!("spec.process.env[{}]", i),
                code: "ENV_FORBIDDEN",
                fix: "start the container without it",
            });
        }
    }
    Verdict { violations }
}

fn unreadable() -> Verdict {
    Verdict {
        violations: vec![Violation {
            msg: "the spec cannot be read".into(),
            field: "spec".into(),
            code: "UNREADABLE",
            fix: "make it an OCI runtime spec",
        }],
    }
}
