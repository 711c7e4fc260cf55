package service_test

import (
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"

	containerdv1 "github.com/plimsoll-project/plimsoll/gen/containerd/v1"
	"github.com/plimsoll-project/plimsoll/service"
)

// with returns a valid container, changed.
func with(change func(c *containerdv1.Container)) *containerdv1.Container {
	c := container("web")
	change(c)
	return c
}

func withSpec(typeURL, value string) *containerdv1.Container {
	return with(func(c *containerdv1.Container) { c.Spec = &anypb.Any{TypeUrl: typeURL, Value: []byte(value)} })
}

// refused checks that err is an INVALID_ARGUMENT about field whose message contains
// each of says.
func refused(t *testing.T, err error, field string, says ...string) {
	t.Helper()
	e := failed(t, err, connect.CodeInvalidArgument)
	if got := detail[*errdetails.ErrorInfo](t, e); got.GetReason() != "REQUEST_INVALID" || got.GetDomain() != "plimsoll" {
		t.Errorf("ErrorInfo %v, want REQUEST_INVALID of plimsoll", got)
	}
	violations := detail[*errdetails.BadRequest](t, e).GetFieldViolations()
	if len(violations) != 1 || violations[0].GetField() != field {
		t.Errorf("BadRequest has %v, want one violation of %s", violations, field)
	}
	for _, s := range says {
		if !strings.Contains(e.message, s) {
			t.Errorf("message %q does not say %q", e.message, s)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
	}
	tests := []struct {
		name      string
		container *containerdv1.Container
		field     string
		says      []string
	}{
		{"no container", nil, "container", []string{"no container"}},
		{"empty container", &containerdv1.Container{}, "container.id", []string{"must not be empty"}},
		{"no id", with(func(c *containerdv1.Container) { c.Id = "" }), "container.id", []string{"must not be empty"}},
		{"id of 77 bytes", container(strings.Repeat("a", 77)), "container.id", []string{"76"}},
		{"id with a slash", container("a/b"), "container.id", []string{`"a/b" must match`}},
		{"id with a space", container("a b"), "container.id", []string{"must match"}},
		{"id with a newline", container("a\n"), "container.id", []string{"must match"}},
		{"id with a NUL", container("a\x00b"), "container.id", []string{"must match"}},
		{"id that begins with a separator", container("-a"), "container.id", []string{"must match"}},
		{"id that ends with a separator", container("a."), "container.id", []string{"must match"}},
		{"id with two separators", container("a--b"), "container.id", []string{"must match"}},
		{"id that is not ASCII", container("ä"), "container.id", []string{"must match"}},
		{"id that is a path", container(".."), "container.id", []string{"must match"}},

		{"label of 4097 bytes", container("web", "key", strings.Repeat("v", 4094)), "container.labels", []string{"4097", "4096", "key"}},
		{"label key of 4097 bytes", container("web", strings.Repeat("k", 4097), ""), "container.labels", []string{"4097"}},
		{"empty label key", container("web", "", "v"), "container.labels", []string{"empty key"}},
		{"empty label", container("web", "", ""), "container.labels", []string{"empty key"}},

		{"no runtime", with(func(c *containerdv1.Container) { c.Runtime = "" }), "container.runtime", []string{"runtime is required", runc}},
		{"long runtime", with(func(c *containerdv1.Container) { c.Runtime = strings.Repeat("r", 4097) }), "container.runtime", []string{"4097", "4096"}},
		{"long image", with(func(c *containerdv1.Container) { c.Image = strings.Repeat("r", 4097) }), "container.image", []string{"4096"}},
		{"long rootfs", with(func(c *containerdv1.Container) { c.Rootfs = strings.Repeat("r", 4097) }), "container.rootfs", []string{"4096"}},

		{"no spec", with(func(c *containerdv1.Container) { c.Spec = nil }), "container.spec", []string{"spec is required", specType}},
		{"empty spec", with(func(c *containerdv1.Container) { c.Spec = &anypb.Any{} }), "container.spec", []string{"spec is required"}},
		{"spec without type", withSpec("", "{}"), "container.spec", []string{"spec is required"}},
		{"long spec type", withSpec(strings.Repeat("t", 4097), "{}"), "container.spec.type_url", []string{"4096"}},
		{"spec of 2 MiB", withSpec("example.org/opaque", strings.Repeat("x", 2<<20)), "container.spec", []string{"2097152", "2097151"}},
		{"OCI spec without payload", withSpec(specType, ""), "container.spec", []string{"must be a JSON object"}},
		{"OCI spec that is not JSON", withSpec(specType, "\x0a\x03abc"), "container.spec", []string{"must be a JSON object"}},
		{"OCI spec that is an array", withSpec(specType, "[]"), "container.spec", []string{"must be a JSON object"}},
		{"OCI spec that is null", withSpec(specType, "null"), "container.spec", []string{"must be a JSON object"}},
		{"OCI spec with a byte order mark", withSpec(specType, "\xef\xbb\xbf{}"), "container.spec", []string{"must be a JSON object"}},
		{"OCI spec behind a host", withSpec("example.org/"+specType, "{}"), "container.spec", []string{"must be " + specType, "example.org"}},
		{"OCI spec that is cut off", withSpec(specType, `{"process":{`), "container.spec", []string{"not valid JSON", "unexpected EOF"}},
		{"OCI spec with something after it", withSpec(specType, `{} {}`), "container.spec", []string{"something follows"}},
		{"OCI spec with a NUL after it", withSpec(specType, "{}\x00"), "container.spec", []string{"not valid JSON"}},
		{"OCI spec with a comment", withSpec(specType, `{/* root */}`), "container.spec", []string{"not valid JSON"}},
		{"duplicate names", withSpec(specType, `{"root":{"path":"a","path":"b"}}`), "container.spec", []string{"not valid JSON", "duplicate", `"path"`}},
		{"duplicate names, one escaped", withSpec(specType, `{"path":"a","p\u0061th":"b"}`), "container.spec", []string{"duplicate"}},
		{"invalid UTF-8", withSpec(specType, "{\"a\":\"\xff\"}"), "container.spec", []string{"not valid JSON", "UTF-8"}},
		{"half a surrogate pair", withSpec(specType, `{"a":"\ud800"}`), "container.spec", []string{"not valid JSON"}},
		{"nested too deep", withSpec(specType, nested(65)), "container.spec", []string{"65 deep", "64"}},
		{"nested far too deep", withSpec(specType, nested(100_000)), "container.spec", []string{"not valid JSON", "depth"}},
		{"ambiguous JSON of another type", withSpec("example.org/mine", `{"a":1,"a":2}`), "container.spec", []string{"duplicate"}},
	}
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check := f.unchanged(t)
			_, _, err := c.create(t.Context(), nil, test.container)
			refused(t, err, test.field, test.says...)
			check()
		})
	}
}

func TestCreateAccepts(t *testing.T) {
	tests := map[string]*containerdv1.Container{
		"id of one byte":          container("a"),
		"id of 76 bytes":          container(strings.Repeat("a", 76)),
		"id with every separator": container("a.b_c-D9"),
		"label of 4096 bytes":     container("label", "key", strings.Repeat("v", 4093)),
		"label with any bytes":    container("any", "k\x00\n é", "v\x00\n é"),
		"spec of type JSON":       container("json"),
		"spec nested 64 deep":     spec("deep", specType, `{"a":`+strings.Repeat("[", 63)+strings.Repeat("]", 63)+`}`),
		"spec with white space":   spec("space", specType, " \n\t{ \"a\" : 1e400 } \r\n"),
		"opaque spec":             spec("opaque", "example.org/opaque", "\x00\xff not { JSON"),
		"opaque spec, empty":      spec("none", "example.org/opaque", ""),
		"JSON of another type":    spec("other", "example.org/mine", `{"a":1}`),
		"largest spec":            spec("large", "example.org/opaque", strings.Repeat("x", 2<<20-1)),
		"braces in strings":       spec("braces", specType, `{"a":"`+strings.Repeat("{[", 200)+`\"{"}`),
		"only what is required":   {Id: "bare", Runtime: "r", Spec: &anypb.Any{TypeUrl: "t"}},
	}
	f := newFixture(t, nil, service.Options{})
	clients := clientsOf(t, f.serve(t))
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			created, _, err := clients["grpc"].create(t.Context(), nil, want)
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(want, created) { // cmp takes seconds for the largest spec
				t.Errorf("Create answers %.1000v, want %.1000v", created, want)
			}
			got, _, err := clients["connect/http1"].get(t.Context(), nil, want.GetId())
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(want, got) {
				t.Errorf("Get answers %.1000v, want %.1000v", got, want)
			}
		})
	}
}

func spec(id, typeURL, value string) *containerdv1.Container {
	c := withSpec(typeURL, value)
	c.Id = id
	return c
}

func TestUpdate(t *testing.T) {
	other := &anypb.Any{TypeUrl: specType, Value: []byte(`{"ociVersion":"1.3.0"}`)}
	stored := container("web", "team", "core", "tier", "1", "example.org/a.b", "x")
	tests := []struct {
		name   string
		change *containerdv1.Container
		mask   []string
		want   func(c *containerdv1.Container)
	}{
		{
			"labels replaces all of them", container("web", "new", "1", "none", ""),
			[]string{"labels"},
			func(c *containerdv1.Container) { c.Labels = map[string]string{"new": "1"} },
		},
		{"labels absent removes all of them", container("web"), []string{"labels"}, func(c *containerdv1.Container) { c.Labels = nil }},
		{
			"one label, others kept", container("web", "tier", "2", "team", "ignored"),
			[]string{"labels.tier"},
			func(c *containerdv1.Container) { c.Labels["tier"] = "2" },
		},
		{
			"one label, new", container("web", "new", "2"),
			[]string{"labels.new"},
			func(c *containerdv1.Container) { c.Labels["new"] = "2" },
		},
		{
			"label with dots", container("web", "example.org/a.b", "y"),
			[]string{"labels.example.org/a.b"},
			func(c *containerdv1.Container) { c.Labels["example.org/a.b"] = "y" },
		},
		{
			"absent label is removed", container("web"),
			[]string{"labels.tier"},
			func(c *containerdv1.Container) { delete(c.Labels, "tier") },
		},
		{
			"empty label is removed", container("web", "tier", ""),
			[]string{"labels.tier"},
			func(c *containerdv1.Container) { delete(c.Labels, "tier") },
		},
		{"label that is not there is removed", container("web"), []string{"labels.none"}, func(*containerdv1.Container) {}},
		{
			"several paths, one of them twice", container("web", "team", "data"),
			[]string{"labels.team", "image", "labels.team", "labels.tier"},
			func(c *containerdv1.Container) { c.Labels["team"] = "data"; delete(c.Labels, "tier") },
		},
		{
			"image", &containerdv1.Container{Id: "web", Image: "other", Rootfs: "ignored"},
			[]string{"image"},
			func(c *containerdv1.Container) { c.Image = "other" },
		},
		{"image removed", &containerdv1.Container{Id: "web"}, []string{"image"}, func(c *containerdv1.Container) { c.Image = "" }},
		{
			"rootfs", &containerdv1.Container{Id: "web", Rootfs: "other"},
			[]string{"rootfs"},
			func(c *containerdv1.Container) { c.Rootfs = "other" },
		},
		{
			"spec", &containerdv1.Container{Id: "web", Spec: other},
			[]string{"spec"},
			func(c *containerdv1.Container) { c.Spec = other },
		},
		{
			"a mask leaves another runtime alone", &containerdv1.Container{Id: "web", Runtime: "other", Image: "other"},
			[]string{"image"},
			func(c *containerdv1.Container) { c.Image = "other" },
		},
		{
			"no mask replaces all", &containerdv1.Container{Id: "web", Runtime: runc, Spec: other, Labels: map[string]string{"only": "1", "none": ""}}, nil,
			func(c *containerdv1.Container) {
				c.Labels, c.Image, c.Rootfs, c.Spec = map[string]string{"only": "1"}, "", "", other
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil, service.Options{})
			c := clientsOf(t, f.serve(t))["grpc"]
			if _, _, err := c.create(t.Context(), nil, stored); err != nil {
				t.Fatal(err)
			}
			want := proto.CloneOf(stored)
			test.want(want)
			updated, _, err := c.update(t.Context(), nil, test.change, test.mask...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, updated, protocmp.Transform()); diff != "" {
				t.Errorf("Update (-want +got):\n%s", diff)
			}
			got, _, err := c.get(t.Context(), nil, "web")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("Get (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	const paths = "labels, labels.KEY, image, spec, rootfs"
	tests := []struct {
		name   string
		change *containerdv1.Container
		mask   []string
		field  string
		says   []string
	}{
		{"no container", nil, []string{"image"}, "container", []string{"no container"}},
		{"no id", &containerdv1.Container{}, []string{"image"}, "container.id", []string{"id is required"}},
		{"unknown path", container("web"), []string{"image", "colour"}, "update_mask", []string{`"colour"`, paths}},
		{"path of today's API", container("web"), []string{"snapshot_key"}, "update_mask", []string{`"snapshot_key"`, paths}},
		{"path into the spec", container("web"), []string{"spec.value"}, "update_mask", []string{`"spec.value"`, paths}},
		{"path with the message's name", container("web"), []string{"container.image"}, "update_mask", []string{`"container.image"`}},
		{"wildcard", container("web"), []string{"*"}, "update_mask", []string{`"*"`}},
		{"empty path", container("web"), []string{""}, "update_mask", []string{`""`}},
		{"label without key", container("web"), []string{"labels."}, "update_mask", []string{`"labels."`}},
		{"id is immutable", container("web"), []string{"id"}, "update_mask", []string{"id cannot be changed", paths}},
		{"runtime is immutable", container("web"), []string{"runtime"}, "update_mask", []string{"runtime cannot be changed", paths}},
		{"1025 paths", container("web"), strings.Split(strings.Repeat("image ", 1024)+"image", " "), "update_mask", []string{"1024"}},
		{
			"no mask, another runtime", with(func(c *containerdv1.Container) { c.Runtime = "other" }), nil, "container.runtime",
			[]string{"immutable", runc, `"other"`},
		},
		{"no mask, no runtime", with(func(c *containerdv1.Container) { c.Runtime = "" }), nil, "container.runtime", []string{"immutable"}},
		{"no mask, no spec", with(func(c *containerdv1.Container) { c.Spec = nil }), nil, "container.spec", []string{"spec is required"}},
		{"spec removed", &containerdv1.Container{Id: "web"}, []string{"spec"}, "container.spec", []string{"spec is required"}},
		{"spec that is not JSON", withSpec(specType, "x"), []string{"spec"}, "container.spec", []string{"must be a JSON object"}},
		{"label too long", container("web", "k", strings.Repeat("v", 4096)), []string{"labels.k"}, "container.labels", []string{"4097"}},
		{"empty label key", container("web", "", "v"), []string{"labels"}, "container.labels", []string{"empty key"}},
	}
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	if _, _, err := c.create(t.Context(), nil, container("web")); err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check := f.unchanged(t)
			_, _, err := c.update(t.Context(), nil, test.change, test.mask...)
			refused(t, err, test.field, test.says...)
			check()
		})
	}
}

// Get, Update and Delete of what cannot be there.
func TestLookups(t *testing.T) {
	f := newFixture(t, nil, service.Options{})
	c := clientsOf(t, f.serve(t))["grpc"]
	for id, code := range map[string]connect.Code{
		"": connect.CodeInvalidArgument, "none": connect.CodeNotFound, "../x": connect.CodeNotFound, "a\x00": connect.CodeNotFound,
		strings.Repeat("a", 77): connect.CodeNotFound,
	} {
		t.Run(id, func(t *testing.T) {
			_, _, err := c.get(t.Context(), nil, id)
			failed(t, err, code)
			_, _, err = c.update(t.Context(), nil, container(id), "image")
			failed(t, err, code)
			_, err = c.delete(t.Context(), nil, id)
			failed(t, err, code)
		})
	}
}

func TestNamespaces(t *testing.T) {
	f := newFixture(t, nil, service.Options{DefaultNamespace: "house"})
	c := clientsOf(t, f.serve(t))["grpc"]
	in := func(values ...string) http.Header { return http.Header{"containerd-namespace": values} }
	if _, _, err := c.create(t.Context(), nil, container("web", "of", "default")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.create(t.Context(), in("moby"), container("web", "of", "moby")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		header http.Header
		want   string
	}{
		"absent is the default": {nil, "default"}, "empty is the default": {in(""), "default"}, "the default by name": {in("house"), "default"},
		"another": {in("moby"), "moby"}, "the first of two": {in("moby", "house"), "moby"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := c.get(t.Context(), test.header, "web")
			if err != nil {
				t.Fatal(err)
			}
			if got.GetLabels()["of"] != test.want {
				t.Errorf("got the container of %v, want that of %s", got.GetLabels(), test.want)
			}
			if all, err := c.list(t.Context(), test.header, ""); err != nil || len(all) != 1 {
				t.Errorf("List has %v (%v), want one container", all, err)
			}
		})
	}
	_, _, err := c.get(t.Context(), in("empty"), "web")
	failed(t, err, connect.CodeNotFound)

	for _, bad := range []string{"a/b", "-", strings.Repeat("n", 77), "a..b"} {
		_, _, err := c.get(t.Context(), in(bad), "web")
		refused(t, err, "header containerd-namespace", bad)
		_, err = c.list(t.Context(), in(bad), "")
		refused(t, err, "header containerd-namespace", bad)
		_, _, err = c.create(t.Context(), in(bad), container("new"))
		refused(t, err, "header containerd-namespace", bad)
		_, err = c.delete(t.Context(), in(bad), "web")
		refused(t, err, "header containerd-namespace", bad)
	}
}
