package service

import (
	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Verdict is the verdict of a decision as the API shows it, for whoever shows one that
// did not come through it.
func Verdict(d *plimsoll.Decision) *plimsollv1.Verdict { return toVerdict(d) }
