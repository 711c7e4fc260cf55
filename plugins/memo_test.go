package plugins

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// loadReading loads a fixture that declares what it reads; nothing declares nothing.
func loadReading(t *testing.T, name string, reads []string, more ...string) *Validators {
	t.Helper()
	module, err := Annotate(fixture(t, name), Metadata{Name: name, ABI: 1, Reads: reads})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Load(t.Context(), Options{}, FS(files(bound(name, module, more...), map[string][]byte{name: module}), "validators.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	return v
}

// calls is how often the only validator was really asked.
func calls(v *Validators) int64 { return v.bindings[0].pool.Stat().AcquireCount() }

// TestGuestIsGivenWhatItDeclares asks a guest that returns its request.
func TestGuestIsGivenWhatItDeclares(t *testing.T) {
	v := loadReading(t, "mirror", []string{"operation", "object.spec"}, `settings: {limit: 3}`)
	doc, err := v.bindings[0].document(input(smallSpec))
	if err != nil {
		t.Fatal(err)
	}
	req, err := abi.NewRequest(doc, v.bindings[0].info.Settings)
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.bindings[0].pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Destroy()
	got, err := res.Value().ask(req, v.bindings[0].info.Limits)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"operation":"CREATE","object":{"spec":` + smallSpec + `},"settings":{"limit":3}}`
	if diff := cmp.Diff(want, string(got[0])); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestRemembers(t *testing.T) {
	spec := func(in *plimsoll.Input) { in.Object.Spec.Value = []byte(`{}`) }
	label := func(in *plimsoll.Input) { in.Object.Labels = map[string]string{"team": "core"} }
	operation := func(in *plimsoll.Input) { in.Operation = plimsoll.OperationUpdate }
	nothing := func(*plimsoll.Input) {}
	for _, tt := range []struct {
		name    string
		fixture string
		reads   []string
		more    string
		change  func(*plimsoll.Input)
		calls   int64 // of a request, the same again, and two times a changed one
	}{
		{"the same", "valid", []string{"object.spec"}, "", nothing, 1},
		{"violations and warnings", "violations", []string{"object.spec"}, "", nothing, 1},
		{"as warnings", "violations", []string{"object.spec"}, "enforcement: warn", nothing, 1},
		{"what it does not read has changed", "valid", []string{"operation", "object.spec"}, "", label, 1},
		{"what it reads has changed", "valid", []string{"operation", "object.spec"}, "", spec, 2},
		{"another operation", "valid", []string{"operation", "object.spec"}, "", operation, 2},
		{"nothing is declared", "valid", nil, "", nothing, 4},
		{"faults", "trap", []string{"object.spec"}, "", nothing, 4},
		{"faults as warnings", "trap", []string{"object.spec"}, "enforcement: warn", nothing, 4},
		{"out of time", "spin", []string{"object.spec"}, "limits: {fuel: 100000}", nothing, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var more []string
			if tt.more != "" {
				more = append(more, tt.more)
			}
			v, plain := loadReading(t, tt.fixture, tt.reads, more...), load(t, tt.fixture, more...)
			before := calls(v)
			changed := input(smallSpec)
			tt.change(changed)
			for _, in := range []*plimsoll.Input{input(smallSpec), input(smallSpec), changed, changed} {
				got, err := v.Judge(t.Context(), in)
				want, wantErr := plain.Judge(t.Context(), in)
				if diff := cmp.Diff(outcomeOf(want, wantErr), outcomeOf(got, err)); diff != "" {
					t.Errorf("outcome (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("verdict (-asked each time +got):\n%s", diff)
				}
			}
			if n := calls(v) - before; n != tt.calls {
				t.Errorf("the guest was called %d times, want %d", n, tt.calls)
			}
		})
	}
}

// TestRemembersInParallel has a guest judge by what it reads, for many at the same time:
// whatever is remembered meanwhile, small specs are valid and large ones a fault.
func TestRemembersInParallel(t *testing.T) {
	v := loadReading(t, "trap-once", []string{"object.spec"}, "limits: {concurrency: 2}")
	specs := map[string]outcome{smallSpec: valid, `{"a":1}`: valid, `{"x":"` + strings.Repeat("x", 1000) + `"}`: fault}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for spec, want := range specs {
					verdict, err := v.Judge(context.Background(), input(spec))
					if got := outcomeOf(verdict, err); got != want {
						t.Errorf("outcome is %s, want %s: %v", got, want, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestWhatIsRemembered checks the bounds of a memo.
func TestWhatIsRemembered(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict plimsoll.Verdict
		want    bool
	}{
		{"valid", plimsoll.Verdict{}, true},
		{"a few findings", plimsoll.Verdict{Violations: make([]plimsoll.Violation, 3), Warnings: make([]plimsoll.Violation, 1)}, true},
		{"many findings", plimsoll.Verdict{Violations: make([]plimsoll.Violation, 4), Warnings: make([]plimsoll.Violation, 1)}, false},
		{"much text", plimsoll.Verdict{Warnings: []plimsoll.Violation{{Message: strings.Repeat("x", 500), Fix: strings.Repeat("x", 13)}}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := newMemo(2)
			if err != nil {
				t.Fatal(err)
			}
			m.remember([32]byte{1}, tt.verdict)
			if _, got := m.recall([32]byte{1}); got != tt.want {
				t.Errorf("remembered: %v, want %v", got, tt.want)
			}
			m.remember([32]byte{2}, plimsoll.Verdict{})
			m.remember([32]byte{3}, plimsoll.Verdict{})
			if _, got := m.recall([32]byte{1}); got {
				t.Error("more is remembered than there is place for")
			}
		})
	}
}

func TestForgetsWhenClosed(t *testing.T) {
	v := loadReading(t, "valid", []string{"object.spec"})
	if _, err := v.Judge(t.Context(), input(smallSpec)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Judge(ctx, input(smallSpec)); outcomeOf(plimsoll.Verdict{}, err) != other {
		t.Errorf("error for an ended context is %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Judge(t.Context(), input(smallSpec)); outcomeOf(plimsoll.Verdict{}, err) != other {
		t.Errorf("error after Close is %v", err)
	}
}
