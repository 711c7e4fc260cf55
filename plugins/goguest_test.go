package plugins

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const guide = "../docs/validators.md"

// block returns the first code block of a language in the guide.
func block(tb testing.TB, language string) []byte {
	tb.Helper()
	return blockOf(tb, guide, language)
}

func blockOf(tb testing.TB, document, language string) []byte {
	tb.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		tb.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		tb.Fatalf("%s has no %s block", document, language)
	}
	return found[1]
}

// buildGo builds Go files for WASI.
func buildGo(tb testing.TB, files map[string][]byte, flags ...string) []byte {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"build", "-ldflags=-s -w", "-o", "guest.wasm"}, flags...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("building the guest: %v\n%s", err, text)
	}
	module, err := os.ReadFile(filepath.Join(dir, "guest.wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return module
}

// buildGoGuest builds the validator in the guide, with the probe, as the guide says,
// and with the toolchain that runs the tests.
func buildGoGuest(tb testing.TB) []byte {
	tb.Helper()
	probe, err := os.ReadFile("testdata/goguest/probe.go")
	if err != nil {
		tb.Fatal(err)
	}
	module := buildGo(tb, map[string][]byte{
		"go.mod": []byte("module mounts\n\ngo 1.24\n"), "main.go": block(tb, "go"), "probe.go": probe,
	}, "-buildmode=c-shared")
	meta, err := ParseMetadata(block(tb, "json"))
	if err != nil {
		tb.Fatal(err)
	}
	if module, err = Annotate(module, meta); err != nil {
		tb.Fatal(err)
	}
	return module
}

func loadGoGuest(tb testing.TB) *Validators {
	tb.Helper()
	module := buildGoGuest(tb)
	// The race detector takes a quarter of a minute to compile that much code.
	opts := Options{interpreter: raceEnabled}
	v, err := Load(tb.Context(), opts, FS(files(bound("mounts", module), map[string][]byte{"mounts": module}), "validators.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	closeLater(tb, v)
	return v
}

// TestGoGuest checks that the example in the guide works, and with it WASI reactors
// of a language with a runtime and a garbage collector, call after call and side by
// side.
func TestGoGuest(t *testing.T) {
	v := loadGoGuest(t)
	specs := []struct{ spec, want string }{
		{smallSpec, ""},
		{`{"mounts":[{"destination":"/tmp"},{"destination":"/etc/ssl"}]}`, "mounts over /etc/ssl"},
		{`{"mounts":1}`, "the container cannot be read"},
	}
	calls := 60
	if raceEnabled { // and so interpreted
		calls = len(specs)
	}
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			for n := range calls {
				tt := specs[(g+n)%len(specs)]
				verdict, err := v.Judge(context.Background(), input(tt.spec))
				if err != nil {
					t.Error(err)
					return
				}
				var got strings.Builder
				for _, violation := range verdict.Violations {
					got.WriteString(violation.Message)
				}
				if !strings.HasPrefix(got.String(), tt.want) || (tt.want == "") != (got.Len() == 0) {
					t.Errorf("%s: violations are %q, want %q", tt.spec, got.String(), tt.want)
				}
			}
		})
	}
	wg.Wait()
}

// TestGuideConfig reads the configuration in the guide.
func TestGuideConfig(t *testing.T) {
	_, errs := parseConfig(append([]byte("validators:\n"), block(t, "yaml\nvalidators:")...))
	if diff := cmp.Diff([]error(nil), errs); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestGoCommand builds the program in the description of the ABIs as it says there.
func TestGoCommand(t *testing.T) {
	module := buildGo(t, map[string][]byte{
		"go.mod": []byte("module team\n\ngo 1.24\n"), "main.go": blockOf(t, "../docs/abi.md", "go"),
	})
	trial, err := NewTrial(t.Context(), module, TrialOptions{
		Options: Options{interpreter: raceEnabled}, Limits: Limits{Timeout: maxTimeout},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer trial.Close()
	for n := range 6 {
		in := input(smallSpec)
		want := 1
		if n%2 == 1 {
			in.Object.Labels, want = map[string]string{"team": "core"}, 0
		}
		call, err := trial.Judge(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(call.Verdict.Violations) != want {
			t.Errorf("call %d: verdict is %+v", n, call.Verdict)
		}
	}
}
