package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll-project/plimsoll"
)

// ParseLimits reads limits as they are in a validators.yaml, in JSON, and fills in the
// defaults. Nil stands for all of them.
func ParseLimits(raw json.RawMessage) (Limits, error) {
	limits, errs := decodeLimits("limits", orNull(raw))
	return limits, errors.Join(errs...)
}

// CheckModule compiles a module, within the most memory that a binding may give it, and
// prepares an instance for calls, as every server does that binds it, whatever the settings.
// The error says why that fails.
func CheckModule(ctx context.Context, module []byte, opts Options) (err error) {
	v, err := newValidators(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	p, err := compile(ctx, v.runtime, v.try, module, maxMemory)
	if err != nil {
		return err
	}
	i, err := p.start(ctx)
	if err != nil {
		return err
	}
	_, err = i.save(initializeFuel)
	return errors.Join(err, i.close(ctx))
}

// Covers tells whether the module judges a mutation at all, by its metadata.
func (t *Trial) Covers(in *plimsoll.Input) bool { return t.binding.info.Match.covers(in) }

// Instantiate makes an instance in the state that calls start from, as the first of many
// calls at the same time have to, and returns how long that took.
func (t *Trial) Instantiate(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	i, err := t.binding.program.clone(ctx, t.binding.origin)
	if err != nil {
		return 0, fmt.Errorf("making an instance: %w", err)
	}
	took := time.Since(began)
	return took, i.close(ctx)
}
