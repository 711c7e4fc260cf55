package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Pages of one list are all of one revision. The state of that revision is held for a
// while after each page, in case the next one is asked for. What is held costs the
// store the space of what was replaced since.
const (
	// pageLifetime is how long a state is held after a page, and maxPageLifetime how
	// long after the first one.
	pageLifetime    = 5 * time.Minute
	maxPageLifetime = 15 * time.Minute
	// maxHeldRevisions bounds how many states are held. Beyond, the one that was used
	// longest ago is let go of.
	maxHeldRevisions = 64
)

// pageViews holds states by revision. The zero value is ready to use.
type pageViews struct {
	mu   sync.Mutex
	held map[plimsoll.Revision]*heldView
}

type heldView struct {
	view  storage.View // only ever reopened
	since time.Time
	used  time.Time
	timer *time.Timer
}

// open returns a view at a revision, or, for 0, of the latest. The caller closes it.
func (p *pageViews) open(ctx context.Context, store storage.Store, revision plimsoll.Revision) (storage.View, error) {
	if revision != 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		if h := p.held[revision]; h != nil {
			h.touch()
			return h.view.Reopen(ctx)
		}
	}
	view, err := store.View(ctx)
	if err != nil || revision == 0 || view.Revision() == revision {
		return view, err
	}
	return nil, errors.Join(fmt.Errorf("the page token has expired, %w: list anew, from the first page", plimsoll.ErrCompacted), view.Close())
}

// hold keeps the state that view sees.
func (p *pageViews) hold(ctx context.Context, view storage.View) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	revision := view.Revision()
	if h := p.held[revision]; h != nil {
		h.touch()
		return nil
	}
	again, err := view.Reopen(ctx)
	if err != nil {
		return err
	}
	if p.held == nil {
		p.held = make(map[plimsoll.Revision]*heldView)
	}
	if len(p.held) >= maxHeldRevisions {
		p.dropOldest()
	}
	h := &heldView{view: again, since: time.Now(), used: time.Now()}
	h.timer = time.AfterFunc(pageLifetime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.drop(revision, h)
	})
	p.held[revision] = h
	return nil
}

func (h *heldView) touch() {
	h.used = time.Now()
	h.timer.Reset(min(pageLifetime, maxPageLifetime-h.used.Sub(h.since)))
}

func (p *pageViews) dropOldest() {
	var oldest plimsoll.Revision
	for revision, h := range p.held {
		if oldest == 0 || h.used.Before(p.held[oldest].used) {
			oldest = revision
		}
	}
	p.drop(oldest, p.held[oldest])
}

func (p *pageViews) drop(revision plimsoll.Revision, h *heldView) {
	if p.held[revision] != h {
		return
	}
	h.timer.Stop()
	delete(p.held, revision)
	_ = h.view.Close() // there is nothing to do about it
}

// pageToken is where a page begins, and of what.
type pageToken struct {
	// Revision is that of the state, or, in a history, of the first event.
	Revision plimsoll.Revision `json:"r"`
	// After is the place after which the page begins.
	After string `json:"a,omitempty"`
	// Digest is that of the request, without what may change from page to page.
	Digest []byte `json:"d"`
}

// String encodes t as callers get it. They are not to look into it, and gain nothing by
// it: a token says nothing that they could not ask for.
func (t pageToken) String() string {
	data, _ := json.Marshal(t) // of plain values only
	return base64.RawURLEncoding.EncodeToString(data)
}

// readPageToken reads the page_token of a request, and checks that it belongs to it. For
// a first page it is one without a revision.
func readPageToken(req proto.Message, namespace string) (pageToken, error) {
	plain := proto.Clone(req).ProtoReflect()
	fields := plain.Descriptor().Fields()
	text := plain.Get(fields.ByName("page_token")).String()
	for _, name := range []protoreflect.Name{"page_token", "page_size"} {
		plain.Clear(fields.ByName(name))
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(plain.Interface())
	if err != nil {
		return pageToken{}, err
	}
	digest := sha256.Sum256(append(data, namespace...))
	if text == "" {
		return pageToken{Digest: digest[:8]}, nil
	}
	var t pageToken
	data, err = base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	switch {
	case err != nil || t.Revision == 0:
		return t, &plimsoll.RequestError{Field: "page_token", Problem: "is none that an earlier page gave"}
	case string(t.Digest) != string(digest[:8]):
		return t, &plimsoll.RequestError{
			Field: "page_token", Problem: "belongs to another request: everything but page_size must be as for the first page",
		}
	}
	return t, nil
}
