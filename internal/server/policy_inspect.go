package server

import (
	"context"

	"github.com/plimsoll-project/plimsoll/policy"
)

// PolicyInspection is what is in a set of policies.
type PolicyInspection = policy.Inspection

// Inspect loads the policies and says what is in them.
func (t Tools) Inspect(ctx context.Context) (*PolicyInspection, error) {
	w, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	return w.Inspect(ctx)
}
