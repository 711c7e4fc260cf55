// NAME denies containers that set environment variables which its settings forbid.
"use strict";

// Takes a request and returns all that is wrong. The spec is the caller's, and may be
// anything. What is thrown is a fault, which denies as well, but blames the validator:
// plimsoll plugin run shows it.
function validate({ object, settings }) {
  const spec = object?.spec ?? { base64: "" };
  const env = spec.process?.env ?? [];
  if ("base64" in spec || !Array.isArray(env) || !env.every((v) => typeof v === "string")) {
    return {
      violations: [
        { msg: "the spec cannot be read", field: "spec", code: "UNREADABLE", fix: "make it an OCI runtime spec" },
      ],
    };
  }
  const violations = [];
  env.forEach((variable, i) => {
    const [name] = variable.split("=", 1);
    if (settings.forbid.includes(name)) {
      violations.push({
        msg: `the variable ${name} is forbidden`,
        field: `spec.process.env[${i}]`,
        code: "ENV_FORBIDDEN",
        fix: "start the container without it",
      });
    }
  });
  return { violations };
}
