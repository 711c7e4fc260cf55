package layering

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A pkg is one entry of `go list -deps -json`.
type pkg struct {
	ImportPath string
	Standard   bool
	DepOnly    bool // not matched by ./..., only needed by what is
	Imports    []string
}

// A graph has the packages of a module and all that they import.
type graph struct {
	module string // import path
	pkgs   map[string]pkg
}

// load lists the packages of the module whose root directory is dir.
func load(t *testing.T, dir string) graph {
	t.Helper()
	watch(t, dir)
	g := graph{pkgs: map[string]pkg{}}
	g.module = strings.TrimSpace(string(golist(t, dir, "-m")))
	dec := json.NewDecoder(bytes.NewReader(golist(t, dir, "-deps", "-json=ImportPath,Standard,DepOnly,Imports", "./...")))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("reading the output of go list: %v", err)
		}
		g.pkgs[p.ImportPath] = p
	}
}

func golist(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.Bytes())
	}
	return out
}

// watch reads the directories below dir. The go command notes which files a test
// looks at, but not those that go list does in its place: without this, a passing
// result would be served from the cache after imports have changed.
func watch(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != dir && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "target") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the module's directories: %v", err)
	}
}

// offences says, in sorted order, who breaks the ban and by which imports.
func (g graph) offences(b ban) []string {
	var found []string
	for path, p := range g.pkgs {
		if p.DepOnly {
			continue
		}
		for _, from := range b.from {
			if part, ok := g.match(from, path); ok {
				found = append(found, g.chains(b, path, part)...)
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// chains searches breadth first from path and returns the shortest chain of
// imports to each package that is banned, apart from those of its own part.
func (g graph) chains(b ban, path, part string) []string {
	var found []string
	cause := map[string]string{path: ""}
	for queue := []string{path}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != path && (b.direct || g.pkgs[at].Standard) {
			continue // the standard library imports nothing else
		}
		for _, next := range g.pkgs[at].Imports {
			if _, seen := cause[next]; seen {
				continue
			}
			cause[next] = at
			own := part != "" && (next == part || strings.HasPrefix(next, part+"/"))
			if !own && g.matchAny(b.banned, next) && !g.matchAny(b.unless, next) {
				found = append(found, g.chain(cause, next))
				continue // what lies behind it is its own affair
			}
			queue = append(queue, next)
		}
	}
	return found
}

func (g graph) chain(cause map[string]string, path string) string {
	steps := []string{g.short(path)}
	for path = cause[path]; path != ""; path = cause[path] {
		steps = append(steps, g.short(path))
	}
	slices.Reverse(steps)
	return strings.Join(steps, " → ")
}

func (g graph) short(path string) string {
	if rest, ok := strings.CutPrefix(path, g.module); ok {
		return "." + rest
	}
	return path
}

func (g graph) matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		_, ok := g.match(pattern, path)
		return ok
	})
}

// match reports whether the pattern matches the import path, and if it ends in
// "/...", at the top of which part: what it matched without those.
func (g graph) match(pattern, path string) (part string, ok bool) {
	if pattern == "!std" {
		p, known := g.pkgs[path]
		return "", known && !p.Standard
	}
	if rest, ok := strings.CutPrefix(pattern, "."); ok {
		pattern = g.module + rest
	}
	pattern, tree := strings.CutSuffix(pattern, "/...")
	expr := "^(" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/]*`) + ")"
	if tree {
		expr += "(?:/.*)?"
	}
	m := regexp.MustCompile(expr + "$").FindStringSubmatch(path)
	switch {
	case m == nil:
		return "", false
	case tree:
		return m[1], true
	default:
		return "", true
	}
}
