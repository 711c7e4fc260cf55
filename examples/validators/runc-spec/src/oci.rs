//! The shape of a Linux container's config in OCI runtime-spec 1.3, after its JSON
//! schema (`schema/config-schema.json`, `config-linux.json`, `defs*.json`) and the Go
//! types that runc decodes into, where those say more.

use crate::shape::{Field, Shape};

/// The type URL under which containerd stores OCI specs.
pub const SPEC_TYPE: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

const fn opt(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: false }
}

const fn req(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, required: true }
}

static ANY: Shape = Shape::Any;
static BOOL: Shape = Shape::Bool;
static TEXT: Shape = Shape::Text;
static TEXTS: Shape = Shape::List(&TEXT);
static TEXT_MAP: Shape = Shape::Map(&TEXT);
static U16: Shape = Shape::Integer(0, u16::MAX as i128);
static U32: Shape = Shape::Integer(0, u32::MAX as i128);
static U64: Shape = Shape::Integer(0, u64::MAX as i128);
static I32: Shape = Shape::Integer(i32::MIN as i128, i32::MAX as i128);
static I64: Shape = Shape::Integer(i64::MIN as i128, i64::MAX as i128);
static U32S: Shape = Shape::List(&U32);

/// The whole spec: config.md.
pub static SPEC: Shape = Shape::Record(&[
    req("ociVersion", &TEXT),
    req("process", &PROCESS),
    req("root", &ROOT),
    opt("hostname", &TEXT),
    opt("domainname", &TEXT),
    opt("mounts", &MOUNTS),
    opt("hooks", &HOOKS),
    opt("annotations", &TEXT_MAP),
    opt("linux", &LINUX),
    // What other runtimes read; runc does not.
    opt("solaris", &ANY),
    opt("windows", &ANY),
    opt("vm", &ANY),
    opt("zos", &ANY),
    opt("freebsd", &ANY),
]);

static ROOT: Shape = Shape::Record(&[req("path", &TEXT), opt("readonly", &BOOL)]);

static MOUNTS: Shape = Shape::List(&MOUNT);
static MOUNT: Shape = Shape::Record(&[
    req("destination", &TEXT),
    opt("type", &TEXT),
    opt("source", &TEXT),
    opt("options", &TEXTS),
    opt("uidMappings", &ID_MAPPINGS),
    opt("gidMappings", &ID_MAPPINGS),
]);

static ID_MAPPINGS: Shape = Shape::List(&ID_MAPPING);
static ID_MAPPING: Shape =
    Shape::Record(&[req("containerID", &U32), req("hostID", &U32), req("size", &U32)]);

static HOOKS: Shape = Shape::Record(&[
    opt("prestart", &HOOK_LIST),
    opt("createRuntime", &HOOK_LIST),
    opt("createContainer", &HOOK_LIST),
    opt("startContainer", &HOOK_LIST),
    opt("poststart", &HOOK_LIST),
    opt("poststop", &HOOK_LIST),
]);
static HOOK_LIST: Shape = Shape::List(&HOOK);
static HOOK: Shape = Shape::Record(&[
    req("path", &TEXT),
    opt("args", &TEXTS),
    opt("env", &TEXTS),
    opt("timeout", &I64),
]);

/// config.md, Process.
static PROCESS: Shape = Shape::Record(&[
    opt("terminal", &BOOL),
    opt("consoleSize", &CONSOLE_SIZE),
    opt("user", &USER),
    opt("args", &TEXTS),
    opt("commandLine", &TEXT),
    opt("env", &TEXTS),
    req("cwd", &TEXT),
    opt("capabilities", &CAPABILITIES),
    opt("rlimits", &RLIMITS),
    opt("noNewPrivileges", &BOOL),
    opt("apparmorProfile", &TEXT),
    opt("oomScoreAdj", &I64),
    opt("scheduler", &SCHEDULER),
    opt("selinuxLabel", &TEXT),
    opt("ioPriority", &IO_PRIORITY),
    opt("execCPUAffinity", &CPU_AFFINITY),
]);
static CONSOLE_SIZE: Shape = Shape::Record(&[req("height", &U64), req("width", &U64)]);
static USER: Shape = Shape::Record(&[
    opt("uid", &U32),
    opt("gid", &U32),
    opt("umask", &U32),
    opt("additionalGids", &U32S),
    opt("username", &TEXT),
]);
static CAPABILITIES: Shape = Shape::Record(&[
    opt("bounding", &TEXTS),
    opt("effective", &TEXTS),
    opt("inheritable", &TEXTS),
    opt("permitted", &TEXTS),
    opt("ambient", &TEXTS),
]);
static RLIMITS: Shape = Shape::List(&RLIMIT);
static RLIMIT: Shape = Shape::Record(&[req("type", &TEXT), req("hard", &U64), req("soft", &U64)]);
static SCHEDULER: Shape = Shape::Record(&[
    req("policy", &TEXT),
    opt("nice", &I32),
    opt("priority", &I32),
    opt("flags", &TEXTS),
    opt("runtime", &U64),
    opt("deadline", &U64),
    opt("period", &U64),
]);
static IO_PRIORITY: Shape = Shape::Record(&[req("class", &TEXT), opt("priority", &I64)]);
static CPU_AFFINITY: Shape = Shape::Record(&[opt("initial", &TEXT), opt("final", &TEXT)]);

/// config-linux.md.
static LINUX: Shape = Shape::Record(&[
    opt("uidMappings", &ID_MAPPINGS),
    opt("gidMappings", &ID_MAPPINGS),
    opt("sysctl", &TEXT_MAP),
    opt("resources", &RESOURCES),
    opt("cgroupsPath", &TEXT),
    opt("namespaces", &NAMESPACES),
    opt("devices", &DEVICES),
    opt("netDevices", &NET_DEVICES),
    opt("seccomp", &SECCOMP),
    opt("rootfsPropagation", &TEXT),
    opt("maskedPaths", &TEXTS),
    opt("readonlyPaths", &TEXTS),
    opt("mountLabel", &TEXT),
    opt("intelRdt", &INTEL_RDT),
    opt("memoryPolicy", &MEMORY_POLICY),
    opt("personality", &PERSONALITY),
    opt("timeOffsets", &TIME_OFFSETS),
]);
static NAMESPACES: Shape = Shape::List(&NAMESPACE);
static NAMESPACE: Shape = Shape::Record(&[req("type", &TEXT), opt("path", &TEXT)]);
static DEVICES: Shape = Shape::List(&DEVICE);
static DEVICE: Shape = Shape::Record(&[
    req("path", &TEXT),
    req("type", &TEXT),
    opt("major", &I64),
    opt("minor", &I64),
    opt("fileMode", &U32),
    opt("uid", &U32),
    opt("gid", &U32),
]);
static NET_DEVICES: Shape = Shape::Map(&NET_DEVICE);
static NET_DEVICE: Shape = Shape::Record(&[opt("name", &TEXT)]);
static INTEL_RDT: Shape = Shape::Record(&[
    opt("closID", &TEXT),
    opt("schemata", &TEXTS),
    opt("l3CacheSchema", &TEXT),
    opt("memBwSchema", &TEXT),
    opt("enableMonitoring", &BOOL),
]);
static MEMORY_POLICY: Shape =
    Shape::Record(&[req("mode", &TEXT), opt("nodes", &TEXT), opt("flags", &TEXTS)]);
static PERSONALITY: Shape = Shape::Record(&[req("domain", &TEXT), opt("flags", &TEXTS)]);
static TIME_OFFSETS: Shape = Shape::Map(&TIME_OFFSET);
static TIME_OFFSET: Shape = Shape::Record(&[opt("secs", &I64), opt("nanosecs", &U32)]);

static SECCOMP: Shape = Shape::Record(&[
    req("defaultAction", &TEXT),
    opt("defaultErrnoRet", &U32),
    opt("architectures", &TEXTS),
    opt("flags", &TEXTS),
    opt("listenerPath", &TEXT),
    opt("listenerMetadata", &TEXT),
    opt("syscalls", &SYSCALLS),
]);
static SYSCALLS: Shape = Shape::List(&SYSCALL);
static SYSCALL: Shape = Shape::Record(&[
    req("names", &TEXTS),
    req("action", &TEXT),
    opt("errnoRet", &U32),
    opt("args", &SYSCALL_ARGS),
]);
static SYSCALL_ARGS: Shape = Shape::List(&SYSCALL_ARG);
static SYSCALL_ARG: Shape = Shape::Record(&[
    req("index", &U32),
    req("value", &U64),
    opt("valueTwo", &U64),
    req("op", &TEXT),
]);

/// config-linux.md, Control groups.
static RESOURCES: Shape = Shape::Record(&[
    opt("devices", &DEVICE_RULES),
    opt("memory", &MEMORY),
    opt("cpu", &CPU),
    opt("pids", &PIDS),
    opt("blockIO", &BLOCK_IO),
    opt("hugepageLimits", &HUGEPAGE_LIMITS),
    opt("network", &NETWORK),
    opt("rdma", &RDMA),
    opt("unified", &TEXT_MAP),
]);
static DEVICE_RULES: Shape = Shape::List(&DEVICE_RULE);
static DEVICE_RULE: Shape = Shape::Record(&[
    req("allow", &BOOL),
    opt("type", &TEXT),
    opt("major", &I64),
    opt("minor", &I64),
    opt("access", &TEXT),
]);
static MEMORY: Shape = Shape::Record(&[
    opt("limit", &I64),
    opt("reservation", &I64),
    opt("swap", &I64),
    opt("kernel", &I64),
    opt("kernelTCP", &I64),
    opt("swappiness", &U64),
    opt("disableOOMKiller", &BOOL),
    opt("useHierarchy", &BOOL),
    opt("checkBeforeUpdate", &BOOL),
]);
static CPU: Shape = Shape::Record(&[
    opt("shares", &U64),
    opt("quota", &I64),
    opt("burst", &U64),
    opt("period", &U64),
    opt("realtimeRuntime", &I64),
    opt("realtimePeriod", &U64),
    opt("cpus", &TEXT),
    opt("mems", &TEXT),
    opt("idle", &I64),
]);
static PIDS: Shape = Shape::Record(&[req("limit", &I64)]);
static BLOCK_IO: Shape = Shape::Record(&[
    opt("weight", &U16),
    opt("leafWeight", &U16),
    opt("weightDevice", &WEIGHT_DEVICES),
    opt("throttleReadBpsDevice", &THROTTLE_DEVICES),
    opt("throttleWriteBpsDevice", &THROTTLE_DEVICES),
    opt("throttleReadIOPSDevice", &THROTTLE_DEVICES),
    opt("throttleWriteIOPSDevice", &THROTTLE_DEVICES),
]);
static WEIGHT_DEVICES: Shape = Shape::List(&WEIGHT_DEVICE);
static WEIGHT_DEVICE: Shape = Shape::Record(&[
    req("major", &I64),
    req("minor", &I64),
    opt("weight", &U16),
    opt("leafWeight", &U16),
]);
static THROTTLE_DEVICES: Shape = Shape::List(&THROTTLE_DEVICE);
static THROTTLE_DEVICE: Shape =
    Shape::Record(&[req("major", &I64), req("minor", &I64), req("rate", &U64)]);
static HUGEPAGE_LIMITS: Shape = Shape::List(&HUGEPAGE_LIMIT);
static HUGEPAGE_LIMIT: Shape = Shape::Record(&[req("pageSize", &TEXT), req("limit", &U64)]);
static NETWORK: Shape = Shape::Record(&[opt("classID", &U32), opt("priorities", &PRIORITIES)]);
static PRIORITIES: Shape = Shape::List(&PRIORITY);
static PRIORITY: Shape = Shape::Record(&[req("name", &TEXT), req("priority", &U32)]);
static RDMA: Shape = Shape::Map(&RDMA_LIMIT);
static RDMA_LIMIT: Shape = Shape::Record(&[opt("hcaHandles", &U32), opt("hcaObjects", &U32)]);
