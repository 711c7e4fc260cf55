package sink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Sink takes events.
type Sink interface {
	// Send sends events, each of which is a JSON object, in their order. If it returns an
	// error, any of them may have arrived. It is called again then, with the same events,
	// by one goroutine at a time. A [RetryAfterError] says when; [ErrTooLarge] that they
	// are too many, or one too large.
	Send(ctx context.Context, events [][]byte) error
	// Close releases what the sink holds. Nothing is sent afterwards.
	Close() error
}

// Item is a decision of the log.
type Item struct {
	// Sequence is its number in the log. Numbers rise, and may have gaps.
	Sequence uint64
	// Event is what is sent; nil if there is nothing to send.
	Event []byte
	// Dropped says that there was, and that rules do not want it to be sent.
	Dropped bool
}

// Source is the log that is followed.
type Source interface {
	// Follow yields what is in the log after a sequence, and then what comes, until ctx
	// ends. The last pair has the reason as its error: a [GoneError] if some of it is not
	// kept any more.
	Follow(ctx context.Context, after uint64) iter.Seq2[Item, error]
	// Head is the sequence of the last decision in the log.
	Head(ctx context.Context) (uint64, error)
}

// GoneError says that decisions are not in the log any more.
type GoneError struct {
	// First is the sequence of the first one that is.
	First uint64
}

// Error implements error.
func (e *GoneError) Error() string {
	return fmt.Sprintf("decisions before %d are not kept any more", e.First)
}

// ErrTooLarge says that events are too large for who receives them.
var ErrTooLarge = errors.New("too large for who receives it")

// RetryAfterError is why something was not taken, and when to try again.
type RetryAfterError struct {
	Err   error
	After time.Duration
}

// Error implements error.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *RetryAfterError) Unwrap() error { return e.Err }
