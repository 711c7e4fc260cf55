package library_test

import (
	"context"
	"encoding/json"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/policy"
)

// examples are what each policy denies: a container that all of them admit, with a
// change. They are those of README.md.
var examples = map[string]struct {
	change map[string]any // by path; nil removes
	want   []string       // codes
}{
	"capabilities":      {map[string]any{"spec/process/capabilities": map[string]any{"bounding": []any{"CAP_SYS_ADMIN"}}}, []string{"CAPABILITY"}},
	"confinement":       {map[string]any{"spec/linux/seccomp": nil}, []string{"SECCOMP_UNCONFINED"}},
	"host_access":       {map[string]any{"spec/hooks": map[string]any{"createRuntime": []any{map[string]any{"path": "/bin/sh"}}}}, []string{"HOST_HOOK"}},
	"host_namespaces":   {map[string]any{"spec/linux/namespaces": []any{}}, []string{"HOST_NAMESPACE"}},
	"image_digests":     {map[string]any{"image": "docker.io/library/nginx:1.29"}, []string{"IMAGE_NOT_PINNED"}},
	"image_registries":  {map[string]any{"image": "docker.io.evil.io/library/nginx:1.29"}, []string{"IMAGE_REGISTRY"}},
	"image_tags":        {map[string]any{"image": "docker.io/library/nginx:latest"}, []string{"IMAGE_TAG"}},
	"immutable_labels":  {map[string]any{"labels/team": "payments"}, []string{"LABEL_IMMUTABLE"}},
	"label_conventions": {map[string]any{"labels/Cost Center": "4711"}, []string{"LABEL_KEY"}},
	"label_owners":      {map[string]any{"labels/owner": "bob"}, []string{"OWNER_CHANGED"}},
	"label_values":      {map[string]any{"labels/env": "prod"}, []string{"LABEL_VALUE"}},
	"namespace_labels":  {map[string]any{"labels/env": nil}, []string{"LABEL_NOT_CARRIED"}},
	"one_leader":        {map[string]any{"labels/group": "etcd", "labels/role": "leader"}, []string{"LEADER_EXISTS"}},
	"quotas":            {map[string]any{"labels/team": "full"}, []string{"QUOTA_EXCEEDED"}},
	"required_labels":   {map[string]any{"labels/team": nil}, []string{"LABEL_MISSING"}},
	"resource_limits":   {map[string]any{"spec/linux/resources/memory": nil}, []string{"RESOURCE_MEMORY"}},
	"run_as_non_root":   {map[string]any{"spec/process/user/uid": nil}, []string{"RUN_AS_ROOT"}},
	"runtimes":          {map[string]any{"runtime": "/usr/local/bin/containerd-shim-runc-v2"}, []string{"RUNTIME"}},
	"secrets_in_env":    {map[string]any{"spec/process/env": []any{"PATH=/bin", "DB_PASSWORD=hunter2"}}, []string{"SECRET_IN_ENV"}},
	"sensitive_mounts":  {map[string]any{"spec/mounts": []any{map[string]any{"destination": "/run/docker.sock", "type": "bind", "source": "//var/run/./docker.sock"}}}, []string{"SENSITIVE_MOUNT"}},
	"unique_host_ports": {map[string]any{"labels/host-ports": "8080/tcp"}, []string{"HOST_PORT_TAKEN"}},
	"unique_hostnames":  {map[string]any{"labels/nerdctl~hostname": "api", "spec/hostname": "api"}, []string{"HOSTNAME_TAKEN"}},
}

// A denial says what is wrong, where, and what would be right, and README.md shows it.
func TestExamples(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			example, ok := examples[name]
			if !ok {
				t.Fatal("has no example of what it denies")
			}
			policies := load(t, policy.Path(name))
			if v := judge(t, policies, manifest(t)); len(v.Violations)+len(v.Warnings) > 0 {
				t.Errorf("denies what all should admit: %+v", v)
			}
			object := manifest(t)
			for path, value := range example.change {
				set(object, strings.Split(path, "/"), value)
			}
			verdict := judge(t, policies, object)
			var codes []string
			for _, v := range verdict.Violations {
				codes = append(codes, v.Code)
				if v.Message == "" || v.Field == "" || v.Fix == "" || v.Link == "" || v.Title == "" || v.Severity == "" {
					t.Errorf("lacks something: %+v", v)
				}
				for _, said := range []string{v.Message, v.Field, v.Fix} {
					if !strings.Contains(string(readme), said) && v.Message == verdict.Violations[0].Message {
						t.Errorf("README.md does not show %q", said)
					}
				}
			}
			if diff := cmp.Diff(example.want, slices.Compact(codes)); diff != "" {
				t.Errorf("codes (-want +have):\n%s", diff)
			}
		})
	}
}

// TestAllAdmit judges the container by all policies at once.
func TestAllAdmit(t *testing.T) {
	if v := judge(t, load(t, policy.Path(".")), manifest(t)); len(v.Violations)+len(v.Warnings) > 0 {
		t.Errorf("denied: %+v", v)
	}
}

// Whatever is in a spec, rules come to a verdict: one that a rule breaks on is refused too,
// but tells nobody what is wrong with it.
func TestMalformedSpecs(t *testing.T) {
	policies := load(t, policy.Path("."))
	wrong := []any{nil, 1.5, "/a:b=../c", []any{}, []any{nil}, []any{"text"}, []any{[]any{}}, map[string]any{}, map[string]any{"a": []any{1}}}
	for _, path := range paths(manifest(t)["spec"], nil) {
		for _, value := range wrong {
			object := manifest(t)
			object["spec"] = replaced(object["spec"], path, value)
			if _, err := policies.Judge(t.Context(), input(t, object)); err != nil {
				t.Errorf("%v of the spec is %v: %v", path, value, err)
			}
		}
	}
}

// paths are all paths to what is in v, with the first element of arrays for all.
func paths(v any, at []any) [][]any {
	all := [][]any{slices.Clone(at)}
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			all = append(all, paths(value, append(at, key))...)
		}
	case []any:
		for i := range v[:min(len(v), 1)] {
			all = append(all, paths(v[i], append(at, i))...)
		}
	}
	return all
}

// replaced is v with value at path.
func replaced(v any, path []any, value any) any {
	if len(path) == 0 {
		return value
	}
	switch key := path[0].(type) {
	case string:
		object := v.(map[string]any)
		object[key] = replaced(object[key], path[1:], value)
	case int:
		array := v.([]any)
		array[key] = replaced(array[key], path[1:], value)
	}
	return v
}

// hardened is a container that all policies admit, in JSON.
var hardened = sync.OnceValues(func() ([]byte, error) {
	text, err := os.ReadFile("../containers/hardened.yaml")
	if err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON(text)
})

// manifest is a copy of that container, to be changed.
func manifest(t *testing.T) map[string]any {
	t.Helper()
	text, err := hardened()
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	set(object, []string{"labels", "env"}, "dev")
	return object
}

// set puts value at path, where ~ stands for a slash, or removes what is there.
func set(object map[string]any, path []string, value any) {
	for _, key := range path[:len(path)-1] {
		object = object[key].(map[string]any)
	}
	key := strings.ReplaceAll(path[len(path)-1], "~", "/")
	if value == nil {
		delete(object, key)
		return
	}
	object[key] = value
}

// judge asks what policies say of an update to object of the container that all admit.
// That of owners is about an update, that of quotas about a label that changes, and to the
// others it is the same.
func judge(t *testing.T, policies *policy.Policies, object map[string]any) plimsoll.Verdict {
	t.Helper()
	verdict, err := policies.Judge(t.Context(), input(t, object))
	if err != nil {
		t.Fatal(err)
	}
	return verdict
}

func input(t *testing.T, object map[string]any) *plimsoll.Input {
	t.Helper()
	return &plimsoll.Input{
		Operation: plimsoll.OperationUpdate, Namespace: "default", NamespaceLabels: map[string]string{"env": "dev"},
		User:   plimsoll.User{Name: "alice", Groups: []string{"core"}},
		Object: container(t, object), Old: container(t, manifest(t)), Others: others{},
	}
}

func container(t *testing.T, object map[string]any) *plimsoll.Container {
	t.Helper()
	spec, err := json.Marshal(object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for key, value := range object["labels"].(map[string]any) {
		labels[key] = value.(string)
	}
	return &plimsoll.Container{
		ID: object["id"].(string), Labels: labels, Image: object["image"].(string),
		Runtime:     plimsoll.Runtime{Name: object["runtime"].(string)},
		SnapshotKey: object["rootfs"].(string), Snapshotter: "overlayfs",
		Spec: plimsoll.Any{TypeURL: "types.containerd.io/opencontainers/runtime-spec/1/Spec", Value: spec},
	}
}

// others are the other containers: ten of team full, which is as many as it may have. One
// of them has all that there can be only one of.
type others struct{}

func (others) Container(context.Context, plimsoll.Key, bool) (*plimsoll.OtherContainer, error) {
	return nil, nil
}

func (others) Containers(_ context.Context, s plimsoll.Selection) iter.Seq2[*plimsoll.OtherContainer, error] {
	return func(yield func(*plimsoll.OtherContainer, error) bool) {
		c := &plimsoll.Container{ID: "api", Labels: map[string]string{
			"team": "full", "nerdctl/hostname": "api", "host-ports": "8080/tcp", "group": "etcd", "role": "leader",
		}}
		for name, value := range s.Equal {
			if have, _ := c.Field(name); have != value {
				return
			}
		}
		yield(&plimsoll.OtherContainer{Namespace: s.Namespace, Container: c}, nil)
	}
}

func (o others) Count(ctx context.Context, s plimsoll.Selection) (n int, err error) {
	for range o.Containers(ctx, s) {
		n = 10
	}
	return n, nil
}
