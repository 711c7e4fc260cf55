package layering

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func TestImportsPointOneWay(t *testing.T) {
	g := load(t, root)
	for _, b := range bans {
		for _, chain := range g.offences(b) {
			t.Errorf("banned import: %s\n\treason: %s", chain, b.reason)
		}
	}
}

// A pattern that matches nothing bans nothing: it is misspelt, or what it named
// has moved.
func TestEveryPatternMatches(t *testing.T) {
	g := load(t, root)
	matches := func(pattern string, ours bool) bool {
		for path, p := range g.pkgs {
			if ours && p.DepOnly {
				continue
			}
			if _, ok := g.match(pattern, path); ok {
				return true
			}
		}
		return false
	}
	for _, b := range bans {
		if b.reason == "" {
			t.Errorf("the ban from %q gives no reason", b.from)
		}
		for _, pattern := range b.from {
			if !matches(pattern, true) {
				t.Errorf("from %q matches no package of this module", pattern)
			}
		}
		for _, pattern := range slices.Concat(b.banned, b.unless) {
			if !matches(pattern, false) {
				t.Errorf("%q, banned from %q, matches no package", pattern, b.from)
			}
		}
	}
}

func TestOffencesAreFound(t *testing.T) {
	g := graph{module: "example.org/m", pkgs: map[string]pkg{}}
	add := func(path string, imports ...string) {
		g.pkgs[path] = pkg{ImportPath: path, Imports: imports}
	}
	add("example.org/m", "fmt")
	add("example.org/m/a", "example.org/m", "example.org/m/a/inner", "example.org/lib")
	add("example.org/m/a/inner", "fmt")
	add("example.org/m/b", "example.org/m/a")
	add("example.org/m/c", "example.org/m/b", "example.org/m/d")
	add("example.org/m/d", "example.org/m")
	add("example.org/m/storage/xstore", "example.org/m/storage/xstore/inner")
	add("example.org/m/storage/xstore/inner", "example.org/m/storage/ystore")
	add("example.org/m/storage/ystore", "fmt")
	g.pkgs["fmt"] = pkg{ImportPath: "fmt", Standard: true}
	g.pkgs["example.org/lib"] = pkg{ImportPath: "example.org/lib", DepOnly: true, Imports: []string{"example.org/lib/deep"}}
	g.pkgs["example.org/lib/deep"] = pkg{ImportPath: "example.org/lib/deep", DepOnly: true}

	for _, tc := range []struct {
		name string
		ban  ban
		want []string
	}{
		{
			name: "direct",
			ban:  ban{from: []string{"./b"}, banned: []string{"./a"}},
			want: []string{"./b → ./a"},
		},
		{
			name: "through another package",
			ban:  ban{from: []string{"./c"}, banned: []string{"./a/..."}},
			want: []string{"./c → ./b → ./a"},
		},
		{
			name: "through a library",
			ban:  ban{from: []string{"./b"}, banned: []string{"example.org/lib/deep"}},
			want: []string{"./b → ./a → example.org/lib → example.org/lib/deep"},
		},
		{
			name: "indirect, where only direct imports count",
			ban:  ban{from: []string{"./c"}, banned: []string{"./a"}, direct: true},
		},
		{
			name: "direct, where only direct imports count",
			ban:  ban{from: []string{"./c"}, banned: []string{"./b"}, direct: true},
			want: []string{"./c → ./b"},
		},
		{
			name: "outside the standard library",
			ban:  ban{from: []string{"./a/..."}, banned: []string{"!std"}},
			want: []string{"./a → .", "./a → example.org/lib"},
		},
		{
			name: "the standard library",
			ban:  ban{from: []string{"."}, banned: []string{"!std"}},
		},
		{
			name: "a package and what is below it, where only the package is named",
			ban:  ban{from: []string{"./a"}, banned: []string{"./a/..."}},
			want: []string{"./a → ./a/inner"},
		},
		{
			name: "a store and another, but not its own subpackage",
			ban:  ban{from: []string{"./storage/*store/..."}, banned: []string{"./storage/*store/..."}},
			want: []string{
				"./storage/xstore → ./storage/xstore/inner → ./storage/ystore",
				"./storage/xstore/inner → ./storage/ystore",
			},
		},
		{
			name: "allowed by name",
			ban:  ban{from: []string{"./c"}, banned: []string{"./..."}, unless: []string{"./b", "./d", ".", "./a/..."}},
		},
		{
			name: "several packages, and a library, which is not ours to rule",
			ban:  ban{from: []string{"./b", "./d", "example.org/lib"}, banned: []string{"./a", "example.org/lib/deep"}},
			want: []string{"./b → ./a"},
		},
		{
			name: "a name that only begins alike",
			ban:  ban{from: []string{"./b"}, banned: []string{"example.org/li/..."}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, g.offences(tc.ban)); diff != "" {
				t.Errorf("offences (-want +got):\n%s", diff)
			}
		})
	}
}
