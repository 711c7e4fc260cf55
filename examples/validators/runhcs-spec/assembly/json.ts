// A reader of JSON that misses nothing which a spec may hide. Libraries of the language
// round numbers above 2^53, keep the last of equal keys, and trap on what they cannot read.

export const enum Kind { Null, Bool, Number, Text, List, Map }

export class Value {
  // text is the content of a text, and a number as it was written.
  constructor(public kind: Kind, public text: string = "") {}

  // keys are those of a map, in order, with repetitions; items the values of a map or list.
  // Most values have none, and share these.
  keys: string[] = noKeys;
  items: Value[] = noItems;

  // get returns the last value of a key, as Go's decoder does, and a null if there is none.
  get(key: string): Value {
    const i = this.kind == Kind.Map ? this.keys.lastIndexOf(key) : -1;
    return i < 0 ? nothing : this.items[i];
  }
}

const noKeys: string[] = [];
const noItems: Value[] = [];
const nothing = new Value(Kind.Null);

// How deep documents may nest: they are read by recursion.
const maxDepth = 128;

// parse reads the JSON at an address; null if it is malformed, nests too deep, or has text
// that is not Unicode.
export function parse(start: usize, length: usize): Value | null {
  const reader = new Reader(start, start + length);
  const value = reader.value(0);
  reader.space();
  return reader.failed || reader.at < reader.end ? null : value;
}

export function parseText(text: string): Value | null {
  const bytes = String.UTF8.encode(text);
  return parse(changetype<usize>(bytes), bytes.byteLength);
}

class Reader {
  failed: bool = false;

  constructor(public at: usize, public end: usize) {}

  value(depth: i32): Value {
    this.space();
    if (depth > maxDepth) return this.fail();
    const c = this.peek();
    if (c == 0x7b /* { */) return this.map(depth);
    if (c == 0x5b /* [ */) return this.list(depth);
    if (c == 0x22 /* " */) return new Value(Kind.Text, this.string());
    if (c == 0x74 /* t */) return this.word("true", Kind.Bool);
    if (c == 0x66 /* f */) return this.word("false", Kind.Bool);
    if (c == 0x6e /* n */) return this.word("null", Kind.Null);
    return this.number();
  }

  space(): void {
    for (; this.at < this.end; this.at++) {
      const c = load<u8>(this.at);
      if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
    }
  }

  private fail(): Value {
    this.failed = true;
    this.at = this.end;
    return new Value(Kind.Null);
  }

  // peek returns the next byte, -1 at the end.
  private peek(): i32 {
    return this.at < this.end ? <i32>load<u8>(this.at) : -1;
  }

  private skip(c: i32): bool {
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  private map(depth: i32): Value {
    const map = new Value(Kind.Map);
    map.keys = [];
    map.items = [];
    this.at++;
    this.space();
    if (this.skip(0x7d)) return map;
    do {
      this.space();
      if (this.peek() != 0x22) return this.fail();
      map.keys.push(this.string());
      this.space();
      if (!this.skip(0x3a /* : */)) return this.fail();
      map.items.push(this.value(depth + 1));
      this.space();
    } while (this.skip(0x2c /* , */));
    return this.skip(0x7d /* } */) ? map : this.fail();
  }

  private list(depth: i32): Value {
    const list = new Value(Kind.List);
    list.items = [];
    this.at++;
    this.space();
    if (this.skip(0x5d)) return list;
    do {
      list.items.push(this.value(depth + 1));
      this.space();
    } while (this.skip(0x2c /* , */));
    return this.skip(0x5d /* ] */) ? list : this.fail();
  }

  private word(word: string, kind: Kind): Value {
    for (let i = 0; i < word.length; i++) {
      if (!this.skip(word.charCodeAt(i))) return this.fail();
    }
    return new Value(kind, word);
  }

  private number(): Value {
    const start = this.at;
    this.skip(0x2d /* - */);
    if (!this.skip(0x30 /* 0 */) && !this.digits()) return this.fail();
    if (this.skip(0x2e /* . */) && !this.digits()) return this.fail();
    if (this.skip(0x65 /* e */) || this.skip(0x45 /* E */)) {
      if (!this.skip(0x2b /* + */)) this.skip(0x2d /* - */);
      if (!this.digits()) return this.fail();
    }
    return new Value(Kind.Number, String.UTF8.decodeUnsafe(start, this.at - start));
  }

  private digits(): bool {
    const start = this.at;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at++;
    return this.at > start;
  }

  private string(): string {
    this.at++;
    const parts: string[] = []; // between escapes, and those
    let start = this.at; // of what is not in parts yet
    while (this.peek() >= 0x20) {
      const c = this.peek();
      if (c == 0x22 || c == 0x5c /* \ */) {
        const part = String.UTF8.decodeUnsafe(start, this.at - start);
        this.at++;
        if (c == 0x22 && parts.length == 0) return part;
        parts.push(part);
        if (c == 0x22) return parts.join("");
        parts.push(this.escaped());
        start = this.at;
      } else if (c < 0x80) {
        this.at++;
      } else if (!this.character(c)) {
        break;
      }
    }
    this.fail(); // the end, a control character, or no UTF-8
    return "";
  }

  // character moves behind a character of UTF-8 that has more than one byte: no byte too
  // few, none of them wasted, no half of a surrogate.
  private character(first: i32): bool {
    const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4) return false;
    this.at++;
    for (let i = 0; i < more; i++) {
      const c = this.peek();
      if (c < 0x80 || c > 0xbf) return false;
      if (i == 0 && ((first == 0xe0 && c < 0xa0) || (first == 0xed && c > 0x9f))) return false;
      if (i == 0 && ((first == 0xf0 && c < 0x90) || (first == 0xf4 && c > 0x8f))) return false;
      this.at++;
    }
    return true;
  }

  private escaped(): string {
    const c = this.peek();
    this.at++;
    if (c == 0x22 || c == 0x5c || c == 0x2f /* / */) return String.fromCharCode(c);
    if (c == 0x62) return "\b";
    if (c == 0x66) return "\f";
    if (c == 0x6e) return "\n";
    if (c == 0x72) return "\r";
    if (c == 0x74) return "\t";
    const unit = c == 0x75 /* u */ ? this.unit() : -1;
    if (unit < 0xd800 || unit > 0xdfff) {
      if (unit < 0) this.fail();
      return String.fromCharCode(unit);
    }
    // The first of a pair, and the second must follow.
    const second = unit < 0xdc00 && this.skip(0x5c) && this.skip(0x75) ? this.unit() : -1;
    if (second < 0xdc00 || second > 0xdfff) {
      this.fail();
      return "";
    }
    return String.fromCharCode(unit, second);
  }

  private unit(): i32 {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const c = this.peek() | 0x20; // lower case
      const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : c >= 0x61 && c <= 0x66 ? c - 0x57 : -1;
      if (digit < 0) return -1;
      unit = (unit << 4) | digit;
      this.at++;
    }
    return unit;
  }
}
