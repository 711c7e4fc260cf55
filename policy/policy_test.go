package policy_test

import (
	"context"
	_ "embed"
	"errors"
	"testing"
	"testing/fstest"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// files makes a source of names and contents, in turn.
func files(namesAndContents ...string) policy.Source {
	fsys := fstest.MapFS{}
	for i := 0; i < len(namesAndContents); i += 2 {
		fsys[namesAndContents[i]] = &fstest.MapFile{Data: []byte(namesAndContents[i+1])}
	}
	return policy.FS("policies", fsys)
}

func mustLoad(t testing.TB, sources ...policy.Source) *policy.Policies {
	t.Helper()
	p, err := policy.Load(context.Background(), policy.Options{Timeout: time.Minute}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// create is the creation of an ordinary container.
func create() *plimsoll.Input {
	return &plimsoll.Input{Operation: plimsoll.OperationCreate, Namespace: "default", Object: container()}
}

func container() *plimsoll.Container {
	return &plimsoll.Container{
		ID:          "web-1",
		Labels:      map[string]string{"team": "core", "owner": "alice"},
		Image:       "docker.io/library/nginx:1.27",
		Runtime:     plimsoll.Runtime{Name: "io.containerd.runc.v2"},
		Snapshotter: "overlayfs",
		SnapshotKey: "web-1",
		Spec:        spec(),
		Extensions:  map[string]plimsoll.Any{"io.example.ext": {TypeURL: "t", Value: []byte(`{"a":1}`)}},
	}
}

// spec is a real one, of 4 KB.
func spec() plimsoll.Any {
	return plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: linuxDefault}
}

//go:embed testdata/specs/linux-default.json
var linuxDefault []byte

func withSpec(json string) *plimsoll.Input {
	in := create()
	in.Object.Spec.Value = []byte(json)
	return in
}

func messages(violations []plimsoll.Violation) []string {
	var all []string
	for _, v := range violations {
		all = append(all, v.Message)
	}
	return all
}

// wantFault fails unless err is the fault of a policy and nothing came with it.
func wantFault(t *testing.T, verdict plimsoll.Verdict, err error) *plimsoll.FaultError {
	t.Helper()
	var fault *plimsoll.FaultError
	if !errors.As(err, &fault) || !errors.Is(err, plimsoll.ErrFault) {
		t.Fatalf("error is %v, want a fault", err)
	}
	if fault.Source.Kind != plimsoll.SourcePolicy || fault.Source.Name == "" {
		t.Errorf("fault has source %+v", fault.Source)
	}
	if len(verdict.Violations)+len(verdict.Warnings) > 0 {
		t.Errorf("fault comes with a verdict: %+v", verdict)
	}
	return fault
}
