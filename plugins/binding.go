package plugins

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/puddle/v2"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/plugins/abi"
)

// binding is a validator in use: a program, what it judges and with what settings.
type binding struct {
	info    Info
	program *program
	pool    *puddle.Pool[*instance]
	// origin is the state of a prepared instance, where every call starts.
	origin *snapshot
	log    *slog.Logger
	// part is what the program is given of the input document; nil for all of it.
	part *plimsoll.InputPart
	memo *memo // nil for none
	// breaker keeps it from being asked when it fails again and again; nil for none.
	breaker  *breaker
	observer func(Judged) // nil: nobody counts
}

// newBinding prepares the program and readies a pool of instances in the state that
// this leaves.
func newBinding(ctx context.Context, info Info, p *program, log *slog.Logger) (*binding, error) {
	first, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	fuel := uint64(initializeFuel)
	if p.fresh() { // every call prepares an instance out of its own fuel
		fuel = info.Limits.Fuel
	}
	origin, err := first.save(fuel)
	if err := errors.Join(err, first.close(ctx)); err != nil {
		return nil, err
	}
	b := &binding{info: info, program: p, origin: origin, log: log}
	if b.breaker, err = newBreaker(); err != nil {
		return nil, err
	}
	if info.Reads != nil {
		if b.part, err = plimsoll.NewInputPart(info.Reads); err != nil {
			return nil, err
		}
		if b.memo, err = newMemo(maxRemembered); err != nil {
			return nil, err
		}
	}
	b.pool, err = puddle.NewPool(&puddle.Config[*instance]{
		Constructor: func(ctx context.Context) (*instance, error) { return p.clone(ctx, origin) },
		Destructor: func(i *instance) {
			if err := i.close(context.Background()); err != nil {
				log.Error("closing an instance of a validator", "validator", info.source().String(), "error", err)
			}
		},
		MaxSize: info.Limits.Concurrency,
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// clone makes an instance in the state of a snapshot of another one, or one that is not
// prepared if there is state that a snapshot does not have. The pool calls
// it on a goroutine of its own, where a panic would end the process.
func (p *program) clone(ctx context.Context, s *snapshot) (_ *instance, err error) {
	defer contain(&err)
	i, err := p.start(ctx)
	if err != nil || p.fresh() {
		return i, err
	}
	if !i.restore(s) {
		return nil, errors.Join(errors.New("starting it: its memory cannot be restored"), i.close(ctx))
	}
	return i, nil
}

// contain makes an error of a panic.
func contain(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the host panicked: %v", p)
	}
}

// judge asks the validator about a mutation, unless it has been asked the same before.
func (b *binding) judge(ctx context.Context, in *plimsoll.Input) (plimsoll.Verdict, error) {
	doc, err := b.document(in)
	if err != nil {
		return plimsoll.Verdict{}, fmt.Errorf("encoding the input of validators: %w", err)
	}
	return b.judgeDocument(ctx, occasionOf(in), doc)
}

func (b *binding) judgeDocument(ctx context.Context, o occasion, doc []byte) (plimsoll.Verdict, error) {
	verdict, err := b.recallOrAsk(ctx, o, doc)
	b.observe(verdict, err)
	return verdict, err
}

func (b *binding) recallOrAsk(ctx context.Context, o occasion, doc []byte) (plimsoll.Verdict, error) {
	if b.memo == nil {
		return b.askUnlessQuarantined(ctx, o, doc)
	}
	key := sha256.Sum256(doc)
	if verdict, ok := b.memo.recall(key); ok {
		return verdict, nil
	}
	verdict, err := b.askUnlessQuarantined(ctx, o, doc)
	if err == nil {
		b.memo.remember(key, verdict)
	}
	return verdict, err
}

// askUnlessQuarantined has the validator judge a document, unless it has failed to judge
// what the caller wanted again and again.
func (b *binding) askUnlessQuarantined(ctx context.Context, o occasion, doc []byte) (plimsoll.Verdict, error) {
	if plimsoll.IsInBackground(ctx) { // on behalf of nobody
		return b.ask(ctx, doc)
	}
	pass, wait := b.breaker.enter(o)
	if wait > 0 {
		return plimsoll.Verdict{}, &plimsoll.QuarantinedError{Source: b.info.source(), RetryAfter: wait}
	}
	verdict, err := b.ask(ctx, doc)
	switch b.breaker.leave(pass, err) {
	case quarantined:
		b.log.Warn("validator is in quarantine for a caller: it failed again and again", "validator", b.info.source().String(),
			"namespace", o.caller.namespace, "user", o.caller.user, "via", o.caller.via, "error", err)
	case recovered:
		b.log.Info("validator has left quarantine for a caller", "validator", b.info.source().String(),
			"namespace", o.caller.namespace, "user", o.caller.user, "via", o.caller.via)
	case unchanged:
	}
	return verdict, err
}

// document is what the validator is given of an input.
func (b *binding) document(in *plimsoll.Input) ([]byte, error) {
	if b.part == nil {
		return in.JSON()
	}
	return in.PartJSON(b.part)
}

// ask has the validator judge a document.
func (b *binding) ask(ctx context.Context, doc []byte) (plimsoll.Verdict, error) {
	req, err := abi.NewRequest(doc, b.info.Settings)
	if err != nil {
		return plimsoll.Verdict{}, b.failure(err)
	}
	call, err := b.call(ctx, req)
	if err != nil {
		return plimsoll.Verdict{}, b.failure(err)
	}
	b.sign(call.Verdict.Violations)
	b.sign(call.Verdict.Warnings)
	return call.Verdict, nil
}

// checkSettings asks the validator what is wrong with the binding's settings.
func (b *binding) checkSettings(ctx context.Context, at string) []error {
	call, err := b.call(ctx, abi.NewSettingsRequest(b.info.Settings))
	if err != nil {
		return []error{fmt.Errorf("%s: checking them: %w", at, b.failure(err))}
	}
	var errs []error
	for _, v := range call.Verdict.Violations {
		text := v.Message
		if v.Fix != "" {
			text += " (" + v.Fix + ")"
		}
		errs = append(errs, fmt.Errorf("%s: %s", join(at, v.Field), text))
	}
	for _, w := range call.Verdict.Warnings {
		b.log.Warn("settings of a validator", "validator", b.info.source().String(), "field", w.Field, "warning", w.Message)
	}
	return errs
}

// call takes an instance from the pool, asks it, and gives it back restored. An
// instance is not used again after any failure.
func (b *binding) call(ctx context.Context, req abi.Request) (call Call, err error) {
	if err := ctx.Err(); err != nil {
		return Call{}, err
	}
	res, err := b.pool.Acquire(ctx)
	if err != nil {
		return Call{}, err
	}
	reuse := false
	defer func() {
		if reuse {
			res.Release()
		} else {
			res.Destroy()
		}
	}()
	defer contain(&err)

	i := res.Value()
	began := time.Now()
	answers, err := i.ask(req, b.info.Limits)
	call.Duration, call.Fuel, call.Memory = time.Since(began), i.spent(b.info.Limits.Fuel), i.held()
	if err != nil {
		return call, err
	}
	for _, answer := range answers {
		call.Output += len(answer)
	}
	if call.Verdict, err = b.program.guest.decode(i, answers); err != nil {
		return call, err
	}
	reuse = !b.program.fresh() && i.restore(b.origin)
	return call, nil
}

// failure is the error, in the project's terms, for a call without a verdict.
func (b *binding) failure(err error) error {
	source := b.info.source()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("waiting for validator %s: %w", source, err)
	case errors.Is(err, puddle.ErrClosedPool):
		return fmt.Errorf("validator %s was closed: %w", source, plimsoll.ErrNotReady)
	case errors.Is(err, errOutOfTime), errors.Is(err, errOutOfFuel):
		return &plimsoll.TimeoutError{Source: source, OutOfFuel: errors.Is(err, errOutOfFuel)}
	}
	if trap, ok := errors.AsType[*trapError](err); ok {
		b.log.Warn("validator trapped", "validator", source.String(), "trace", trap.trace())
	}
	return &plimsoll.FaultError{Source: source, Err: err}
}

// sign says on each finding who found it.
func (b *binding) sign(found []plimsoll.Violation) {
	for i := range found {
		found[i].Source, found[i].Link = b.info.source(), b.info.Docs
	}
}
