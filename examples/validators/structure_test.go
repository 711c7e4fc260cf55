package validators_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each case is containerd's default spec with one thing wrong with it. What settings
// forbid is in traits_test.go; here nothing is.
func TestStructure(t *testing.T) {
	v := loadWith(t, settings{})
	for _, tc := range []struct {
		name     string
		fixture  string // linux-default if empty
		edits    []edit
		want     string // the only violation
		warnings []string
	}{
		// Shape.
		{name: "no version", edits: []edit{{"ociVersion", ""}}, want: "spec.ociVersion shape.required"},
		{name: "version null", edits: []edit{{"ociVersion", `null`}}, want: "spec.ociVersion shape.required"},
		{name: "version not semver", edits: []edit{{"ociVersion", `"1.3"`}}, want: "spec.ociVersion version.invalid"},
		{name: "version with a leading zero", edits: []edit{{"ociVersion", `"1.03.0"`}}, want: "spec.ociVersion version.invalid"},
		{name: "version pre-release", edits: []edit{{"ociVersion", `"1.2.0-rc.1+dev"`}}},
		{name: "no process", edits: []edit{{"process", ""}}, want: "spec.process shape.required"},
		{name: "no root", edits: []edit{{"root", ""}}, want: "spec.root shape.required"},
		{name: "no root path", edits: []edit{{"root/path", ""}}, want: "spec.root.path shape.required"},
		{name: "empty root path", edits: []edit{{"root/path", `""`}}, want: "spec.root.path root.empty"},
		{name: "linux an array", edits: []edit{{"linux", `[]`}}, want: "spec.linux shape.type"},
		{name: "terminal a string", edits: []edit{{"process/terminal", `"true"`}}, want: "spec.process.terminal shape.type"},
		{name: "uid negative", edits: []edit{{"process/user/uid", `-1`}}, want: "spec.process.user.uid shape.range"},
		{name: "uid above 32 bits", edits: []edit{{"process/user/uid", `4294967296`}}, want: "spec.process.user.uid shape.range"},
		{name: "uid a fraction", edits: []edit{{"process/user/uid", `1.0`}}, want: "spec.process.user.uid shape.type"},
		{name: "uid with an exponent", edits: []edit{{"process/user/uid", `1e3`}}, want: "spec.process.user.uid shape.type"},
		{name: "rlimit above 64 bits", edits: []edit{{"process/rlimits/0/hard", `18446744073709551616`}}, want: "spec.process.rlimits[0].hard shape.type"},
		{name: "largest rlimit", edits: []edit{{"process/rlimits/0/hard", `18446744073709551615`}}},
		{name: "null in args", edits: []edit{{"process/args/-", `null`}}, want: "spec.process.args[1] shape.type"},
		{name: "null mount", edits: []edit{{"mounts/-", `null`}}, want: "spec.mounts[7] shape.type"},
		{name: "NUL in args", edits: []edit{{"process/args/-", `"a\u0000b"`}}, want: "spec.process.args[1] shape.nul"},
		{name: "annotation not a string", edits: []edit{{"annotations/a.b", `1`}}, want: `spec.annotations["a.b"] shape.type`},
		{name: "unknown key", edits: []edit{{"linux/maskedPath", `[]`}}, warnings: []string{"spec.linux.maskedPath shape.unknown_key"}},
		{name: "fields of other platforms", edits: []edit{{"windows", `{"layerFolders":null}`}}},

		// Process.
		{name: "args empty", edits: []edit{{"process/args", `[]`}}, want: "spec.process.args process.args_empty"},
		{name: "args absent", edits: []edit{{"process/args", ""}}, want: "spec.process.args process.args_empty"},
		{name: "command line only", edits: []edit{{"process/args", ""}, {"process/commandLine", `"cmd"`}}, want: "spec.process.args process.args_empty"},
		{name: "program empty", edits: []edit{{"process/args/0", `""`}}, want: "spec.process.args[0] process.args_empty"},
		{name: "cwd relative", edits: []edit{{"process/cwd", `"srv"`}}, want: "spec.process.cwd process.cwd"},
		{name: "cwd empty", edits: []edit{{"process/cwd", `""`}}, want: "spec.process.cwd process.cwd"},
		{name: "cwd absent", edits: []edit{{"process/cwd", ""}}, want: "spec.process.cwd shape.required"},
		{name: "env without value", edits: []edit{{"process/env/-", `"DEBUG"`}}, want: "spec.process.env[2] process.env"},
		{name: "env without name", edits: []edit{{"process/env/-", `"=1"`}}, want: "spec.process.env[2] process.env"},
		{name: "env with empty value", edits: []edit{{"process/env/-", `"DEBUG="`}}},
		{name: "umask too wide", edits: []edit{{"process/user/umask", `512`}}, want: "spec.process.user.umask process.umask"},
		{name: "console too wide", edits: []edit{{"process/consoleSize", `{"height":24,"width":65616}`}}, want: "spec.process.consoleSize.width process.console_size"},
		{name: "oom score", edits: []edit{{"process/oomScoreAdj", `1001`}}, want: "spec.process.oomScoreAdj process.oom_score_adj"},
		{name: "capability unknown", edits: []edit{{"process/capabilities/bounding/-", `"CAP_FLY"`}}, want: "spec.process.capabilities.bounding[14] capabilities.unknown"},
		{name: "capability in lower case", edits: []edit{{"process/capabilities/bounding/-", `"cap_sys_admin"`}}, want: "spec.process.capabilities.bounding[14] capabilities.unknown"},
		{name: "effective beyond permitted", edits: []edit{{"process/capabilities/permitted/0", ""}}, want: "spec.process.capabilities.effective capabilities.effective"},
		{
			name:     "permitted beyond bounding",
			edits:    []edit{{"process/capabilities/bounding/0", ""}},
			warnings: []string{"spec.process.capabilities.permitted capabilities.permitted"},
		},
		{
			name:     "ambient without inheritable",
			edits:    []edit{{"process/capabilities/ambient", `["CAP_CHOWN"]`}},
			warnings: []string{"spec.process.capabilities.ambient capabilities.ambient"},
		},
		{name: "rlimit unknown", edits: []edit{{"process/rlimits/0/type", `"NOFILE"`}}, want: "spec.process.rlimits[0].type rlimits.unknown"},
		{name: "rlimit twice", edits: []edit{{"process/rlimits/-", `{"type":"RLIMIT_NOFILE","soft":1,"hard":1}`}}, want: "spec.process.rlimits[1].type rlimits.duplicate"},
		{name: "soft above hard", edits: []edit{{"process/rlimits/0/soft", `1025`}}, want: "spec.process.rlimits[0].soft rlimits.soft_above_hard"},
		{name: "rlimit without soft", edits: []edit{{"process/rlimits/0/soft", ""}}, want: "spec.process.rlimits[0].soft shape.required"},
		{name: "scheduler unknown", edits: []edit{{"process/scheduler", `{"policy":"SCHED_FAST"}`}}, want: "spec.process.scheduler.policy scheduler.policy"},
		{name: "nice out of range", edits: []edit{{"process/scheduler", `{"policy":"SCHED_BATCH","nice":20}`}}, want: "spec.process.scheduler.nice scheduler.nice"},
		{name: "priority for batch", edits: []edit{{"process/scheduler", `{"policy":"SCHED_BATCH","priority":1}`}}, want: "spec.process.scheduler.priority scheduler.inapplicable"},
		{name: "deadline for fifo", edits: []edit{{"process/scheduler", `{"policy":"SCHED_FIFO","deadline":1}`}}, want: "spec.process.scheduler.deadline scheduler.inapplicable"},
		{name: "scheduler flag", edits: []edit{{"process/scheduler", `{"policy":"SCHED_RR","flags":["X"]}`}}, want: "spec.process.scheduler.flags[0] scheduler.flag"},
		{name: "io class", edits: []edit{{"process/ioPriority", `{"class":"RT","priority":0}`}}, want: "spec.process.ioPriority.class process.io_class"},
		{name: "io priority", edits: []edit{{"process/ioPriority", `{"class":"IOPRIO_CLASS_BE","priority":8}`}}, want: "spec.process.ioPriority.priority process.io_priority"},
		{name: "cpu affinity", edits: []edit{{"process/execCPUAffinity", `{"initial":"3-1"}`}}, want: "spec.process.execCPUAffinity.initial process.cpu_affinity"},
		{name: "apparmor", edits: []edit{{"process/apparmorProfile", `"a\nb"`}}, want: "spec.process.apparmorProfile process.apparmor"},
		{name: "selinux", edits: []edit{{"process/selinuxLabel", `"container_t"`}}, want: "spec.process.selinuxLabel process.selinux"},

		// Mounts.
		{name: "destination relative", edits: []edit{{"mounts/3/destination", `"dev/shm"`}}, want: "spec.mounts[3].destination mounts.relative_destination"},
		{name: "destination absent", edits: []edit{{"mounts/3/destination", ""}}, want: "spec.mounts[3].destination shape.required"},
		{name: "destination twice", edits: []edit{{"mounts/6/destination", `"/dev/./shm/"`}}, want: "spec.mounts[6].destination mounts.duplicate"},
		{name: "destination /", edits: []edit{{"mounts/6/destination", `"/x/.."`}}, want: "spec.mounts[6].destination mounts.over_root"},
		{name: "inside /proc", edits: []edit{{"mounts/6/destination", `"/proc/sys"`}}, want: "spec.mounts[6].destination mounts.inside_proc"},
		{name: "over /proc", edits: []edit{{"mounts/0/type", `"tmpfs"`}}, want: "spec.mounts[0].destination mounts.inside_proc"},
		{name: "lxcfs", edits: []edit{{"mounts/-", `{"destination":"/proc/cpuinfo","source":"/var/lib/lxcfs/proc/cpuinfo","options":["bind","ro"]}`}}},
		{name: "bind by type only", edits: []edit{{"mounts/-", `{"destination":"/x","type":"bind","source":"/y","options":["ro"]}`}}, want: "spec.mounts[7].options mounts.bind_option"},
		{name: "no type", edits: []edit{{"mounts/6/type", ""}}, want: "spec.mounts[6].type mounts.no_type"},
		{name: "bind without source", edits: []edit{{"mounts/-", `{"destination":"/x","options":["rbind"]}`}}, want: "spec.mounts[7].source mounts.no_source"},
		{name: "bind with data", edits: []edit{{"mounts/-", `{"destination":"/x","source":"/y","options":["rbind","size=1m"]}`}}, want: "spec.mounts[7].options[1] mounts.bind_data"},
		{
			name:     "ro and rw",
			edits:    []edit{{"mounts/5/options/-", `"rw"`}},
			warnings: []string{"spec.mounts[5].options[3] mounts.contradiction"},
		},
		{name: "idmap on tmpfs", edits: []edit{{"mounts/6/uidMappings", `[{"containerID":0,"hostID":1,"size":1}]`}, {"mounts/6/gidMappings", `[{"containerID":0,"hostID":1,"size":1}]`}}, want: "spec.mounts[6] mounts.idmap_not_bind"},
		{name: "idmap of users only", edits: []edit{{"mounts/-", `{"destination":"/x","source":"/y","options":["bind"],"uidMappings":[{"containerID":0,"hostID":1,"size":1}]}`}}, want: "spec.mounts[7].gidMappings mounts.idmap_half"},
		{name: "idmap of nothing", edits: []edit{{"mounts/-", `{"destination":"/x","source":"/y","options":["bind","idmap"]}`}}, want: "spec.mounts[7].uidMappings mounts.idmap_unmapped"},

		// Hooks and annotations.
		{name: "hook relative", edits: []edit{{"hooks/poststop", `[{"path":"clean"}]`}}, want: "spec.hooks.poststop[0].path hooks.relative_path"},
		{name: "hook timeout", edits: []edit{{"hooks/poststop", `[{"path":"/clean","timeout":0}]`}}, want: "spec.hooks.poststop[0].timeout hooks.timeout"},
		{name: "hook env", edits: []edit{{"hooks/prestart", `[{"path":"/clean","env":["X"]}]`}}, want: "spec.hooks.prestart[0].env[0] hooks.env"},
		{name: "annotation without a key", edits: []edit{{"annotations", `{"":"x"}`}}, want: `spec.annotations[""] annotations.empty_key`},

		// Namespaces and what needs them.
		{name: "namespace unknown", edits: []edit{{"linux/namespaces/-", `{"type":"net"}`}}, want: "spec.linux.namespaces[5].type namespaces.unknown"},
		{name: "namespace twice", edits: []edit{{"linux/namespaces/-", `{"type":"pid"}`}}, want: "spec.linux.namespaces[5].type namespaces.duplicate"},
		{name: "namespace path relative", edits: []edit{{"linux/namespaces/4/path", `"run/netns/x"`}}, want: "spec.linux.namespaces[4].path namespaces.relative_path"},
		{name: "hostname on the host", edits: []edit{{"hostname", `"web"`}, {"linux/namespaces/2", ""}}, want: "spec.hostname namespaces.needed"},
		{name: "domainname on the host", edits: []edit{{"domainname", `"web"`}, {"linux/namespaces/2", ""}}, want: "spec.domainname namespaces.needed"},
		{name: "net devices on the host", edits: []edit{{"linux/netDevices", `{"eth0":{}}`}, {"linux/namespaces/4", ""}}, want: "spec.linux.netDevices namespaces.needed"},
		{name: "time offsets on the host", edits: []edit{{"linux/timeOffsets", `{"monotonic":{"secs":1}}`}}, want: "spec.linux.timeOffsets namespaces.needed"},
		{name: "masks on the host", edits: []edit{{"linux/readonlyPaths", ""}, {"linux/namespaces/3", ""}}, want: "spec.linux.maskedPaths namespaces.needed"},
		{name: "sysctl of the host", edits: []edit{{"linux/sysctl", `{"kernel.panic":"1"}`}}, want: `spec.linux.sysctl["kernel.panic"] sysctl.host`},
		{name: "sysctl with slashes", edits: []edit{{"linux/sysctl", `{"kernel/panic":"1"}`}}, want: `spec.linux.sysctl["kernel/panic"] sysctl.host`},
		{name: "sysctl of a network", edits: []edit{{"linux/sysctl", `{"net.core.somaxconn":"1","kernel.sem":"1","fs.mqueue.msg_max":"1"}`}}},
		{name: "sysctl without network", fixture: "linux-hostnet", edits: []edit{{"linux/sysctl", `{"net/core/somaxconn":"1"}`}}, want: `spec.linux.sysctl["net/core/somaxconn"] sysctl.needs_namespace`},
		{name: "sysctl without ipc", edits: []edit{{"linux/sysctl", `{"kernel.shmmax":"1"}`}, {"linux/namespaces/1", ""}}, want: `spec.linux.sysctl["kernel.shmmax"] sysctl.needs_namespace`},
		{name: "sysctl of the hostname", edits: []edit{{"linux/sysctl", `{"kernel.hostname":"x"}`}}, want: `spec.linux.sysctl["kernel.hostname"] sysctl.hostname`},

		// User namespace.
		{name: "mappings without namespace", fixture: "linux-userns", edits: []edit{{"linux/namespaces/5", ""}, {"linux/gidMappings", ""}}, want: "spec.linux.uidMappings mappings.no_user_namespace"},
		{name: "namespace without mappings", fixture: "linux-userns", edits: []edit{{"linux/gidMappings", ""}}, want: "spec.linux.gidMappings mappings.root_unmapped"},
		{name: "mapping empty", fixture: "linux-userns", edits: []edit{{"linux/uidMappings/-", `{"containerID":70000,"hostID":9,"size":0}`}}, want: "spec.linux.uidMappings[1].size mappings.empty"},
		{name: "mapping overlaps", fixture: "linux-userns", edits: []edit{{"linux/uidMappings/-", `{"containerID":65535,"hostID":1,"size":2}`}}, want: "spec.linux.uidMappings[1].containerID mappings.overlap"},
		{name: "mapping overlaps on the host", fixture: "linux-userns", edits: []edit{{"linux/gidMappings/-", `{"containerID":65536,"hostID":165535,"size":1}`}}, want: "spec.linux.gidMappings[1].hostID mappings.overlap"},
		{name: "mapping beyond 32 bits", fixture: "linux-userns", edits: []edit{{"linux/uidMappings/0/hostID", `4294967295`}}, want: "spec.linux.uidMappings[0].size mappings.range"},
		{name: "uid unmapped", fixture: "linux-userns", edits: []edit{{"process/user/uid", `65536`}}, want: "spec.process.user.uid mappings.user_unmapped"},
		{name: "additional gid unmapped", fixture: "linux-userns", edits: []edit{{"process/user/additionalGids", `[1,70000]`}}, want: "spec.process.user.additionalGids[1] mappings.user_unmapped"},
		{
			name: "mappings of a joined namespace", fixture: "linux-userns", edits: []edit{{"linux/namespaces/5/path", `"/run/userns/x"`}},
			warnings: []string{"spec.linux.uidMappings mappings.joined_namespace", "spec.linux.gidMappings mappings.joined_namespace"},
		},

		// Devices.
		{name: "device type", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/type", `"x"`}}, want: "spec.linux.devices[0].type devices.type"},
		{name: "device without minor", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/minor", ""}}, want: "spec.linux.devices[0].minor devices.number"},
		{name: "device major negative", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/major", `-1`}}, want: "spec.linux.devices[0].major devices.number"},
		{name: "device major too large", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/major", `4096`}}, want: "spec.linux.devices[0].major devices.number"},
		{name: "device path relative", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/path", `"null"`}}, want: "spec.linux.devices[0].path devices.relative_path"},
		{name: "device twice", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/-", `{"path":"/dev//null","type":"p"}`}}, want: "spec.linux.devices[1].path devices.duplicate"},
		{name: "device mode", fixture: "linux-rlimits-devices", edits: []edit{{"linux/devices/0/fileMode", `65536`}}, want: "spec.linux.devices[0].fileMode devices.mode"},
		{name: "fifo without numbers", edits: []edit{{"linux/devices", `[{"path":"/dev/f","type":"p"}]`}}},
		{name: "rule type", edits: []edit{{"linux/resources/devices/0/type", `"u"`}}, want: "spec.linux.resources.devices[0].type cgroups.device_type"},
		{name: "rule access", edits: []edit{{"linux/resources/devices/0/access", `"rwx"`}}, want: "spec.linux.resources.devices[0].access cgroups.device_access"},
		{name: "rule without access", edits: []edit{{"linux/resources/devices/0/access", ""}}, want: "spec.linux.resources.devices[0].access cgroups.device_access"},
		{name: "rule without allow", edits: []edit{{"linux/resources/devices/0/allow", ""}}, want: "spec.linux.resources.devices[0].allow shape.required"},
		{name: "rule number", edits: []edit{{"linux/resources/devices/0/major", `-2`}}, want: "spec.linux.resources.devices[0].major cgroups.device_number"},

		// Control groups.
		{name: "cgroups path up", edits: []edit{{"linux/cgroupsPath", `"/default/../../x"`}}, want: "spec.linux.cgroupsPath cgroups.path"},
		{name: "cgroups path root", edits: []edit{{"linux/cgroupsPath", `"//"`}}, want: "spec.linux.cgroupsPath cgroups.path"},
		{name: "cgroups path of two parts", edits: []edit{{"linux/cgroupsPath", `"system.slice:web"`}}, want: "spec.linux.cgroupsPath cgroups.path"},
		{name: "cgroups path of systemd", edits: []edit{{"linux/cgroupsPath", `"system.slice:runc:web"`}}},
		{name: "memory limit", edits: []edit{{"linux/resources/memory", `{"limit":-2}`}}, want: "spec.linux.resources.memory.limit cgroups.memory"},
		{name: "swap below limit", edits: []edit{{"linux/resources/memory", `{"limit":2,"swap":1}`}}, want: "spec.linux.resources.memory.swap cgroups.swap"},
		{name: "swap without limit", edits: []edit{{"linux/resources/memory", `{"swap":1}`}}, want: "spec.linux.resources.memory.swap cgroups.swap"},
		{name: "swappiness", edits: []edit{{"linux/resources/memory", `{"swappiness":101}`}}, want: "spec.linux.resources.memory.swappiness cgroups.swappiness"},
		{name: "cpu shares", edits: []edit{{"linux/resources/cpu", `{"shares":1}`}}, want: "spec.linux.resources.cpu.shares cgroups.cpu"},
		{name: "cpu quota", edits: []edit{{"linux/resources/cpu", `{"quota":999}`}}, want: "spec.linux.resources.cpu.quota cgroups.cpu"},
		{name: "cpu period", edits: []edit{{"linux/resources/cpu", `{"period":1000001}`}}, want: "spec.linux.resources.cpu.period cgroups.cpu"},
		{name: "cpu burst", edits: []edit{{"linux/resources/cpu", `{"quota":1000,"burst":1001}`}}, want: "spec.linux.resources.cpu.burst cgroups.cpu"},
		{name: "cpus", edits: []edit{{"linux/resources/cpu", `{"cpus":"0-3,x"}`}}, want: "spec.linux.resources.cpu.cpus cgroups.cpu"},
		{name: "unlimited", edits: []edit{{"linux/resources/cpu", `{"quota":-1,"period":100000,"cpus":"0-3,7"}`}, {"linux/resources/memory", `{"limit":-1,"swap":-1}`}, {"linux/resources/pids", `{"limit":-1}`}}},
		{name: "pids", edits: []edit{{"linux/resources/pids", `{"limit":-2}`}}, want: "spec.linux.resources.pids.limit cgroups.pids"},
		{name: "pids without limit", edits: []edit{{"linux/resources/pids", `{}`}}, want: "spec.linux.resources.pids.limit shape.required"},
		{name: "block weight", edits: []edit{{"linux/resources/blockIO", `{"weight":9}`}}, want: "spec.linux.resources.blockIO.weight cgroups.weight"},
		{name: "block weight of nothing", edits: []edit{{"linux/resources/blockIO", `{"weightDevice":[{"major":8,"minor":0}]}`}}, want: "spec.linux.resources.blockIO.weightDevice[0].weight cgroups.weight"},
		{name: "throttle without rate", edits: []edit{{"linux/resources/blockIO", `{"throttleReadBpsDevice":[{"major":8,"minor":0}]}`}}, want: "spec.linux.resources.blockIO.throttleReadBpsDevice[0].rate shape.required"},
		{name: "hugepage size", edits: []edit{{"linux/resources/hugepageLimits", `[{"pageSize":"2mb","limit":1}]`}}, want: "spec.linux.resources.hugepageLimits[0].pageSize cgroups.hugepages"},
		{name: "hugepage size twice", edits: []edit{{"linux/resources/hugepageLimits", `[{"pageSize":"2MB","limit":1},{"pageSize":"2MB","limit":2}]`}}, want: "spec.linux.resources.hugepageLimits[1].pageSize cgroups.hugepages"},
		{name: "rdma of nothing", edits: []edit{{"linux/resources/rdma", `{"mlx5_1":{}}`}}, want: "spec.linux.resources.rdma.mlx5_1 cgroups.rdma"},
		{name: "unified elsewhere", edits: []edit{{"linux/resources/unified", `{"../memory.max":"1"}`}}, want: `spec.linux.resources.unified["../memory.max"] cgroups.unified`},

		// Seccomp.
		{name: "seccomp default", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/defaultAction", `"SCMP_ACT_DENY"`}}, want: "spec.linux.seccomp.defaultAction seccomp.action"},
		{name: "seccomp without default", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/defaultAction", ""}}, want: "spec.linux.seccomp.defaultAction shape.required"},
		{name: "seccomp architecture", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/architectures/0", `"x86_64"`}}, want: "spec.linux.seccomp.architectures[0] seccomp.architecture"},
		{name: "seccomp flag", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/flags", `["LOG"]`}}, want: "spec.linux.seccomp.flags[0] seccomp.flag"},
		{name: "seccomp rule action", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/0/action", `"ALLOW"`}}, want: "spec.linux.seccomp.syscalls[0].action seccomp.action"},
		{name: "seccomp rule without names", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/0/names", `[]`}}, want: "spec.linux.seccomp.syscalls[0].names seccomp.no_names"},
		{name: "seccomp name empty", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/0/names/0", `""`}}, want: "spec.linux.seccomp.syscalls[0].names[0] seccomp.no_names"},
		{name: "seccomp operator", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/1/args/0/op", `"EQ"`}}, want: "spec.linux.seccomp.syscalls[1].args[0].op seccomp.operator"},
		{name: "seccomp seventh argument", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/1/args/0/index", `6`}}, want: "spec.linux.seccomp.syscalls[1].args[0].index seccomp.argument"},
		{name: "seccomp errno for allow", fixture: "linux-web-seccomp", edits: []edit{{"linux/seccomp/syscalls/0/errnoRet", `1`}}, want: "spec.linux.seccomp.syscalls[0].errnoRet seccomp.errno"},
		{name: "seccomp notify by default", edits: []edit{{"linux/seccomp", `{"defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/run/x"}`}}, want: "spec.linux.seccomp.defaultAction seccomp.notify"},
		{name: "seccomp notify of write", edits: []edit{{"linux/seccomp", `{"defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/run/x","syscalls":[{"names":["write"],"action":"SCMP_ACT_NOTIFY"}]}`}}, want: "spec.linux.seccomp.syscalls[0].names[0] seccomp.notify"},
		{name: "seccomp notify of nobody", edits: []edit{{"linux/seccomp", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["open"],"action":"SCMP_ACT_NOTIFY"}]}`}}, want: "spec.linux.seccomp.listenerPath seccomp.listener"},
		{name: "seccomp metadata for nobody", edits: []edit{{"linux/seccomp", `{"defaultAction":"SCMP_ACT_ERRNO","listenerMetadata":"x"}`}}, want: "spec.linux.seccomp.listenerMetadata seccomp.listener"},

		// The rest of linux.
		{name: "propagation", edits: []edit{{"linux/rootfsPropagation", `"public"`}}, want: "spec.linux.rootfsPropagation linux.propagation"},
		{name: "propagation recursive", edits: []edit{{"linux/rootfsPropagation", `"rslave"`}}},
		{name: "personality", edits: []edit{{"linux/personality", `{"domain":"BSD"}`}}, want: "spec.linux.personality.domain linux.personality"},
		{name: "masked path relative", edits: []edit{{"linux/maskedPaths/0", `"proc/acpi"`}}, want: "spec.linux.maskedPaths[0] linux.relative_path"},
		{name: "net device name", edits: []edit{{"linux/netDevices", `{"a/b":{}}`}}, want: `spec.linux.netDevices["a/b"] linux.network_device`},
		{name: "time offset of an unknown clock", edits: []edit{{"linux/namespaces/-", `{"type":"time"}`}, {"linux/timeOffsets", `{"realtime":{"secs":1}}`}}, want: "spec.linux.timeOffsets.realtime linux.time_offsets"},
		{name: "memory bandwidth", edits: []edit{{"linux/intelRdt", `{"memBwSchema":"0=70"}`}}, want: "spec.linux.intelRdt.memBwSchema linux.intel_rdt"},
		{name: "class of service", edits: []edit{{"linux/intelRdt", `{"closID":"../x"}`}}, want: "spec.linux.intelRdt.closID linux.intel_rdt"},
		{name: "memory policy without nodes", edits: []edit{{"linux/memoryPolicy", `{"mode":"MPOL_BIND"}`}}, want: "spec.linux.memoryPolicy.nodes linux.memory_policy"},
		{name: "memory policy unknown", edits: []edit{{"linux/memoryPolicy", `{"mode":"BIND"}`}}, want: "spec.linux.memoryPolicy.mode linux.memory_policy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := tc.fixture
			if base == "" {
				base = "linux-default"
			}
			verdict := judge(t, v, input(edited(t, fixture(t, base), tc.edits...)))
			var want []string
			if tc.want != "" {
				want = []string{tc.want}
			}
			if diff := cmp.Diff(want, places(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warnings, places(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// Keys that Go's decoder takes for others, or that occur twice, would let a spec look
// one way to rules and another way to runc.
func TestKeysThatReadersDisagreeAbout(t *testing.T) {
	v := loadWith(t, settings{})
	for _, tc := range []struct {
		name, old, new string
		want           []string
	}{
		{"Linux", `"linux": {`, `"Linux": {`, []string{"spec.Linux json.key_case", "spec.hostname namespaces.needed"}},
		{"both cases", `"linux": {`, `"Linux": {}, "linux": {`, []string{"spec.Linux json.key_case"}},
		{"Capabilities", `"capabilities": {`, `"Capabilities": {`, []string{"spec.process.Capabilities json.key_case"}},
		{"long s", `"hostname"`, `"ho` + "\u017f" + `tname"`, []string{"spec[\"ho\u017ftname\"] json.key_case"}},
		{"long s, escaped", `"hostname"`, `"ho\u017ftname"`, []string{"spec[\"ho\u017ftname\"] json.key_case"}},
		{"Kelvin sign", `"root": {`, `"hoo` + "\u212a" + `s": {}, "root": {`, []string{"spec[\"hoo\u212as\"] json.key_case"}},
		{"in an array", `"destination": "/run"`, `"Destination": "/", "destination": "/run"`, []string{"spec.mounts[6].Destination json.key_case"}},
		{"twice", `"cwd": "/"`, `"cwd": "/", "cwd": "/"`, []string{"spec.process.cwd json.duplicate_key"}},
		{"twice, once escaped", `"cwd": "/"`, `"cwd": "/", "c\u0077d": "x"`, []string{"spec.process.cwd json.duplicate_key"}},
		{"twice in a map", `"root": {`, `"annotations": {"a": "1", "a": "2"}, "root": {`, []string{"spec.annotations.a json.duplicate_key"}},
		{"twice in what runc ignores", `"root": {`, `"vm": {"a": [{"b": 1, "b": 2}]}, "root": {`, []string{"spec.vm.a[0].b json.duplicate_key"}},
		{"case in a map is free", `"root": {`, `"annotations": {"a": "1", "A": "2"}, "root": {`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec := fixture(t, "linux-web-seccomp")
			if bytes.Count(spec, []byte(tc.old)) != 1 {
				t.Fatalf("%s is not once in the spec", tc.old)
			}
			verdict := judge(t, v, input(bytes.Replace(spec, []byte(tc.old), []byte(tc.new), 1)))
			if diff := cmp.Diff(tc.want, places(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
