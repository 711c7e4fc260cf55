package main

import (
	"path"
	"slices"
	"strings"
)

// containerTypes are the annotations that say whether a container begins a sandbox or
// joins one, in the order in which they are looked at, with the values for each.
var containerTypes = []struct{ key, sandbox, container string }{
	{"io.kubernetes.cri.container-type", "sandbox", "container"},
	{"io.kubernetes.cri-o.ContainerType", "sandbox", "container"},
	{"io.kubernetes.docker.type", "podsandbox", "container"},
}

var sandboxIDs = []string{"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID", "io.kubernetes.sandbox.id"}

// checkContainerType says whether it joins a sandbox: ContainerType and SandboxID in
// src/runtime/pkg/oci/utils.go.
func checkContainerType(annotations place, r *report) (joins bool) {
	for _, t := range containerTypes {
		at := annotations.at(t.key)
		if at.absent() {
			continue
		}
		// The runtime takes the values of all for each.
		switch at.text() {
		case "sandbox", "podsandbox":
			return false
		case "container":
			if !slices.ContainsFunc(sandboxIDs, func(key string) bool { return !annotations.at(key).absent() }) {
				r.violation("annotation.sandbox_id", at, "Kata refuses a container of a sandbox that is not named",
					"set io.kubernetes.cri.sandbox-id")
			}
			return true
		}
		r.violation("annotation.container_type", at, "Kata refuses the container type "+quoted(at.text()), "use "+t.sandbox+" or "+t.container)
		return false
	}
	return false
}

func checkProcess(process place, r *report) {
	if label := process.at("selinuxLabel"); !label.empty() && !r.settings.selinux {
		r.trait("selinux", label, "the guest does not apply it unless Kata is configured with disable_guest_selinux = false", "do not rely on it")
	}
}

func checkHooks(hooks place, r *report) {
	for _, stage := range hookStages {
		for hook := range hooks.at(stage).items() {
			r.trait("hooks", hook, "hooks run on the host, outside the virtual machine", "leave it out")
		}
	}
}

// procExceptions may be mounted below /proc: check_proc_mount in
// src/agent/rustjail/src/mount.rs.
var procExceptions = []string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg", "/proc/net/dev",
}

func checkMounts(mounts place, r *report) {
	for mount := range mounts.items() {
		destination, source := mount.at("destination"), mount.at("source")
		options := mount.at("options").texts()
		bind := mount.at("type").text() == "bind" || slices.Contains(options, "bind") || slices.Contains(options, "rbind")
		if !bind {
			continue
		}
		switch to := path.Clean(destination.text()); {
		case slices.Contains(procExceptions, to):
		case to == "/proc" && source.text() != "proc" && source.text() != "/proc", strings.HasPrefix(to, "/proc/"):
			r.violation("mount.proc", destination, "Kata refuses to mount over /proc", "mount it elsewhere")
		}
		if from := path.Clean(source.text()); from == "/dev" || strings.HasPrefix(from, "/dev/") && from != "/dev/shm" {
			r.trait("guest-devices", source, "what is below /dev comes from the guest, not from the host, unless it is a file or a disk",
				"give devices in linux.devices")
		}
		if strings.Contains(source.text(), "/volume-subpaths/") {
			r.trait("sub-paths", source, "Kata does not support sub-paths of volumes", "mount the volume as a whole")
		}
	}
}

func checkLinux(linux place, r *report) {
	checkNamespaces(linux.at("namespaces"), r)
	checkDevices(linux.at("devices"), r)
	if filter := linux.at("seccomp"); !filter.empty() && !r.settings.seccomp {
		r.trait("seccomp", filter, "the guest does not apply it unless Kata is configured with disable_guest_seccomp = false", "do not rely on it")
	}
	resources := linux.at("resources")
	for _, at := range []place{resources.at("pids"), resources.at("blockIO"), resources.at("network"), resources.at("cpu").at("cpus")} {
		if !at.empty() {
			r.trait("dropped-resources", at, "Kata does not pass it on to the guest", "leave it out, or do not rely on it")
		}
	}
	if rules := resources.at("devices"); !rules.empty() {
		r.trait("device-rules", rules, "Kata does not pass it on to the guest", "leave it out, or do not rely on it")
	}
}

// checkNamespaces follows constrainGRPCSpec in src/runtime/virtcontainers/kata_agent.go:
// the guest has namespaces of its own, and only the host's network namespace is joined,
// which the virtual machine takes over.
func checkNamespaces(namespaces place, r *report) {
	found := map[string]bool{}
	for ns := range namespaces.items() {
		kind := ns.at("type").text()
		found[kind] = true
		if at := ns.at("path"); !at.empty() && kind != "network" {
			r.trait("joined-namespaces", at, "Kata does not join it: the guest makes one of its own", "do not rely on sharing it")
		}
	}
	for _, kind := range []string{"pid", "ipc", "uts", "mount"} {
		if !found[kind] {
			r.trait("host-namespaces", namespaces, "without a "+kind+" namespace it asks for the host's, and gets the guest's",
				"ask for a new "+kind+" namespace")
		}
	}
	if !found["network"] {
		r.trait("host-network", namespaces, "Kata does not support the host's network, and may break it for the host",
			"ask for a network namespace")
	}
}

func checkDevices(devices place, r *report) {
	for device := range devices.items() {
		kind, name := device.at("type"), device.at("path")
		if !slices.Contains([]string{"c", "b", "u", "p"}, kind.text()) {
			r.violation("device.type", kind, "Kata refuses devices of type "+quoted(kind.text()), "use c, b, u or p")
			continue
		}
		if name.text() == "" {
			r.violation("device.path", name, "Kata refuses devices without a path", "say where it is to be")
		}
		if kind.text() == "c" || kind.text() == "u" {
			if !strings.HasPrefix(name.text(), "/dev/vfio/") && !slices.Contains(ordinaryDevices, name.text()) {
				r.trait("devices", device, "Kata passes disks and VFIO devices to the guest, and no others: this one is the guest's, if it has it",
					"bind it to VFIO")
			}
		}
	}
}

// ordinaryDevices are in every guest.
var ordinaryDevices = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx",
}
