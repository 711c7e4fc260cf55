// What was found, bounded, and written as a verdict.

// How many findings of a kind a verdict lists, and how long they may be together. Hosts
// bound a verdict, and take one that is longer for a fault of the validator.
const maxFindings = 64;
const maxLength = 20000;

// How many code units of a value a message quotes.
const maxQuoted = 100;

class Findings {
  private text: string = "";
  private listed: i32 = 0;
  private more: i32 = 0;

  add(code: string, field: string, msg: string, fix: string): void {
    if (this.listed == maxFindings || this.text.length > maxLength) {
      this.more++;
      return;
    }
    this.write(code, field, msg, fix);
  }

  private write(code: string, field: string, msg: string, fix: string): void {
    if (this.listed++ > 0) this.text += ",";
    this.text += '{"code":' + quote(code) + ',"msg":' + json(msg);
    if (field != "") this.text += ',"field":' + json(field);
    if (fix != "") this.text += ',"fix":' + json(fix);
    this.text += "}";
  }

  close(): string {
    if (this.more > 0) this.write("report.truncated", "", "and " + this.more.toString() + " more", "");
    return "[" + this.text + "]";
  }
}

export class Report {
  private violations: Findings = new Findings();
  private warnings: Findings = new Findings();

  violation(code: string, field: string, msg: string, fix: string): void {
    this.violations.add(code, field, msg, fix);
  }

  warning(code: string, field: string, msg: string, fix: string): void {
    this.warnings.add(code, field, msg, fix);
  }

  verdict(): string {
    return '{"violations":' + this.violations.close() + ',"warnings":' + this.warnings.close() + "}";
  }
}

// quote writes a value for a message, or a key in a path, cut when it is long.
export function quote(value: string): string {
  if (value.length <= maxQuoted) return json(value);
  // Not between the halves of a surrogate.
  const cut = (value.charCodeAt(maxQuoted) & 0xfc00) == 0xdc00 ? maxQuoted - 1 : maxQuoted;
  return json(value.substring(0, cut) + "…");
}

function json(text: string): string {
  let out = '"';
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    out += text.substring(start, i);
    out += c >= 0x20 ? "\\" + text.charAt(i) : "\\u00" + (c >> 4).toString(16) + (c & 15).toString(16);
    start = i + 1;
  }
  return out + text.substring(start) + '"';
}
