// Package policies_test runs the tests of the starter policies, and the policies
// themselves on real specs.
package policies_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/tester"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

const specs = "../../policy/testdata/specs"

func TestRego(t *testing.T) {
	ctx := context.Background()
	modules, store, err := tester.Load([]string{"."}, nil)
	if err != nil {
		t.Fatal(err)
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(ctx, txn)
	results, err := tester.NewRunner().SetStore(store).SetModules(modules).RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for r := range results {
		tested[r.Package] = true
		t.Run(r.Package+"/"+r.Name, func(t *testing.T) {
			if r.Error != nil {
				t.Error(r.Error)
			}
			if !r.Pass() {
				t.Errorf("%s failed", r.Location)
			}
		})
	}
	for _, p := range load(t).Packages() {
		if !tested["data."+p.Name+"_test"] {
			t.Errorf("package %s has no tests", p.Name)
		}
	}
}

func TestFormat(t *testing.T) {
	files, err := filepath.Glob("*/*.rego")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range append(files, "bundle.rego", "bundle_test.rego") {
		have, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := format.SourceWithOpts(name, have, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(have)); diff != "" {
			t.Errorf("%s is not formatted as opa fmt does (-want +have):\n%s", name, diff)
		}
	}
}

// What people read about a denial comes from the annotations.
func TestMetadata(t *testing.T) {
	for _, p := range load(t).Packages() {
		if p.Title == "" || p.Description == "" {
			t.Errorf("package %s lacks a title or a description", p.Name)
		}
	}
}

func TestRealSpecs(t *testing.T) {
	privileged := []string{
		"PRIVILEGED_CAPABILITY", "PRIVILEGED_DEVICES", "PRIVILEGED_HOST_NAMESPACE", "PRIVILEGED_UNMASKED", "PRIVILEGED_WRITABLE",
	}
	const runc = "io.containerd.runc.v2"
	tests := map[string]struct {
		spec, runtime, namespace string
		denied                   []string // codes
		warned                   []string
	}{
		"default":                          {"linux-default", runc, "default", nil, nil},
		"seccomp and bind mounts":          {"linux-web-seccomp", runc, "default", nil, nil},
		"user namespace":                   {"linux-userns", runc, "default", nil, nil},
		"rlimits and devices":              {"linux-rlimits-devices", runc, "default", nil, []string{"PRIVILEGED_SYSRQ"}},
		"kata":                             {"kata", "io.containerd.kata.v2", "default", nil, nil},
		"gvisor":                           {"gvisor", "io.containerd.runsc.v1", "default", nil, nil},
		"wasm":                             {"wasm", "io.containerd.wasmtime.v1", "default", nil, nil},
		"windows":                          {"windows", "io.containerd.runhcs.v1", "default", nil, nil},
		"windows spec on runc":             {"windows", runc, "default", privileged[1:], []string{"PRIVILEGED_SYSRQ"}},
		"host network":                     {"linux-hostnet", runc, "default", []string{"PRIVILEGED_HOST_NAMESPACE"}, nil},
		"privileged":                       {"linux-privileged", runc, "default", privileged, []string{"PRIVILEGED_SYSRQ"}},
		"privileged on another runtime":    {"linux-privileged", "io.containerd.kata.v2", "default", privileged, []string{"PRIVILEGED_SYSRQ"}},
		"privileged on a name like runhcs": {"linux-privileged", "io.containerd.runhcs.kata.v2", "default", privileged, []string{"PRIVILEGED_SYSRQ"}},
		"privileged system container":      {"linux-privileged", runc, "system", nil, nil},
	}
	policies := load(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec, err := os.ReadFile(filepath.Join(specs, test.spec+".json"))
			if err != nil {
				t.Fatal(err)
			}
			verdict, err := policies.Judge(context.Background(), &plimsoll.Input{
				Operation: plimsoll.OperationCreate, Namespace: test.namespace,
				Object: &plimsoll.Container{
					ID: "web-1", Labels: map[string]string{"team": "core"}, Image: "docker.io/library/nginx:1.27",
					Runtime: plimsoll.Runtime{Name: test.runtime},
					Spec:    plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: spec},
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.denied, codes(verdict.Violations)); diff != "" {
				t.Errorf("violations (-want +have):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{"IMAGE_NOT_PINNED"}, test.warned...), codes(verdict.Warnings)); diff != "" {
				t.Errorf("warnings (-want +have):\n%s", diff)
			}
			for _, v := range verdict.Violations {
				if v.Field == "" || v.Fix == "" || v.Link == "" || v.Title == "" {
					t.Errorf("violation without a field, fix, link or title: %+v", v)
				}
			}
		})
	}
}

func codes(violations []plimsoll.Violation) []string {
	var codes []string
	for _, v := range violations {
		codes = append(codes, v.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func load(t *testing.T) *policy.Policies {
	t.Helper()
	policies, err := policy.Load(context.Background(), policy.Options{Timeout: time.Minute}, policy.FS("starter", os.DirFS(".")))
	if err != nil {
		t.Fatal(err)
	}
	return policies
}
