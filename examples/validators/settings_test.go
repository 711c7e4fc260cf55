package validators_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll/plugins"
)

func TestSettings(t *testing.T) {
	spec := edited(t, fixture(t, "linux-default"),
		edit{"process/capabilities/bounding/-", `"CAP_SYS_ADMIN"`},
		edit{"process/capabilities/bounding/-", `"CAP_NET_ADMIN"`},
		edit{"linux/maskedPaths", `["/proc/kcore"]`},
		edit{"linux/readonlyPaths", `["/proc"]`},
		edit{"mounts/5/options/3", `"rw"`},
	)
	for _, tc := range []struct {
		name                 string
		settings             settings
		violations, warnings []string
	}{
		{name: "none"},
		{
			name: "dangerous capabilities", settings: settings{Forbid: []string{"dangerous-capabilities"}},
			violations: []string{"spec.process.capabilities.bounding[14] forbidden.CAP_SYS_ADMIN"},
		},
		{
			name: "extra capabilities", settings: settings{Forbid: []string{"extra-capabilities"}},
			violations: []string{
				"spec.process.capabilities.bounding[14] forbidden.CAP_SYS_ADMIN",
				"spec.process.capabilities.bounding[15] forbidden.CAP_NET_ADMIN",
			},
		},
		{
			name: "privileged", settings: settings{Forbid: []string{"privileged"}},
			violations: []string{
				"spec.process.capabilities.bounding[14] forbidden.CAP_SYS_ADMIN",
				"spec.mounts[5].options forbidden.writable-sys",
				"spec.linux.maskedPaths forbidden.unmasked-paths",
			},
		},
		{
			name:       "forbid counts more than warn",
			settings:   settings{Forbid: []string{"CAP_SYS_ADMIN"}, Warn: []string{"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "writable-sys"}},
			violations: []string{"spec.process.capabilities.bounding[14] forbidden.CAP_SYS_ADMIN"},
			warnings: []string{
				"spec.process.capabilities.bounding[15] forbidden.CAP_NET_ADMIN",
				"spec.mounts[5].options forbidden.writable-sys",
			},
		},
		{
			name:     "fewer masked paths",
			settings: settings{Forbid: []string{"unmasked-paths"}, MaskedPaths: []string{"/proc/kcore"}},
		},
		{
			name:       "more read-only paths",
			settings:   settings{Forbid: []string{"writable-proc"}, ReadonlyPaths: []string{"/proc/x", "/sys/power"}},
			violations: []string{"spec.linux.readonlyPaths forbidden.writable-proc"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := judge(t, loadWith(t, tc.settings), input(spec))
			// What is in the bounding set only is of no use; that is not the point here.
			if diff := cmp.Diff(tc.violations, places(got.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warnings, places(got.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct {
		name, settings, want string
	}{
		{"unknown trait", `{"forbid":["hooks","host-net"]}`, `forbid[1]: "host-net" is no known trait`},
		{"unknown capability", `{"warn":["CAP_FLY"]}`, `warn[0]: "CAP_FLY" is no known trait`},
		{"trait in another case", `{"forbid":["Host-Network"]}`, "no known trait"},
		{"misspelt key", `{"forbids":[]}`, "forbids"},
		{"key in another case", `{"Forbid":[]}`, "Forbid"},
		{"not a list", `{"forbid":"hooks"}`, "forbid"},
		{"not an object", `[]`, "object"},
		{"relative path", `{"masked_paths":["proc/kcore"]}`, "masked_paths"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fsys, err := bindingOf(json.RawMessage(tc.settings))
			if err != nil {
				t.Fatal(err)
			}
			v, err := plugins.Load(t.Context(), options, plugins.FS(fsys, "validators.yaml"))
			if err == nil {
				err = v.Close()
				t.Fatalf("the settings were accepted (%v)", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error does not say %q: %v", tc.want, err)
			}
		})
	}
}
