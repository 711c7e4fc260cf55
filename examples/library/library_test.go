// Package library_test runs the tests of the policy library, measures what they cover,
// and judges real containers by it.
package library_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/plimsoll-project/plimsoll/policy"
)

// wantCoverage is how much of each policy its own tests must reach, in per cent.
const wantCoverage = 90

// names are the policies, each of which is a directory.
func names(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob("*/*_test.rego")
	if err != nil || len(dirs) < 12 {
		t.Fatalf("found %d policies: %v", len(dirs), err)
	}
	for i, dir := range dirs {
		dirs[i] = filepath.Dir(dir)
	}
	return dirs
}

func load(t *testing.T, sources ...policy.Source) *policy.Policies {
	t.Helper()
	policies, err := policy.Load(context.Background(), policy.Options{Timeout: time.Minute}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

// Each can be taken alone. What people read about a denial comes from its annotations.
func TestEachLoadsAlone(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			packages := load(t, policy.Path(name)).Packages()
			if len(packages) != 1 || packages[0].Name != "library."+name {
				t.Fatalf("has packages %+v, want library.%s", packages, name)
			}
			if p := packages[0]; p.Title == "" || p.Description == "" {
				t.Errorf("lacks a title or a description: %+v", p)
			}
		})
	}
}

func TestAllLoadTogether(t *testing.T) {
	want := len(names(t))
	if have := len(load(t, policy.Path(".")).Packages()); have != want {
		t.Errorf("loaded %d packages, want %d", have, want)
	}
	load(t, policy.Path("."), policy.Path("../policies")) // and beside the starter set
}

func TestRego(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			modules, store, err := tester.Load([]string{name}, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			txn, err := store.NewTransaction(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Abort(ctx, txn)
			coverage := cover.New()
			runner := tester.NewRunner().SetStore(store).SetModules(modules).AddCustomBuiltins(builtins()).
				RaiseBuiltinErrors(true).SetCoverageQueryTracer(coverage).SetTimeout(time.Minute)
			results, err := runner.RunTests(ctx, txn)
			if err != nil {
				t.Fatal(err)
			}
			for r := range results {
				check(t, r)
			}
			file := coverage.Report(modules).Files[filepath.Join(name, name+".rego")]
			if file == nil || file.Coverage < wantCoverage {
				t.Errorf("tests cover too little: %+v", file)
			}
		})
	}
}

// check reports a test that failed, with the names of its cases that did.
func check(t *testing.T, r *tester.Result) {
	t.Helper()
	if r.Error != nil {
		t.Errorf("%s: %v", r.Name, r.Error)
	}
	if r.Pass() {
		return
	}
	t.Errorf("%s: %s failed", r.Location, r.Name)
	for path, result := range r.SubResults.Iter {
		if result.Fail {
			t.Errorf("  case %q", strings.Join(path, "/"))
		}
	}
}

// unmocked stand for what asks for other containers; there are none without a server.
var unmocked = []*rego.Function{
	{Name: "plimsoll.containers", Decl: types.NewFunction(types.Args(types.A), types.NewArray(nil, types.A))},
	{Name: "plimsoll.count", Decl: types.NewFunction(types.Args(types.A), types.N)},
}

func notMocked(rego.BuiltinContext, *ast.Term) (*ast.Term, error) {
	return nil, errors.New("rules ask for other containers that the test has not mocked")
}

func builtins() []*tester.Builtin {
	var all []*tester.Builtin
	for _, f := range unmocked {
		all = append(all, &tester.Builtin{Decl: &ast.Builtin{Name: f.Name, Decl: f.Decl}, Func: rego.Function1(f, notMocked)})
	}
	return all
}

// README.md tells of every parameter that a policy has, and of no other.
func TestParametersAreDocumented(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")
	for _, name := range names(t) {
		_, section, _ := strings.Cut(string(readme), "\n### "+name+"\n")
		section, _, _ = strings.Cut(section, "\n### ")
		var documented []string
		for _, match := range row.FindAllStringSubmatch(section, -1) {
			documented = append(documented, match[1])
		}
		slices.Sort(documented)
		results, err := rego.New(rego.Query("object.keys(data.library."+name+".defaults)"), rego.Load([]string{name + "/" + name + ".rego"}, nil),
			rego.Function1(unmocked[0], notMocked), rego.Function1(unmocked[1], notMocked)).Eval(t.Context())
		if err != nil || len(results) != 1 {
			t.Fatalf("%s: %v %v", name, results, err)
		}
		var parameters []string
		for _, key := range results[0].Expressions[0].Value.([]any) {
			parameters = append(parameters, key.(string))
		}
		if diff := cmp.Diff(parameters, documented); diff != "" {
			t.Errorf("%s: parameters in README.md (-have +documented):\n%s", name, diff)
		}
	}
}

func TestFormat(t *testing.T) {
	files, err := filepath.Glob("*/*.rego")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
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
