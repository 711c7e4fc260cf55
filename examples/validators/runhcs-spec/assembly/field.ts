// A place in a spec. Reading one as a type that it does not have is a violation, because
// the shim, which decodes specs into Go types, refuses the whole spec for it.
import { Kind, Value } from "./json";
import { Report, quote } from "./report";

export class Field {
  constructor(public report: Report, public path: string, public value: Value) {}

  // exists says whether something is there. A null is nothing, as for Go.
  get exists(): bool {
    return this.value.kind != Kind.Null;
  }

  key(name: string): Field {
    return new Field(this.report, keyPath(this.path, name), this.value.get(name));
  }

  // map returns whether there is an object to look into.
  map(): bool {
    return this.is(Kind.Map, "an object");
  }

  // list returns the items of an array; a null among them is an empty one.
  list(): Field[] {
    const fields: Field[] = [];
    if (!this.is(Kind.List, "an array")) return fields;
    for (let i = 0; i < this.value.items.length; i++) {
      fields.push(new Field(this.report, this.path + "[" + i.toString() + "]", this.value.items[i]));
    }
    return fields;
  }

  // text returns "" if there is none.
  text(): string {
    return this.is(Kind.Text, "a string") ? this.value.text : "";
  }

  flag(): bool {
    return this.is(Kind.Bool, "true or false") && this.value.text == "true";
  }

  // number returns 0 if there is none, or not one from 0 to max.
  number(max: u64): u64 {
    if (!this.is(Kind.Number, "a number")) return 0;
    const number = wholeNumber(this.value.text, max);
    if (number >= 0) return <u64>number;
    this.violation("shape.type", "it is " + quote(this.value.text) + ", not a whole number from 0 to " + max.toString(), "");
    return 0;
  }

  violation(code: string, msg: string, fix: string): void {
    this.report.violation(code, this.path, msg, fix);
  }

  warning(code: string, msg: string, fix: string): void {
    this.report.warning(code, this.path, msg, fix);
  }

  private is(kind: Kind, what: string): bool {
    if (this.value.kind == kind) return true;
    if (!this.exists) return false;
    this.violation("shape.type", "it is not " + what, "make it " + what);
    return false;
  }
}

// wholeNumber reads decimal digits; -1 if it is not a number from 0 to max, which is below
// 2^63, as all numbers of use here are.
export function wholeNumber(text: string, max: u64): i64 {
  if (text.length == 0 || text.length > 19) return -1;
  let number: u64 = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number > max ? -1 : <i64>number;
}

export function keyPath(path: string, key: string): string {
  if (key == "") return path + '[""]';
  for (let i = 0; i < key.length; i++) {
    const c = key.charCodeAt(i);
    const plain = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a || c >= 0x30 && c <= 0x39 || c == 0x5f || c == 0x2d;
    if (!plain) return path + "[" + quote(key) + "]";
  }
  return path + "." + key;
}
