// Generate writes the specs that the tests use, with containerd's own generator:
//
//	go run . -out ../specs      writes them
//	go run . -check ../specs    says whether they are what it would write
//
// It is a module of its own because nothing else needs what it imports. Run it on
// linux/amd64: the default seccomp profile is that of the machine.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// sample is a container whose spec is written. The platform is linux/amd64 if empty.
type sample struct {
	id, platform string
	opts         []oci.SpecOpts
}

var ids = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}

var samples = map[string]sample{
	"linux-default": {id: "web-1", opts: []oci.SpecOpts{oci.WithProcessArgs("/bin/sh")}},
	"linux-hostnet": {id: "hostnet-1", opts: []oci.SpecOpts{
		oci.WithProcessArgs("/app"), oci.WithHostNamespace(specs.NetworkNamespace),
	}},
	"linux-privileged": {id: "priv-1", opts: []oci.SpecOpts{
		// As oci.WithPrivileged, but with the capabilities of any machine.
		oci.WithProcessArgs("/bin/sh"), oci.WithAllKnownCapabilities, oci.WithMaskedPaths(nil), oci.WithReadonlyPaths(nil),
		oci.WithWriteableSysfs, oci.WithWriteableCgroupfs, oci.WithSelinuxLabel(""), oci.WithApparmorProfile(""),
		oci.WithSeccompUnconfined, oci.WithAllDevicesAllowed,
		oci.WithHostNamespace(specs.NetworkNamespace), oci.WithHostNamespace(specs.PIDNamespace),
	}},
	"linux-userns": {id: "userns-1", opts: []oci.SpecOpts{oci.WithProcessArgs("/app"), oci.WithUserNamespace(ids, ids)}},
	"linux-rlimits-devices": {id: "dev-1", opts: []oci.SpecOpts{
		oci.WithProcessArgs("/app"), oci.WithAddedCapabilities([]string{"CAP_NET_ADMIN"}),
		oci.WithRlimit(&specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: 4096, Soft: 1024}), oci.WithRootFSReadonly(),
		oci.WithLinuxDevice("/dev/null", "rwm"), oci.WithPidsLimit(256), oci.WithReadonlyPaths([]string{"/proc/sys"}),
	}},
	"linux-web-seccomp": {id: "web-1", opts: []oci.SpecOpts{
		oci.WithProcessArgs("/usr/sbin/nginx", "-g", "daemon off;"), withUser(1000), oci.WithHostname("web-1"),
		oci.WithMounts([]specs.Mount{
			{Destination: "/etc/hosts", Type: "bind", Source: "/var/lib/app/hosts", Options: []string{"rbind", "rprivate", "rw"}},
			{Destination: "/etc/resolv.conf", Type: "bind", Source: "/var/lib/app/resolv.conf", Options: []string{"rbind", "rprivate", "ro"}},
		}),
		oci.WithDefaultUnixDevices, oci.WithMemoryLimit(512 << 20), oci.WithCPUCFS(100000, 100000), seccomp.WithDefaultProfile(),
	}},
	"kata": {id: "kata-1", opts: []oci.SpecOpts{oci.WithProcessArgs("/app"), oci.WithAnnotations(map[string]string{
		"io.katacontainers.config.hypervisor.default_memory": "2048",
		"io.katacontainers.config.hypervisor.default_vcpus":  "2",
		"io.katacontainers.config.hypervisor.kernel_params":  "quiet",
	})}},
	"gvisor": {id: "gvisor-1", opts: []oci.SpecOpts{oci.WithProcessArgs("/app"), oci.WithAnnotations(map[string]string{
		"dev.gvisor.spec.mount.data.share":  "pod",
		"dev.gvisor.spec.mount.data.source": "/data",
		"dev.gvisor.spec.mount.data.type":   "tmpfs",
	})}},
	"wasm": {id: "wasm-1", opts: []oci.SpecOpts{oci.WithProcessArgs("/app.wasm", "serve"), oci.WithAnnotations(map[string]string{
		"module.wasm.image/variant": "compat-smart",
		"run.oci.handler":           "wasm",
	})}},
	"windows": {id: "win-1", platform: "windows/amd64", opts: []oci.SpecOpts{
		oci.WithProcessArgs("cmd", "/S", "/C", "ping -t 127.0.0.1"), oci.WithWindowsCPUCount(2), oci.WithWindowsIgnoreFlushesDuringBoot(),
	}},
}

// withUser is oci.WithUIDGID without the look into the image for more groups.
func withUser(id uint32) oci.SpecOpts {
	return func(_ context.Context, _ oci.Client, _ *containers.Container, s *oci.Spec) error {
		s.Process.User = specs.User{UID: id, GID: id}
		return nil
	}
}

func main() {
	out := flag.String("out", "", "the directory to write specs to")
	check := flag.String("check", "", "the directory to compare specs with")
	flag.Parse()
	if err := run(*out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out, check string) error {
	if (out == "") == (check == "") {
		return errors.New("one of -out and -check is required")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		want, err := samples[name].spec()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if out != "" {
			errs = append(errs, os.WriteFile(filepath.Join(out, name+".json"), want, 0o644))
			continue
		}
		got, err := os.ReadFile(filepath.Join(check, name+".json"))
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%s.json is not what containerd writes; use -out to see the difference", name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// spec is the sample's spec without what depends on the machine.
func (s sample) spec() ([]byte, error) {
	ctx := namespaces.WithNamespace(context.Background(), "default")
	platform, opts := s.platform, s.opts
	if platform == "" {
		platform = "linux/amd64"
		opts = append([]oci.SpecOpts{oci.WithDefaultPathEnv, oci.WithEnv([]string{"HOSTNAME=web-1"})}, opts...)
	}
	spec, err := oci.GenerateSpecWithPlatform(ctx, nil, platform, &containers.Container{ID: s.id}, opts...)
	if err != nil {
		return nil, err
	}
	if spec.Linux != nil {
		// One for each processor, if it has the file.
		spec.Linux.MaskedPaths = slices.DeleteFunc(spec.Linux.MaskedPaths, func(path string) bool {
			return strings.HasPrefix(path, "/sys/devices/system/cpu/")
		})
	}
	doc, err := json.MarshalIndent(spec, "", "  ")
	return append(doc, '\n'), err
}
