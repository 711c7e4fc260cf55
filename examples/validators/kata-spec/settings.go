package main

import (
	"path"
	"strconv"
	"strings"
)

// settings are those of the binding. What is not given is as in the README.
type settings struct {
	forbid, warn map[string]bool
	// enabled are the names of hypervisor annotations that the runtime's configuration
	// lets through, enable_annotations. They are expressions that match anywhere in a name,
	// and so do these, which are what nearly all are: letters, with .* before or behind.
	enabled []string
	// valid are shell patterns by the name of the configuration's entry.
	valid map[string][]string
	// hostCPUs is how many processors the hosts have; 0 if that is not known.
	hostCPUs int
	// remote is whether virtual machines are elsewhere, and their size not the host's.
	remote bool
	// seccomp and selinux are whether the guest applies them.
	seccomp, selinux bool
}

// settingError is a setting that its schema cannot tell to be wrong.
type settingError struct {
	at  string
	err error
}

func (e *settingError) Error() string { return e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

var (
	defaultForbid  = []string{"host-network", "virtiofsd-args"}
	defaultWarn    = []string{"devices", "dropped-resources", "guest-devices", "host-namespaces", "kernel-params", "sub-paths"}
	defaultEnabled = []string{"enable_iommu", "kernel_params", "kernel_verity_params"} // src/runtime/Makefile
	validEntries   = []string{
		"valid_entropy_sources", "valid_hypervisor_paths", "valid_jailer_paths",
		"valid_vhost_user_store_paths", "valid_virtio_fs_daemon_paths",
	}
)

func readSettings(p place) (*settings, error) {
	s := &settings{
		forbid:  set(p.at("forbid"), defaultForbid),
		warn:    set(p.at("warn"), defaultWarn),
		valid:   map[string][]string{},
		remote:  p.at("hypervisor").text() == "remote",
		seccomp: p.at("guest_seccomp").is('t'),
		selinux: p.at("guest_selinux").is('t'),
	}
	if cpus := p.at("host_cpus"); !cpus.absent() {
		var err error
		if s.hostCPUs, err = strconv.Atoi(cpus.value.text); err != nil {
			return nil, &settingError{"host_cpus", err}
		}
	}
	for _, expression := range texts(p.at("enable_annotations"), defaultEnabled) {
		s.enabled = append(s.enabled, strings.TrimPrefix(strings.TrimSuffix(expression, ".*"), ".*"))
	}
	for _, entry := range validEntries {
		s.valid[entry] = p.at(entry).texts()
		for i, pattern := range s.valid[entry] {
			if _, err := path.Match(pattern, ""); err != nil {
				return nil, &settingError{entry + "[" + strconv.Itoa(i) + "]", err}
			}
		}
	}
	return s, nil
}

func texts(p place, otherwise []string) []string {
	if p.absent() {
		return otherwise
	}
	return p.texts()
}

func set(p place, otherwise []string) map[string]bool {
	all := map[string]bool{}
	for _, name := range texts(p, otherwise) {
		all[name] = true
	}
	return all
}

func (s *settings) enables(name string) bool {
	for _, part := range s.enabled {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// permits is whether a configuration's entry has a pattern for a path.
func (s *settings) permits(entry, name string) bool {
	for _, pattern := range s.valid[entry] {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}
