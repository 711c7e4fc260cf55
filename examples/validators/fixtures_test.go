package validators_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// The fixtures are specs as containerd writes them: see runc-spec/testdata/generate.
// Plain ones are admitted by the default binding, and the others are refused for
// what they are.
func TestDefaultBindingOnSpecsOfContainerd(t *testing.T) {
	v := loadDefault(t)
	for _, tc := range []struct {
		fixture              string
		violations, warnings []string
	}{
		{fixture: "linux-default"},
		{fixture: "linux-web-seccomp"},
		{fixture: "linux-userns"},
		{fixture: "gvisor"},
		{fixture: "kata"},
		{fixture: "wasm"},
		{
			fixture:  "linux-rlimits-devices",
			warnings: []string{"spec.linux.readonlyPaths forbidden.writable-proc"},
		},
		{
			fixture:    "linux-hostnet",
			violations: []string{"spec.linux.namespaces forbidden.host-network"},
		},
		{
			fixture: "linux-privileged",
			violations: []string{
				"spec.process.capabilities.bounding[2] forbidden.CAP_DAC_READ_SEARCH",
				"spec.process.capabilities.bounding[9] forbidden.CAP_LINUX_IMMUTABLE",
				"spec.process.capabilities.bounding[16] forbidden.CAP_SYS_MODULE",
				"spec.process.capabilities.bounding[17] forbidden.CAP_SYS_RAWIO",
				"spec.process.capabilities.bounding[19] forbidden.CAP_SYS_PTRACE",
				"spec.process.capabilities.bounding[21] forbidden.CAP_SYS_ADMIN",
				"spec.process.capabilities.bounding[22] forbidden.CAP_SYS_BOOT",
				"spec.process.capabilities.bounding[25] forbidden.CAP_SYS_TIME",
				"spec.process.capabilities.bounding[30] forbidden.CAP_AUDIT_CONTROL",
				"spec.process.capabilities.bounding[32] forbidden.CAP_MAC_OVERRIDE",
				"spec.process.capabilities.bounding[33] forbidden.CAP_MAC_ADMIN",
				"spec.process.capabilities.bounding[34] forbidden.CAP_SYSLOG",
				"spec.process.capabilities.bounding[38] forbidden.CAP_PERFMON",
				"spec.process.capabilities.bounding[39] forbidden.CAP_BPF",
				"spec.process.capabilities.bounding[40] forbidden.CAP_CHECKPOINT_RESTORE",
				"spec.linux.namespaces forbidden.host-network",
				"spec.linux.namespaces forbidden.host-pid",
				"spec.mounts[5].options forbidden.writable-sys",
				"spec.linux.maskedPaths forbidden.unmasked-paths",
				"spec.linux.readonlyPaths forbidden.writable-proc-sys",
				"spec.linux.resources.devices[0] forbidden.all-devices",
			},
			warnings: []string{"spec.linux.readonlyPaths forbidden.writable-proc"},
		},
		{
			// Not for runc at all: it would share everything with the host.
			fixture: "windows",
			violations: []string{
				"spec.root.path root.empty",
				"spec.process.cwd process.cwd",
				"spec.linux.namespaces forbidden.host-ipc",
				"spec.linux.namespaces forbidden.host-mount",
				"spec.linux.namespaces forbidden.host-network",
				"spec.linux.namespaces forbidden.host-pid",
				"spec.linux.maskedPaths forbidden.unmasked-paths",
				"spec.linux.readonlyPaths forbidden.writable-proc-sys",
			},
			warnings: []string{"spec.linux.readonlyPaths forbidden.writable-proc"},
		},
	} {
		t.Run(tc.fixture, func(t *testing.T) {
			verdict := judge(t, v, input(fixture(t, tc.fixture)))
			if diff := cmp.Diff(tc.violations, places(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warnings, places(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// What the others say of the same specs, without settings: next to nothing of ordinary
// ones, and of others what is special about them.
func TestOthersOnSpecsOfContainerd(t *testing.T) {
	hostNamespaces := []string{"spec.linux.namespaces forbidden.host-namespaces"}
	hostNetwork := []string{"spec.linux.namespaces forbidden.host-network"}
	runtimes := map[string]string{
		"runsc-spec": "io.containerd.runsc.v1", "kata-spec": "io.containerd.kata-qemu.v2", "secrets-in-spec": runtime,
	}
	bound := map[string]*plugins.Validators{}
	for name := range runtimes {
		bound[name] = bind(t, name, nil)
	}
	for _, tc := range []struct {
		validator, fixture   string
		violations, warnings []string
	}{
		{validator: "runsc-spec", fixture: "linux-default"},
		{validator: "runsc-spec", fixture: "linux-web-seccomp"},
		{validator: "runsc-spec", fixture: "linux-userns"},
		{validator: "runsc-spec", fixture: "linux-rlimits-devices"},
		{validator: "runsc-spec", fixture: "gvisor"},
		{validator: "runsc-spec", fixture: "linux-hostnet", warnings: hostNetwork},
		{validator: "runsc-spec", fixture: "linux-privileged", warnings: append(hostNamespaces, hostNetwork...)},
		{
			validator: "runsc-spec", fixture: "windows",
			violations: []string{"spec.windows spec.platform", "spec.root.path root.path"},
			warnings:   slices.Concat(hostNamespaces, hostNamespaces, hostNamespaces, hostNamespaces, hostNetwork),
		},
		{validator: "kata-spec", fixture: "linux-default"},
		{validator: "kata-spec", fixture: "linux-web-seccomp"},
		{validator: "kata-spec", fixture: "linux-userns"},
		{
			validator: "kata-spec", fixture: "linux-rlimits-devices",
			warnings: []string{"spec.linux.resources.pids forbidden.dropped-resources"},
		},
		{validator: "kata-spec", fixture: "linux-hostnet", violations: hostNetwork},
		{validator: "kata-spec", fixture: "linux-privileged", violations: hostNetwork, warnings: hostNamespaces},
		{
			validator: "kata-spec", fixture: "kata",
			violations: []string{
				`spec.annotations["io.katacontainers.config.hypervisor.default_memory"] annotation.not_enabled`,
				`spec.annotations["io.katacontainers.config.hypervisor.default_vcpus"] annotation.not_enabled`,
			},
			warnings: []string{`spec.annotations["io.katacontainers.config.hypervisor.kernel_params"] forbidden.kernel-params`},
		},
		{validator: "kata-spec", fixture: "windows", violations: []string{"spec.linux spec.missing"}},
		{validator: "secrets-in-spec", fixture: "linux-default"},
		{validator: "secrets-in-spec", fixture: "linux-web-seccomp"},
		{validator: "secrets-in-spec", fixture: "linux-privileged"},
		{validator: "secrets-in-spec", fixture: "gvisor"},
		{validator: "secrets-in-spec", fixture: "kata"},
		{validator: "secrets-in-spec", fixture: "wasm"},
		{validator: "secrets-in-spec", fixture: "windows"},
	} {
		t.Run(tc.validator+"/"+tc.fixture, func(t *testing.T) {
			in := input(fixture(t, tc.fixture))
			in.Object.Runtime.Name = runtimes[tc.validator]
			verdict := judge(t, bound[tc.validator], in)
			if diff := cmp.Diff(tc.violations, places(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warnings, places(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// Wherever a secret is, and whatever finds it, it does not get into the verdict.
func TestSecretsAreNotShown(t *testing.T) {
	v := bind(t, "secrets-in-spec", nil)
	for _, secret := range []string{
		"ghp_0123456789abcdefghijABCDEFGHIJ012345", "tr0ub4dor&3xyz", "AKIA2E7QXW5LMNOPQR3T",
		"postgres://app:s3cr3t@db.example.com/app", "-----BEGIN EC PRIVATE KEY-----",
	} {
		for name, spec := range map[string]any{
			"value":      map[string]any{"process": map[string]any{"env": []string{"DB_PASSWORD=" + secret}}},
			"variable":   map[string]any{"process": map[string]any{"env": []string{secret, "A_TOKEN=" + secret}}},
			"name":       map[string]any{"process": map[string]any{"env": []string{secret + "=" + secret, "A_TOKEN=" + secret}}},
			"argument":   map[string]any{"process": map[string]any{"args": []string{"--token", secret, "x " + secret}}},
			"annotation": map[string]any{"annotations": map[string]string{"token": secret}},
		} {
			t.Run(name+" "+secret[:4], func(t *testing.T) {
				found := judge(t, v, input(encode(t, spec))).Violations
				if len(found) == 0 {
					t.Fatal("it was not found")
				}
				for _, f := range found {
					for _, text := range []string{f.Message, f.Field, f.Code, f.Fix} {
						if strings.Contains(text, secret[4:]) {
							t.Errorf("it is shown: %q", text)
						}
					}
				}
			})
		}
	}
}

// With nothing forbidden, a privileged Linux spec is as well-formed as any.
func TestNothingForbidden(t *testing.T) {
	v := loadWith(t, settings{})
	for _, name := range []string{
		"linux-default", "linux-web-seccomp", "linux-userns", "linux-rlimits-devices", "linux-hostnet",
		"linux-privileged", "gvisor", "kata", "wasm",
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(plimsoll.Verdict{}, judge(t, v, input(fixture(t, name)))); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// Which runtimes are judged follows how containerd finds a shim: by the last two
// parts of the name, or by an absolute path.
func TestJudgesEveryNameOfRunc(t *testing.T) {
	v := loadDefault(t)
	for _, tc := range []struct {
		runtime string
		judged  bool
	}{
		{"io.containerd.runc.v2", true},
		{"io.containerd.runc.v1", true},
		{"runc.v2", true},
		{"com.example.runc.v2", true},
		{"/usr/local/bin/containerd-shim-runc-v2", true},
		{"/tmp/anything", true},
		{"io.containerd.kata.v2", false},
		{"io.containerd.runsc.v1", false},
		{"io.containerd.runhcs.v1", false},
	} {
		t.Run(tc.runtime, func(t *testing.T) {
			in := input([]byte(`{}`))
			in.Object.Runtime.Name = tc.runtime
			if got := len(judge(t, v, in).Violations) > 0; got != tc.judged {
				t.Errorf("judged: %v, want %v", got, tc.judged)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	plain, privileged := fixture(t, "linux-default"), fixture(t, "linux-privileged")
	other := func(typeURL string) func(*plimsoll.Input) {
		return func(in *plimsoll.Input) { in.Object.Spec.TypeURL = typeURL }
	}
	v := loadDefault(t)
	for _, tc := range []struct {
		name string
		spec []byte
		edit func(*plimsoll.Input)
		want []string
	}{
		{name: "no spec", want: []string{"spec spec.not_json"}},
		{name: "not JSON", spec: []byte("\x0a\x05hello"), want: []string{"spec spec.not_json"}},
		{name: "an array", spec: []byte("[]"), want: []string{"spec spec.not_json"}},
		{name: "truncated", spec: plain[:len(plain)/2], want: []string{"spec spec.not_json"}},
		{name: "not UTF-8", spec: []byte("{\"hostname\":\"\xff\"}"), want: []string{"spec json.unreadable"}},
		{name: "half a surrogate", spec: []byte(`{"hostname":"\ud800"}`), want: []string{"spec json.unreadable"}},
		{
			name: "nested too deep", spec: []byte(`{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`),
			want: []string{"spec json.unreadable"},
		},
		{
			name: "nested as deep as is read",
			spec: edited(t, plain, edit{"windows", strings.Repeat(`[{"a":`, 48) + "1" + strings.Repeat("}]", 48)}),
		},
		{name: "no type", spec: plain, edit: other(""), want: []string{"spec_type spec.type"}},
		{name: "another type", spec: plain, edit: other("example.com/Spec"), want: []string{"spec_type spec.type"}},
		{
			// The stored spec is not what is asked for.
			name: "update away from a bad spec", spec: plain,
			edit: func(in *plimsoll.Input) {
				in.Operation = plimsoll.OperationUpdate
				in.Old = in.Object.Clone()
				in.Old.Spec.Value = privileged
			},
		},
		{
			name: "delete a bad one", spec: privileged,
			edit: func(in *plimsoll.Input) { in.Operation, in.Old = plimsoll.OperationDelete, in.Object },
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := input(tc.spec)
			if tc.edit != nil {
				tc.edit(in)
			}
			if diff := cmp.Diff(tc.want, places(judge(t, v, in).Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

// A spec with very many faults gets a verdict that a host takes, not a fault.
func TestVerdictIsBounded(t *testing.T) {
	v := loadDefault(t)
	many := `{"ociVersion":"1","mounts":[` + strings.Repeat(`{"destination":"\u001b\\\"",  "type":1},`, 2_000) + `{}]}`
	verdict := judge(t, v, input([]byte(many)))
	last := verdict.Violations[len(verdict.Violations)-1]
	if len(verdict.Violations) != 65 || last.Code != "report.truncated" || !strings.Contains(last.Message, "more") {
		t.Errorf("%d violations, the last %+v", len(verdict.Violations), last)
	}
}
