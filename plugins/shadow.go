package plugins

import (
	"context"
	"slices"

	"github.com/plimsoll-project/plimsoll"
)

// shadowCall is a validator in shadow that is being asked. It is asked on a goroutine of its
// own, beside the validators that count, so that it takes none of their time; and it is
// waited for no longer than its limits allow it to take, so that it cannot hold up an
// answer. It is asked before the answer and not after it, because the record of a change
// is written together with the change.
type shadowCall struct {
	binding *binding
	ctx     context.Context //nolint:containedctx // of this one call
	cancel  context.CancelFunc
	said    chan plimsoll.Shadow // of one
}

// startShadows asks all validators in shadow that the mutation matches.
func (v *Validators) startShadows(ctx context.Context, in *plimsoll.Input) []*shadowCall {
	var shadows []*shadowCall
	for _, b := range v.bindings {
		if b.info.Enforcement != Shadow || !b.info.Match.covers(in) {
			continue
		}
		t := newShadowCall(ctx, b)
		doc, err := b.document(in) // here, because the input is not to be kept
		go t.run(occasionOf(in), doc, err)
		shadows = append(shadows, t)
	}
	return shadows
}

func newShadowCall(ctx context.Context, b *binding) *shadowCall {
	t := &shadowCall{binding: b, said: make(chan plimsoll.Shadow, 1)}
	t.ctx, t.cancel = context.WithTimeout(ctx, b.info.Limits.Timeout)
	return t
}

// run asks the validator, if the document that it is to be given could be written.
func (t *shadowCall) run(o occasion, doc []byte, err error) {
	defer t.cancel()
	var found plimsoll.Verdict
	if err == nil {
		found, err = t.ask(o, doc)
	}
	// What is remembered is shared, and what is found is about to be added to.
	t.said <- plimsoll.Shadow{
		Source: t.binding.info.source(), Violations: slices.Clone(found.Violations), Warnings: slices.Clone(found.Warnings), Err: err,
	}
}

func (t *shadowCall) ask(o occasion, doc []byte) (found plimsoll.Verdict, err error) {
	defer contain(&err) // here a panic would end the process
	return t.binding.judgeDocument(t.ctx, o, doc)
}

// end returns what the validator said, or that it took too long.
func (t *shadowCall) end() plimsoll.Shadow {
	select {
	case said := <-t.said:
		return said
	case <-t.ctx.Done():
	}
	select {
	case said := <-t.said: // it was in time: run ends the context as well
		return said
	default:
		source := t.binding.info.source()
		return plimsoll.Shadow{Source: source, Err: &plimsoll.TimeoutError{Source: source}}
	}
}
