package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/plimsoll-project/plimsoll"
)

// benchPackage is a package as people write them: nine clauses, half of which look
// at the spec, and an ordinary container that passes.
const benchPackage = `package bench.p%[1]d

deny contains "unknown team" if not input.object.labels.team in {"core", "payments"}

deny contains "too many mounts" if count(input.object.spec.mounts) > 50

deny contains sprintf("%%s is not absolute", [mount.destination]) if {
	some mount in input.object.spec.mounts
	not startswith(mount.destination, "/")
}

deny contains "SYS_ADMIN" if "CAP_SYS_ADMIN" in input.object.spec.process.capabilities.bounding

deny contains "host network" if not "network" in {n.type | some n in input.object.spec.linux.namespaces}

deny contains "new privileges" if not input.object.spec.process.noNewPrivileges

deny contains "registry" if not startswith(input.object.image, "docker.io/")

deny contains "owner" if {
	input.operation == "UPDATE"
	input.old_object.labels.owner != input.object.labels.owner
}

deny contains "env" if {
	some env in input.object.spec.process.env
	startswith(env, "AWS_SECRET")
}
`

func benchPolicies(b *testing.B, packages int, rego string) *Policies {
	b.Helper()
	fsys := fstest.MapFS{"none.rego": {Data: []byte("package none\n\ndeny contains \"x\" if false\n")}}
	for i := range packages {
		fsys[fmt.Sprintf("p%d.rego", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, rego, i)}
	}
	p, err := Load(context.Background(), Options{}, FS("bench", fsys))
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// benchInput makes an input with a real spec of 4 KB. Its document is not encoded yet.
func benchInput(b *testing.B) *plimsoll.Input {
	b.Helper()
	spec, err := os.ReadFile(filepath.Join("testdata", "specs", "linux-default.json"))
	if err != nil {
		b.Fatal(err)
	}
	return &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: "default",
		Object: &plimsoll.Container{
			ID: "web-1", Labels: map[string]string{"team": "core"}, Image: "docker.io/library/nginx:1.27",
			Runtime: plimsoll.Runtime{Name: "io.containerd.runc.v2"}, Spec: plimsoll.Any{Value: spec},
		},
	}
}

func benchJudge(b *testing.B, p *Policies) { benchJudgeInput(b, p, benchInput(b)) }

func benchJudgeInput(b *testing.B, p *Policies, in *plimsoll.Input) {
	if _, err := in.JSON(); err != nil { // encoded once for policies and validators together
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.forget()
		verdict, err := p.Judge(context.Background(), in)
		if err != nil || len(verdict.Violations) > 0 {
			b.Fatal(verdict, err)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{0, 1, 10} {
		b.Run(fmt.Sprintf("packages=%d", n), func(b *testing.B) { benchJudge(b, benchPolicies(b, n, benchPackage)) })
	}
	b.Run("labels-only", func(b *testing.B) {
		benchJudge(b, benchPolicies(b, 1, "package bench.p%d\n\ndeny contains \"x\" if not input.object.labels.team == \"core\"\n"))
	})
	b.Run("starter", func(b *testing.B) {
		p, err := Load(context.Background(), Options{}, Path(filepath.Join("..", "examples", "policies")))
		if err != nil {
			b.Fatal(err)
		}
		benchJudge(b, p)
	})
}

// BenchmarkPackages has one package that matches, among others that do not.
func BenchmarkPackages(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("match=1of%d", n), func(b *testing.B) {
			in := benchInput(b)
			in.Namespace = "team-0-web"
			benchJudgeInput(b, benchPolicies(b, n, "# METADATA\n# custom: {match: {operations: [CREATE, UPDATE], namespaces: [\"team-%[1]d-*\", \"team-%[1]d\"]}}\n"+benchPackage), in)
		})
	}
}

// BenchmarkRequests judges as a server does, each time on a new goroutine.
func BenchmarkRequests(b *testing.B) {
	p, err := Load(context.Background(), Options{}, Path(filepath.Join("..", "examples", "policies")))
	if err != nil {
		b.Fatal(err)
	}
	in := benchInput(b)
	if _, err := in.JSON(); err != nil {
		b.Fatal(err)
	}
	onOwnStack := func(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) { return p.judge(ctx, in, nil) }
	for name, judge := range map[string]func(context.Context, *plimsoll.Input) (plimsoll.Verdict, error){
		"grown-stack": p.Judge, "own-stack": onOwnStack,
	} {
		b.Run(name, func(b *testing.B) {
			done := make(chan error)
			for b.Loop() {
				p.forget()
				go func() {
					_, err := judge(context.Background(), in)
					done <- err
				}()
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWays compares ways to evaluate the same prepared query on the same document.
func BenchmarkWays(b *testing.B) {
	p := benchPolicies(b, 1, benchPackage)
	doc, err := benchInput(b).JSON()
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	eval := func(b *testing.B, option rego.EvalOption) {
		results, err := p.groups[0].whole.prepared.Eval(ctx, option)
		if err != nil || len(results) != 1 {
			b.Fatal(results, err)
		}
	}
	b.Run("json-map-ast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var x any
			if err := json.Unmarshal(doc, &x); err != nil {
				b.Fatal(err)
			}
			eval(b, rego.EvalInput(x))
		}
	})
	for name, f := range map[string]*footprint{"json-ast": {whole: true}, "json-ast-footprint": &p.groups[0].whole.footprint} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				input, err := decode(doc, f, false)
				if err != nil {
					b.Fatal(err)
				}
				eval(b, rego.EvalParsedInput(input))
			}
		})
	}
	b.Run("eval-only", func(b *testing.B) {
		input, err := decode(doc, &footprint{whole: true}, false)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			eval(b, rego.EvalParsedInput(input))
		}
	})
}

// BenchmarkStarter compares judging by the starter policies with OPA evaluating the same
// rules on its own, the way its documentation embeds it: the input is parsed, and a
// prepared query asks for each set. Nothing is remembered on either side.
func BenchmarkStarter(b *testing.B) {
	starter := filepath.Join("..", "examples", "policies")
	for name, paths := range map[string][]string{
		"all":         {starter},
		"labels-only": {filepath.Join(starter, "labels"), filepath.Join(starter, "data.yaml")},
	} {
		var sources []Source
		for _, path := range paths {
			sources = append(sources, Path(path))
		}
		b.Run("rules="+name+"/by=opa", func(b *testing.B) { benchOPA(b, paths) })
		b.Run("rules="+name+"/by=plimsoll", func(b *testing.B) {
			p, err := Load(context.Background(), Options{}, sources...)
			if err != nil {
				b.Fatal(err)
			}
			benchJudge(b, p)
		})
	}
}

func benchOPA(b *testing.B, paths []string) {
	b.Helper()
	loaded, err := loader.NewFileLoader().Filtered(paths, func(_ string, info fs.FileInfo, _ int) bool {
		return strings.Contains(info.Name(), "_test.") || strings.HasPrefix(info.Name(), "suite")
	})
	if err != nil {
		b.Fatal(err)
	}
	compiler, err := loaded.Compiler()
	if err != nil {
		b.Fatal(err)
	}
	store, err := loaded.Store()
	if err != nil {
		b.Fatal(err)
	}
	sets := map[string]bool{}
	for _, m := range compiler.Modules {
		for _, r := range m.Rules {
			if name := r.Head.Name.String(); name == "deny" || name == "warn" {
				sets[r.Ref().GroundPrefix().String()] = true
			}
		}
	}
	query, err := rego.New(rego.Compiler(compiler), rego.Store(store), rego.Query("x = ["+strings.Join(slices.Sorted(maps.Keys(sets)), ", ")+"]")).
		PrepareForEval(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	doc, err := benchInput(b).JSON()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var input any
		if err := json.Unmarshal(doc, &input); err != nil {
			b.Fatal(err)
		}
		results, err := query.Eval(context.Background(), rego.EvalInput(input))
		if err != nil || len(results) != 1 || len(results[0].Bindings["x"].([]any)) != len(sets) {
			b.Fatal(results, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	doc, err := benchInput(b).JSON()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decode(doc, &footprint{whole: true}, false); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("opa", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			var x any
			if err := json.Unmarshal(doc, &x); err != nil {
				b.Fatal(err)
			}
			if _, err := ast.InterfaceToValue(x); err != nil {
				b.Fatal(err)
			}
		}
	})
}
