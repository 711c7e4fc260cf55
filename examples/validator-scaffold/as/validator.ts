// NAME denies containers that set environment variables which its settings forbid.
import { JSON } from "json-as";

@json
export class Violation {
  constructor(
    public msg: string,
    public field: string,
    public code: string,
    public fix: string,
  ) {}
}

@json
export class Verdict {
  violations: Violation[] = [];
}

// A JSON object's member that is an object; null if it has none. The spec is the caller's,
// and may be anything: types are looked at before values are.
function objectIn(object: JSON.Obj | null, name: string): JSON.Obj | null {
  const value = object ? object.get(name) : null;
  return value && value.type == JSON.Types.Object ? value.get<JSON.Obj>() : null;
}

// A member that is a list of strings; null if it is anything else. No member is no strings.
function stringsIn(object: JSON.Obj | null, name: string): string[] | null {
  const value = object ? object.get(name) : null;
  if (!value || value.type == JSON.Types.Null) return [];
  if (value.type != JSON.Types.Array) return null;
  const array = value.get<JSON.Arr>();
  const strings: string[] = [];
  for (let i = 0; i < array.length; i++) {
    const item = array.at(i);
    if (item.type != JSON.Types.String) return null;
    strings.push(item.get<string>());
  }
  return strings;
}

// Returns all that is wrong.
export function judge(document: string): Verdict {
  const verdict = new Verdict();
  const request = JSON.parse<JSON.Obj>(document);
  const spec = objectIn(objectIn(request, "object"), "spec");
  const process = objectIn(spec, "process");
  const env = stringsIn(process, "env");
  // base64 is there of a payload that is no JSON.
  if (!spec || spec.has("base64") || (spec.has("process") && !process) || !env) {
    verdict.violations.push(
      new Violation("the spec cannot be read", "spec", "UNREADABLE", "make it an OCI runtime spec"),
    );
    return verdict;
  }
  const forbid = stringsIn(objectIn(request, "settings"), "forbid")!;
  for (let i = 0; i < env.length; i++) {
    const end = env[i].indexOf("=");
    const name = end < 0 ? env[i] : env[i].slice(0, end);
    if (!forbid.includes(name)) continue;
    verdict.violations.push(
      new Violation(
        `the variable ${name} is forbidden`,
        `spec.process.env[${i}]`,
        "ENV_FORBIDDEN",
        "start the container without it",
      ),
    );
  }
  return verdict;
}
