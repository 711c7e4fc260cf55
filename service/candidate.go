package service

import (
	"fmt"
	"net/http"
	"slices"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/gen/plimsoll/v1/plimsollv1connect"
)

// MaxCandidateBytes bounds requests with a candidate: modules of validators are large.
const MaxCandidateBytes = 64 << 20

// Bounds on the bundles of a candidate. Those of validators may have 64 MiB each when they
// are unpacked, in the memory of the server.
const (
	maxCandidateBundles = 64
	maxValidatorBundles = 8
)

// Candidate is rules that are to be tried: those of bundles, with what judges now in the
// place of what there is none of, or, by their digest, rules that are kept.
type Candidate struct {
	Policies   []PolicyBundle
	Validators []ValidatorBundle
	// Digest stands alone: it is that of a ruleset, or its beginning.
	Digest string
}

// PolicyBundle is policies in a .tar.gz archive.
type PolicyBundle struct {
	// Name is what files are reported under.
	Name    string
	Archive []byte
}

// ValidatorBundle is a validators.yaml and its modules in a .zip archive.
type ValidatorBundle struct {
	// Name is what the file is reported under.
	Name    string
	Archive []byte
}

// candidateOf reads a candidate that a request has in field.
func candidateOf(field string, c *plimsollv1.Candidate) (Candidate, error) {
	policies, validators := c.GetPolicies(), c.GetValidators()
	bad := func(part, format string, args ...any) error {
		return &plimsoll.RequestError{Field: field + part, Problem: fmt.Sprintf(format, args...)}
	}
	switch pushed := len(policies) + len(validators); {
	case c.GetDigest() == "" && pushed == 0:
		return Candidate{}, bad("", "is missing: give policies, validators, or the digest of a ruleset that is kept")
	case c.GetDigest() != "" && pushed > 0:
		return Candidate{}, bad(".digest", "stands for a whole ruleset: give it alone, or policies and validators without it")
	case len(policies) > maxCandidateBundles:
		return Candidate{}, bad(".policies", "are %d bundles; at most %d are allowed", len(policies), maxCandidateBundles)
	case len(validators) > maxValidatorBundles:
		return Candidate{}, bad(".validators", "are %d bundles; at most %d are allowed", len(validators), maxValidatorBundles)
	}
	out := Candidate{Digest: c.GetDigest()}
	for _, b := range policies {
		out.Policies = append(out.Policies, PolicyBundle{Name: b.GetName(), Archive: b.GetArchive()})
	}
	for _, b := range validators {
		out.Validators = append(out.Validators, ValidatorBundle{Name: b.GetName(), Archive: b.GetArchive()})
	}
	return out, nil
}

// candidateProcedures are those whose requests carry candidates. They are for operators.
var candidateProcedures = []string{
	plimsollv1connect.RolloutServiceImpactProcedure, plimsollv1connect.RolloutServiceReplayProcedure, plimsollv1connect.RulesetServiceShadowProcedure,
}

// maxRequestBytes bounds the requests of a procedure, also after decompression.
func (s *Service) maxRequestBytes(procedure string) int {
	if slices.Contains(candidateProcedures, procedure) {
		return max(MaxCandidateBytes, s.options.MaxRequestBytes)
	}
	return s.options.MaxRequestBytes
}

// boundRequests bounds what is read of requests. Who may not send candidates is refused
// before anything is read of one.
func (s *Service) boundRequests(next http.Handler) http.Handler {
	writer := connect.NewErrorWriter(s.handlerOptions(s.options.MaxRequestBytes)...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := requireOperator(r.Context()); err != nil && slices.Contains(candidateProcedures, r.URL.Path) && writer.IsSupported(r) {
			_ = writer.Write(w, r, s.connectError(r.Context(), err, nil)) // a caller that is gone need not be told
			return
		}
		// One envelope header of gRPC is on top of the message.
		bounded := *r
		bounded.Body = http.MaxBytesReader(w, r.Body, int64(s.maxRequestBytes(r.URL.Path))+1024)
		next.ServeHTTP(w, &bounded)
	})
}
