package service

import (
	"context"
	"fmt"

	"connectrpc.com/connect"
	eventtypes "github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	typesapi "github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/v2/pkg/filters"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/plimsoll-project/plimsoll"
)

// containerdEvents is containerd's events API (core/events and plugins/services/events),
// for subscribers. Events come from commits and from nowhere else, so Publish and
// Forward are not served.
type containerdEvents struct {
	*Service
}

func (s containerdEvents) service(options ...connect.HandlerOption) *rpcService {
	r := newRPCService("containerd.services.events.v1.Events", options...)
	serverStream(r, "Subscribe", s.Subscribe)
	return r
}

// Subscribe implements containerd.services.events.v1.Events. It sends the events of
// every commit after the moment at which it sends its headers, in order and without
// gaps, of all namespaces, until the caller or the server ends it.
func (s containerdEvents) Subscribe(ctx context.Context, req *eventsapi.SubscribeRequest, stream *connect.ServerStream[typesapi.Envelope]) error {
	if err := s.subscribe(ctx, req.GetFilters(), sender(ctx, stream.Send)); err != nil {
		return s.streamError(ctx, err)
	}
	return nil
}

func (s containerdEvents) subscribe(ctx context.Context, texts []string, send func(*typesapi.Envelope) error) error {
	filter, _, err := parseContainerdFilters(texts)
	if err != nil {
		return err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	latest := view.Revision()
	_ = view.Close()
	if err := send(nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // or a stopping server would wait for subscribers
		select {
		case <-s.draining:
			cancel(errDraining)
		case <-ctx.Done():
		}
	}()
	for event, err := range s.store.Watch(ctx, latest) {
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		}
		envelope, err := toEnvelope(event)
		if err != nil {
			return err
		}
		if envelope == nil || !filter.Match(eventFields(envelope.envelope, envelope.event)) {
			continue
		}
		if err := send(envelope.envelope); err != nil {
			return err
		}
	}
	return nil
}

// told is an event in containerd's terms, in its envelope and out of it.
type told struct {
	envelope *typesapi.Envelope
	event    proto.Message
}

// toEnvelope says in containerd's terms what an event is, or nil if containerd has no
// such event. Options of a runtime are left out: events carry no payloads.
func toEnvelope(event plimsoll.Event) (*told, error) {
	topic, message := containerEvent(event)
	if event.Entry != nil {
		var err error
		if topic, message, err = namespaceEvent(event); err != nil {
			return nil, err
		}
	}
	if message == nil {
		return nil, nil
	}
	value, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("event at revision %d: %w", event.Revision, err)
	}
	return &told{event: message, envelope: &typesapi.Envelope{
		Timestamp: toTimestamp(event.Time), Namespace: event.Namespace, Topic: topic,
		// The type's name alone is its URL, as containerd's typeurl has it.
		Event: &anypb.Any{TypeUrl: string(message.ProtoReflect().Descriptor().FullName()), Value: value},
	}}, nil
}

func containerEvent(event plimsoll.Event) (topic string, message proto.Message) {
	c := event.Container
	if c == nil {
		return "", nil
	}
	switch event.Operation {
	case plimsoll.OperationCreate:
		return "/containers/create", &eventtypes.ContainerCreate{
			ID: c.ID, Image: c.Image, Runtime: &eventtypes.ContainerCreate_Runtime{Name: c.Runtime.Name},
		}
	case plimsoll.OperationUpdate:
		return "/containers/update", &eventtypes.ContainerUpdate{ID: c.ID, Image: c.Image, Labels: c.Labels, SnapshotKey: c.SnapshotKey}
	case plimsoll.OperationDelete:
		return "/containers/delete", &eventtypes.ContainerDelete{ID: c.ID}
	}
	return "", nil
}

func namespaceEvent(event plimsoll.Event) (topic string, message proto.Message, err error) {
	if event.Entry.Kind != plimsoll.KindNamespace {
		return "", nil, nil
	}
	ns, err := decodeNamespace(event.Entry)
	if err != nil {
		return "", nil, err
	}
	switch event.Operation {
	case plimsoll.OperationCreate:
		return "/namespaces/create", &eventtypes.NamespaceCreate{Name: ns.name, Labels: ns.labels}, nil
	case plimsoll.OperationUpdate:
		return "/namespaces/update", &eventtypes.NamespaceUpdate{Name: ns.name, Labels: ns.labels}, nil
	case plimsoll.OperationDelete:
		return "/namespaces/delete", &eventtypes.NamespaceDelete{Name: ns.name}, nil
	}
	return "", nil, nil
}

// eventFields are the fields of an event that filters see: namespace, topic, and those
// of the event below event (core/events/events.go).
func eventFields(envelope *typesapi.Envelope, event proto.Message) filters.Adaptor {
	return filters.AdapterFunc(func(path []string) (string, bool) {
		switch path[0] {
		case "namespace":
			return envelope.GetNamespace(), envelope.GetNamespace() != ""
		case "topic":
			return envelope.GetTopic(), true
		case "event":
			if event, ok := event.(filters.Adaptor); ok {
				return event.Field(path[1:])
			}
		}
		return "", false
	})
}
