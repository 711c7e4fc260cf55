package service

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// TailDecisions implements plimsoll.v1.DecisionService.
func (s decisionsV1) TailDecisions(ctx context.Context, req *plimsollv1.TailDecisionsRequest, stream *connect.ServerStream[plimsollv1.TailDecisionsResponse]) error {
	return errors.New("not yet")
}
