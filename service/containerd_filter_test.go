package service

import (
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/filters"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Filters select what containerd's own select, with and without the index that they are
// given, and are refused if containerd refuses them.
func FuzzContainerdFilters(f *testing.F) {
	for _, seed := range []string{
		"", "id==a", "id==a\nid==b", "id~=(", "id~=(\nid==b", "colour!=red", "colour", `labels."example.org/team"==core,runtime.name==runc`,
		"runtime==runc", "runtime.name~=/^k/", "image.x==core", `labels.q=="\""`, "id=a", "id==\n", `id~="\ud800"`, "runtime.name==core,image==core", "labels", "id.x",
	} {
		f.Add(seed)
	}
	view := filterFixture(f)
	f.Fuzz(func(t *testing.T, text string) {
		texts := strings.Split(text, "\n")
		theirs, theirErr := filters.ParseAll(texts...)
		ours, term, err := parseContainerdFilters(texts)
		if err != nil {
			// What containerd would take, and match nothing with, or only slowly.
			if theirErr == nil && len(text) < maxRegexpBytes && len(texts) <= maxFilters && !strings.Contains(err.Error(), "regular expression") {
				t.Fatalf("containerd takes %q: %v", texts, err)
			}
			return
		}
		if theirErr != nil {
			t.Fatalf("containerd refuses %q: %v", texts, theirErr)
		}
		selected := func(filter filters.Filter, where *storage.Term) []string {
			return scan(t, view, storage.Query{Where: where, Match: func(c *plimsoll.Container) bool {
				return matchesFields(filter, func(path []string) (string, bool) { return containerdField(c, path) })
			}})
		}
		want := selected(theirs, nil)
		for _, got := range [][]string{selected(ours, nil), selected(ours, term)} {
			if !slices.Equal(got, want) {
				t.Fatalf("%q selects %q (index %v), and %q in containerd", texts, got, term, want)
			}
		}
	})
}

// A mask is refused, or made of paths that Merge knows.
func FuzzContainerdMask(f *testing.F) {
	for _, seed := range []string{"labels", "labels.a.b,image", "snapshotkey", "rootfs", "labels.,spec", "extensions.KEY", ".", "*", "snapshotkey.x", "labels.KEY,labels.KEY"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mask, err := parseContainerdMask("web", strings.Split(text, ","))
		if err != nil {
			return
		}
		stored := &plimsoll.Container{ID: "web", Runtime: plimsoll.Runtime{Name: "runc"}}
		m := &plimsoll.Mutation{Operation: plimsoll.OperationUpdate, Container: stored.Clone(), Mask: mask}
		if _, err := m.Merge(stored, stored.UpdatedAt); err != nil {
			t.Fatalf("mask %q becomes %q: %v", text, mask, err)
		}
		for i, path := range mask {
			if slices.Contains(mask[:i], path) {
				t.Fatalf("mask %q becomes %q", text, mask)
			}
		}
	})
}
