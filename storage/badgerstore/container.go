package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
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

// samePayloads reports whether a and b have the same payloads, whatever their types.
func samePayloads(a, b *plimsoll.Container) bool {
	return bytes.Equal(a.Spec.Value, b.Spec.Value) && bytes.Equal(a.Runtime.Options.Value, b.Runtime.Options.Value) &&
		maps.EqualFunc(a.Extensions, b.Extensions, func(a, b plimsoll.Any) bool { return bytes.Equal(a.Value, b.Value) })
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

// encodeEvent returns the stored form of the event that write i leaves, given the state
// before.
func encodeEvent(change *storage.Change, i int, before *plimsoll.Container) *storagev1.Event {
	w := change.Writes[i]
	e := &storagev1.Event{
		Namespace: w.Namespace,
		Time:      encodeTime(change.Time),
		Decision:  w.Decision,
		Ruleset:   change.Ruleset,
		User:      &storagev1.User{Name: change.User.Name, Groups: change.User.Groups, Via: change.User.Via},
		Changed:   w.Changed,
		Last:      i == change.LastEvent(),
		Logged:    change.LogsDecisions(),
	}
	switch w.Operation {
	case plimsoll.OperationCreate:
		e.Operation = storagev1.Operation_OPERATION_CREATE
	case plimsoll.OperationUpdate:
		e.Operation = storagev1.Operation_OPERATION_UPDATE
	case plimsoll.OperationDelete:
		e.Operation = storagev1.Operation_OPERATION_DELETE
	}
	if w.Entry != nil {
		e.Entry = &storagev1.EventEntry{
			Kind: string(w.Entry.Kind), Key: w.Entry.Key, Value: w.Entry.Value, ExpiresAt: encodeTime(w.Entry.ExpiresAt),
		}
		return e
	}
	e.Id, e.Container = w.Container.ID, encodeMetadata(w.Container)
	switch {
	case w.Operation == plimsoll.OperationDelete:
		e.RemovedRevision = uint64(w.Container.Revision)
	case before != nil:
		e.Previous, e.PreviousRevision = encodeMetadata(before), uint64(before.Revision)
	}
	return e
}

var operations = map[storagev1.Operation]plimsoll.Operation{
	storagev1.Operation_OPERATION_CREATE: plimsoll.OperationCreate,
	storagev1.Operation_OPERATION_UPDATE: plimsoll.OperationUpdate,
	storagev1.Operation_OPERATION_DELETE: plimsoll.OperationDelete,
}

// decodeEvent is the reverse of encodeEvent.
func decodeEvent(revision plimsoll.Revision, e *storagev1.Event) (plimsoll.Event, error) {
	event := plimsoll.Event{
		Revision:  revision,
		Operation: operations[e.GetOperation()],
		Namespace: e.GetNamespace(),
		Changed:   e.GetChanged(),
		Last:      e.GetLast(),
		Time:      decodeTime(e.GetTime()),
		Decision:  e.GetDecision(),
		Logged:    e.GetLogged(),
		Ruleset:   e.GetRuleset(),
		User: plimsoll.User{
			Name:   e.GetUser().GetName(),
			Groups: e.GetUser().GetGroups(),
			Via:    e.GetUser().GetVia(),
		},
	}
	if event.Operation == "" {
		return plimsoll.Event{}, fmt.Errorf("unknown operation %d", e.GetOperation())
	}
	if n := e.GetEntry(); n != nil {
		event.Entry = &plimsoll.Entry{
			EntryKey: plimsoll.EntryKey{Kind: plimsoll.EntryKind(n.GetKind()), Key: n.GetKey()},
			Value:    n.GetValue(), ExpiresAt: decodeTime(n.GetExpiresAt()), Revision: revision,
		}
		return event, nil
	}
	event.Container = decodeMetadata(e.GetId(), revision, e.GetContainer())
	if event.Operation == plimsoll.OperationDelete {
		event.Container.Revision = plimsoll.Revision(e.GetRemovedRevision())
	}
	if p := e.GetPrevious(); p != nil {
		event.Previous = decodeMetadata(e.GetId(), plimsoll.Revision(e.GetPreviousRevision()), p)
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
