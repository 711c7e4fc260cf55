## Variables that shims read themselves. Values may hold secrets, so they are not quoted.

import std/strutils
import report, runtimes

proc isPort(text: string): bool =
  text.len in 1..5 and text.allCharsInSet(Digits) and parseInt(text) <= 65535

# isAddress says whether a text is a host and a port; strictly, whether that host is an IP
# address, so far as its characters tell.
proc isAddress(text: string, strictly: bool): bool =
  let colon = text.rfind(':')
  if colon <= 0 or not isPort(text[colon + 1 .. ^1]): return false
  let host = text[0 ..< colon]
  if host.startsWith("["): return host.endsWith("]") and host[1..^2].allCharsInSet(HexDigits + {':', '.', '%'})
  if ':' in host: return false
  let parts = host.split('.')
  if not strictly: return host.allCharsInSet(Letters + Digits + {'.', '-', '_'})
  result = parts.len == 4
  for part in parts:
    result = result and part.len in 1..3 and part.allCharsInSet(Digits) and parseInt(part) <= 255

proc checkSetting(entry: Field, runtime: Runtime, name, value: string) =
  case runtime.name & " " & name
  of "wasmtime WASMTIME_HTTP_PROXY_SOCKET_ADDR":
    if not isAddress(value, strictly = true):
      entry.violation("env.setting", name & " is not an IP address and a port, and the shim would listen at 0.0.0.0:8080",
        "write one such as 0.0.0.0:8080")
  of "wasmtime WASMTIME_HTTP_BACKLOG":
    if value.len notin 1..10 or not value.allCharsInSet(Digits) or parseBiggestInt(value) > high(uint32).int64:
      entry.violation("env.setting", name & " is not a number, and the shim would use its own", "write one such as 100")
  of "wasmtime WASMTIME_HTTP_PROXY_BACKLOG":
    entry.warning("env.setting", "the shim does not read " & name & ", whatever its documentation says", "write WASMTIME_HTTP_BACKLOG")
  of "spin SPIN_HTTP_LISTEN_ADDR":
    if not isAddress(value, strictly = false):
      entry.violation("env.setting", name & " is not a host and a port, which the shim needs to start", "write one such as 0.0.0.0:80")
  else: discard

proc checkEnvironment*(env: Field, runtime: Runtime) =
  for entry in env:
    let (name, hasValue, value) = entry.text.cut('=')
    if name == "" or '\0' in value or '\0' in name:
      entry.violation("env.name", "it has no name, or a zero byte, on which the shim may crash", "write NAME=value")
    elif not hasValue:
      entry.warning("env.value", "it has no =, and shims differ in what they make of that", "write " & quote(name & "="))
    else:
      checkSetting(entry, runtime, name, value)
