package validators_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// nativeSpec is what runsc-spec looks at of a spec, as people write it in Go.
type nativeSpec struct {
	Process *struct {
		Args            []string
		Env             []string
		Capabilities    map[string][]string
		Rlimits         []struct{ Type string }
		ApparmorProfile string
		SelinuxLabel    string
		Scheduler       json.RawMessage
		IOPriority      json.RawMessage
		ExecCPUAffinity json.RawMessage
	}
	Root   *struct{ Path string }
	Mounts []struct {
		Destination, Type, Source string
		Options                   []string
	}
	Hooks       map[string][]struct{ Path string }
	Annotations map[string]string
	Linux       struct {
		Namespaces        []struct{ Type, Path string }
		Devices           []nativeDevice
		Sysctl            map[string]string
		RootfsPropagation string
		MountLabel        string
		IntelRdt          json.RawMessage
		Personality       json.RawMessage
		TimeOffsets       json.RawMessage
		NetDevices        json.RawMessage
		MemoryPolicy      json.RawMessage
	}
	Windows, Solaris json.RawMessage
}

type nativeDevice struct {
	Path, Type   string
	Major, Minor int64
}

// nativeRunsc is the check of runsc-spec with its default settings, in Go, without the
// sandbox: what ordinary specs reach of it, which is all but the annotations dev.gvisor
// and the messages. Unlike the validator it does not mind equal keys, nor their case.
func nativeRunsc(document []byte) (violations, warnings []string) {
	var s nativeSpec
	if err := json.Unmarshal(document, &s); err != nil {
		return []string{"spec json.unreadable"}, nil
	}
	c := &nativeCheck{}
	c.refuseIf(s.Solaris != nil, "spec.solaris spec.platform")
	c.refuseIf(s.Windows != nil, "spec.windows spec.platform")
	c.process(&s)
	c.refuseIf(s.Root == nil, "spec.root root.missing")
	c.refuseIf(s.Root != nil && s.Root.Path == "", "spec.root.path root.path")
	c.mounts(&s)
	for stage, hooks := range s.Hooks {
		for i, hook := range hooks {
			c.warnIf(stage == "startContainer", "spec.hooks.%s[%d] forbidden.start-container-hooks", stage, i)
			c.refuseIf(!strings.HasPrefix(hook.Path, "/"), "spec.hooks.%s[%d].path hook.path", stage, i)
		}
	}
	c.linux(&s)
	for key := range s.Annotations {
		c.refuseIf(strings.HasPrefix(key, "dev.gvisor."), "spec.annotations %s", key) // not here
	}
	return c.violations, c.warnings
}

type nativeCheck struct{ violations, warnings []string }

func (c *nativeCheck) refuseIf(found bool, format string, args ...any) {
	if found {
		c.violations = append(c.violations, fmt.Sprintf(format, args...))
	}
}

func (c *nativeCheck) warnIf(found bool, format string, args ...any) {
	if found {
		c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
	}
}

func (c *nativeCheck) process(s *nativeSpec) {
	p := s.Process
	if p == nil {
		c.refuseIf(true, "spec.process process.missing")
		return
	}
	c.refuseIf(len(p.Args) == 0, "spec.process.args process.args")
	c.refuseIf(p.SelinuxLabel != "", "spec.process.selinuxLabel process.selinux_label")
	c.warnIf(p.Scheduler != nil, "spec.process.scheduler forbidden.ignored-fields")
	c.warnIf(p.IOPriority != nil, "spec.process.ioPriority forbidden.ignored-fields")
	c.warnIf(p.ExecCPUAffinity != nil, "spec.process.execCPUAffinity forbidden.ignored-fields")
	for i, variable := range p.Env {
		c.refuseIf(!strings.Contains(variable, "="), "spec.process.env[%d] process.env", i)
	}
	for set, names := range p.Capabilities {
		for i, name := range names {
			c.refuseIf(!nativeCapabilities[name], "spec.process.capabilities.%s[%d] process.capability", set, i)
		}
	}
	for i, limit := range p.Rlimits {
		c.refuseIf(!nativeRlimits[limit.Type], "spec.process.rlimits[%d].type process.rlimit", i)
	}
}

func (c *nativeCheck) mounts(s *nativeSpec) {
	for i, m := range s.Mounts {
		c.refuseIf(!strings.HasPrefix(m.Destination, "/"), "spec.mounts[%d].destination mount.destination", i)
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		kind := m.Type
		switch {
		case m.Destination == "/dev":
			kind = "dev"
		case m.Destination == "/dev/pts":
			kind = "devpts"
		case bind:
			kind = "bind"
		}
		c.warnIf(!nativeMountTypes[kind], "spec.mounts[%d].type forbidden.mount-types", i)
		for k, option := range m.Options {
			name, value, _ := strings.Cut(option, "=")
			shared := option == "shared" || option == "rshared"
			data := kind == "tmpfs" || kind == "bind" || kind == "cgroup"
			known := nativeMountOptions[option] || kind == "tmpfs" && nativeTmpfsOptions[name]
			switch {
			case bind && m.Source != "" && shared, data && strings.Contains(value, "="):
				c.refuseIf(true, "spec.mounts[%d].options[%d] mount.option", i, k)
			case kind == "tmpfs" || kind == "bind":
				c.warnIf(!known, "spec.mounts[%d].options[%d] forbidden.mount-options", i, k)
			}
		}
	}
}

func (c *nativeCheck) linux(s *nativeSpec) {
	l := &s.Linux
	types := map[string]bool{}
	for i, ns := range l.Namespaces {
		types[ns.Type] = true
		c.warnIf(!nativeNamespaces[ns.Type], "spec.linux.namespaces[%d].type forbidden.ignored-fields", i)
	}
	for _, kind := range []string{"pid", "ipc", "uts", "mount"} {
		c.warnIf(!types[kind], "spec.linux.namespaces forbidden.host-namespaces")
	}
	c.warnIf(!types["network"], "spec.linux.namespaces forbidden.host-network")
	for i, d := range l.Devices {
		known := d.Type == "b" || d.Type == "c" || d.Type == "u" || d.Type == "p"
		c.refuseIf(!known, "spec.linux.devices[%d].type device.type", i)
		c.warnIf(known && !d.usable(), "spec.linux.devices[%d] forbidden.devices", i)
	}
	for name := range l.Sysctl {
		c.warnIf(name != "fs.nr_open" && name != "net.ipv6.conf.all.disable_ipv6", "spec.linux.sysctl[%q] forbidden.sysctls", name)
	}
	c.refuseIf(!slices.Contains([]string{"", "private", "rprivate", "slave", "rslave"}, l.RootfsPropagation),
		"spec.linux.rootfsPropagation linux.rootfs_propagation")
	c.warnIf(l.MountLabel != "", "spec.linux.mountLabel forbidden.ignored-fields")
	for name, field := range map[string]json.RawMessage{
		"intelRdt": l.IntelRdt, "personality": l.Personality, "timeOffsets": l.TimeOffsets, "netDevices": l.NetDevices, "memoryPolicy": l.MemoryPolicy,
	} {
		c.warnIf(field != nil, "spec.linux.%s forbidden.ignored-fields", name)
	}
}

func (d nativeDevice) usable() bool {
	for _, prefix := range []string{"/dev/nvidia", "/dev/vfio", "/dev/accel", "/dev/infiniband/uverbs"} {
		if strings.HasPrefix(d.Path, prefix) {
			return d.Type != "b"
		}
	}
	return d.Type == "p" || d.Type != "b" && nativeDevices[[2]int64{d.Major, d.Minor}]
}

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

var (
	nativeCapabilities = setOf(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID
		CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER
		CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE
		CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN
		CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE`)
	nativeRlimits = setOf(`RLIMIT_AS RLIMIT_CORE RLIMIT_CPU RLIMIT_DATA RLIMIT_FSIZE RLIMIT_LOCKS RLIMIT_MEMLOCK RLIMIT_MSGQUEUE RLIMIT_NICE
		RLIMIT_NOFILE RLIMIT_NPROC RLIMIT_RSS RLIMIT_RTPRIO RLIMIT_RTTIME RLIMIT_SIGPENDING RLIMIT_STACK`)
	nativeMountTypes   = setOf(`bind cgroup cgroup2 dev devpts erofs none proc sysfs tmpfs mqueue`)
	nativeMountOptions = setOf(`acl async atime bind defaults dev diratime dirsync exec iversion loud mand noacl noatime nodev nodiratime
		noexec noiversion nomand norelatime nostrictatime nosuid rbind relatime remount ro rw silent strictatime suid sync private rprivate
		slave rslave unbindable runbindable`)
	nativeTmpfsOptions = setOf(`mode size uid gid`)
	nativeNamespaces   = setOf(`pid network ipc uts mount user cgroup`)
	nativeDevices      = map[[2]int64]bool{
		{1, 3}: true, {1, 5}: true, {1, 7}: true, {1, 8}: true, {1, 9}: true, {5, 0}: true, {5, 1}: true, {5, 2}: true,
		{10, 200}: true, {10, 229}: true,
	}
)

// The check in Go finds what the validator finds, so that their times can be compared.
func TestNativeFindsTheSame(t *testing.T) {
	v := bind(t, "runsc-spec", nil)
	for _, name := range []string{
		"linux-default", "linux-web-seccomp", "linux-userns", "linux-rlimits-devices", "linux-hostnet", "linux-privileged", "kata", "wasm", "windows",
	} {
		t.Run(name, func(t *testing.T) {
			in := input(fixture(t, name))
			in.Object.Runtime.Name = "io.containerd.runsc.v1"
			want := judge(t, v, in)
			violations, warnings := nativeRunsc(fixture(t, name))
			if diff := cmp.Diff(places(want.Violations), violations); diff != "" {
				t.Errorf("violations (-validator +native):\n%s", diff)
			}
			if diff := cmp.Diff(places(want.Warnings), warnings); diff != "" {
				t.Errorf("warnings (-validator +native):\n%s", diff)
			}
		})
	}
}
