package policy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

// matched is a package that denies with its own name what it matches.
func matched(name, match, more string) string {
	if match != "" {
		match = "# METADATA\n# custom:\n#   match: " + match + "\n"
	}
	return fmt.Sprintf("%spackage %s\n\ndeny contains %q\n%s", match, name, name, more)
}

// Only rules whose match fits are evaluated.
func TestMatch(t *testing.T) {
	p := mustLoad(t, files(
		"all.rego", matched("all", "", ""),
		"create.rego", matched("create", "{operations: [CREATE]}", ""),
		"changes.rego", matched("changes", "{operations: [UPDATE, DELETE]}", ""),
		"prod.rego", matched("prod", `{namespaces: ["prod-*", "live"]}`, ""),
		"runc.rego", matched("runc", `{runtimes: ["io.containerd.runc.*"]}`, ""),
		"slash.rego", matched("slash", `{runtimes: ["/opt/*"]}`, ""),
		"both.rego", matched("both", `{operations: [CREATE], namespaces: ["prod-?"], runtimes: ["*"]}`, ""),
		"above.rego", "# METADATA\n# scope: subpackages\n# custom:\n#   match: {namespaces: [live]}\npackage above\n",
		"below.rego", matched("above.below", "", ""),
		"nearer.rego", matched("above.nearer", "{operations: [CREATE]}", ""),
		// In one set, and in one file.
		"clauses.rego", `package clauses

# METADATA
# custom: {match: {operations: [CREATE]}}
deny contains "creating"

# METADATA
# custom: {match: {operations: [UPDATE]}}
deny contains "updating"

deny contains "anything"

# METADATA
# custom: {match: {operations: [UPDATE]}}
a.deny contains "updating, deeper"

# METADATA
# custom: {match: {operations: [UPDATE]}}
warn contains "warned" if count(deny) == 3

# METADATA
# scope: document
# custom: {match: {operations: [UPDATE]}}
default violation := false

violation := "as a document" if input.namespace == "live"
`,
		// Not evaluated is not evaluated: this would be a fault.
		"broken.rego", matched("broken", "{namespaces: [nowhere]}", "\ndeny contains \"x\" if 1 / (count(input.object.labels) - count(input.object.labels))\n"),
	))
	for name, test := range map[string]struct {
		operation          plimsoll.Operation
		namespace, runtime string
		denied             []string
		warned             []string
	}{
		"create, default": {"CREATE", "default", "io.containerd.runc.v2", []string{"above.nearer", "all", "anything", "creating", "create", "runc"}, nil},
		"create, prod": {
			"CREATE", "prod-1", "/opt/shims/runc",
			[]string{"above.nearer", "all", "both", "anything", "creating", "create", "prod", "slash"},
			nil,
		},
		"longer than the pattern": {"CREATE", "prod-10", "x", []string{"above.nearer", "all", "anything", "creating", "create", "prod"}, nil},
		"update, live": {
			"UPDATE", "live", "x",
			[]string{"above.below", "all", "changes", "anything", "as a document", "updating", "updating, deeper", "prod"},
			[]string{"warned"},
		},
		"delete": {"DELETE", "x", "x", []string{"all", "changes", "anything"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := &plimsoll.Input{Operation: test.operation, Namespace: test.namespace, Object: container(), Old: container()}
			in.Object.Runtime.Name = test.runtime
			for range 2 { // evaluated, and remembered
				verdict, err := p.Judge(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(set(test.denied), set(messages(verdict.Violations))); diff != "" {
					t.Errorf("denied (-want +have):\n%s", diff)
				}
				if diff := cmp.Diff(set(test.warned), set(messages(verdict.Warnings))); diff != "" {
					t.Errorf("warned (-want +have):\n%s", diff)
				}
			}
		})
	}
}

func set(all []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range all {
		set[s] = true
	}
	return set
}

// What is remembered of an input is that of the rules that matched it, even if all of
// them see the same.
func TestMatchIsRememberedApart(t *testing.T) {
	p := mustLoad(t, files("a.rego", "package a\n\ndeny contains \"a\" if input.object.labels.team\n",
		"b.rego", matched("b", "{namespaces: [b]}", "")))
	for _, namespace := range []string{"a", "b", "a", "b"} {
		in := create()
		in.Namespace = namespace
		verdict, err := p.Judge(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(verdict.Violations), map[string]int{"a": 1, "b": 2}[namespace]; got != want {
			t.Errorf("in namespace %s: %d violations, want %d", namespace, got, want)
		}
	}
}

// Queries are prepared while others are evaluated.
func TestMatchConcurrently(t *testing.T) {
	var all []string
	for i := range 12 {
		name := fmt.Sprintf("p%d", i)
		all = append(all, name+".rego", matched(name, fmt.Sprintf("{namespaces: [\"*%x*\"]}", i), "\ndeny contains \"l\" if input.object.labels.none\n"))
	}
	p := mustLoad(t, files(all...))
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for i := range 200 {
				in := create()
				in.Namespace = fmt.Sprintf("%03x", (i*7+worker)%0x1000)
				want := 0
				for digit := range 12 {
					for _, c := range in.Namespace {
						if fmt.Sprintf("%x", digit) == string(c) {
							want++
							break
						}
					}
				}
				if verdict, err := p.Judge(context.Background(), in); err != nil || len(verdict.Violations) != want {
					t.Errorf("namespace %s: %d violations (%v), want %d", in.Namespace, len(verdict.Violations), err, want)
				}
			}
		})
	}
	wait.Wait()
}
