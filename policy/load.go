package policy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/plimsoll-project/plimsoll"
)

// What compiling takes grows out of all proportion with these, and cannot be
// interrupted. Rules that people write come nowhere near.
const (
	maxRules   = 10_000
	maxNesting = 8 // of comprehensions and every; compiling takes twice as long for each level
)

// Policies are compiled rules and their data. They never change and are safe for
// concurrent use.
type Policies struct {
	rules    []rule
	groups   []*group
	patches  *queries // nil if there are no rules called patch
	timeout  time.Duration
	digest   string
	packages []Package
	modules  map[string]*ast.Module // by file, to tell where faults are
	grants   grants
	log      *logFilter // nil if there are no rules about the log
	// overrides of enforcement: the first that covers a package and a namespace counts.
	overrides []Override
	// parts are the packages that judge; patchDigest is that of the rules that patch.
	parts       []plimsoll.Part
	patchDigest string
	// exemptions asks the rules about exemptions; nil if there are none.
	exemptions *queries
	canaries   bool // whether METADATA makes a canary of any rule
}

var _ plimsoll.Judge = (*Policies)(nil)

// Load reads, checks and compiles policies. All sources together are one set of
// modules and one data document; values that two of them define are an error, as is
// a set without any rule that decides. What is wrong with the content of files is
// reported all at once, as a [LoadError].
func Load(ctx context.Context, options Options, sources ...Source) (*Policies, error) {
	set, err := Read(ctx, options, sources...)
	if err != nil {
		return nil, err
	}
	return set.Compile(ctx, options)
}

// load makes policies of files, which are from what is called name.
func load(ctx context.Context, options Options, files []file, name string) (*Policies, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lines := textOf(files)
	modules, problems := parse(lines, files)
	data, dataProblems := mergeData(files)
	problems = append(problems, outsideRoots(lines, files, modules)...)
	if problems = append(problems, dataProblems...); len(problems) > 0 {
		return nil, asError(problems)
	}
	rules, grants, err := analyse(lines, modules, options)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(rules, func(r rule) bool { return !r.match.isAboutExemptions() }) {
		return nil, fmt.Errorf("policies in %s have no rule called %s: they would admit everything",
			name, strings.Join(decisionNames, ", "))
	}
	judgingOnes := judgingModules(modules)
	compiler, err := compile(lines, judgingOnes, data, rules)
	if err != nil {
		return nil, err
	}
	log, err := newLogFilter(ctx, lines, modules, data)
	if err != nil {
		return nil, err
	}
	engine := newEngine(compiler, data, rules, judgingOnes)
	judging, patching, exempting := questions(rules)
	groups, err := newGroups(ctx, engine, judging)
	if err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	patches, err := newQueries(ctx, engine, patching)
	if err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	exemptions, err := newQueries(ctx, engine, exempting)
	if err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	digest, err := digestOf(files, data)
	if err != nil {
		return nil, err
	}
	policies := &Policies{
		rules: rules, groups: groups, patches: patches, timeout: options.Timeout,
		digest: digest, packages: packagesOf(rules), modules: modules, grants: grants, log: log,
		overrides:  options.Enforcement,
		exemptions: exemptions,
		canaries:   slices.ContainsFunc(rules, func(r rule) bool { return r.enforcement.IsCanary() }),
	}
	return policies, policies.addParts(files, data)
}

func describe(sources []Source) string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

// parse returns the modules by file name.
func parse(t text, files []file) (map[string]*ast.Module, []Problem) {
	options := ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: capabilities()}
	modules := map[string]*ast.Module{}
	var problems []Problem
	for _, f := range files {
		if !f.isModule() {
			continue
		}
		if modules[f.name] != nil {
			problems = append(problems, Problem{
				File: f.name, Message: "two sources have a file of this name, of which only one would count",
				Hint: "give each file by one source only",
			})
			continue
		}
		m, err := ast.ParseModuleWithOpts(f.name, string(f.content), options)
		if err != nil {
			problems = append(problems, t.explainAll(f.name, err)...)
			continue
		}
		modules[f.name] = m
	}
	return modules, problems
}

// analyse finds the rules that decide, and refuses what the compiler would not.
func analyse(t text, modules map[string]*ast.Module, options Options) ([]rule, grants, error) {
	names := slices.Sorted(maps.Keys(modules))
	sorted := make([]*ast.Module, len(names))
	var problems []Problem
	count := 0
	for i, name := range names {
		m := modules[name]
		sorted[i] = m
		count += len(m.Rules)
		for _, a := range m.Annotations {
			problems = append(problems, checkAnnotation(t, a)...)
		}
		problems = append(problems, checkCalls(t, m, options.CheckFilter)...)
		for _, r := range m.Rules {
			if isHidden(m.Package.Path) || isHidden(r.Ref()) {
				problems = append(problems, t.at(r.Location, "data.system.plimsoll is reserved", "use another package"))
			}
			if nesting(r) > maxNesting {
				problems = append(problems, t.at(r.Location, fmt.Sprintf("comprehensions are nested more than %d deep", maxNesting), "move inner ones to rules of their own"))
			}
		}
	}
	if count > maxRules {
		return nil, nil, fmt.Errorf("policies have %d rules, which is more than %d: put what is alike into data", count, maxRules)
	}
	notes, errs := ast.BuildAnnotationSet(sorted)
	if len(errs) > 0 {
		return nil, nil, asError(append(problems, t.explainAll("", errs)...))
	}
	problems = append(problems, checkLog(t, modules)...)
	judging := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return isLog(modules[name]) })
	rules, ruleProblems := findRules(t, judging, modules, notes)
	ruleProblems = append(ruleProblems, checkExemptionRules(t, rules)...)
	grants, grantProblems := readGrants(t, modules, notes, options.Grants)
	return rules, grants, asError(slices.Concat(problems, ruleProblems, grantProblems))
}

// nesting is how deep comprehensions (and every, which is one in disguise) are
// nested in r.
func nesting(r *ast.Rule) int {
	depth, deepest := 0, 0
	step := func(by int) func(any) bool {
		return func(x any) bool {
			switch x.(type) {
			case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every:
				depth += by
				deepest = max(deepest, depth)
			}
			return false
		}
	}
	ast.NewBeforeAfterVisitor(step(1), func(x any) { step(-1)(x) }).Walk(r)
	return deepest
}

// compile checks and compiles modules, and points rules at what is to be evaluated.
func compile(t text, modules map[string]*ast.Module, data map[string]any, rules []rule) (*ast.Compiler, error) {
	compiler, err := newCompiler(data, modules)
	if err != nil {
		return nil, err
	}
	compiler.WithModuleLoader(copyClauses(rules)).Compile(modules)
	return compiler, asError(compileProblems(t, compiler))
}

// newCompiler returns a compiler of modules that go with data. If some of them are about the
// log, whose input is another, it knows nothing of the input.
func newCompiler(data map[string]any, modules map[string]*ast.Module) (*ast.Compiler, error) {
	compiler := ast.NewCompiler()
	if len(judgingModules(modules)) == len(modules) {
		schemas, err := schemas()
		if err != nil {
			return nil, err
		}
		compiler.WithSchemas(schemas)
	}
	return compiler.
		WithCapabilities(capabilities()).
		WithDefaultRegoVersion(ast.RegoV1).
		WithPathConflictsCheck(func(path []string) (bool, error) { return exists(data, path), nil }).
		SetErrorLimit(0), nil
}

// compileProblems is what a compiler that has compiled says is wrong, and what it
// should have said.
func compileProblems(t text, compiler *ast.Compiler) []Problem {
	problems := checkOldObject(t, compiler.Modules)
	if compiler.Failed() {
		problems = append(problems, t.explainAll("", withoutCopies(compiler.Errors))...)
	}
	return problems
}

func exists(data any, path []string) bool {
	for _, key := range path {
		object, ok := data.(map[string]any)
		if !ok {
			return false
		}
		if data, ok = object[key]; !ok {
			return false
		}
	}
	return true
}

// newStore holds data for evaluation.
func newStore(data map[string]any) storage.Store {
	return inmem.NewFromObjectWithOpts(data, inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
}
