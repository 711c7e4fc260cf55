package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// results calls visit with what is known of the containers after a key, in order, until it
// returns false.
func (a *auditor) results(after plimsoll.Key, visit func(*audited) bool) {
	a.mu.Lock()
	snapshot := a.containers.Copy()
	a.mu.Unlock()
	snapshot.Ascend(&audited{key: after}, func(c *audited) bool {
		return c.key == after || visit(c)
	})
}

var errNoAudit = errors.New("there is no continuous audit: it is switched off by --audit-interval 0")

// GetAuditStatus implements plimsoll.v1.RolloutService.
func (s rolloutV1) GetAuditStatus(ctx context.Context, _ *plimsollv1.GetAuditStatusRequest) (*plimsollv1.GetAuditStatusResponse, error) {
	status, err := s.auditStatus(ctx)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return &plimsollv1.GetAuditStatusResponse{Status: status}, nil
}

func (s rolloutV1) auditStatus(ctx context.Context) (*plimsollv1.AuditStatus, error) {
	if err := requireOperator(ctx); err != nil {
		return nil, err
	}
	if s.options.AuditInterval <= 0 {
		return nil, errNoAudit
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }()
	s.auditor.mu.Lock()
	status := proto.CloneOf(s.auditor.status)
	s.auditor.mu.Unlock()
	status.Revision = uint64(view.Revision())
	if rules, release := s.ruleset.hold(); rules != nil {
		status.Ruleset = rules.Digest
		release()
	}
	return status, nil
}

// ListAuditResults implements plimsoll.v1.RolloutService.
func (s rolloutV1) ListAuditResults(ctx context.Context, req *plimsollv1.ListAuditResultsRequest) (*plimsollv1.ListAuditResultsResponse, error) {
	res, err := s.auditResults(ctx, req)
	if err != nil {
		return nil, s.connectError(ctx, err, nil)
	}
	return res, nil
}

func (s rolloutV1) auditResults(ctx context.Context, req *plimsollv1.ListAuditResultsRequest) (*plimsollv1.ListAuditResultsResponse, error) {
	if err := requireOperator(ctx); err != nil {
		return nil, err
	}
	if s.options.AuditInterval <= 0 {
		return nil, errNoAudit
	}
	if err := checkPatterns("namespaces", req.GetNamespaces()); err != nil {
		return nil, err
	}
	standings := map[plimsollv1.Standing]bool{}
	for _, standing := range req.GetStandings() {
		if _, known := plimsollv1.Standing_name[int32(standing)]; !known || standing == plimsollv1.Standing_STANDING_UNSPECIFIED {
			return nil, &plimsoll.RequestError{Field: "standings", Problem: fmt.Sprintf("%d is unknown", standing)}
		}
		standings[standing] = true
	}
	size, err := pageSize(req.GetPageSize())
	if err != nil {
		return nil, err
	}
	token, err := readPageToken(req, "")
	if err != nil {
		return nil, err
	}
	namespace, id, _ := strings.Cut(token.After, "/")
	res := &plimsollv1.ListAuditResultsResponse{}
	bytes := 0
	last := plimsoll.Key{Namespace: namespace, ID: id}
	s.auditor.results(last, func(c *audited) bool {
		if !covered(req.GetNamespaces(), c.key.Namespace) || !c.selected(standings, req.GetRule()) {
			return true
		}
		if len(res.GetResults()) == size || bytes+c.bytes > maxPageBytes && len(res.GetResults()) > 0 {
			res.NextPageToken = pageToken{Revision: 1, After: last.Namespace + "/" + last.ID, Digest: token.Digest}.String()
			return false
		}
		last, bytes = c.key, bytes+c.bytes
		res.Results = append(res.Results, &plimsollv1.AuditFinding{
			Container: &plimsollv1.ContainerRef{Namespace: c.key.Namespace, Id: c.key.ID, Revision: uint64(c.revision)}, Opinion: c.shown(),
		})
		return true
	})
	return res, nil
}

// selected reports whether a container stands so, and a rule has said something of it.
func (c *audited) selected(standings map[plimsollv1.Standing]bool, rule string) bool {
	if len(standings) == 0 && c.opinion == nil || len(standings) > 0 && !standings[c.shown().GetStanding()] {
		return false
	}
	if rule == "" {
		return true
	}
	names := map[string]bool{}
	if c.opinion.GetFailed() != nil {
		names[ruleName(c.opinion.GetFailed())] = true
	}
	for _, found := range [][]*plimsollv1.Violation{c.opinion.GetVerdict().GetViolations(), c.opinion.GetVerdict().GetWarnings()} {
		for _, source := range sourcesOf(found) {
			names[ruleName(source)] = true
		}
	}
	return names[rule]
}
