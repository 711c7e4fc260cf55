package plimsoll

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	monday  = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tuesday = monday.AddDate(0, 0, 1)
)

func storedContainer() *Container {
	return &Container{
		ID: "web", Labels: map[string]string{"team": "core", "a.b/c": "1"}, Image: "nginx", Runtime: Runtime{Name: "runc"},
		Spec: Any{TypeURL: "t", Value: []byte(`{"old":1}`)}, SnapshotKey: "snap",
		Extensions: map[string]Any{"x": {TypeURL: "e", Value: []byte("1")}}, CreatedAt: monday, UpdatedAt: monday, Revision: 7,
	}
}

func TestMergeUpdate(t *testing.T) {
	want := &Container{
		Labels: map[string]string{"team": "ops", "empty": ""}, Image: "caddy", Spec: Any{TypeURL: "u", Value: []byte("new")},
		SnapshotKey: "other", Extensions: map[string]Any{"y": {TypeURL: "f"}}, Runtime: Runtime{Name: "kata"},
	}
	for name, test := range map[string]struct {
		mask   []string
		change func(*Container)
	}{
		"labels replaces all, without empty ones": {[]string{"labels"}, func(c *Container) { c.Labels = map[string]string{"team": "ops"} }},
		"labels.KEY sets one":                     {[]string{"labels.team"}, func(c *Container) { c.Labels["team"] = "ops" }},
		"labels.KEY of an absent label removes":   {[]string{"labels.a.b/c"}, func(c *Container) { delete(c.Labels, "a.b/c") }},
		"labels.KEY of an empty label removes":    {[]string{"labels.empty"}, func(*Container) {}},
		"image":                                   {[]string{"image"}, func(c *Container) { c.Image = "caddy" }},
		"spec":                                    {[]string{"spec"}, func(c *Container) { c.Spec = want.Spec }},
		"rootfs":                                  {[]string{"rootfs"}, func(c *Container) { c.SnapshotKey = "other" }},
		"extensions replaces all":                 {[]string{"extensions"}, func(c *Container) { c.Extensions = want.Extensions }},
		"extensions.KEY sets one":                 {[]string{"extensions.y"}, func(c *Container) { c.Extensions["y"] = want.Extensions["y"] }},
		"extensions.KEY of an absent one removes": {[]string{"extensions.x"}, func(c *Container) { c.Extensions = nil }},
		"several": {[]string{"image", "labels.team"}, func(c *Container) {
			c.Image, c.Labels["team"] = "caddy", "ops"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			stored, expect := storedContainer(), storedContainer()
			test.change(expect)
			expect.UpdatedAt = tuesday
			m := &Mutation{Operation: OperationUpdate, Key: Key{"default", "web"}, Container: want, Mask: test.mask}
			got, err := m.Merge(stored, tuesday)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(expect, got); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(storedContainer(), stored); diff != "" {
				t.Errorf("the stored container has changed:\n%s", diff)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	revision := func(r Revision) *Revision { return &r }
	for name, test := range map[string]struct {
		mutation Mutation
		stored   *Container
		is       error
	}{
		"create of one that exists": {Mutation{Operation: OperationCreate, Container: &Container{}}, storedContainer(), ErrExists},
		"update of none":            {Mutation{Operation: OperationUpdate, Container: &Container{}}, nil, ErrNotFound},
		"delete of none":            {Mutation{Operation: OperationDelete}, nil, ErrNotFound},
		"stale revision":            {Mutation{Operation: OperationDelete, IfRevision: revision(6)}, storedContainer(), ErrStaleRevision},
		"revision of none":          {Mutation{Operation: OperationCreate, Container: &Container{}, IfRevision: revision(1)}, nil, ErrStaleRevision},
		"another runtime": {
			Mutation{Operation: OperationUpdate, Container: &Container{Runtime: Runtime{Name: "kata"}}, Mask: []string{"image"}, CheckRuntime: true},
			storedContainer(), ErrInvalidRequest,
		},
		"unknown path":      {Mutation{Operation: OperationUpdate, Container: &Container{}, Mask: []string{"img"}}, storedContainer(), ErrInvalidRequest},
		"path of the id":    {Mutation{Operation: OperationUpdate, Container: &Container{}, Mask: []string{"id"}}, storedContainer(), ErrInvalidRequest},
		"path with no such": {Mutation{Operation: OperationUpdate, Container: &Container{}, Mask: []string{"image.tag"}}, storedContainer(), ErrInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			test.mutation.Key = Key{"default", "web"}
			if got, err := test.mutation.Merge(test.stored, tuesday); !errors.Is(err, test.is) {
				t.Errorf("got %v, %v; want %v", got, err, test.is)
			}
		})
	}
}

func TestMergeCreateAndDelete(t *testing.T) {
	request := storedContainer()
	request.ID, request.Labels["none"] = "ignored", ""
	m := &Mutation{Operation: OperationCreate, Key: Key{"default", "web"}, Container: request}
	got, err := m.Merge(nil, tuesday)
	if err != nil {
		t.Fatal(err)
	}
	want := storedContainer()
	want.CreatedAt, want.UpdatedAt = tuesday, tuesday // the caller's own do not count
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if _, ok := request.Labels["none"]; !ok {
		t.Error("the request has changed")
	}

	m = &Mutation{Operation: OperationDelete, Key: Key{"default", "web"}}
	stored := storedContainer()
	got, err = m.Merge(stored, tuesday)
	if diff := cmp.Diff(stored, got); err != nil || diff != "" {
		t.Errorf("deleted: %v\n%s", err, diff)
	}
}

// A clock that goes back does not make a change look older than what it changed.
func TestUpdatedAdvances(t *testing.T) {
	m := &Mutation{Operation: OperationUpdate, Key: Key{"default", "web"}, Container: &Container{}, Mask: []string{"image"}}
	got, err := m.Merge(storedContainer(), monday.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !got.UpdatedAt.After(monday) {
		t.Errorf("updated at %v, which is not after %v", got.UpdatedAt, monday)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	original := storedContainer()
	original.Runtime.Options = Any{TypeURL: "o", Value: []byte("opt")}
	clone := original.Clone()
	clone.Spec.Value[0], clone.Runtime.Options.Value[0] = 'X', 'X'
	clone.Extensions["x"].Value[0] = 'X'
	maps.DeleteFunc(clone.Labels, func(string, string) bool { return true })
	delete(clone.Extensions, "x")
	want := storedContainer()
	want.Runtime.Options = Any{TypeURL: "o", Value: []byte("opt")}
	if diff := cmp.Diff(want, original); diff != "" {
		t.Errorf("the original has changed with its clone:\n%s", diff)
	}
}

func TestMergeExtensions(t *testing.T) {
	for name, test := range map[string]struct {
		mask []string
		want map[string]Any
		keep map[string]Any
	}{
		"a zero one removes":       {[]string{"extensions.x"}, map[string]Any{"x": {}}, nil},
		"zero ones are dropped":    {[]string{"extensions"}, map[string]Any{"a": {}, "b": {TypeURL: "t"}}, map[string]Any{"b": {TypeURL: "t"}}},
		"a key may have dots":      {[]string{"extensions.a.b", "extensions.x"}, map[string]Any{"a.b": {TypeURL: "t"}}, map[string]Any{"a.b": {TypeURL: "t"}}},
		"others stay as they were": {[]string{"image"}, map[string]Any{"a": {TypeURL: "t"}}, storedContainer().Extensions},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Mutation{Operation: OperationUpdate, Container: &Container{Extensions: test.want}, Mask: test.mask}
			got, err := m.Merge(storedContainer(), tuesday)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.keep, got.Extensions); diff != "" {
				t.Errorf("extensions (-want +got):\n%s", diff)
			}
		})
	}
}

// An API without snapshotters gives one to what it gives a snapshot key, and leaves
// one that is there alone.
func TestMergeSnapshotter(t *testing.T) {
	for name, test := range map[string]struct{ stored, key, fallback, want string }{
		"given with a key":    {"", "k", "overlayfs", "overlayfs"},
		"kept":                {"zfs", "k", "overlayfs", "zfs"},
		"not without a key":   {"", "", "overlayfs", ""},
		"not where it is not": {"", "k", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			stored := storedContainer()
			stored.Snapshotter = test.stored
			m := &Mutation{
				Operation: OperationUpdate, Container: &Container{SnapshotKey: test.key, Snapshotter: "ignored"},
				Mask: []string{"rootfs"}, DefaultSnapshotter: test.fallback,
			}
			got, err := m.Merge(stored, tuesday)
			if err != nil {
				t.Fatal(err)
			}
			if got.Snapshotter != test.want {
				t.Errorf("got snapshotter %q, want %q", got.Snapshotter, test.want)
			}
		})
	}
}

// Existence comes first, then what is immutable, then the mask.
func TestMergeOrder(t *testing.T) {
	bad := errors.New("bad mask")
	m := &Mutation{Operation: OperationUpdate, Container: &Container{Runtime: Runtime{Name: "runc"}}, MaskError: bad}
	if _, err := m.Merge(nil, tuesday); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := m.Merge(storedContainer(), tuesday); !errors.Is(err, bad) {
		t.Errorf("present: %v", err)
	}
	m = &Mutation{
		Operation: OperationUpdate, CheckRuntime: true, CheckSnapshotter: true, Mask: []string{"image"},
		Container: &Container{Runtime: Runtime{Name: "runc"}, Snapshotter: "zfs"},
	}
	var request *RequestError
	if _, err := m.Merge(storedContainer(), tuesday); !errors.As(err, &request) || request.Field != "container.snapshotter" {
		t.Errorf("another snapshotter: %v", err)
	}
}
