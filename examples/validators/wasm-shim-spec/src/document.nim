## Reads JSON without missing what a spec may hide: std/json keeps the last of equal keys.

import std/[json, lexbase, parsejson, streams, tables, unicode]
import report

type UnreadableError* = object of CatchableError

# How deep a document may nest, for it is read by recursion, and how many bytes it may have:
# more would run out of the default fuel, which is a fault of the validator.
const
  maxDepth = 128
  maxLength = 100_000

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

# checkUnicode wants a text to be UTF-8. Half of a surrogate, which an escape can write,
# becomes three bytes that are not.
proc checkUnicode(text: string) =
  if validateUtf8(text) >= 0: unreadable("it is not UTF-8")
  for i in 1 ..< text.len:
    if text[i - 1] == '\xED' and text[i] >= '\xA0': unreadable("it has half of a surrogate")

# text is the one that the parser is at.
proc text(r: var Reader): string =
  result = r.parser.str
  for c in result:
    if c > '\x7F':
      checkUnicode(result)
      break

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
    result.elems.add(read(r))
    r.parser.next()
  discard r.path.pop()

proc readObject(r: var Reader): JsonNode =
  result = newJObject()
  r.path.add(Step(index: -1))
  r.parser.next()
  while r.parser.kind != jsonObjectEnd:
    if r.parser.kind != jsonString: unreadable("it is malformed")
    r.path[^1].key = r.text
    let known = result.len
    r.parser.next()
    let value = read(r)
    result.fields[r.path[^1].key] = value
    if result.len == known:
      r.report.violation("json.duplicate_key", r.place, "the key is there more than once, and the shim refuses that", "keep one")
    r.parser.next()
  discard r.path.pop()

# Numbers that matter here have one digit. All others are the same: of no use.
let useless = newJFloat(NaN)

proc number(text: string): JsonNode =
  if text.len == 1: newJFloat(float(ord(text[0]) - ord('0'))) else: useless

# read takes the value that the parser is at.
proc read(r: var Reader): JsonNode =
  if r.path.len > maxDepth: unreadable("it nests too deep")
  case r.parser.kind
  of jsonString: JsonNode(kind: JString, str: r.text)
  of jsonInt, jsonFloat: number(r.parser.str)
  of jsonTrue: newJBool(true)
  of jsonFalse: newJBool(false)
  of jsonNull: newJNull()
  of jsonArrayStart: readArray(r)
  of jsonObjectStart: readObject(r)
  of jsonError, jsonEof, jsonArrayEnd, jsonObjectEnd: unreadable("it is malformed")

## readDocument reads a document, and reports keys that are there twice. It raises
## UnreadableError if there is no reading it.
proc readDocument*(report: Report, text: string): JsonNode =
  if text.len > maxLength: unreadable("it is longer than " & $maxLength & " bytes")
  var r = Reader(report: report)
  r.parser.open(newStringStream(""), "")
  # Again, with a buffer for all of it. Otherwise the lexer looks for the end of a line at
  # which to cut, which costs as much as all else.
  lexbase.open(r.parser, newStringStream(text), text.len + 2)
  defer: r.parser.close()
  r.parser.next()
  result = read(r)
  r.parser.next()
  if r.parser.kind != jsonEof: unreadable("it is malformed")
