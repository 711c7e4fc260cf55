## The shims that run wasm, and in what they differ.

import std/strutils

type
  ## Entry is what a shim makes of the first argument.
  Entry* = enum
    entryModule ## the path of a module, and maybe # and the name of a function
    entryIgnored ## nothing: what it runs is at a place of its own in the container

  Runtime* = object
    name*: string
    entry*: Entry
    ignoresArguments*: bool

const known = [
  Runtime(name: "wasmtime", entry: entryModule),
  Runtime(name: "wasmedge", entry: entryModule),
  Runtime(name: "wasmer", entry: entryModule),
  Runtime(name: "wamr", entry: entryModule),
  Runtime(name: "spin", entry: entryIgnored), # /spin.toml, or the layers of the image
  Runtime(name: "slight", entry: entryIgnored, ignoresArguments: true), # /app.wasm and /slightfile.toml
  Runtime(name: "wws", entry: entryIgnored, ignoresArguments: true), # the files in /
  Runtime(name: "lunatic", entry: entryModule, ignoresArguments: true),
]

## runtimeOf returns which shim containerd would start: the last part but one of the name,
## io.containerd.spin.v2. One that is not known is taken for one of runwasi.
proc runtimeOf*(name: string): Runtime =
  let parts = name.split('.')
  let shim = if parts.len > 1: parts[^2] else: name
  for runtime in known:
    if shim == runtime.name: return runtime
  Runtime(name: shim, entry: entryModule)
