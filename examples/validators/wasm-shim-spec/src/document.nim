## Reads JSON without missing what a spec may hide: std/json keeps the last of equal keys.

import std/[json, parsejson, streams, strutils, unicode]
import report

type UnreadableError* = object of CatchableError

# How deep a document may nest: it is read by recursion.
const maxDepth = 128

proc unreadable(why: string) {.noreturn.} =
  raise newException(UnreadableError, why)

# checked is a text of the document. Half of a surrogate, which an escape can write, would
# be three bytes that are no UTF-8.
proc checked(text: string): string =
  for i, c in text:
    if c == '\xED' and i + 1 < text.len and text[i + 1] >= '\xA0':
      unreadable("it has half of a surrogate")
  text

# pathOf is a place in the container, which is the object of the request.
proc pathOf(keys: seq[string]): string =
  for i, key in keys:
    if key.startsWith('['): result.add(key)
    elif i > 0 or key != "object": result = keyPath(result, key)

# read takes the value that the parser is at. keys lead to it, [n] for items of arrays.
proc read(report: Report, p: var JsonParser, keys: var seq[string]): JsonNode =
  if keys.len > maxDepth: unreadable("it nests too deep")
  case p.kind
  of jsonString: result = newJString(checked(p.str))
  # No number here needs more than a float has; none is too long for one.
  of jsonInt, jsonFloat: result = newJFloat(parseFloat(p.str))
  of jsonTrue: result = newJBool(true)
  of jsonFalse: result = newJBool(false)
  of jsonNull: result = newJNull()
  of jsonArrayStart:
    result = newJArray()
    p.next()
    while p.kind != jsonArrayEnd:
      keys.add("[" & $result.len & "]")
      result.add(read(report, p, keys))
      discard keys.pop()
      p.next()
  of jsonObjectStart:
    result = newJObject()
    p.next()
    while p.kind != jsonObjectEnd:
      if p.kind != jsonString: unreadable("it is malformed")
      let key = checked(p.str)
      keys.add(key)
      if result.hasKey(key):
        report.violation("json.duplicate_key", pathOf(keys), "the key is there more than once, and the shim refuses that", "keep one")
      p.next()
      result[key] = read(report, p, keys)
      discard keys.pop()
      p.next()
  of jsonError, jsonEof, jsonArrayEnd, jsonObjectEnd: unreadable("it is malformed")

## readDocument reads a document, and reports keys that are there twice. It raises
## UnreadableError if there is no reading it.
proc readDocument*(report: Report, text: string): JsonNode =
  if validateUtf8(text) >= 0: unreadable("it is not UTF-8")
  var p: JsonParser
  p.open(newStringStream(text), "", rawStringLiterals = false)
  defer: p.close()
  p.next()
  var keys: seq[string]
  result = read(report, p, keys)
  p.next()
  if p.kind != jsonEof: unreadable("it is malformed")
