package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain makes the test binary compile rules, as plimsoll does when it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == CompileCommand {
		if err := Compile(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == "allocate" {
		allocate()
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if !raceEnabled {
		return m.Run()
	}
	// The race detector makes compiling ten times slower, and finds nothing there that it
	// does not find in the tests of package policy.
	dir, err := os.MkdirTemp("", "plimsoll")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	compileProgram = filepath.Join(dir, "plimsoll")
	build := exec.Command("go", "build", "-o", compileProgram, "../../cmd/plimsoll")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.Run()
}

// allocate takes more memory than compiling may.
func allocate() {
	if err := policyLimits.apply(); err != nil {
		panic(err)
	}
	taken := make([]byte, 2*policyLimits.Memory)
	for i := 0; i < len(taken); i += os.Getpagesize() {
		taken[i] = 1
	}
	os.Exit(0)
}

// loadRules loads the rules that are configured, once.
func loadRules(t testing.TB, config Config, log *slog.Logger) *loadedRules {
	t.Helper()
	rules, err := tryLoadRules(t, config, log)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func tryLoadRules(t testing.TB, config Config, log *slog.Logger) (*loadedRules, error) {
	t.Helper()
	config.Data = t.TempDir()
	k, err := newRulekeeper(t.Context(), config, log)
	if err != nil {
		return nil, err
	}
	return k.active, nil
}
