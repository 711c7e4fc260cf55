## What was found, bounded, and written as a verdict; and places in a document to find it at.

import std/[json, strutils, unicode]

# How many findings of a kind a verdict lists, and how many bytes of text they may have.
# Hosts bound a verdict, and take one that is longer for a fault of the validator.
const
  maxFindings = 64
  maxText = 20_000

# How many characters of a value a message quotes.
const maxQuoted = 100

type
  Findings = object
    listed: JsonNode
    text, more: int

  Report* = ref object
    violations, warnings: Findings

  ## Field is a place in a document. node is nil if nothing is there; so it is for a null.
  Field* = object
    report*: Report
    path*: string
    node*: JsonNode

proc newReport*(): Report =
  Report(violations: Findings(listed: newJArray()), warnings: Findings(listed: newJArray()))

proc add(findings: var Findings, code, field, msg, fix: string) =
  if findings.listed.len == maxFindings or findings.text > maxText:
    inc findings.more
    return
  findings.text += code.len + field.len + msg.len + fix.len
  let finding = %*{"code": code, "msg": msg}
  if field != "": finding["field"] = %field
  if fix != "": finding["fix"] = %fix
  findings.listed.add(finding)

proc close(findings: Findings): JsonNode =
  result = findings.listed
  if findings.more > 0:
    result.add(%*{"code": "report.truncated", "msg": "and " & $findings.more & " more"})

proc violation*(report: Report, code, field, msg, fix: string) =
  report.violations.add(code, field, msg, fix)

proc warning*(report: Report, code, field, msg, fix: string) =
  report.warnings.add(code, field, msg, fix)

proc verdict*(report: Report): string =
  $ %*{"violations": close(report.violations), "warnings": close(report.warnings)}

## quote writes a value for a message, cut when it is long.
proc quote*(value: string): string =
  if value.len <= maxQuoted: return escapeJson(value)
  escapeJson(value.runeSubStr(0, maxQuoted) & (if value.runeLen > maxQuoted: "…" else: ""))

## cut is a text around the first separator, which it may not have.
proc cut*(text: string, separator: char): tuple[before: string, found: bool, after: string] =
  let at = text.find(separator)
  if at < 0: (text, false, "") else: (text[0 ..< at], true, text[at + 1 .. ^1])

## keyPath is where a key is: spec.process, or spec.annotations["a.b"].
proc keyPath*(path, key: string): string =
  let plain = key != "" and key.allCharsInSet({'a'..'z', 'A'..'Z', '0'..'9', '_', '-'})
  if not plain: path & "[" & quote(key) & "]"
  elif path == "": key
  else: path & "." & key

proc violation*(field: Field, code, msg, fix: string) =
  field.report.violation(code, field.path, msg, fix)

proc warning*(field: Field, code, msg, fix: string) =
  field.report.warning(code, field.path, msg, fix)

proc exists*(field: Field): bool = field.node != nil

proc at(field: Field, path: string, node: JsonNode): Field =
  Field(report: field.report, path: path, node: if node == nil or node.kind == JNull: nil else: node)

proc key*(field: Field, name: string): Field =
  let node = if field.node != nil and field.node.kind == JObject: field.node.getOrDefault(name) else: nil
  field.at(keyPath(field.path, name), node)

# is says whether a field has a type. Another one is a violation, because the shim reads
# specs into types of Rust, and refuses the whole spec for it.
proc isOf(field: Field, wanted: bool, what: string): bool =
  if field.node == nil or wanted: return wanted
  field.violation("shape.type", "it is not " & what, "make it " & what)

proc kind(field: Field): JsonNodeKind =
  if field.node == nil: JNull else: field.node.kind

## isObject says whether there is an object.
proc isObject*(field: Field): bool = field.isOf(field.kind == JObject, "an object")

proc text*(field: Field): string =
  if field.isOf(field.kind == JString, "a string"): field.node.str else: ""

proc number*(field: Field): float =
  if field.isOf(field.kind == JFloat, "a number"): field.node.fnum else: 0

iterator items*(field: Field): Field =
  if field.isOf(field.kind == JArray, "an array"):
    for i, node in field.node.elems:
      yield field.at(field.path & "[" & $i & "]", node)

## each is items, without a word if there is no array.
iterator each*(field: Field): Field =
  if field.kind == JArray:
    for i, node in field.node.elems:
      yield field.at(field.path & "[" & $i & "]", node)

iterator pairs*(field: Field): (string, Field) =
  if field.isOf(field.kind == JObject, "an object"):
    for key, node in json.pairs(field.node):
      yield (key, field.at(keyPath(field.path, key), node))

## count is how many items an array has, or members an object.
proc count*(field: Field, kind = JArray): int =
  if field.kind == kind: field.node.len else: 0
