package hostile

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the documentation of the corpus")

// outcomes say what becomes of modules, for people.
var outcomes = map[Outcome]string{
	Refused: "refused when it is loaded", Fault: "`VALIDATOR_FAULT`", Timeout: "`VALIDATOR_TIMEOUT`", Valid: "judged, as if it meant no harm",
}

// TestThreatModel checks that the tests and families that the threat model names are there.
func TestThreatModel(t *testing.T) {
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(source, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
	if len(named) < 10 {
		t.Errorf("it names %d tests", len(named))
	}
	for _, m := range named {
		if !tests[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
	var families, modules []string
	for _, f := range Corpus() {
		families = append(families, f.Name)
		for _, m := range f.Modules {
			modules = append(modules, m.Name)
		}
	}
	for _, m := range regexp.MustCompile(`"([A-Z][^"\n]*)"`).FindAllSubmatch(text, -1) {
		if !slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(f, string(m[1])) }) {
			t.Errorf("there is no family %q", m[1])
		}
	}
	for _, m := range regexp.MustCompile("module `([a-z-]+)`").FindAllSubmatch(text, -1) {
		if !slices.Contains(modules, string(m[1])) {
			t.Errorf("there is no module %s", m[1])
		}
	}
}

// TestDoc documents the corpus, and checks that its modules can be told apart.
func TestDoc(t *testing.T) {
	valid := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)
	seen := map[string]bool{}
	var b strings.Builder
	fmt.Fprintf(&b, "# The hostile modules\n\n<!-- Made from internal/hostile by: go test ./internal/hostile -update -->\n\n"+
		"The %d modules that the sandbox of validators is tested with, and what becomes of each. The test, `TestHostileModules` in "+
		"`internal/server`, has them all do their worst at once for 16 callers, next to validators that mean no harm. See the "+
		"[threat model](../threat-model.md).\n", len(Modules()))
	for _, f := range Corpus() {
		fmt.Fprintf(&b, "\n## %s\n\n| module | what it does | outcome | the error says |\n|---|---|---|---|\n", f.Name)
		for _, m := range f.Modules {
			if seen[m.Name] || !valid.MatchString(m.Name) {
				t.Errorf("%q is not a name, or that of two modules", m.Name)
			}
			seen[m.Name] = true
			if m.Does == "" || (m.Says == "") != (m.Want == Valid) {
				t.Errorf("%s: it does %q and says %q, and is %s", m.Name, m.Does, m.Says, m.Want)
			}
			says := ""
			if m.Says != "" {
				says = "`" + m.Says + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Does, outcomes[m.Want], says)
		}
	}
	const path = "../../docs/reference/hostile-modules.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is stale; run: go test ./internal/hostile -update\n%s", path, diff)
	}
}
