package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// Trial is one module on trial: bound to nothing, with settings and limits of its own,
// telling of each call what it took. It is for tools that try, measure and test modules.
// It contains the module just as a server does, but remembers no verdicts. It is safe
// for concurrent use.
type Trial struct {
	validators *Validators
	binding    *binding
	meta       Metadata
}

// TrialOptions are what a module is tried with. The zero value works.
type TrialOptions struct {
	Options

	// Settings are the binding's, as JSON; nil stands for {}. They are checked as they
	// are when a binding is loaded.
	Settings json.RawMessage
	// Limits are the binding's. Zero fields stand for their defaults; each is held to
	// the bounds that limits have in validators.yaml.
	Limits Limits
}

// Call is what one call came to.
type Call struct {
	// Verdict is empty if there is an error.
	Verdict plimsoll.Verdict
	// Fuel is what the call took of Limits.Fuel. It is exact if the call returned, and
	// the same every time.
	Fuel uint64
	// Memory is the size of the instance's memory when the call ended, in bytes: the
	// most it had, because memory only grows. What an Extism module has of its host is
	// part of it.
	Memory uint64
	// Output is the size of the verdict in bytes, as the module wrote it.
	Output int
	// Duration is the wall clock time, without the wait for an instance.
	Duration time.Duration
}

// NewTrial reads, checks and compiles a module, and prepares it for calls. The error is
// all that Load would have to say about a binding of it. The caller closes the trial.
func NewTrial(ctx context.Context, module []byte, opts TrialOptions) (_ *Trial, err error) {
	limits, err := completeLimits(opts.Limits)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := newValidators(ctx, opts.Options)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()
	meta, err := ReadMetadata(module)
	if err != nil && !errors.Is(err, ErrNoMetadata) {
		return nil, err
	}
	c := bindingConfig{name: meta.Name, settings: opts.Settings, enforcement: Enforce, limits: limits}
	if c.name == "" {
		c.name = "module"
	}
	b, errs := v.bindModule(ctx, c, module, meta)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.memo = nil
	v.bindings = []*binding{b}
	return &Trial{validators: v, binding: b, meta: meta}, nil
}

// completeLimits fills in defaults and holds the rest to the bounds of validators.yaml.
func completeLimits(l Limits) (Limits, error) {
	given := map[string]any{}
	for name, n := range map[string]uint64{
		"memory": l.Memory, "fuel": l.Fuel, "output": uint64(l.Output), "concurrency": uint64(max(l.Concurrency, 0)),
	} {
		if n != 0 {
			given[name] = n
		}
	}
	if l.Timeout != 0 {
		given["timeout"] = l.Timeout.String()
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return Limits{}, fmt.Errorf("limits: %w", err)
	}
	complete, errs := decodeLimits("limits", raw)
	return complete, errors.Join(errs...)
}

// Close waits for the calls that are under way and frees everything.
func (t *Trial) Close() error { return t.validators.Close() }

// ABI is the contract that the module fulfils.
func (t *Trial) ABI() abi.Kind { return t.binding.program.guest.kind() }

// Metadata are what the module says about itself; empty if it says nothing.
func (t *Trial) Metadata() Metadata { return t.meta }

// Info describes the module as if it were bound.
func (t *Trial) Info() Info { return t.binding.info }

// Fresh says why each call is given an instance of its own: it names the state of the
// module that could not be put back after a call. Nil means that instances are used
// again.
func (t *Trial) Fresh() []string { return t.binding.program.unrestorable }

// Judge asks the module about a mutation, whether or not its metadata say that it judges
// such. Errors are those of [Validators.Judge]; what is known of a call that failed is
// returned as well.
func (t *Trial) Judge(ctx context.Context, in *plimsoll.Input) (Call, error) {
	doc, err := t.binding.document(in)
	if err != nil {
		return Call{}, fmt.Errorf("encoding the input of validators: %w", err)
	}
	return t.Ask(ctx, doc)
}

// Ask asks the module about a document, which need not be an input document but must be
// a JSON object with a member.
func (t *Trial) Ask(ctx context.Context, document []byte) (Call, error) {
	req, err := abi.NewRequest(document, t.binding.info.Settings)
	if err != nil {
		return Call{}, err
	}
	call, err := t.binding.call(ctx, req)
	if err != nil {
		return call, t.binding.failure(err)
	}
	t.binding.sign(call.Verdict.Violations)
	t.binding.sign(call.Verdict.Warnings)
	return call, nil
}
