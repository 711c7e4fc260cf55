package service

import (
	"context"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Who waits for a turn until time is up is told that, and not that rules were slow.
func TestContendedOutOfTime(t *testing.T) {
	touches := plan{touches: []storage.Touch{{Key: plimsoll.Key{Namespace: "a", ID: "b"}}}, reads: &storage.Footprint{}}
	for name, test := range map[string]struct {
		cause error
		code  connect.Code
	}{
		"ours":         {plimsoll.ErrOutOfTime, connect.CodeUnavailable},
		"the caller's": {context.DeadlineExceeded, connect.CodeDeadlineExceeded},
		"canceled":     {context.Canceled, connect.CodeCanceled},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Service{}
			first, err := s.lane.wait(t.Context(), nil, touches)
			if err != nil {
				t.Fatal(err)
			}
			defer s.lane.leave(first)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			attempts := 0
			err = s.untilCommitted(ctx, func(*turn) (plan, error) {
				if attempts++; attempts > maxOptimistic {
					go cancel(test.cause) // while it waits
				}
				return touches, plimsoll.ErrConflict
			})
			st := statusOf(err)
			blames := strings.Contains(st.message, "others wrote")
			if st.code != test.code || blames != (test.code != connect.CodeCanceled) || strings.Contains(st.message, "validators") {
				t.Errorf("error %v has status %+v", err, st)
			}
		})
	}
}
