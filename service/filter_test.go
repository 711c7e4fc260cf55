package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/filters"
	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
	"github.com/plimsoll-project/plimsoll/storage/memstore"
)

// filterFixture is a store with a few containers that filters can tell apart.
func filterFixture(t testing.TB) storage.View {
	t.Helper()
	s := memstore.New()
	ctx := context.Background()
	for _, c := range []plimsoll.Container{
		{ID: "a", Image: "alpine:3", Runtime: plimsoll.Runtime{Name: "runc"}, Labels: map[string]string{"team": "core", "tier": "1"}},
		{ID: "b", Image: "alpine:4", Runtime: plimsoll.Runtime{Name: "runc"}, Labels: map[string]string{"team": "data"}},
		{ID: "c", Runtime: plimsoll.Runtime{Name: "kata"}, Labels: map[string]string{"example.org/team": "core", "a.b": "x,y", "q": `"`}},
		{ID: "d", Image: "a/b", Runtime: plimsoll.Runtime{Name: "runsc"}, Labels: map[string]string{"team": "a b", "é": "é", "p": "|/"}},
		{ID: "e.f", Image: "core", Runtime: plimsoll.Runtime{Name: "core"}},
	} {
		view, err := s.View(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(ctx, view, storage.Change{Writes: []storage.Write{
			{Operation: plimsoll.OperationCreate, Namespace: "default", Container: &c},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	view, err := s.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func scan(t testing.TB, view storage.View, query storage.Query) []string {
	t.Helper()
	query.Namespace = "default"
	ids := []string{}
	for c, err := range view.Scan(context.Background(), query) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	return ids
}

func TestFilter(t *testing.T) {
	label := func(key, value string) *storage.Term { return &storage.Term{Field: "labels." + key, Value: value} }
	tests := []struct {
		filter string
		want   string // ids
		where  *storage.Term
	}{
		{``, "a b c d e.f", nil},
		// Operators.
		{`id==a`, "a", nil},
		{`id!=a`, "b c d e.f", nil},
		{`id~=^[ab]$`, "a b", nil},
		{`id`, "a b c d e.f", nil},
		{`image`, "a b d e.f", nil},
		{`image==core`, "e.f", &storage.Term{Field: "image", Value: "core"}},
		{`image==""`, "", nil},
		{`image!=core`, "a b c d", nil},
		{`runtime==runc`, "a b", &storage.Term{Field: "runtime", Value: "runc"}},
		{`runtime~=^run`, "a b d", nil},
		{`labels.team`, "a b d", nil},
		{`labels.team==core`, "a", label("team", "core")},
		{`labels.team!=core`, "b c d e.f", nil},
		{`labels.team~=/.*/`, "a b c d e.f", nil}, // absent is empty, as in containerd
		// Several.
		{`labels.team,image~=alpine`, "a b", nil},
		{`labels.team==core,labels.tier==1`, "a", label("team", "core")},
		{`labels.team==core,labels.tier==2`, "", label("team", "core")},
		{`runtime==runc,labels.team==data`, "b", label("team", "data")},
		{`labels.team==data,runtime==runc`, "b", label("team", "data")},
		{`id==a,id==b`, "", nil},
		// White space.
		{` id == a, image`, "a", nil},
		// Keys with dots and quotes.
		{`labels.a.b=="x,y"`, "c", label("a.b", "x,y")},
		{`labels."a.b"=="x,y"`, "c", label("a.b", "x,y")},
		{`labels."example.org/team"==core`, "c", label("example.org/team", "core")},
		{`"labels"."example.org/team"=="core"`, "c", label("example.org/team", "core")},
		{`labels."é"==é`, "d", label("é", "é")},
		{`labels."a~=(b"==x,id==a`, "", label("a~=(b", "x")},
		{`labels."a,b"!=x,id==a`, "a", nil},
		// Values.
		{`labels.team=="a b"`, "d", label("team", "a b")},
		{`labels.q=="\""`, "c", label("q", `"`)},
		{`labels.q=="\x22"`, "c", label("q", `"`)},
		{`labels.q=="\042"`, "c", label("q", `"`)},
		{`labels.team=="\u0063ore"`, "a", label("team", "core")},
		{`image==a/b`, "d", &storage.Term{Field: "image", Value: "a/b"}},
		{`image==a"b,id==a`, "", &storage.Term{Field: "image", Value: `a"b`}},
		// Quoted regular expressions.
		{`image~=/^a\/b$/`, "d", nil},
		{`image~=|^a/b$|`, "d", nil},
		{`image~="^a/b$"`, "d", nil},
		{`labels.q~=/^"$/`, "c", nil},
		{`labels.p~=/^\\|\/$/`, "d", nil},
		{`labels.p~="^[|]/$"`, "d", nil},
		{`image~=/alpine:\\d/`, "a b", nil},
		{`id~=/a|b/,image~=/3$/`, "a", nil},
	}
	view := filterFixture(t)
	for _, test := range tests {
		t.Run(test.filter, func(t *testing.T) {
			query, err := parseFilter(test.filter, filterFieldsV1, filterFieldV1)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(scan(t, view, query), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if diff := cmp.Diff(test.where, query.Where); diff != "" {
				t.Errorf("index (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilterRefuses(t *testing.T) {
	tests := []struct{ filter, says string }{
		{`id=web`, `at byte 2: [id >|=|< web]: unsupported operator "="`},
		{`id===web`, "at byte 2"},
		{`id==`, "at byte 4"},
		{`id==a b`, "at byte 5"},
		{`id==a,`, "at byte 6"},
		{`,`, "at byte 0"},
		{` id == a , image`, "at byte 8"},
		{`labels . team`, "at byte 7"},
		{` `, "at byte 1"},
		{`id=="a`, "at byte 4: "},
		{`id=="\q"`, "at byte 4: "},
		{`id==/a/`, "at byte 4: "},
		{`id==a,image=~x`, "at byte 11: "},
		{`labels.`, "at byte 7"},
		{`labels..team`, "at byte 7"},
		{`labels.example.org/team==core`, "at byte 18: "},
		{"id==\x00", "at byte 4: "},
		{"id==a\xff", "at byte 5: "},
		{`colour==red`, `no field "colour"; fields are id, image, runtime, labels.KEY`},
		{`labels`, `no field "labels"`},
		{`labels=="a"`, `no field "labels"`},
		{`runtime.name==runc`, `no field "runtime.name"`},
		{`id.x`, `no field "id.x"`},
		{`"labels.team"==core`, `no field "labels.team"`},
		{`ID==a`, `no field "ID"`},
		{`id~=(`, "bad regular expression at byte 4: error parsing regexp: missing closing )"},
		{`id==a, image~= (`, "bad regular expression at byte 15: "},
		{`labels."~=)"==x,image~="(?<"`, "bad regular expression at byte 23: "},
		{`id~=/[/`, "bad regular expression at byte 4: "},
		{`id~=a{1001}`, "bad regular expression at byte 4: "},
		{`id~=` + strings.Repeat("a", 1025), "1025 bytes; at most 1024"},
		{`id~="\ud800"`, "bad regular expression at byte 4: "},
		{`id==` + strings.Repeat("a", 16<<10), "16388 bytes; at most 16384"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%.30q", test.filter), func(t *testing.T) {
			_, err := parseFilter(test.filter, filterFieldsV1, filterFieldV1)
			var request *plimsoll.RequestError
			if !errors.As(err, &request) || request.Field != "filter" {
				t.Fatalf("got %v, want a RequestError about the filter", err)
			}
			if !strings.Contains(request.Problem, test.says) {
				t.Errorf("problem %q does not say %q", request.Problem, test.says)
			}
		})
	}
}

// A filter selects what containerd's own filter of that text selects, with and
// without the index that it is given.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{
		``, `id==a`, `labels."example.org/team"==core,runtime==runc`, `image~=/^a\/b$/,labels.q=="\""`, `labels.a.b=="x,y"`,
		`labels.p~=|\||`, `id~=(`, `image==a"b,id`, `labels."~=" == "\u00e9\x22\042"`, `id=="\ud800"`, ` id != a,	labels.team`, `runtime==core,image==core`,
	} {
		f.Add(seed)
	}
	view := filterFixture(f)
	f.Fuzz(func(t *testing.T, text string) {
		theirs, theirErr := filters.Parse(text)
		query, err := parseFilter(text, filterFieldsV1, filterFieldV1)
		if err != nil {
			if theirErr == nil && text != "" && strings.Contains(err.Error(), "cannot be understood") {
				t.Fatalf("containerd understands %q", text)
			}
			return
		}
		if theirErr != nil {
			t.Fatalf("containerd refuses %q: %v", text, theirErr)
		}
		indexed := scan(t, view, query)
		query.Where = nil
		if plain := scan(t, view, query); !slices.Equal(indexed, plain) {
			t.Fatalf("%q selects %q by index and %q without", text, indexed, plain)
		}
		query.Match = func(c *plimsoll.Container) bool {
			return theirs.Match(filters.AdapterFunc(func(path []string) (string, bool) { return filterFieldV1(c, path) }))
		}
		if want := scan(t, view, query); !slices.Equal(indexed, want) {
			t.Fatalf("%q selects %q, and %q in containerd", text, indexed, want)
		}
	})
}
