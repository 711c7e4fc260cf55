package main

// danger is what a system call is known for.
type danger struct {
	why  string
	with []string // capabilities with which default profiles let it through
}

func (d danger) reason() string {
	if d.why == "" {
		return ""
	}
	return ": it " + d.why
}

// dangerous are system calls that the default profiles of containerd and Docker refuse
// unless the container has a capability, each with what it is known for. See
// https://docs.docker.com/engine/security/seccomp/.
var dangerous = map[string]danger{
	"add_key":           {"reaches the kernel's keyring, which is not part of any namespace", nil},
	"bpf":               {"loads programs into the kernel", []string{"CAP_SYS_ADMIN", "CAP_BPF"}},
	"clock_settime":     {"sets the host's clock", []string{"CAP_SYS_TIME"}},
	"delete_module":     {"unloads modules of the kernel", []string{"CAP_SYS_MODULE"}},
	"finit_module":      {"loads modules into the kernel", []string{"CAP_SYS_MODULE"}},
	"init_module":       {"loads modules into the kernel", []string{"CAP_SYS_MODULE"}},
	"io_uring_setup":    {"has been the way out of many containers", nil},
	"kexec_file_load":   {"boots another kernel", []string{"CAP_SYS_BOOT"}},
	"kexec_load":        {"boots another kernel", []string{"CAP_SYS_BOOT"}},
	"keyctl":            {"reaches the kernel's keyring, which is not part of any namespace", nil},
	"mount":             {"changes what is mounted", []string{"CAP_SYS_ADMIN"}},
	"move_mount":        {"changes what is mounted", []string{"CAP_SYS_ADMIN"}},
	"open_by_handle_at": {"opens files of the host by number", []string{"CAP_DAC_READ_SEARCH"}},
	"perf_event_open":   {"watches the kernel and other processes", []string{"CAP_SYS_ADMIN", "CAP_PERFMON"}},
	"pivot_root":        {"changes what is mounted", []string{"CAP_SYS_ADMIN"}},
	"reboot":            {"stops the host", []string{"CAP_SYS_BOOT"}},
	"request_key":       {"reaches the kernel's keyring, which is not part of any namespace", nil},
	"setns":             {"joins other namespaces", []string{"CAP_SYS_ADMIN"}},
	"swapon":            {"changes the host's memory", []string{"CAP_SYS_ADMIN"}},
	"unshare":           {"makes namespaces in which it has all capabilities", []string{"CAP_SYS_ADMIN"}},
	"userfaultfd":       {"makes races in the kernel easy to win", nil},
}
