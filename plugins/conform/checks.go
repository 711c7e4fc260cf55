package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins"
)

var checks = []check{
	{"loads", "it is read, compiled and prepared, and its settings are right", loads},
	{"ordinary", "it comes to an explicit verdict on an ordinary container", ordinary},
	{"operations", "it comes to a verdict on every operation", operations},
	{"minimal", "it comes to a verdict on a container that has hardly a member", minimal},
	{"incomplete", "it comes to the same outcome each time on documents without the members that requests have", incomplete},
	{"unknown-fields", "it ignores members that it does not know: there may be more some day", unknownFields},
	{"payloads", "it comes to a verdict on specs that are no specs", payloads},
	{"hostile-text", "it comes to a verdict on strings and numbers that break careless readers", hostileText},
	{"nested", "it comes to a verdict on JSON that nests 100 deep", nested},
	{"deeply-nested", "it comes to the same outcome each time on JSON that nests 10,000 deep", deeplyNested},
	{"large", "it comes to a verdict on a spec of 1 MiB, with as much fuel and memory as it takes", large},
	{"deterministic", "the same request takes the same fuel to the same verdict, on every instance", deterministic},
	{"no-state", "what it is asked does not change what it says next", noState},
	{"settings", "it comes to a verdict with settings that it does not know, or refuses them when it is bound", settings},
	{"limits", "nothing above but the large spec took more than half of the default limits", limits},
}

func loads(ctx context.Context, s *suite) (string, error) {
	t, err := s.load(ctx, s.opts.Settings, plugins.Limits{})
	if err != nil {
		return "", err
	}
	s.trial = t
	text := fmt.Sprintf("it speaks the ABI %s", t.ABI())
	if name := t.Metadata().Name; name != "" {
		text += fmt.Sprintf(" and is called %s %s", name, t.Metadata().Version)
	}
	if fresh := t.Fresh(); len(fresh) > 0 {
		text += fmt.Sprintf("; each call gets an instance of its own, because of %s", strings.Join(fresh, ", "))
	}
	return text, nil
}

func ordinary(ctx context.Context, s *suite) (string, error) {
	call, err := s.judge(ctx, "an ordinary container", s.input(s.spec()))
	if err != nil {
		return "", err
	}
	s.works = true
	return fmt.Sprintf("%d violations and %d warnings, with %s fuel and %s of memory",
		len(call.Verdict.Violations), len(call.Verdict.Warnings), humanize.Comma(int64(call.Fuel)), humanize.IBytes(call.Memory)), nil
}

// all judges every input and reports all failures.
func (s *suite) all(ctx context.Context, inputs []named) (string, error) {
	var errs []error
	for _, n := range inputs {
		if _, err := s.judge(ctx, n.name, n.in); err != nil {
			errs = append(errs, err)
		}
	}
	return fmt.Sprintf("%d requests, a verdict on each", len(inputs)), errors.Join(errs...)
}

func operations(ctx context.Context, s *suite) (string, error)  { return s.all(ctx, s.operations()) }
func payloads(ctx context.Context, s *suite) (string, error)    { return s.all(ctx, s.payloads()) }
func hostileText(ctx context.Context, s *suite) (string, error) { return s.all(ctx, s.texts()) }
func nested(ctx context.Context, s *suite) (string, error)      { return s.all(ctx, s.nested(100)) }

func minimal(ctx context.Context, s *suite) (string, error) {
	in := &plimsoll.Input{
		Operation: plimsoll.OperationCreate, Namespace: "default", User: plimsoll.User{Via: "anonymous"},
		Object: &plimsoll.Container{ID: "a", Runtime: plimsoll.Runtime{Name: "r"}, Spec: plimsoll.Any{TypeURL: "t", Value: []byte("{}")}},
	}
	_, err := s.judge(ctx, "a container with hardly a member", in)
	return "a verdict on a container with hardly a member", err
}

// incomplete gives what no server gives. A module may fail, if it always does.
func incomplete(ctx context.Context, s *suite) (string, error) {
	var requests []request
	for _, doc := range []string{
		`{"version":1}`, `{"version":1,"operation":"CREATE","object":null,"old_object":null}`,
		`{"version":1,"operation":"CREATE","object":{}}`, `{"version":1,"operation":[],"object":"web"}`,
	} {
		requests = append(requests, request{doc, func() (plugins.Call, error) { return s.trial.Ask(ctx, []byte(doc)) }})
	}
	return s.settled(ctx, requests)
}

func unknownFields(ctx context.Context, s *suite) (string, error) {
	in := s.input(s.spec())
	want, err := s.judge(ctx, "without unknown members", in)
	if err != nil {
		return "", err
	}
	doc, err := document(s.trial, in)
	if err != nil {
		return "", err
	}
	unknown := []byte(`{"x-conform":{"a":[1,{"b":null}],"settings":{"x":1}},"another":[],`)
	doc = append(unknown, doc[1:]...)
	doc = bytes.Replace(doc, []byte(`"object":{`), []byte(`"object":{"x-conform":true,"more":{"x":[]},`), 1)
	got, err := s.ask(ctx, "with unknown members", doc)
	if err != nil {
		return "", err
	}
	if !reflect.DeepEqual(want.Verdict, got.Verdict) {
		return "", errors.New("the verdict is another one when there are unknown members")
	}
	return "the verdict is the same with and without", nil
}

// document is what the module is given of an input.
func document(t *plugins.Trial, in *plimsoll.Input) ([]byte, error) {
	var doc []byte
	part, err := plimsoll.NewInputPart(t.Metadata().Reads)
	if err == nil && t.Metadata().Reads != nil {
		doc, err = in.PartJSON(part)
	} else {
		doc, err = in.JSON()
	}
	if err != nil {
		return nil, fmt.Errorf("encoding an input: %w", err)
	}
	return bytes.Clone(doc), nil
}

// deeplyNested does not ask for a verdict: recursion has to end somewhere.
func deeplyNested(ctx context.Context, s *suite) (string, error) {
	var requests []request
	for _, n := range s.nested(10_000) {
		requests = append(requests, request{n.name, func() (plugins.Call, error) { return s.trial.Judge(ctx, n.in) }})
	}
	return s.settled(ctx, requests)
}

// request is something to ask that there need not be a verdict on.
type request struct {
	name string
	ask  func() (plugins.Call, error)
}

// settled makes sure that requests always end in the same way, and that the next call
// is none the worse. It returns how they end.
func (s *suite) settled(ctx context.Context, requests []request) (string, error) {
	before, err := s.trial.Judge(ctx, s.input(s.spec()))
	if err != nil {
		return "", fmt.Errorf("before: %w", err)
	}
	outcomes := make([]string, 0, 2)
	for range 2 {
		var text []string
		for _, r := range requests {
			_, err := r.ask()
			text = append(text, r.name+": "+outcome(err))
		}
		outcomes = append(outcomes, strings.Join(text, "; "))
		after, err := s.trial.Judge(ctx, s.input(s.spec()))
		if err != nil {
			return "", fmt.Errorf("after: %w", err)
		}
		if !same(before, after) {
			return "", errors.New("the call after it differs from the one before")
		}
	}
	if outcomes[0] != outcomes[1] {
		return "", fmt.Errorf("it was once %q and then %q", outcomes[0], outcomes[1])
	}
	return outcomes[0], nil
}

// outcome is what a call came to, without what it says.
func outcome(err error) string {
	switch {
	case err == nil:
		return "a verdict"
	case errors.Is(err, plimsoll.ErrOutOfTime):
		return "out of fuel"
	}
	return "a fault"
}

// same tells whether two calls were the same in all that has to be.
func same(a, b plugins.Call) bool {
	return a.Fuel == b.Fuel && a.Memory == b.Memory && a.Output == b.Output && reflect.DeepEqual(a.Verdict, b.Verdict)
}

// Limits for the large spec: forty times what there is by default for fuel.
const (
	largeSpec   = 1 << 20
	largeFuel   = 2_000_000_000
	largeMemory = 512 << 20
)

func large(ctx context.Context, s *suite) (string, error) {
	if !s.works {
		return "", errors.New("it was not tried: there is no verdict on an ordinary container")
	}
	t, err := s.load(ctx, s.opts.Settings, plugins.Limits{Fuel: largeFuel, Memory: largeMemory, Output: 1 << 20, Concurrency: 1})
	if err != nil {
		return "", err
	}
	call, err := t.Judge(ctx, s.large(largeSpec))
	if err := errors.Join(err, t.Close()); err != nil {
		return "", fmt.Errorf("a spec of %s: %w", humanize.IBytes(largeSpec), err)
	}
	defaults := s.trial.Info().Limits
	text := fmt.Sprintf("it took %s fuel and %s of memory", humanize.Comma(int64(call.Fuel)), humanize.IBytes(call.Memory))
	if call.Fuel > defaults.Fuel || call.Memory > defaults.Memory {
		text += "; by default there is less, and the container would be refused"
	}
	return text, nil
}

func deterministic(ctx context.Context, s *suite) (_ string, err error) {
	other, err := s.load(ctx, s.opts.Settings, plugins.Limits{Concurrency: 4})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	for _, n := range s.operations() {
		want, err := s.judge(ctx, n.name, n.in)
		if err != nil {
			return "", err
		}
		var (
			wg   sync.WaitGroup
			errs [8]error
		)
		for i := range errs {
			wg.Go(func() {
				switch got, err := other.Judge(ctx, n.in); {
				case err != nil:
					errs[i] = fmt.Errorf("%s: %w", n.name, err)
				case !same(want, got):
					errs[i] = fmt.Errorf("%s: it took %d fuel to a verdict of %d bytes, and then %d to one of %d",
						n.name, want.Fuel, want.Output, got.Fuel, got.Output)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			return "", err
		}
	}
	return "the same on several instances of two loads, one after the other and at once", nil
}

func noState(ctx context.Context, s *suite) (string, error) {
	first := s.input(s.spec())
	want, err := s.judge(ctx, "the first request", first)
	if err != nil {
		return "", err
	}
	between := append(append(s.payloads(), s.operations()...), s.texts()...)
	for _, n := range between {
		// What comes of these is for other checks.
		if _, err := s.trial.Judge(ctx, n.in); err != nil && ctx.Err() != nil {
			return "", err
		}
		got, err := s.judge(ctx, "the first request after "+n.name, first)
		if err != nil {
			return "", err
		}
		if !same(want, got) {
			return "", fmt.Errorf("after %s, the first request took %d fuel to a verdict of %d bytes, and before %d to one of %d",
				n.name, got.Fuel, got.Output, want.Fuel, want.Output)
		}
	}
	return fmt.Sprintf("the same before and after each of %d others", len(between)), nil
}

// settings offers settings of every shape. Whoever configures the module makes mistakes;
// they must show when it is bound, or do no harm.
func settings(ctx context.Context, s *suite) (string, error) {
	refused, taken := 0, 0
	for _, raw := range []string{
		`{}`, `null`, `[]`, `"text"`, `1`, `{"x-conform":true}`, `{"x-conform":{"a":[1,2,{"b":"\u0000"}]}}`,
		`{"x-conform":"` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		t, err := s.load(ctx, []byte(raw), plugins.Limits{Concurrency: 1})
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, plimsoll.ErrFault) || errors.Is(err, plimsoll.ErrOutOfTime) {
				return "", fmt.Errorf("settings %.40s: %w", raw, err)
			}
			refused++
			continue
		}
		_, err = t.Judge(ctx, s.input(s.spec()))
		if err := errors.Join(err, t.Close()); err != nil {
			return "", fmt.Errorf("settings %.40s: %w", raw, err)
		}
		taken++
	}
	return fmt.Sprintf("%d were refused, and there was a verdict with each of the %d others", refused, taken), nil
}

func limits(_ context.Context, s *suite) (string, error) {
	limits := s.trial.Info().Limits
	var errs []error
	for _, l := range []struct {
		name       string
		took, have uint64
		text       func(uint64) string
	}{
		{"fuel", s.most.Fuel, limits.Fuel, func(n uint64) string { return humanize.Comma(int64(n)) }},
		{"memory", s.most.Memory, limits.Memory, humanize.IBytes},
		{"output", uint64(s.most.Output), uint64(limits.Output), humanize.IBytes},
	} {
		if l.took > l.have/2 {
			errs = append(errs, fmt.Errorf("a call took %s of %s, and limits.%s is %s", l.text(l.took), l.name, l.name, l.text(l.have)))
		}
	}
	return fmt.Sprintf("the most was %s fuel, %s of memory and %s of output",
		humanize.Comma(int64(s.most.Fuel)), humanize.IBytes(s.most.Memory), humanize.IBytes(uint64(s.most.Output))), errors.Join(errs...)
}
