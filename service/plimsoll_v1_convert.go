package service

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Conversions do not copy payloads: messages and containers are each used by one
// request only.

func toPlimsoll(c *plimsoll.Container) *plimsollv1.Container {
	v := &plimsollv1.Container{
		Id: c.ID, Labels: c.Labels, Image: c.Image,
		Runtime:     &plimsollv1.Runtime{Name: c.Runtime.Name, Options: toAny(c.Runtime.Options)},
		Spec:        toAny(c.Spec),
		Snapshotter: c.Snapshotter, SnapshotKey: c.SnapshotKey, SandboxId: c.SandboxID,
		CreatedAt: toTimestamp(c.CreatedAt), UpdatedAt: toTimestamp(c.UpdatedAt), Revision: uint64(c.Revision),
	}
	if len(c.Extensions) > 0 {
		v.Extensions = make(map[string]*anypb.Any, len(c.Extensions))
		for name, ext := range c.Extensions {
			v.Extensions[name] = &anypb.Any{TypeUrl: ext.TypeURL, Value: ext.Value}
		}
	}
	return v
}

// toMetadata is toPlimsoll for containers that were read without payloads: it leaves
// out those, so that nobody takes them for empty.
func toMetadata(c *plimsoll.Container) *plimsollv1.Container {
	v := toPlimsoll(c)
	v.Spec, v.Extensions, v.Runtime.Options = nil, nil, nil
	return v
}

func fromPlimsoll(v *plimsollv1.Container) *plimsoll.Container {
	c := &plimsoll.Container{
		ID: v.GetId(), Labels: v.GetLabels(), Image: v.GetImage(),
		Runtime:     plimsoll.Runtime{Name: v.GetRuntime().GetName(), Options: fromAny(v.GetRuntime().GetOptions())},
		Spec:        fromAny(v.GetSpec()),
		Snapshotter: v.GetSnapshotter(), SnapshotKey: v.GetSnapshotKey(), SandboxID: v.GetSandboxId(),
		CreatedAt: fromTimestamp(v.GetCreatedAt()), UpdatedAt: fromTimestamp(v.GetUpdatedAt()), Revision: plimsoll.Revision(v.GetRevision()),
	}
	if len(v.GetExtensions()) > 0 {
		c.Extensions = make(map[string]plimsoll.Any, len(v.GetExtensions()))
		for name, ext := range v.GetExtensions() {
			c.Extensions[name] = fromAny(ext)
		}
	}
	return c
}

func toAny(a plimsoll.Any) *anypb.Any {
	if a.IsZero() {
		return nil
	}
	return &anypb.Any{TypeUrl: a.TypeURL, Value: a.Value}
}

func fromAny(a *anypb.Any) plimsoll.Any {
	return plimsoll.Any{TypeURL: a.GetTypeUrl(), Value: a.GetValue()}
}

func toTimestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func fromTimestamp(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

var operationsV1 = map[plimsoll.Operation]plimsollv1.Operation{
	plimsoll.OperationCreate: plimsollv1.Operation_OPERATION_CREATE,
	plimsoll.OperationUpdate: plimsollv1.Operation_OPERATION_UPDATE,
	plimsoll.OperationDelete: plimsollv1.Operation_OPERATION_DELETE,
}

func toEvent(e plimsoll.Event) *plimsollv1.Event {
	return &plimsollv1.Event{
		Revision: uint64(e.Revision), Operation: operationsV1[e.Operation], Namespace: e.Namespace,
		Container: toMetadata(e.Container), Changed: e.Changed, Time: toTimestamp(e.Time),
		User:       &plimsollv1.User{Name: e.User.Name, Groups: e.User.Groups, Via: e.User.Via},
		DecisionId: e.Decision, Ruleset: e.Ruleset,
	}
}

// toVerdict tells all of a decision's verdict: unlike details of errors it need not fit
// into trailers.
func toVerdict(d *plimsoll.Decision) *plimsollv1.Verdict {
	v := &plimsollv1.Verdict{DecisionId: d.ID, ViolationCount: int32(len(d.Verdict.Violations))} //nolint:gosec // bounded by judges
	for _, violation := range d.Verdict.Violations {
		v.Violations = append(v.Violations, toProto(violation))
	}
	for _, warning := range d.Verdict.Warnings {
		v.Warnings = append(v.Warnings, toProto(warning))
	}
	return v
}

// fieldSelection is a read mask: it says which fields of a container to return. The zero value means all that
// are no payloads.
type fieldSelection struct {
	fields []string
	all    bool
}

// payloadFields are those that may be large, and are stored apart.
var payloadFields = []string{"spec", "extensions", "runtime"}

func parseReadMask(mask *fieldmaskpb.FieldMask) (fieldSelection, error) {
	var r fieldSelection
	fields := (&plimsollv1.Container{}).ProtoReflect().Descriptor().Fields()
	for _, path := range mask.GetPaths() {
		if path == "*" {
			return fieldSelection{all: true}, nil
		}
		if !isName(path) || fields.ByName(protoName(path)) == nil {
			return r, &plimsoll.RequestError{Field: "read_mask", Problem: fmt.Sprintf(
				"unknown path %q; valid paths are the fields of Container, and *", clip(path, maxMetadataBytes))}
		}
		r.fields = append(r.fields, path)
	}
	return r, nil
}

// payloads reports whether a container must be read with them.
func (r fieldSelection) payloads() bool {
	return r.all || slices.ContainsFunc(payloadFields, func(f string) bool { return slices.Contains(r.fields, f) })
}

// apply converts what the mask asks for.
func (r fieldSelection) apply(c *plimsoll.Container) *plimsollv1.Container {
	switch {
	case r.all:
		return toPlimsoll(c)
	case len(r.fields) == 0:
		return toMetadata(c)
	}
	from, v := toPlimsoll(c).ProtoReflect(), &plimsollv1.Container{}
	picked, fields := v.ProtoReflect(), from.Descriptor().Fields()
	for _, name := range r.fields {
		if f := fields.ByName(protoName(name)); from.Has(f) {
			picked.Set(f, from.Get(f))
		}
	}
	return v
}
