package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
)

// elapse moves the clock of a bubble of synctest.
func elapse(d time.Duration) { <-time.After(d) }

// asked is a container of a caller.
func asked(user, namespace, id, spec string) *plimsoll.Input {
	in := input(spec)
	in.User.Name, in.Namespace, in.Object.ID = user, namespace, id
	return in
}

// A spec that trap-once traps at; it judges smallSpec.
var largeSpec = `{"x":"` + strings.Repeat("x", 1000) + `"}`

// What is judged in the background is held against nobody, and judged whoever is in
// quarantine.
func TestQuarantineOfNobody(t *testing.T) {
	module := fixture(t, "trap-once")
	v, err := Load(t.Context(), Options{}, FS(files(bound("m", module), map[string][]byte{"m": module}), "validators.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	judge := func(ctx context.Context, id int, want bool) {
		t.Helper()
		_, err := v.Judge(ctx, asked("mallory", "default", fmt.Sprint(id), largeSpec))
		if got := errors.Is(err, plimsoll.ErrQuarantined); got != want || err == nil {
			t.Fatalf("in quarantine: %v, want %v: %v", got, want, err)
		}
	}
	for id := range 2 * quarantineAfter {
		judge(plimsoll.InBackground(t.Context()), id, false)
	}
	for id := range quarantineAfter {
		judge(t.Context(), id, false)
	}
	judge(t.Context(), 99, true)
	judge(plimsoll.InBackground(t.Context()), 99, false)
}

// TestQuarantine has one caller's containers fail, and time go by.
func TestQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		module := fixture(t, "trap-once")
		v, err := Load(t.Context(), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
			FS(files(bound("m", module), map[string][]byte{"m": module}), "validators.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		judge := func(in *plimsoll.Input, want outcome) {
			t.Helper()
			before := calls(v)
			verdict, err := v.Judge(t.Context(), in)
			got := outcomeOf(verdict, err)
			if errors.Is(err, plimsoll.ErrQuarantined) {
				got = "quarantined"
			}
			if got != want {
				t.Fatalf("outcome is %s, want %s: %v", got, want, err)
			}
			if ran := calls(v) > before; ran != (got != "quarantined") {
				t.Fatalf("the guest ran: %v, and the outcome is %s", ran, got)
			}
		}
		bad := func(id int) *plimsoll.Input { return asked("mallory", "default", fmt.Sprint(id), largeSpec) }
		good := asked("mallory", "default", "good", smallSpec)

		for range 3 * quarantineAfter { // the same container, as somebody who tries again does
			judge(bad(0), fault)
		}
		judge(good, valid) // which starts the count anew
		for id := range quarantineAfter {
			judge(bad(id), fault)
		}
		judge(good, "quarantined")
		judge(bad(9), "quarantined")
		judge(asked("mallory", "other", "good", smallSpec), valid)
		judge(asked("ada", "default", "good", smallSpec), valid)
		survey := asked("", "default", "good", smallSpec)
		survey.User = plimsoll.User{}
		judge(survey, valid)

		want := []Quarantine{{Validator: "m", User: "mallory", Via: "unix", Namespace: "default", Since: time.Now(), Until: time.Now().Add(time.Second)}}
		if diff := cmp.Diff(want, v.Quarantines()); diff != "" {
			t.Errorf("quarantines (-want +got):\n%s", diff)
		}

		elapse(firstQuarantine)
		judge(bad(9), fault) // the probe
		judge(good, "quarantined")
		elapse(firstQuarantine)
		judge(good, "quarantined") // twice as long
		elapse(firstQuarantine)
		judge(good, valid)
		judge(good, valid)
		if got := v.Quarantines(); len(got) != 0 {
			t.Errorf("quarantines are %v", got)
		}
		for _, line := range []string{"validator is in quarantine", "validator has left quarantine"} {
			if n := strings.Count(log.String(), line); n != 1 {
				t.Errorf("the log says %q %d times:\n%s", line, n, log.String())
			}
		}
		if strings.Contains(log.String(), "xxxx") {
			t.Errorf("a spec is in the log:\n%s", log.String())
		}
	})
}

// TestBreaker goes through what a breaker does, without a validator.
func TestBreaker(t *testing.T) {
	failure := &plimsoll.FaultError{}
	fail := func(t *testing.T, b *breaker, ids ...int) {
		t.Helper()
		for _, id := range ids {
			p, wait := b.enter(occasionOf(asked("u", "n", fmt.Sprint(id), "{}")))
			if wait > 0 {
				t.Fatalf("container %d: closed for %s", id, wait)
			}
			b.leave(p, failure)
		}
	}
	enter := func(t *testing.T, b *breaker, open bool) pass {
		t.Helper()
		p, wait := b.enter(occasionOf(asked("u", "n", "x", "{}")))
		if (wait == 0) != open {
			t.Fatalf("open: %v, want %v; wait for %s", wait == 0, open, wait)
		}
		return p
	}
	for name, run := range map[string]func(t *testing.T, b *breaker){
		"one probe at a time": func(t *testing.T, b *breaker) {
			fail(t, b, 1, 2, 3, 4, 5)
			elapse(firstQuarantine)
			p := enter(t, b, true)
			enter(t, b, false)
			b.leave(p, nil)
			enter(t, b, true)
		},
		"a probe whose caller went away": func(t *testing.T, b *breaker) {
			fail(t, b, 1, 2, 3, 4, 5)
			elapse(firstQuarantine)
			b.leave(enter(t, b, true), context.Canceled)
			b.leave(enter(t, b, true), nil)
			enter(t, b, true)
		},
		"a late verdict of a call from before": func(t *testing.T, b *breaker) {
			p := enter(t, b, true)
			fail(t, b, 1, 2, 3, 4, 5)
			enter(t, b, false)
			if got := b.leave(p, nil); got != recovered {
				t.Errorf("change is %v", got)
			}
			enter(t, b, true)
		},
		"a late failure of a call from before": func(t *testing.T, b *breaker) {
			p := enter(t, b, true)
			fail(t, b, 1, 2, 3, 4, 5)
			if got := b.leave(p, failure); got != unchanged {
				t.Errorf("change is %v", got)
			}
			elapse(firstQuarantine)
			enter(t, b, true)
		},
		"a quarantine has a longest time": func(t *testing.T, b *breaker) {
			fail(t, b, 1, 2, 3, 4, 5)
			for range 10 {
				elapse(longestQuarantine)
				b.leave(enter(t, b, true), failure)
			}
			elapse(longestQuarantine)
			enter(t, b, true)
		},
		"failures that are long ago": func(t *testing.T, b *breaker) {
			fail(t, b, 1, 2, 3, 4)
			elapse(forgetFailures + time.Second)
			fail(t, b, 5)
			enter(t, b, true)
			if len(b.quarantines("v")) > 0 {
				t.Error("there is a quarantine")
			}
		},
		"a caller who never comes back": func(t *testing.T, b *breaker) {
			fail(t, b, 1, 2, 3, 4, 5)
			elapse(forgetFailures + time.Second)
			if len(b.quarantines("v")) > 0 {
				t.Error("there is a quarantine")
			}
			enter(t, b, true)
		},
		"what is no failure of the validator": func(t *testing.T, b *breaker) {
			for id := range 2 * quarantineAfter {
				p, _ := b.enter(occasionOf(asked("u", "n", fmt.Sprint(id), "{}")))
				b.leave(p, plimsoll.ErrNotReady)
			}
			enter(t, b, true)
		},
		"more callers than are remembered": func(t *testing.T, b *breaker) {
			for n := range 2 * maxCallers {
				p, _ := b.enter(occasionOf(asked("u", fmt.Sprint(n), "x", "{}")))
				b.leave(p, failure)
			}
			if n := b.callers.Len(); n != maxCallers {
				t.Errorf("%d are remembered", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, err := newBreaker()
				if err != nil {
					t.Fatal(err)
				}
				run(t, b)
			})
		})
	}
}

func TestQuarantineAsAWarning(t *testing.T) {
	v := load(t, "trap", "enforcement: warn")
	for id := range quarantineAfter + 1 {
		verdict, err := v.Judge(t.Context(), asked("u", "default", fmt.Sprint(id), smallSpec))
		if err != nil || len(verdict.Warnings) != 1 {
			t.Fatalf("%+v, %v", verdict, err)
		}
		quarantined := strings.Contains(verdict.Warnings[0].Message, "is in quarantine")
		if quarantined != (id == quarantineAfter) {
			t.Errorf("container %d: %s", id, verdict.Warnings[0].Message)
		}
	}
}

func TestAlwaysAsk(t *testing.T) {
	module := fixture(t, "trap")
	v, err := Load(t.Context(), Options{AlwaysAsk: true}, FS(files(bound("m", module), map[string][]byte{"m": module}), "validators.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, v)
	for id := range 2 * quarantineAfter {
		_, err := v.Judge(t.Context(), asked("u", "default", fmt.Sprint(id), smallSpec))
		if diff := cmp.Diff(plimsoll.ErrFault, err, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("container %d: %v", id, err)
		}
	}
	if list := v.Quarantines(); list != nil {
		t.Errorf("quarantines are %v", list)
	}
}
