package validators_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

// codes are the codes and fields of findings, in order.
func codes(list []plimsoll.Violation) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.Code+" "+v.Field)
	}
	slices.Sort(out)
	return out
}

// TestExamplesOfOtherABIs judges specs with the examples that are not of the native ABI.
// Their cases.yaml have more.
func TestExamplesOfOtherABIs(t *testing.T) {
	const hardened = `{"ociVersion":"1.2.0","process":{"args":["a"],"cwd":"/","user":{"uid":1},"noNewPrivileges":true},` +
		`"linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"}],"maskedPaths":["/proc/kcore"],` +
		`"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}}}`
	with := func(old, replacement string) string {
		if !strings.Contains(hardened, old) {
			t.Fatalf("there is no %s in the spec", old)
		}
		return strings.Replace(hardened, old, replacement, 1)
	}
	for _, tt := range []struct {
		example, name, settings, spec string
		violations, warnings          []string
	}{
		{"pod-security", "hardened", `{"level":"restricted"}`, hardened, nil, nil},
		{"pod-security", "root", `{"level":"restricted"}`, with(`"uid":1`, `"uid":0`), []string{"RUN_AS_ROOT spec.process.user.uid"}, nil},
		{"pod-security", "root, warned of", `{"warn_restricted":true}`, with(`"uid":1`, `"uid":0`), nil, []string{"RUN_AS_ROOT spec.process.user.uid"}},
		{"pod-security", "host network", `{}`, with(`{"type":"network"},`, ``), []string{"HOST_NAMESPACE spec.linux.namespaces"}, nil},
		{"pod-security", "not a spec", `{}`, `no`, []string{"READABLE spec"}, nil},
		{"env-secrets", "hardened", `{}`, hardened, nil, nil},
		{"env-secrets", "escaped", `{}`, with(`["a"]`, `["a","x=\u0041KIAIOSFODNN7EXAMPLE"]`), []string{"aws-access-key spec.process.args[1]"}, nil},
		{"env-secrets", "ignored", `{"ignore":["aws-access-key"]}`, with(`["a"]`, `["AKIAIOSFODNN7EXAMPLE"]`), nil, nil},
		{"env-secrets", "url", `{}`, with(`["a"]`, `["postgres://u:p@h/d"]`), []string{"url-password spec.process.args[0]"}, nil},
		{"env-secrets", "private key", `{}`, with(`["a"]`, `["-----BEGIN EC PRIVATE KEY-----\n"]`), []string{"private-key spec.process.args[0]"}, nil},
		{"env-secrets", "jwt", `{}`, with(`["a"]`, `["eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeKKF2QT4"]`), []string{"jwt spec.process.args[0]"}, nil},
		{"seccomp-audit", "hardened", `{}`, hardened, nil, nil},
		{"seccomp-audit", "mount", `{}`, with(`["read"]`, `["read","mount"]`), []string{"syscall.mount spec.linux.seccomp.syscalls[0]"}, nil},
		{"seccomp-audit", "not forbidden", `{"forbid":["bpf"]}`, with(`["read"]`, `["read","mount"]`), nil, nil},
		{"seccomp-audit", "none", `{}`, `{"ociVersion":"1.2.0"}`, nil, []string{"no-profile spec.linux.seccomp"}},
		{"seccomp-audit", "none, required", `{"require":true}`, `{"ociVersion":"1.2.0"}`, []string{"no-profile spec.linux.seccomp"}, nil},
	} {
		t.Run(tt.example+"/"+tt.name, func(t *testing.T) {
			module, err := os.ReadFile(tt.example + "/" + tt.example + ".wasm")
			if err != nil {
				t.Fatal(err)
			}
			trial, err := plugins.NewTrial(t.Context(), module, plugins.TrialOptions{Options: options, Settings: json.RawMessage(tt.settings)})
			if err != nil {
				t.Fatal(err)
			}
			defer trial.Close()
			call, err := trial.Judge(t.Context(), input([]byte(tt.spec)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.violations, codes(call.Verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, codes(call.Verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			if text, err := json.Marshal(call.Verdict); err != nil || strings.Contains(string(text), "IOSFODNN7") {
				t.Errorf("a secret is in the verdict: %s, %v", text, err)
			}
		})
	}
}
