package badgerstore

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plimsoll-project/plimsoll"
	storagev1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/storage/v1"
	"github.com/plimsoll-project/plimsoll/storage"
)

// encodeMetadata returns the stored form of c without its payloads. It shares maps
// with c.
func encodeMetadata(c *plimsoll.Container) *storagev1.Container {
	m := &storagev1.Container{
		Labels:             c.Labels,
		Image:              c.Image,
		Runtime:            c.Runtime.Name,
		RuntimeOptionsType: c.Runtime.Options.TypeURL,
		SpecType:           c.Spec.TypeURL,
		Snapshotter:        c.Snapshotter,
		SnapshotKey:        c.SnapshotKey,
		SandboxId:          c.SandboxID,
		CreatedAt:          encodeTime(c.CreatedAt),
		UpdatedAt:          encodeTime(c.UpdatedAt),
	}
	if len(c.Extensions) > 0 {
		m.ExtensionTypes = make(map[string]string, len(c.Extensions))
		for name, ext := range c.Extensions {
			m.ExtensionTypes[name] = ext.TypeURL
		}
	}
	return m
}

// decodeMetadata is the reverse of encodeMetadata. The result takes over m's maps.
func decodeMetadata(id string, revision plimsoll.Revision, m *storagev1.Container) *plimsoll.Container {
	c := &plimsoll.Container{
		ID:          id,
		Labels:      m.GetLabels(),
		Image:       m.GetImage(),
		Spec:        plimsoll.Any{TypeURL: m.GetSpecType()},
		Snapshotter: m.GetSnapshotter(),
		SnapshotKey: m.GetSnapshotKey(),
		SandboxID:   m.GetSandboxId(),
		CreatedAt:   decodeTime(m.GetCreatedAt()),
		UpdatedAt:   decodeTime(m.GetUpdatedAt()),
		Revision:    revision,
	}
	c.Runtime.Name = m.GetRuntime()
	c.Runtime.Options.TypeURL = m.GetRuntimeOptionsType()
	if types := m.GetExtensionTypes(); len(types) > 0 {
		c.Extensions = make(map[string]plimsoll.Any, len(types))
		for name, url := range types {
			c.Extensions[name] = plimsoll.Any{TypeURL: url}
		}
	}
	return c
}

// encodePayloads returns the encoded payloads of c, nil if there are none.
func encodePayloads(c *plimsoll.Container) ([]byte, error) {
	p := &storagev1.Payloads{Spec: c.Spec.Value, RuntimeOptions: c.Runtime.Options.Value}
	for name, ext := range c.Extensions {
		if len(ext.Value) == 0 {
			continue
		}
		if p.Extensions == nil {
			p.Extensions = make(map[string][]byte, len(c.Extensions))
		}
		p.Extensions[name] = ext.Value
	}
	return proto.Marshal(p)
}

// addPayloads fills in the payloads of c, which was read without them.
func addPayloads(c *plimsoll.Container, encoded []byte) error {
	var p storagev1.Payloads
	if err := proto.Unmarshal(encoded, &p); err != nil {
		return err
	}
	c.Spec.Value = p.GetSpec()
	c.Runtime.Options.Value = p.GetRuntimeOptions()
	for name, value := range p.GetExtensions() {
		ext, ok := c.Extensions[name]
		if !ok {
			return errors.New("there is a payload for an extension that the container does not have")
		}
		ext.Value = value
		c.Extensions[name] = ext
	}
	return nil
}

// encodeEvent returns the stored form of the event that w leaves. metadata is that
// of w.Container.
func encodeEvent(change *storage.Change, w storage.Write, metadata *storagev1.Container) *storagev1.Event {
	e := &storagev1.Event{
		Namespace: w.Namespace,
		Id:        w.Container.ID,
		Container: metadata,
		Time:      encodeTime(change.Time),
		Decision:  change.Decision,
		Ruleset:   change.Ruleset,
		User:      &storagev1.User{Name: change.User.Name, Groups: change.User.Groups, Via: change.User.Via},
	}
	switch w.Operation {
	case plimsoll.OperationCreate:
		e.Operation = storagev1.Operation_OPERATION_CREATE
	case plimsoll.OperationUpdate:
		e.Operation = storagev1.Operation_OPERATION_UPDATE
	case plimsoll.OperationDelete:
		e.Operation = storagev1.Operation_OPERATION_DELETE
		e.RemovedRevision = uint64(w.Container.Revision)
	}
	return e
}

// decodeEvent is the reverse of encodeEvent.
func decodeEvent(revision plimsoll.Revision, e *storagev1.Event) (plimsoll.Event, error) {
	event := plimsoll.Event{
		Revision:  revision,
		Namespace: e.GetNamespace(),
		Container: decodeMetadata(e.GetId(), revision, e.GetContainer()),
		Time:      decodeTime(e.GetTime()),
		Decision:  e.GetDecision(),
		Ruleset:   e.GetRuleset(),
		User: plimsoll.User{
			Name:   e.GetUser().GetName(),
			Groups: e.GetUser().GetGroups(),
			Via:    e.GetUser().GetVia(),
		},
	}
	switch op := e.GetOperation(); op {
	case storagev1.Operation_OPERATION_CREATE:
		event.Operation = plimsoll.OperationCreate
	case storagev1.Operation_OPERATION_UPDATE:
		event.Operation = plimsoll.OperationUpdate
	case storagev1.Operation_OPERATION_DELETE:
		event.Operation = plimsoll.OperationDelete
		event.Container.Revision = plimsoll.Revision(e.GetRemovedRevision())
	default:
		return plimsoll.Event{}, fmt.Errorf("unknown operation %d", op)
	}
	return event, nil
}

// encodeTime keeps the zero time, which has no Unix time, as nil.
func encodeTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func decodeTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}
