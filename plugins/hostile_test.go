package plugins

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plimsoll-project/plimsoll"
)

// A pipe in the place of a module, or of the configuration, is refused and not waited for.
func TestPipesAreNotRead(t *testing.T) {
	for _, name := range []string{"valid.wasm", "validators.yaml"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "validators.yaml"), []byte("validators:\n"+bound("valid", fixture(t, "valid"))), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(dir, name))
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(t.Context(), Options{}, File(filepath.Join(dir, "validators.yaml")))
		if err == nil || !strings.Contains(err.Error(), name+" is not a file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// When an enforcing validator has no verdict there is no answer, and validators in shadow
// that have not begun are not asked any more: requests must not pile up behind them.
func TestShadowsEndWithTheAnswer(t *testing.T) {
	v := loadAll(t, "trial=valid", "limits: {concurrency: 1}\nenforcement: shadow", "other=trap", "# enforced")
	said := make(chan JudgedOutcome, 1)
	v.bindings[0].observer = func(j Judged) { said <- j.Outcome }
	busy, err := v.bindings[0].pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Release()
	if _, err := v.Judge(t.Context(), input(smallSpec)); !errors.Is(err, plimsoll.ErrFault) {
		t.Fatalf("error is %v", err)
	}
	if outcome := <-said; outcome != JudgedAbandoned {
		t.Errorf("outcome is %s", outcome)
	}
}

// Whoever counts is told once of each time that a validator was asked.
func TestObserve(t *testing.T) {
	for name, want := range map[string]JudgedOutcome{
		"valid": JudgedValid, "violations": JudgedViolations, "trap": JudgedFault, "spin": JudgedOutOfFuel,
	} {
		v := load(t, name)
		var told []Judged
		v.bindings[0].observer = func(j Judged) { told = append(told, j) }
		for range quarantineAfter {
			_, _ = v.Judge(t.Context(), input(smallSpec)) // of one container: no quarantine
		}
		if len(told) != quarantineAfter || told[0].Outcome != want || told[0].Validator != name || told[0].Enforcement != Enforce {
			t.Errorf("%s: told %+v", name, told)
		}
		if all := v.Instances(); len(all) != 1 || all[0].Validator != name || all[0].Limit < 1 || all[0].Busy+all[0].Idle > all[0].Limit {
			t.Errorf("%s: instances are %+v", name, all)
		}
	}
}
