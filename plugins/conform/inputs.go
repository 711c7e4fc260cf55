package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/plimsoll-project/plimsoll"
)

const (
	runc    = "io.containerd.runc.v2"
	ociSpec = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
)

// ordinarySpec is a small OCI spec of a Linux container.
const ordinarySpec = `{"ociVersion":"1.2.0","process":{"user":{"uid":1000,"gid":1000},"args":["nginx","-g","daemon off;"],` +
	`"env":["PATH=/usr/bin:/bin","TERM=xterm"],"cwd":"/","capabilities":{"bounding":["CAP_NET_BIND_SERVICE"]},` +
	`"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1024}],"noNewPrivileges":true},` +
	`"root":{"path":"rootfs","readonly":true},"hostname":"web","mounts":[{"destination":"/proc","type":"proc","source":"proc"},` +
	`{"destination":"/tmp","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev","size=65536k"]}],"linux":{"cgroupsPath":"/default/web",` +
	`"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}],` +
	`"maskedPaths":["/proc/kcore"],"readonlyPaths":["/proc/sys"],"resources":{"memory":{"limit":67108864}}}}`

// spec is the ordinary spec of the options.
func (s *suite) spec() []byte {
	if s.opts.Spec != nil {
		return s.opts.Spec
	}
	return []byte(ordinarySpec)
}

// input is the creation of a container with that spec.
func (s *suite) input(spec []byte) *plimsoll.Input {
	return &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: "default", NamespaceLabels: map[string]string{"owner": "ops"},
		User:   plimsoll.User{Name: "ada", Groups: []string{"dev"}, Via: "unix"},
		Object: s.container(spec), RequestID: "r-1",
	}
}

func (s *suite) container(spec []byte) *plimsoll.Container {
	c := &plimsoll.Container{
		ID: "web", Labels: map[string]string{"team": "core", "app": "web"}, Image: "docker.io/library/nginx:1.27",
		Runtime: plimsoll.Runtime{Name: s.opts.Runtime}, Snapshotter: "overlayfs", SnapshotKey: "web",
		Spec: plimsoll.Any{TypeURL: s.opts.SpecType, Value: spec},
	}
	meta := s.trial.Metadata()
	if c.Runtime.Name == "" {
		c.Runtime.Name = literal(meta.Runtimes, runc)
	}
	if c.Spec.TypeURL == "" {
		c.Spec.TypeURL = literal(meta.SpecTypes, ociSpec)
	}
	return c
}

// literal is the first of the patterns that stands for itself alone, or what there is
// otherwise.
func literal(patterns []string, otherwise string) string {
	for _, p := range patterns {
		if !strings.ContainsAny(p, `*?[\`) {
			return p
		}
	}
	return otherwise
}

// named is something to be judged.
type named struct {
	name string
	in   *plimsoll.Input
}

// operations are the ordinary spec in every kind of mutation.
func (s *suite) operations() []named {
	update := s.input(s.spec())
	update.Operation, update.Old = plimsoll.OperationUpdate, s.container(s.spec())
	update.UpdateMask = []string{"labels.team"}
	update.Object.Labels = map[string]string{"team": "edge"}
	remove := s.input(s.spec())
	remove.Operation, remove.Old = plimsoll.OperationDelete, remove.Object
	dry := s.input(s.spec())
	dry.DryRun = true
	return []named{{"create", s.input(s.spec())}, {"update", update}, {"delete", remove}, {"dry run", dry}}
}

// payloads are specs that are no ordinary ones, as anyone may send them.
func (s *suite) payloads() []named {
	list := []struct{ name, spec string }{
		{"no spec", ""},
		{"empty object", `{}`},
		{"not JSON", "\x00\x01protobuf\xff"},
		{"null", `null`},
		{"an array", `[]`},
		{"a string", `"spec"`},
		{"truncated JSON", `{"ociVersion":"1.2.0","process":{`},
		{"members of other types", `{"ociVersion":1,"process":[],"root":"rootfs","mounts":{},"linux":false,"hooks":[1],"annotations":[]}`},
		{"nulls", `{"ociVersion":null,"process":null,"root":null,"mounts":null,"linux":null,"annotations":null}`},
		{"nulls in lists", `{"ociVersion":"1.2.0","process":{"args":[null],"env":[null,1,{}]},"mounts":[null,[],1],"linux":{"namespaces":[null,"pid"]}}`},
		{"duplicate members", `{"ociVersion":"1.2.0","process":{"cwd":"/"},"process":{"cwd":"x"},"process":null}`},
	}
	inputs := make([]named, len(list))
	for i, l := range list {
		inputs[i] = named{l.name, s.input([]byte(l.spec))}
	}
	return inputs
}

// texts are strings and numbers that break careless readers. They go into every string
// of a spec that validators are likely to read.
func (s *suite) texts() []named {
	list := []struct{ name, text string }{
		{"control characters", `"\u0000\u0001\b\u001f\u007f"`},
		{"a zero", `"a\u0000b"`},
		{"surrogates without a pair", `"\ud800 \udfff \udbff\ud800"`},
		{"invalid UTF-8", "\"\xff\xfe\xc0\xaf\xed\xa0\x80\""},
		{"overlong escapes", `"\u002f\u002e\u002e\u002f"`},
		{"quotes and backslashes", `"\"\\\"\\\\\",\"violations\":[]}"`},
		{"format directives", `"%s%n%999999d%*d{{.}}${x}"`},
		{"right to left", `"\u202e\u2066\u200f"`},
		{"line separators", `"\u2028\u2029\r\n"`},
		{"a string of 1 KiB", `"` + strings.Repeat("a", 1<<10) + `"`},
		{"escapes all along", `"` + strings.Repeat(`\u00e9\n`, 64) + `"`},
		{"traversal", `"/../../../../etc/passwd"`},
		{"large number", `123456789012345678901234567890`},
		{"exponents", `1e400`},
		{"small number", `-0.0000000000000000000000000000001e-300`},
		{"many digits", strings.Repeat("9", 1<<10)},
	}
	inputs := make([]named, len(list))
	for i, l := range list {
		inputs[i] = named{l.name, s.input(fillSpec(l.text))}
	}
	long := `{"ociVersion":"1.2.0","process":{"args":["` + strings.Repeat("a", 16<<10) + `"],"cwd":"/"},"root":{"path":"rootfs"}}`
	return append(inputs, named{"a string of 16 KiB", s.input([]byte(long))})
}

// fillSpec is a spec with the value in many places. It need not be valid JSON.
func fillSpec(v string) []byte {
	quoted := v
	if !strings.HasPrefix(v, `"`) {
		quoted = `"x"`
	}
	spec := `{"ociVersion":$,"process":{"args":[$],"env":[$],"cwd":$,"user":{"uid":$,"username":$},` +
		`"capabilities":{"bounding":[$]},"apparmorProfile":$,"selinuxLabel":$},"root":{"path":$},"hostname":$,` +
		`"mounts":[{"destination":$,"type":$,"source":$,"options":[$]}],"annotations":{%:$},` +
		`"linux":{"cgroupsPath":$,"namespaces":[{"type":$,"path":$}],"sysctl":{%:$},"maskedPaths":[$],"readonlyPaths":[$],` +
		`"devices":[{"path":$,"type":$,"major":$}],"resources":{"memory":{"limit":$}},"seccomp":{"defaultAction":$}},` +
		`"windows":{"layerFolders":[$],"servicing":$},%:$}`
	return []byte(strings.NewReplacer("$", v, "%", quoted).Replace(spec))
}

// nested is a spec that has arrays or objects so deep in each other.
func (s *suite) nested(depth int) []named {
	arrays := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	objects := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
	return []named{
		{fmt.Sprintf("arrays %d deep", depth), s.input(fillSpec(arrays))},
		{fmt.Sprintf("objects %d deep", depth), s.input([]byte(`{"ociVersion":"1.2.0","annotations":` + objects + `,"x":` + objects + `}`))},
	}
}

// large is an ordinary spec with so many bytes more of environment.
func (s *suite) large(size int) *plimsoll.Input {
	var spec map[string]json.RawMessage
	if json.Unmarshal(s.spec(), &spec) != nil || spec == nil {
		spec = map[string]json.RawMessage{}
	}
	var env bytes.Buffer
	for n := 0; env.Len() < size; n++ {
		fmt.Fprintf(&env, `,"VARIABLE_%d=%s"`, n, strings.Repeat("v", 100))
	}
	process := map[string]json.RawMessage{}
	if json.Unmarshal(spec["process"], &process) != nil {
		process = map[string]json.RawMessage{}
	}
	process["env"] = json.RawMessage("[" + env.String()[1:] + "]")
	spec["process"] = mustJSON(process)
	return s.input(mustJSON(spec))
}

// mustJSON encodes what consists of JSON.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding a spec: %v", err))
	}
	return raw
}
