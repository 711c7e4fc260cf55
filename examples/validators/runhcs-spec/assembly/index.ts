// The exports of Plimsoll's ABI v1. Memory is never freed: the host puts it back to what it
// was after each call.
import { Field } from "./field";
import { Kind, parse } from "./json";
import { Report } from "./report";
import { checkRequest } from "./request";
import { checkSettings } from "./settings";

export function plimsoll_abi_1(): void {}

export function plimsoll_alloc(size: usize): usize {
  return heap.alloc(size);
}

export function plimsoll_validate(start: usize, length: usize): u64 {
  const report = new Report();
  const request = parse(start, length);
  if (request === null) {
    report.violation("json.unreadable", "spec", "the spec cannot be read: it nests too deep, or has text that is not Unicode",
      "write plain JSON");
  } else {
    checkRequest(report, request);
  }
  return give(report.verdict());
}

export function plimsoll_validate_settings(start: usize, length: usize): u64 {
  const report = new Report();
  const settings = parse(start, length);
  if (settings === null || settings.kind != Kind.Map) {
    report.violation("settings.unreadable", "", "the settings cannot be read", "");
  } else {
    checkSettings(new Field(report, "", settings));
  }
  return give(report.verdict());
}

function give(verdict: string): u64 {
  const bytes = String.UTF8.encode(verdict);
  return ((<u64>changetype<usize>(bytes)) << 32) | <u64>bytes.byteLength;
}
