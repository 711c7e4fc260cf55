## The exports of Plimsoll's ABI v1. Memory is never freed: the host puts it back to what it
## was after each call.

import document, report, request, settings

const signature = "__attribute__((export_name(\"$2\"))) $1 $2$3"

{.compile: "memory.c".}

var input, output: string

proc plimsoll_abi_1() {.exportc, codegenDecl: signature.} = discard

proc plimsoll_alloc(size: cuint): pointer {.exportc, codegenDecl: signature.} =
  input = newString(max(size, 1))
  addr input[0]

proc give(verdict: string): uint64 =
  output = verdict
  (cast[uint64](addr output[0]) shl 32) or uint64(output.len)

proc plimsoll_validate(start: pointer, length: cuint): uint64 {.exportc, codegenDecl: signature.} =
  let report = newReport()
  try:
    checkRequest(report, readDocument(report, input))
  except UnreadableError as e:
    report.violation("json.unreadable", "spec", "the spec cannot be read: " & e.msg, "write plain JSON")
  give(report.verdict)

proc plimsoll_validate_settings(start: pointer, length: cuint): uint64 {.exportc, codegenDecl: signature.} =
  let report = newReport()
  try:
    checkSettings(Field(report: report, path: "", node: readDocument(report, input)))
  except UnreadableError as e:
    report.violation("json.unreadable", "", "the settings cannot be read: " & e.msg, "")
  give(report.verdict)

# _initialize calls constructors, and this one starts the modules of Nim.
{.emit: "__attribute__((constructor)) static void start(void) { extern void NimMain(void); NimMain(); }".}
