package plugins

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// TestABIOfModules checks which ABI is chosen, where more than one might be.
func TestABIOfModules(t *testing.T) {
	for fixture, want := range map[string]abi.Kind{
		"valid": abi.Native, "wasi-sealed": abi.Native, "command-valid": abi.WASICommand,
		"extism-valid": abi.Extism, "extism-config": abi.Extism, "opa-valid": abi.OPA, "opa-crafted": abi.OPA,
	} {
		t.Run(fixture, func(t *testing.T) {
			trial := try(t, fixture, TrialOptions{})
			if got := trial.ABI(); got != want || trial.Info().ABI != want {
				t.Errorf("ABI is %s, want %s", got, want)
			}
		})
	}
}

func try(tb testing.TB, name string, opts TrialOptions) *Trial {
	tb.Helper()
	if opts.Limits.Timeout == 0 {
		opts.Limits.Timeout = maxTimeout // no call is late, however busy the machine
	}
	trial, err := NewTrial(tb.Context(), fixture(tb, name), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := trial.Close(); err != nil {
			tb.Errorf("closing: %v", err)
		}
	})
	return trial
}

// TestMirrorsAreExact checks what guests of the ABIs that move requests by parts read.
func TestMirrorsAreExact(t *testing.T) {
	for _, name := range []string{"command-mirror", "extism-mirror"} {
		for _, size := range []int{1, 2, 7, 8, 9, 100, 101, 4000} {
			trial := try(t, name, TrialOptions{Settings: []byte(`{"a":1}`)})
			doc := `{"x":"` + strings.Repeat("é", size) + `"}`
			req, err := abi.NewRequest([]byte(doc), trial.binding.info.Settings)
			if err != nil {
				t.Fatal(err)
			}
			res, err := trial.binding.pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer res.Destroy()
			got, err := res.Value().ask(req, trial.binding.info.Limits)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSuffix(doc, "}") + `,"settings":{"a":1}}`
			if diff := cmp.Diff(want, string(got[0])); diff != "" {
				t.Errorf("%s: request (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestVerdictOfEntrypoints(t *testing.T) {
	call, err := try(t, "opa-findings", TrialOptions{}).Judge(t.Context(), input(smallSpec))
	if err != nil {
		t.Fatal(err)
	}
	by := plimsoll.Source{Kind: plimsoll.SourceValidator, Name: "module"}
	want := plimsoll.Verdict{
		Violations: []plimsoll.Violation{
			{Message: `set {"a", "b"}, number 3, "x"`, Field: "spec", Code: "C", Fix: "F", Source: by},
			{Message: "a text", Source: by},
		},
		Warnings: []plimsoll.Violation{{Message: "a warning", Source: by}, {Message: "by its entrypoint", Source: by}},
	}
	if diff := cmp.Diff(want, call.Verdict); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

// TestIllegibleSpec gives a policy what OPA's parser would give up on.
func TestIllegibleSpec(t *testing.T) {
	trial := try(t, "opa-valid", TrialOptions{})
	for _, spec := range []string{"{\"a\":\"\xff\"}", `{"a":"\ud800"}`, `{"a":"\\\udc00\ud83d\ude00"}`} {
		if _, err := trial.Judge(t.Context(), input(spec)); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestExtismSettings(t *testing.T) {
	for _, tt := range []struct{ name, settings, want string }{
		{"right", `{"say":{"violations":[]}}`, ""},
		{"wrong", `{"say":{"violations":[{"msg":"no such thing","field":"say"}]}}`, "settings.say: no such thing"},
		{"fault", `{}`, "settings: checking them: validator module failed: it set no output"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trial, err := NewTrial(t.Context(), fixture(t, "extism-settings"), TrialOptions{Settings: []byte(tt.settings)})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error is %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer trial.Close()
			if _, err := trial.Judge(t.Context(), input(smallSpec)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMetadataOfAnotherABI(t *testing.T) {
	module, err := Annotate(fixture(t, "command-valid"), Metadata{Name: "m", ABI: abi.Extism})
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewTrial(t.Context(), module, TrialOptions{})
	if err == nil || !strings.Contains(err.Error(), "speaks the ABI extism, and its exports are those of wasi-command") {
		t.Errorf("error is %v", err)
	}
}

// TestTrialTellsWhatCallsTake compares calls with each other and with the limits.
func TestTrialTellsWhatCallsTake(t *testing.T) {
	for _, name := range []string{"counter", "grow", "command-observe", "extism-mirror", "extism-config", "opa-findings", "table-set", "spin", "trap"} {
		t.Run(name, func(t *testing.T) {
			limits := Limits{Fuel: 30_000_000, Timeout: maxTimeout}
			trial := try(t, name, TrialOptions{Limits: limits})
			other := try(t, name, TrialOptions{Limits: limits})
			var first Call
			for i, tr := range []*Trial{trial, trial, other} {
				call, err := tr.Judge(t.Context(), input(smallSpec))
				if err != nil && !isGuestsFault(err) {
					t.Fatal(err)
				}
				call.Duration = 0
				if i == 0 {
					first = call
				}
				if diff := cmp.Diff(first, call); diff != "" {
					t.Errorf("call %d (-first +this):\n%s", i, diff)
				}
			}
			if first.Fuel == 0 || first.Fuel > limits.Fuel || first.Memory == 0 {
				t.Errorf("it took %+v", first)
			}
			if name == "spin" && first.Fuel != limits.Fuel {
				t.Errorf("it spun with %d of %d fuel", first.Fuel, limits.Fuel)
			}
			if name == "spin" || first.Fuel-1 < minFuel {
				return
			}
			// With that much it gets along, and with less it does not.
			for fuel, late := range map[uint64]bool{first.Fuel: false, first.Fuel - 1: true} {
				less := try(t, name, TrialOptions{Limits: Limits{Fuel: fuel, Timeout: maxTimeout}})
				if _, err := less.Judge(t.Context(), input(smallSpec)); errors.Is(err, plimsoll.ErrOutOfTime) != late {
					t.Errorf("with %d fuel of the %d that it takes: %v", fuel, first.Fuel, err)
				}
			}
		})
	}
}

func TestTrialLimits(t *testing.T) {
	for want, limits := range map[string]Limits{
		"limits.memory": {Memory: 1}, "limits.fuel": {Fuel: maxFuel + 1}, "limits.timeout": {Timeout: -1},
		"limits.output": {Output: 1}, "limits.concurrency": {Concurrency: 5000},
	} {
		if _, err := NewTrial(t.Context(), fixture(t, "valid"), TrialOptions{Limits: limits}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

// TestFreshInstances checks that state which cannot be put back is not seen by the next
// call.
func TestFreshInstances(t *testing.T) {
	for _, name := range []string{"table-set", "global-ref", "table-counter"} {
		t.Run(name, func(t *testing.T) {
			trial := try(t, name, TrialOptions{Limits: Limits{Concurrency: 1}})
			if len(trial.Fresh()) == 0 {
				t.Error("its instances are used again")
			}
			for n := range 3 {
				call, err := trial.Judge(t.Context(), input(smallSpec))
				if err != nil || len(call.Verdict.Violations) > 0 {
					t.Errorf("call %d: %+v, %v", n, call.Verdict, err)
				}
			}
		})
	}
	if fresh := try(t, "counter", TrialOptions{}).Fresh(); fresh != nil {
		t.Errorf("state of globals and memory is put back, but %q", fresh)
	}
}
