// NAME denies containers that set environment variables which its settings forbid.
import { JSON } from "json-as";

@json
class Process {
  env: string[] | null = null;
}

@json
class Spec {
  process: Process | null = null;
  base64: string | null = null; // of a payload that is no JSON
}

@json
class Obj {
  spec: Spec = new Spec();
}

@json
class Settings {
  forbid: string[] = [];
}

@json
class Request {
  object: Obj = new Obj();
  settings: Settings = new Settings();
}

@json
class Violation {
  msg: string = "";
  field: string = "";
  code: string = "";
  fix: string = "";
}

@json
export class Verdict {
  violations: Violation[] = [];
}

// Returns all that is wrong.
export function judge(document: string): Verdict {
  const verdict = new Verdict();
  const request = JSON.parse<Request>(document);
  const spec = request.object.spec;
  const process = spec.process;
  const env = process ? process.env : null;
  if (!env) return verdict;
  for (let i = 0; i < env.length; i++) {
    const name = env[i].split("=", 2)[0];
    if (!request.settings.forbid.includes(name)) continue;
    const v = new Violation();
    v.msg = `the variable ${name} is forbidden`;
    v.field = `spec.process.env[${i}]`;
    v.code = "ENV_FORBIDDEN";
    v.fix = "start the container without it";
    verdict.violations.push(v);
  }
  return verdict;
}
