## Judges what containerd would hand to a shim that runs wasm.

import std/[json, strutils]
import environment, report, runtimes, settings, traits

const specType = "types.containerd.io/opencontainers/runtime-spec/"

proc checkSpec(spec: Field, runtime: Runtime)

proc checkRequest*(report: Report, request: JsonNode) =
  if request{"operation"}.getStr == "DELETE": return # which makes nothing less safe
  let container = Field(report: report, path: "", node: request{"object"})
  let payloadType = container.key("spec_type")
  let spec = container.key("spec")
  if not payloadType.text.startsWith(specType):
    payloadType.violation("spec.type", "the payload is not called an OCI spec, and the shim would take it for one",
      "give it the type " & specType & "1/Spec")
  elif not spec.exists or spec.node.kind != JObject or (spec.count(JObject) == 1 and spec.key("base64").exists):
    spec.violation("spec.not_json", "the spec is not a JSON object", "")
  else:
    let runtime = runtimeOf(container.key("runtime").text)
    checkSpec(spec, runtime)
    checkTraits(spec, runtime, traitsOf(request{"settings"}))

## The shims start containers with youki's libcontainer, and these are what it wants.
proc checkContainer(spec: Field) =
  if not spec.key("ociVersion").text.startsWith("1."):
    spec.key("ociVersion").violation("spec.version", "the shim takes versions 1 of OCI specs only", "write one such as 1.2.0")
  if not spec.key("linux").isObject:
    spec.key("linux").violation("linux.missing", "the shim takes no spec without a linux section", "add one")
  if not spec.key("root").isObject or spec.key("root").key("path").text == "":
    spec.key("root").key("path").violation("root.missing", "the shim takes no spec without the path of a root", "write rootfs")

proc checkProcess(process: Field) =
  let cwd = process.key("cwd")
  if not cwd.text.startsWith("/"):
    cwd.violation("process.cwd", "the working directory is not an absolute path", "write /")
  let priority = process.key("ioPriority")
  if priority.isObject and priority.key("priority").number notin 0.0..7.0:
    priority.key("priority").violation("process.io_priority", "it is not from 0 to 7", "write 0 to 7")

## The first argument names the module, and a function in it behind a #. Others may hold
## secrets, so they are not quoted.
proc checkEntrypoint(args: Field, runtime: Runtime) =
  var n = 0
  var first = ""
  for arg in args:
    if n == 0: first = arg.text else: discard arg.text
    inc n
  if n == 0:
    args.violation("process.args", "there must be at least one argument, the module", "write the path of the module")
  elif runtime.entry == entryModule:
    let (path, hasFunction, function) = first.cut('#')
    if hasFunction and function == "":
      args.violation("entrypoint.function", "there is no name of a function behind #", "write " & quote(path) & ", which runs _start")
  if n > 1 and runtime.ignoresArguments:
    args.warning("process.args_ignored", quote(runtime.name) & " passes no arguments on", "leave them out")

## crun looks at these to tell wasm from other programs. A shim for wasm does not.
proc checkAnnotations(spec: Field) =
  for key, value in spec.key("annotations"):
    discard value.text
    if key in ["run.oci.handler", "module.wasm.image/variant"]:
      value.warning("annotation.ignored", "it is for crun, and this shim does not look at it", "leave it out")

proc checkSpec(spec: Field, runtime: Runtime) =
  checkContainer(spec)
  let process = spec.key("process")
  if process.isObject:
    checkProcess(process)
    checkEntrypoint(process.key("args"), runtime)
    checkEnvironment(process.key("env"), runtime)
  else:
    process.violation("process.missing", "there is nothing to run", "add a process")
  checkAnnotations(spec)
