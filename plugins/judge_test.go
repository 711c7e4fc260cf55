package plugins

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// outcome is what a call comes to.
type outcome string

const (
	valid   outcome = "valid"
	denied  outcome = "denied"
	fault   outcome = "fault"
	timeout outcome = "timeout"
	other   outcome = "other"
)

func outcomeOf(verdict plimsoll.Verdict, err error) outcome {
	var (
		broke *plimsoll.FaultError
		late  *plimsoll.TimeoutError
	)
	switch {
	case errors.As(err, &broke) && errors.Is(err, plimsoll.ErrFault) && broke.Source.Kind == plimsoll.SourceValidator:
		return fault
	case errors.As(err, &late) && errors.Is(err, plimsoll.ErrOutOfTime) && late.Source.Kind == plimsoll.SourceValidator:
		return timeout
	case err != nil:
		return other
	case len(verdict.Violations) > 0:
		return denied
	default:
		return valid
	}
}

// behaviours are the fixtures that load, and what calling them comes to, again and
// again.
var behaviours = []struct {
	fixture string
	more    string // in its entry
	want    outcome
	text    string // in the error, or the message of the first violation
}{
	{"valid", "", valid, ""},
	{"malloc", "", valid, ""},
	{"realloc", "", valid, ""},
	{"initialize", "", valid, ""},
	{"settings", "", valid, ""},
	{"violations", "", denied, "cwd is not absolute"},
	{"mirror", "", fault, "not a verdict"},
	{"zero", "", fault, "returned 0 instead of a verdict"},
	{"empty", "", fault, "empty verdict"},
	{"outside", "", fault, "outside its memory"},
	{"straddle", "", fault, "outside its memory"},
	{"huge", "", fault, "more than the limit"},
	{"wrap", "", fault, "outside its memory"},
	{"text", "", fault, "not a verdict"},
	{"implicit", "", fault, `no "violations"`},
	{"blank", "", fault, "no msg"},
	{"long", "", valid, ""},
	{"long", "limits: {output: 200}", valid, ""},
	{"long", "limits: {output: 199}", fault, "200 bytes, more than the limit of 199"},
	{"trap", "", fault, "unreachable"},
	{"divide", "", fault, "divide by zero"},
	{"overwrite", "", fault, "out of bounds memory access"},
	{"recurse", "", fault, "nest too deep"},
	{"spin", "limits: {fuel: 100000}", timeout, ""},
	{"spin-alloc", "limits: {fuel: 100000}", timeout, ""},
	{"tree", "limits: {fuel: 100000}", timeout, ""},
	{"fill", "limits: {fuel: 10000000}", timeout, ""},
	{"wasi-flood", "limits: {fuel: 10000000}", timeout, ""},
	{"hog", "", fault, "unreachable"},
	{"hog", "limits: {memory: 1MiB}", fault, "unreachable"},
	{"grow", "", valid, ""},
	{"grow-much", "", valid, ""},
	{"grow-full", "", valid, ""},
	{"counter", "", valid, ""},
	{"alloc-bump", "", valid, ""},
	{"alloc-zero", "", fault, "allocator returned 0"},
	{"alloc-outside", "", fault, "outside its memory"},
	{"alloc-wrap", "", fault, "outside its memory"},
	{"wasi-exit", "", fault, "exited with code 0"},
	{"wasi-sealed", "", valid, ""},
	{"table-set", "", valid, ""},
	{"global-ref", "", valid, ""},
	{"command-silent", "", fault, "wrote nothing to its standard output"},
	{"command-valid", "", valid, ""},
	{"command-exit", "", valid, ""},
	{"command-exit-1", "", fault, "exited with code 1"},
	{"command-trap", "", fault, "unreachable"},
	{"command-stderr", "", fault, "wrote nothing to its standard output"},
	{"command-flood", "", fault, "standard output has more than the limit of 65536 bytes"},
	{"command-mirror", "", fault, "not a verdict"},
	{"command-observe", "", denied, "validator validate   0d234ccf524303e8 38ffff682123e08a 0000000000000002"},
	{"extism-valid", "", valid, ""},
	{"extism-config", `settings: {say: '{"violations":[]}'}`, valid, ""},
	{"extism-config", `settings: {say: {violations: [{msg: told}]}}`, denied, "told"},
	{"extism-config", "", fault, "set no output"},
	{"extism-config", "settings: [1]", fault, "set no output"},
	{"extism-mirror", "", fault, "not a verdict"},
	{"extism-mirror", "limits: {output: 64}", fault, "more than the limit of 64"},
	{"extism-code", "", fault, "returned code 7"},
	{"extism-silent", "", fault, "set no output"},
	{"extism-error", "", fault, "it set an error"},
	{"extism-outside", "", fault, "which it does not have"},
	{"extism-wrap", "", fault, "which it does not have"},
	{"extism-input", "", fault, "of its input"},
	{"extism-block", "", fault, "an Extism block at"},
	{"extism-hog", "", fault, "more than the limit of 32 MiB"},
	{"extism-hog", "limits: {memory: 1MiB}", fault, "more than the limit of 1.0 MiB"},
	{"extism-huge", "", fault, "more than the limit of 32 MiB"},
	{"extism-blocks", "", fault, "more than 65536 blocks"},
	{"extism-variables", "", fault, "variables have more than 1.0 MiB"},
	{"extism-spin", "limits: {fuel: 100000}", timeout, ""},
	{"opa-valid", "", valid, ""},
	{"opa-findings", "", denied, `set {"a", "b"}, number 3, "x"`},
	{"opa-verdict", "", denied, "of a verdict"},
	{"opa-settings", "settings: {say: told}", denied, "told"},
	{"opa-settings", "", valid, ""},
	{"opa-undefined", "", fault, "entrypoint test/verdict: its result is undefined"},
	{"opa-number", "", fault, "neither a set or array of findings nor an object"},
	{"opa-conflict", "", fault, "it aborted"},
	{"opa-width", "", fault, "builtin sprintf: a width or precision is not a number of at most 3 digits"},
	{"opa-repeat", "", timeout, ""},
	{"opa-error", "", fault, "builtin units.parse: OPA does not take these operands"},
	{"opa-spin", "", timeout, ""},
	{"opa-crafted", "", valid, ""},
	{"opa-outside", "", fault, "outside its memory"},
	{"opa-zero", "", fault, "outside its memory"},
	{"opa-unended", "", fault, "beyond the end of its memory"},
	{"opa-unended", "limits: {output: 64}", fault, "more than the limit of 64 bytes"},
	{"opa-abort", "", fault, "it aborted"},
	{"opa-unlisted", "", fault, "called builtin 5, which it does not list"},
	{"opa-malloc", "", fault, "its allocator returned 131071"},
	{"opa-sideways", "", fault, "want one result"},
}

func TestBehaviours(t *testing.T)            { testBehaviours(t, Options{}) }
func TestBehavioursInterpreted(t *testing.T) { testBehaviours(t, Options{interpreter: true}) }

func testBehaviours(t *testing.T, opts Options) {
	for _, tt := range behaviours {
		t.Run(strings.TrimSpace(tt.fixture+" "+tt.more), func(t *testing.T) {
			t.Parallel()
			// A healthy validator beside it: whatever happens, it must go on.
			module, healthy := fixture(t, tt.fixture), fixture(t, "valid")
			more := []string{"match: {namespaces: [tested]}"}
			if tt.more != "" {
				more = append(more, tt.more)
			}
			v, err := Load(t.Context(), opts, FS(files(
				bound("tested", module, more...)+bound("healthy", healthy),
				map[string][]byte{"tested": module, "healthy": healthy}), "validators.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			closeLater(t, v)

			for range 3 {
				in := input(smallSpec)
				in.Namespace = "tested"
				verdict, err := v.Judge(t.Context(), in)
				if got := outcomeOf(verdict, err); got != tt.want {
					t.Fatalf("outcome is %s, want %s: %+v, %v", got, tt.want, verdict, err)
				}
				text := ""
				if err != nil {
					text = err.Error()
				} else if len(verdict.Violations) > 0 {
					text = verdict.Violations[0].Message
				}
				if !strings.Contains(text, tt.text) {
					t.Errorf("text is %q, want %q in it", text, tt.text)
				}
				if strings.Contains(text, "\n") {
					t.Errorf("text has several lines: %q", text)
				}
				if err != nil {
					if diff := cmp.Diff(plimsoll.Verdict{}, verdict); diff != "" {
						t.Errorf("verdict beside an error (-want +got):\n%s", diff)
					}
				}
				verdict, err = v.Judge(t.Context(), input(smallSpec))
				if got := outcomeOf(verdict, err); got != valid {
					t.Fatalf("outcome of the healthy validator is %s: %v", got, err)
				}
			}
		})
	}
}

func TestVerdictIsComplete(t *testing.T) {
	module, err := Annotate(fixture(t, "violations"), Metadata{Name: "checker", Version: "1.2.3", ABI: 1, Docs: "https://example.org/c"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := Load(t.Context(), Options{}, FS(files(
		strings.Replace(bound("a", module), "- name: a\n ", "-", 1)+bound("b", module, "enforcement: warn"),
		map[string][]byte{"a": module, "b": module}), "validators.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	got, err := v.Judge(t.Context(), input(smallSpec))
	if err != nil {
		t.Fatal(err)
	}
	by := func(name string, found plimsoll.Violation) plimsoll.Violation {
		found.Source = plimsoll.Source{Kind: plimsoll.SourceValidator, Name: name, Version: "1.2.3"}
		found.Link = "https://example.org/c"
		return found
	}
	cwd := plimsoll.Violation{Message: "cwd is not absolute", Field: "spec.process.cwd", Code: "CWD", Fix: "start it with /"}
	args := plimsoll.Violation{Message: "no args"}
	root := plimsoll.Violation{Message: "root is writable", Field: "spec.root.readonly"}
	want := plimsoll.Verdict{
		Violations: []plimsoll.Violation{by("checker", cwd), by("checker", args)},
		Warnings:   []plimsoll.Violation{by("checker", root), by("b", cwd), by("b", args), by("b", root)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

func TestWarnPassesFaultsOver(t *testing.T) {
	for name, word := range map[string]string{"trap": "failed", "spin": "ran out of fuel"} {
		t.Run(name, func(t *testing.T) {
			v := load(t, name, "enforcement: warn", "limits: {fuel: 100000}")
			verdict, err := v.Judge(t.Context(), input(smallSpec))
			if err != nil {
				t.Fatal(err)
			}
			if len(verdict.Violations) != 0 || len(verdict.Warnings) != 1 {
				t.Fatalf("verdict is %+v, want one warning", verdict)
			}
			w := verdict.Warnings[0]
			if !strings.Contains(w.Message, word) || !strings.Contains(w.Message, "does not enforce") || w.Source.Name != name {
				t.Errorf("warning is %+v", w)
			}
		})
	}
}

// TestRequestIsExact checks what the guest reads, with a guest that returns it.
func TestRequestIsExact(t *testing.T) {
	// Space, order, number formats and a duplicate member: any decoding in
	// between would lose some of it.
	const spec = "{ \"z\" : 1.0e0,\t\"a\":[ ],\"a\":\"\\u0041\",\"n\":12345678901234567890 }"
	v := load(t, "mirror", `settings: {limit: 3}`)
	in := input(spec)
	doc, err := in.JSON()
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
	want := strings.TrimSuffix(string(doc), "}") + `,"settings":{"limit":3}}`
	if diff := cmp.Diff(want, string(got[0])); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(got[0]), `"spec":`+spec) {
		t.Errorf("the spec is not in the request byte for byte: %s", got)
	}
}

func TestCleanAfterTrap(t *testing.T) {
	v := load(t, "trap-once", "limits: {concurrency: 1}")
	small, large := input(smallSpec), input(`{"x":"`+strings.Repeat("x", 1000)+`"}`)
	for range 5 {
		for _, call := range []struct {
			in   *plimsoll.Input
			want outcome
		}{{small, valid}, {large, fault}} {
			verdict, err := v.Judge(t.Context(), call.in)
			if got := outcomeOf(verdict, err); got != call.want {
				t.Fatalf("outcome is %s, want %s: %v", got, call.want, err)
			}
		}
	}
}

// TestObservationsRepeat checks that a guest cannot tell one call from another by
// its clock or randomness, nor one instance from another.
func TestObservationsRepeat(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		v := load(t, "wasi-observe", "limits: {concurrency: 4}")
		var (
			wg sync.WaitGroup
			mu sync.Mutex
		)
		for range 8 {
			wg.Go(func() {
				verdict, err := v.Judge(context.Background(), input(smallSpec))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				seen[verdict.Violations[0].Message] = true
			})
		}
		wg.Wait()
	}
	if len(seen) != 1 {
		t.Errorf("%d different observations: %v", len(seen), seen)
	}
}

func TestMatchDecides(t *testing.T) {
	v := load(t, "trap", "match: {namespaces: [default], runtimes: [io.containerd.runc.*]}")
	in := input(smallSpec)
	in.Object.Runtime.Name = "io.containerd.kata.v2"
	if verdict, err := v.Judge(t.Context(), in); err != nil || len(verdict.Warnings) > 0 {
		t.Errorf("another runtime was judged: %+v, %v", verdict, err)
	}
	del := input(smallSpec)
	del.Operation = plimsoll.OperationDelete
	if verdict, err := v.Judge(t.Context(), del); err != nil || len(verdict.Warnings) > 0 {
		t.Errorf("a delete was judged: %+v, %v", verdict, err)
	}
	if _, err := v.Judge(t.Context(), input(smallSpec)); !errors.Is(err, plimsoll.ErrFault) {
		t.Errorf("error is %v, want a fault", err)
	}
}

func TestEndedContext(t *testing.T) {
	v := load(t, "valid", "enforcement: warn")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if verdict, err := v.Judge(ctx, input(smallSpec)); !errors.Is(err, context.Canceled) {
		t.Errorf("verdict %+v and error %v, want context canceled", verdict, err)
	}
}

// TestWaitEndsWithContext has all instances busy.
func TestWaitEndsWithContext(t *testing.T) {
	v := load(t, "valid", "limits: {concurrency: 1}")
	res, err := v.bindings[0].pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := v.Judge(ctx, input(smallSpec))
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context canceled", err)
	}
	res.Release()
	if _, err := v.Judge(t.Context(), input(smallSpec)); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestJudgeAfterClose(t *testing.T) {
	v := load(t, "valid", "enforcement: warn")
	for range 2 {
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if verdict, err := v.Judge(t.Context(), input(smallSpec)); !errors.Is(err, plimsoll.ErrNotReady) {
		t.Errorf("verdict %+v and error %v, want not ready", verdict, err)
	}
}

// TestPanicIsContained breaks the host's own state under a call.
func TestPanicIsContained(t *testing.T) {
	v := load(t, "valid", "limits: {concurrency: 1}")
	b := v.bindings[0]
	origin := b.origin
	b.origin = nil
	if _, err := v.Judge(t.Context(), input(smallSpec)); outcomeOf(plimsoll.Verdict{}, err) != fault || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("error is %v, want a fault that tells of the panic", err)
	}
	b.origin = origin
	if _, err := v.Judge(t.Context(), input(smallSpec)); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

// TestHammer judges from many goroutines with validators of every temper.
func TestHammer(t *testing.T) {
	names := []string{"valid", "violations", "counter", "grow", "grow-much", "trap", "spin", "hog", "wasi-observe"}
	var entries strings.Builder
	modules := map[string][]byte{}
	for _, name := range names {
		modules[name] = fixture(t, name)
		entries.WriteString(bound(name, modules[name], "match: {namespaces: ["+name+"]}",
			"limits: {fuel: 200000, concurrency: 3, memory: 16MiB}"))
	}
	v, err := Load(t.Context(), Options{}, FS(files(entries.String(), modules), "validators.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	want := map[string]outcome{
		"valid": valid, "violations": denied, "counter": valid, "grow": valid, "grow-much": timeout,
		"trap": fault, "spin": timeout, "hog": timeout, "wasi-observe": denied,
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 60 {
				in := input(smallSpec)
				in.Namespace = names[(g+n)%len(names)]
				verdict, err := v.Judge(context.Background(), in)
				if got := outcomeOf(verdict, err); got != want[in.Namespace] {
					t.Errorf("%s: outcome is %s, want %s: %+v, %v", in.Namespace, got, want[in.Namespace], verdict, err)
				}
			}
		})
	}
	wg.Wait()
}
