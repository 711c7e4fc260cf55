## What gives a module more than it needs, which is next to nothing. Settings say which are
## forbidden.

import std/[json, strutils]
import report, runtimes, settings

proc isModule(path: string): bool = path.endsWith(".wasm") or path.endsWith(".wat")

# A pod has a container of Linux's own, whatever the shim, that does nothing.
proc isPause(spec: Field, path: string): bool =
  path == "/pause" and spec.key("process").key("args").count == 1 and
    spec.key("annotations").node{"io.kubernetes.cri.container-type"}.getStr == "sandbox"

## The shims look first whether the entry point is a program of Linux, and run it as one:
## not in the sandbox of wasm. They look into the file; here only its name is known.
proc findLinuxPrograms(spec: Field, runtime: Runtime, traits: Traits) =
  let args = spec.key("process").key("args")
  if args.count == 0: return
  let first = args.node[0].getStr
  let path = if runtime.entry == entryModule: first.cut('#').before else: first
  if isModule(path) or isPause(spec, path): return
  if runtime.entry == entryIgnored and path in ["/", "/spin.toml", "/slightfile.toml"]: return
  traits.found(args, "linux-programs", quote(path) & " is not called a module, and a program of that name would be run on Linux",
    "write the path of a .wasm file")

# Those that containerd and Docker give every container.
const ordinary = [
  "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
]

proc findCapabilities(spec: Field, traits: Traits) =
  let capabilities = spec.key("process").key("capabilities")
  for set in ["bounding", "effective", "permitted", "inheritable", "ambient"]:
    for capability in capabilities.key(set):
      let name = capability.text
      if name notin ordinary:
        traits.found(capability, "capabilities", "a module cannot ask for what " & quote(name) & " is for", "leave it out")

proc findDevices(spec: Field, traits: Traits) =
  let linux = spec.key("linux")
  if linux.key("devices").count > 0:
    traits.found(linux.key("devices"), "devices", "a module sees the devices in /dev, and has no use for them", "leave them out")
  for rule in linux.key("resources").key("devices"):
    if rule.key("allow").node.getBool and not rule.key("major").exists:
      traits.found(rule, "devices", "it allows all devices, or all of a type", "allow single ones")

# Directories, with what is in them, that hold what is the host's.
const hostDirectories = ["/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/bin", "/sys", "/usr",
  "/var/lib/containerd", "/var/lib/docker", "/var/lib/kubelet", "/var/run"]

# Files that are commonly shown to containers.
const ordinaryFiles = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/localtime"]

# resolved is an absolute path without . and .. and repeated slashes.
proc resolved(path: string): string =
  var parts: seq[string]
  for part in path.split('/'):
    if part == "..": (if parts.len > 0: discard parts.pop())
    elif part notin ["", "."]: parts.add(part)
  "/" & parts.join("/")

proc isWithin(path, directory: string): bool =
  path.startsWith(directory) and (path.len == directory.len or path[directory.len] == '/')

proc isHostPath(path: string): bool =
  if path == "/": return true
  if path in ordinaryFiles: return false
  for directory in hostDirectories:
    if path.isWithin(directory) or directory.isWithin(path): return true

## All shims of runwasi open / to the module, with whatever is mounted in it.
proc findHostFiles(spec: Field, traits: Traits) =
  for mount in spec.key("mounts"):
    if not mount.isObject: continue
    let source = mount.key("source")
    let path = source.text
    var isBind = mount.key("type").text == "bind"
    for option in mount.key("options"):
      isBind = isBind or option.text in ["bind", "rbind"]
    if isBind and path.startsWith("/") and isHostPath(resolved(path)):
      traits.found(source, "host-files", quote(path) & " is the host's, and open to the module", "mount a directory of its own")

proc findHostNetwork(spec: Field, traits: Traits) =
  for namespace in spec.key("linux").key("namespaces"):
    if namespace.isObject and namespace.key("type").text == "network": return
  traits.found(spec.key("linux").key("namespaces"), "host-network", "it shares the host's network, and modules may use all of it",
    "add a network namespace")

## Variables that change the engine, which runs outside of the sandbox of wasm.
proc findEngineEnv(spec: Field, runtime: Runtime, traits: Traits) =
  let prefix = case runtime.name
    of "wasmedge": "WASMEDGE_"
    of "spin": "SPIN_"
    of "wasmtime": "WASMTIME_"
    else: return
  for entry in spec.key("process").key("env").each:
    if entry.node.getStr.startsWith(prefix):
      traits.found(entry, "engine-env", quote(entry.node.getStr.cut('=').before) & " changes the engine itself", "leave it to the administrator")

proc checkTraits*(spec: Field, runtime: Runtime, traits: Traits) =
  findLinuxPrograms(spec, runtime, traits)
  findCapabilities(spec, traits)
  findDevices(spec, traits)
  findHostFiles(spec, traits)
  findHostNetwork(spec, traits)
  findEngineEnv(spec, runtime, traits)
  let hooks = spec.key("hooks")
  if hooks.count(JObject) > 0:
    traits.found(hooks, "hooks", "hooks run programs on the host", "leave them out")
