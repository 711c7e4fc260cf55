package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/plimsoll-project/plimsoll"
)

// Validators judge mutations with bound modules. They are a [plimsoll.Judge]. Make
// them with [Load]. They are immutable and safe for concurrent use.
type Validators struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	bindings []*binding
	digest   string
	parts    []plimsoll.Part
	log      *slog.Logger
	stderr   io.Writer                        // nil discards
	try      func(context.Context, Job) error // never nil
	closing  sync.Once
	ended    atomic.Bool // Close has begun
	closed   error
}

var _ plimsoll.PartedJudge = (*Validators)(nil)

// Judge asks every validator that the mutation matches, in order, and collects what
// all of them find. Those in shadow are asked beside the others. When an enforcing one has no verdict, nor has Judge: see
// [plimsoll.Judge] for the errors. After Close it is [plimsoll.ErrNotReady].
func (v *Validators) Judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	return v.judge(ctx, in, nil)
}

// JudgeParts implements [plimsoll.PartedJudge]. None in shadow is asked.
func (v *Validators) JudgeParts(ctx context.Context, in *plimsoll.Input, chosen func(name string) bool) (plimsoll.Verdict, error) {
	return v.judge(ctx, in, chosen)
}

// judge asks the validators that are chosen; all of them if that is nil.
func (v *Validators) judge(ctx context.Context, in *plimsoll.Input, chosen func(name string) bool) (plimsoll.Verdict, error) {
	if err := ctx.Err(); err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("asking the validators: %w", err)
	}
	if v.ended.Load() { // what is remembered is no answer any more
		return plimsoll.Verdict{}, fmt.Errorf("the validators were closed: %w", plimsoll.ErrNotReady)
	}
	var verdict plimsoll.Verdict
	var shadows []*shadowCall
	if chosen == nil {
		shadows = v.startShadows(ctx, in)
	}
	key := plimsoll.Key{Namespace: in.Namespace, ID: in.Object.ID}
	for _, b := range v.bindings {
		if chosen != nil && !chosen(b.info.Name) {
			continue
		}
		if b.info.Enforcement == Shadow || !b.info.Match.covers(in) {
			continue
		}
		denies := b.info.Enforcement.Denies(key)
		found, err := b.judge(ctx, in)
		switch {
		case err == nil && denies:
			verdict.Violations = append(verdict.Violations, b.underCanary(found.Violations)...)
			verdict.Warnings = append(verdict.Warnings, found.Warnings...)
		case err == nil:
			verdict.Warnings = append(verdict.Warnings, b.underCanary(found.Violations)...)
			verdict.Warnings = append(verdict.Warnings, found.Warnings...)
		case !denies && isGuestsFault(err):
			verdict.Warnings = append(verdict.Warnings, b.underCanary([]plimsoll.Violation{{
				Message: err.Error() + "; it does not enforce, so it was passed over", Source: b.info.source(), Link: b.info.Docs,
			}})...)
		default:
			for _, t := range shadows { // nobody will hear what those say that still wait
				t.cancel()
			}
			return plimsoll.Verdict{}, err
		}
	}
	for _, t := range shadows {
		verdict.Shadows = append(verdict.Shadows, t.end())
	}
	return verdict, nil
}

// underCanary says of violations that they are a canary's, if they are. What is remembered
// is shared, so they are copied.
func (b *binding) underCanary(found []plimsoll.Violation) []plimsoll.Violation {
	if !b.info.Enforcement.IsCanary() {
		return found
	}
	found = slices.Clone(found)
	for i := range found {
		found[i].Enforcement = b.info.Enforcement
	}
	return found
}

// isGuestsFault tells a validator's failure from the end of the context, and from
// the end of the validators.
func isGuestsFault(err error) bool {
	return errors.Is(err, plimsoll.ErrFault) || errors.Is(err, plimsoll.ErrOutOfTime) || errors.Is(err, plimsoll.ErrQuarantined)
}

// Quarantines lists the callers on whose behalf a validator is not asked at present, by
// validator and since when.
func (v *Validators) Quarantines() []Quarantine {
	var list []Quarantine
	for _, b := range v.bindings {
		list = append(list, b.breaker.quarantines(b.info.Name)...)
	}
	return list
}

// Digest identifies all that decides what Judge finds: modules, matches, settings,
// limits and their order.
func (v *Validators) Digest() string { return v.digest }

// Parts are the validators that are not in shadow, in the order in which they judge.
func (v *Validators) Parts() []plimsoll.Part { return slices.Clone(v.parts) }

// findParts finds the parts of v, which is complete otherwise.
func (v *Validators) findParts() error {
	for _, b := range v.bindings {
		if b.info.Enforcement == Shadow {
			continue
		}
		digest, err := digestOf([]Info{b.info})
		if err != nil {
			return err
		}
		v.parts = append(v.parts, plimsoll.Part{Name: b.info.Name, Digest: digest, Covers: b.info.Match.covers})
	}
	return nil
}

// List describes the bindings in the order in which they judge.
func (v *Validators) List() []Info {
	infos := make([]Info, len(v.bindings))
	for i, b := range v.bindings {
		infos[i] = b.info
	}
	return infos
}

// Close waits for the calls that are under way and frees everything. It may be
// called more than once.
func (v *Validators) Close() error {
	v.closing.Do(func() {
		v.ended.Store(true)
		for _, b := range v.bindings {
			b.pool.Close()
		}
		ctx := context.Background()
		if err := errors.Join(v.runtime.Close(ctx), v.cache.Close(ctx)); err != nil {
			v.closed = fmt.Errorf("closing the validators: %w", err)
		}
	})
	return v.closed
}
