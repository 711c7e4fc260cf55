## Reads JSON without missing what a spec may hide: std/json keeps the last of equal keys.

import std/[json, parsejson, streams, strutils, unicode]
import report

type UnreadableError* = object of CatchableError

# How deep a document may nest: it is read by recursion.
const maxDepth = 128

# Step leads from a value to one in it: by its index in an array, or by its key.
type Step = object
  index: int
  key: string

type Reader = object
  report: Report
  parser: JsonParser
  path: seq[Step]

proc unreadable(why: string) {.noreturn.} =
  raise newException(UnreadableError, why)

# text is the one that the parser is at. Half of a surrogate, which an escape can write,
# would be three bytes that are no UTF-8.
proc text(r: var Reader): string =
  result = r.parser.str
  var at = result.find('\xED')
  while at >= 0:
    if at + 1 < result.len and result[at + 1] >= '\xA0': unreadable("it has half of a surrogate")
    at = result.find('\xED', at + 1)

# place is that of the value in the container, which is the object of the request.
proc place(r: Reader): string =
  for i, step in r.path:
    if step.index >= 0: result.add("[" & $step.index & "]")
    elif i > 0 or step.key != "object": result = keyPath(result, step.key)

proc read(r: var Reader): JsonNode

proc readArray(r: var Reader): JsonNode =
  result = newJArray()
  r.path.add(Step())
  r.parser.next()
  while r.parser.kind != jsonArrayEnd:
    r.path[^1].index = result.len
    result.add(read(r))
    r.parser.next()
  discard r.path.pop()

proc readObject(r: var Reader): JsonNode =
  result = newJObject()
  r.path.add(Step(index: -1))
  r.parser.next()
  while r.parser.kind != jsonObjectEnd:
    if r.parser.kind != jsonString: unreadable("it is malformed")
    let key = r.text
    r.path[^1].key = key
    if result.hasKey(key):
      r.report.violation("json.duplicate_key", r.place, "the key is there more than once, and the shim refuses that", "keep one")
    r.parser.next()
    result[key] = read(r)
    r.parser.next()
  discard r.path.pop()

# read takes the value that the parser is at.
proc read(r: var Reader): JsonNode =
  if r.path.len > maxDepth: unreadable("it nests too deep")
  case r.parser.kind
  of jsonString: newJString(r.text)
  # No number here needs more than a float has; none is too long for one.
  of jsonInt, jsonFloat: newJFloat(parseFloat(r.parser.str))
  of jsonTrue: newJBool(true)
  of jsonFalse: newJBool(false)
  of jsonNull: newJNull()
  of jsonArrayStart: readArray(r)
  of jsonObjectStart: readObject(r)
  of jsonError, jsonEof, jsonArrayEnd, jsonObjectEnd: unreadable("it is malformed")

## readDocument reads a document, and reports keys that are there twice. It raises
## UnreadableError if there is no reading it.
proc readDocument*(report: Report, text: string): JsonNode =
  if validateUtf8(text) >= 0: unreadable("it is not UTF-8")
  var r = Reader(report: report)
  r.parser.open(newStringStream(text), "")
  defer: r.parser.close()
  r.parser.next()
  result = read(r)
  r.parser.next()
  if r.parser.kind != jsonEof: unreadable("it is malformed")
