package service

import (
	"strings"
	"testing"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// A candidate is a ruleset that is kept, or a bounded number of bundles.
func TestCandidateOf(t *testing.T) {
	policies := func(n int) *plimsollv1.Candidate {
		return &plimsollv1.Candidate{Policies: make([]*plimsollv1.PolicyBundle, n)}
	}
	validators := func(n int) *plimsollv1.Candidate {
		return &plimsollv1.Candidate{Validators: make([]*plimsollv1.ValidatorBundle, n)}
	}
	for _, test := range []struct {
		name      string
		candidate *plimsollv1.Candidate
		problem   string
	}{
		{"none", nil, "is missing"},
		{"a digest", &plimsollv1.Candidate{Digest: "sha256:0"}, ""},
		{"both", &plimsollv1.Candidate{Digest: "sha256:0", Policies: policies(1).GetPolicies()}, "give it alone"},
		{"many policies", policies(maxCandidateBundles), ""},
		{"too many policies", policies(maxCandidateBundles + 1), "at most 64"},
		{"many validators", validators(maxValidatorBundles), ""},
		{"too many validators", validators(maxValidatorBundles + 1), "at most 8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := candidateOf("candidate", test.candidate)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error is %v", err)
			}
		})
	}
}
