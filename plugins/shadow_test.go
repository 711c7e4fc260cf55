package plugins

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
)

// loadAll loads fixtures, each as NAME=FIXTURE and with more added to its entry.
func loadAll(tb testing.TB, fixturesAndMore ...string) *Validators {
	tb.Helper()
	fsys, entries := fstest.MapFS{}, "validators:\n"
	for i := 0; i < len(fixturesAndMore); i += 2 {
		name, from, _ := strings.Cut(fixturesAndMore[i], "=")
		module := fixture(tb, from)
		fsys[name+".wasm"] = &fstest.MapFile{Data: module}
		entries += bound(name, module, fixturesAndMore[i+1])
	}
	fsys["validators.yaml"] = &fstest.MapFile{Data: []byte(entries)}
	v, err := Load(tb.Context(), Options{}, FS(fsys, "validators.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	closeLater(tb, v)
	return v
}

// Whatever a validator in shadow does, the verdict is that of the others, and what it said
// is told.
func TestShadow(t *testing.T) {
	for _, tt := range []struct {
		fixture    string
		violations int
		fails      error
	}{
		{fixture: "valid"},
		{fixture: "violations", violations: 2},
		{fixture: "trap", fails: plimsoll.ErrFault},
		{fixture: "spin", fails: plimsoll.ErrOutOfTime},
	} {
		t.Run(tt.fixture, func(t *testing.T) {
			v := loadAll(t, "trial="+tt.fixture, "enforcement: shadow", "other=violations", "# enforced")
			alone := loadAll(t, "other=violations", "# enforced")
			want, err := alone.Judge(t.Context(), input(smallSpec))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // an instance that failed is replaced
				got, err := v.Judge(t.Context(), input(smallSpec))
				if err != nil || len(got.Shadows) != 1 {
					t.Fatalf("%d shadows, %v", len(got.Shadows), err)
				}
				shadow := got.Shadows[0]
				if !errors.Is(shadow.Err, tt.fails) || len(shadow.Violations) != tt.violations || shadow.Source.Name != "trial" {
					t.Errorf("shadow is %+v", shadow)
				}
				got.Shadows = nil
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("verdict (-without +with shadow):\n%s", diff)
				}
			}
		})
	}
}

// A validator in shadow that is busy is waited for no longer than its timeout.
func TestShadowIsNotWaitedFor(t *testing.T) {
	v := loadAll(t, "trial=valid", "enforcement: shadow")
	v.bindings[0].info.Limits.Timeout = time.Millisecond
	for range v.bindings[0].info.Limits.Concurrency {
		res, err := v.bindings[0].pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer res.Release()
	}
	got, err := v.Judge(t.Context(), input(smallSpec))
	if err != nil || len(got.Shadows) != 1 || got.Shadows[0].Err == nil {
		t.Errorf("verdict %+v, %v", got, err)
	}
}

// An end of the request is the end of the answer, in shadow or not.
func TestShadowAndDenial(t *testing.T) {
	v := loadAll(t, "other=violations", "# enforced", "trial=valid", "enforcement: shadow\nmatch: {operations: [DELETE]}")
	got, err := v.Judge(t.Context(), input(smallSpec))
	if err != nil || len(got.Shadows) != 0 || len(got.Violations) == 0 {
		t.Errorf("verdict %+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Judge(ctx, input(smallSpec)); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}
