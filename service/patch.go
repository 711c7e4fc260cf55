package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Patcher changes containers before they are judged.
//
// It returns what it made of in's object, or nil if it leaves that as it is, and what it
// changed. Errors are those of [plimsoll.Judge]. It is safe for concurrent use and changes
// neither the input nor what the object is known by.
type Patcher interface {
	Patch(ctx context.Context, in *plimsoll.Input) (*plimsoll.Container, []plimsoll.Patch, error)
}

// patch has the rules change what would be stored, and returns the input to judge. What
// they make of it must be what a caller could have asked for.
func (s *Service) patch(ctx context.Context, patcher Patcher, r *result, in *plimsoll.Input) (*plimsoll.Input, error) {
	r.decision.Patches, r.decision.PatchTime = nil, 0
	if patcher == nil || in.Operation == plimsoll.OperationDelete {
		return in, nil
	}
	start := s.options.Now()
	object, patches, err := patcher.Patch(ctx, in)
	r.decision.PatchTime = s.options.Now().Sub(start)
	if err != nil || object == nil {
		return in, err
	}
	if err := checkContainer(object, in.Object); err != nil { // whose spec was checked
		return nil, blame(patches, err)
	}
	r.object, r.decision.Patches = object, patches
	return in.WithObject(object), nil
}

// blame makes what is wrong with a container the fault of the rule that patched what is
// wrong, or of the first of those that patched anything.
func blame(patches []plimsoll.Patch, err error) error {
	source := plimsoll.Source{Kind: plimsoll.SourcePolicy, Name: "patches"}
	if len(patches) > 0 {
		source = patches[0].Source
	}
	var request *plimsoll.RequestError
	if errors.As(err, &request) {
		field := strings.TrimPrefix(request.Field, "container.")
		for _, p := range patches {
			if p.Field == field || strings.HasPrefix(p.Field, field+".") {
				source = p.Source
				break
			}
		}
	}
	// Not wrapped: it is no invalid request.
	return &plimsoll.FaultError{Source: source, Err: fmt.Errorf("patched, the container is not valid: %s", err.Error())}
}

// Bounds on patch headers before encoding.
const (
	maxPatchHeaders     = 16
	maxPatchHeaderBytes = 256
)

// answerPatches tells the caller what rules changed: where, and by which rule. What they
// made of it is in the container, and may be secret.
func answerPatches(call connect.CallInfo, patches []plimsoll.Patch) {
	for i, p := range patches {
		if i == maxPatchHeaders-1 && len(patches) > maxPatchHeaders {
			call.ResponseHeader().Add(HeaderPatch, fmt.Sprintf("and %d more patches", len(patches)-i))
			return
		}
		removed := ""
		if p.Value == nil {
			removed = "removed "
		}
		call.ResponseHeader().Add(HeaderPatch, encodeHeader(clip(fmt.Sprintf("%s %sby %s", p.Field, removed, p.Source), maxPatchHeaderBytes)))
	}
}

func toPatches(patches []plimsoll.Patch) []*plimsollv1.Patch {
	var all []*plimsollv1.Patch
	for _, p := range patches {
		all = append(all, &plimsollv1.Patch{Field: p.Field, Value: string(p.Value), Source: toSource(p.Source)})
	}
	return all
}

func fromPatches(patches []*plimsollv1.Patch) []plimsoll.Patch {
	var all []plimsoll.Patch
	for _, p := range patches {
		patch := plimsoll.Patch{Field: p.GetField(), Source: fromSource(p.GetSource())}
		if p.GetValue() != "" {
			patch.Value = []byte(p.GetValue())
		}
		all = append(all, patch)
	}
	return all
}
