package service

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// A mutation with a request ID leaves a record of what was answered, in the same commit.
// Whoever comes with the same ID later gets that answer, and nothing is done again: so a
// caller who does not know whether a request arrived can just repeat it. Only commits
// leave records. A denial, or a conflict, is judged anew.

// maxRequestIDBytes bounds a request ID.
const maxRequestIDBytes = 128

// maxRecordBytes bounds the record of a request, below what stores take for an entry.
const maxRecordBytes = 900 << 10

// checkRequestID refuses request IDs that are too long, or that headers cannot carry.
func checkRequestID(id string) error {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return &plimsoll.RequestError{Field: "header " + HeaderRequestID, Problem: "has other characters than printable ASCII"}
		}
	}
	if len(id) > maxRequestIDBytes {
		return &plimsoll.RequestError{
			Field: "header " + HeaderRequestID, Problem: fmt.Sprintf("has %d bytes; at most %d are allowed", len(id), maxRequestIDBytes),
		}
	}
	return nil
}

// checkRequests checks what can be said of mutations before any state is looked at,
// and takes the digest of those that have a request ID.
func checkRequests(results []*result) error {
	refused := 0
	var digest []byte
	for _, r := range results {
		if r.mutation.Operation == plimsoll.OperationCreate { // before existence, as containerd does
			if r.err = checkContainer(r.mutation.Container, nil); r.err != nil {
				refused++
			}
		}
		if r.mutation.RequestID != "" && digest == nil {
			var err error
			if digest, err = digestOf(results); err != nil {
				return err
			}
		}
		r.digest = digest
	}
	if refused == len(results) { // the others are judged all the same
		return errNotAlone
	}
	return nil
}

// digestOf tells mutations from others: same digest, same request.
func digestOf(results []*result) ([]byte, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, r := range results {
		m := *r.mutation
		// Not what is asked for, but who asks and how.
		m.RequestID, m.User, m.DryRun = "", plimsoll.User{}, false
		if err := encoder.Encode(m); err != nil {
			return nil, fmt.Errorf("digest of a request: %w", err)
		}
	}
	return hash.Sum(nil), nil
}

// requestKey is the key of a request's record. A caller's IDs are its own: another
// caller must not be answered with what this one asked for.
func requestKey(m *plimsoll.Mutation) plimsoll.EntryKey {
	return plimsoll.EntryKey{
		Kind: plimsoll.KindRequest,
		Key:  fmt.Sprintf("%s/%s/%q/%s", m.Key.Namespace, m.User.Via, m.User.Name, m.RequestID),
	}
}

// replay looks whether r was committed before, under its request ID. If so, it fills in
// what was answered.
func (s *Service) replay(ctx context.Context, view storage.View, r *result) (bool, error) {
	if r.mutation.RequestID == "" || r.mutation.DryRun {
		return false, nil
	}
	entry, err := view.Entry(ctx, requestKey(r.mutation))
	if errors.Is(err, plimsoll.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var record storagev1.CommittedRequest
	if err := proto.Unmarshal(entry.Value, &record); err != nil {
		return false, fmt.Errorf("record of a request: %w", err)
	}
	if !bytes.Equal(record.GetDigest(), r.digest) {
		return false, fmt.Errorf("%q: %w", r.mutation.RequestID, plimsoll.ErrRequestReused)
	}
	r.object = fromPlimsoll(record.GetContainer())
	if asked := r.mutation.Container; asked != nil && r.object.Spec.IsZero() { // as in the request, which is the same
		r.object.Spec = r.mutation.Container.Spec
	}
	r.object.Revision = entry.Revision
	d := r.decision
	d.ID, d.Revision, d.Replayed = record.GetDecision(), entry.Revision, true
	d.Verdict = plimsoll.Verdict{}
	for _, w := range record.GetWarnings() {
		d.Verdict.Warnings = append(d.Verdict.Warnings, fromViolation(w))
	}
	d.Patches = fromPatches(record.GetPatches())
	return true, nil
}

// recordRequest is the write that remembers the answer to r.
func recordRequest(r *result, expiresAt time.Time) (storage.Write, error) {
	record := &storagev1.CommittedRequest{
		Digest: r.digest, Decision: r.decision.ID, Container: toPlimsoll(r.object),
		Patches: toPatches(r.decision.Patches),
	}
	if r.mutation.OutcomeOnly {
		record.Container = &plimsollv1.Container{Id: r.object.ID}
	}
	if asked := r.mutation.Container; asked == nil {
		record.Container.Spec = nil // what was deleted is not answered
	} else if asked.Spec.TypeURL == r.object.Spec.TypeURL && bytes.Equal(asked.Spec.Value, r.object.Spec.Value) {
		record.Container.Spec = nil // it comes again with the request
	}
	for _, w := range r.decision.Verdict.Warnings {
		record.Warnings = append(record.Warnings, toProto(w))
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return storage.Write{}, fmt.Errorf("record of a request: %w", err)
	}
	if len(value) > maxRecordBytes {
		return storage.Write{}, &plimsoll.RequestError{Field: "header " + HeaderRequestID, Problem: fmt.Sprintf(
			"the answer takes %d bytes, and at most %d can be kept for a request ID; leave the ID out", len(value), maxRecordBytes)}
	}
	return storage.Write{
		Operation: plimsoll.OperationCreate, Namespace: r.mutation.Key.Namespace,
		Entry: &plimsoll.Entry{EntryKey: requestKey(r.mutation), Value: value, ExpiresAt: expiresAt},
	}, nil
}
