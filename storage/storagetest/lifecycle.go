package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// calls are all ways to use a store, on a view that was opened before.
var calls = map[string]func(ctx context.Context, s storage.Store, v storage.View) error{
	"View": func(ctx context.Context, s storage.Store, _ storage.View) error {
		v, err := s.View(ctx)
		if err == nil {
			v.Close()
		}
		return err
	},
	"Commit": func(ctx context.Context, s storage.Store, v storage.View) error {
		_, err := s.Commit(ctx, v, change(create(simple("late"))))
		return err
	},
	"Watch": func(ctx context.Context, s storage.Store, _ storage.View) error {
		for _, err := range s.Watch(ctx, 0) {
			return err
		}
		return nil
	},
	"Get": func(ctx context.Context, _ storage.Store, v storage.View) error {
		_, err := v.Get(ctx, plimsoll.Key{Namespace: ns, ID: "a"})
		return err
	},
	"Scan": func(ctx context.Context, _ storage.Store, v storage.View) error {
		for _, err := range v.Scan(ctx, storage.Query{Namespace: ns}) {
			return err
		}
		return nil
	},
}

func (s *suite) closing(t *testing.T) {
	s.run(t, "closing twice is harmless", func(f *fixture) {
		f.close()
		f.close()
	})
	for name, call := range calls {
		s.run(t, name+" after Close", func(f *fixture) {
			f.commit(create(simple("a")))
			v := f.view()
			f.close()
			if err := call(f.ctx, f.Store, v); !errors.Is(err, plimsoll.ErrClosed) {
				f.Errorf("%s: %v, want ErrClosed", name, err)
			}
			if err := v.Close(); err != nil {
				f.Errorf("closing the view: %v", err)
			}
		})
	}
	s.run(t, "a scan ends when the store is closed", func(f *fixture) {
		for i := range 50 {
			f.commit(create(simple(fmt.Sprintf("c%02d", i))))
		}
		var last error
		for _, err := range f.view().Scan(f.ctx, storage.Query{Namespace: ns, WithPayloads: true}) {
			if last = err; !f.closed {
				f.close()
			}
		}
		if !errors.Is(last, plimsoll.ErrClosed) {
			f.Errorf("the scan ended with %v, want ErrClosed", last)
		}
	})
	s.run(t, "closing under load", func(f *fixture) {
		var (
			wg    sync.WaitGroup
			acked atomic.Int64
			some  = make(chan struct{}, 1000)
		)
		for w := range 16 {
			wg.Go(func() {
				for i := 0; ; i++ {
					v, err := f.View(f.ctx)
					if err == nil {
						for _, err = range v.Scan(f.ctx, storage.Query{Namespace: ns, Where: label("w", "0")}) {
							break
						}
						v.Close()
					}
					if err == nil {
						_, err = f.Commit(f.ctx, v, change(create(simple(fmt.Sprintf("%d-%d", w, i), "w", fmt.Sprint(w)))))
					}
					switch {
					case err == nil:
						acked.Add(1)
						select {
						case some <- struct{}{}:
						default:
						}
					case errors.Is(err, plimsoll.ErrClosed):
						return
					case !errors.Is(err, plimsoll.ErrConflict):
						f.Errorf("unexpected error: %v", err)
						return
					}
				}
			})
		}
		for range 100 {
			<-some
		}
		f.close()
		wg.Wait()
		if s.reopen == nil {
			return
		}
		f.Store, f.closed = s.reopen(f.T, f.Store), false
		if r := f.view().Revision(); r != plimsoll.Revision(acked.Load()) {
			f.Errorf("%d commits were acknowledged, and the store is at %d", acked.Load(), r)
		}
	})
}

func (s *suite) cancellation(t *testing.T) {
	for name, call := range calls {
		s.run(t, name, func(f *fixture) {
			f.commit(create(simple("a")))
			v := f.view()
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			if err := call(ctx, f.Store, v); !errors.Is(err, context.Canceled) {
				f.Errorf("%s: %v, want context.Canceled", name, err)
			}
			if r := f.view().Revision(); r != 1 {
				f.Errorf("the store is at %d, want 1", r)
			}
		})
	}
	s.run(t, "in the middle of a scan", func(f *fixture) {
		for i := range 50 {
			f.commit(create(simple(fmt.Sprintf("c%02d", i))))
		}
		ctx, cancel := context.WithCancel(f.ctx)
		defer cancel()
		var last error
		for _, err := range f.view().Scan(ctx, storage.Query{Namespace: ns}) {
			cancel()
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			f.Errorf("the scan ended with %v, want context.Canceled", last)
		}
	})
}

func (s *suite) reopening(t *testing.T) {
	again := func(f *fixture) {
		f.Helper()
		f.close()
		f.Store, f.closed = f.suite.reopen(f.T, f.Store), false
	}
	s.run(t, "an empty store", func(f *fixture) {
		again(f)
		if r := f.view().Revision(); r != 0 {
			f.Errorf("the store is at %d, want 0", r)
		}
		f.commit(create(simple("a")))
	})
	s.run(t, "state, revision, indexes and events are kept", func(f *fixture) {
		want := f.story()
		before := f.scan(f.view(), storage.Query{Namespace: ns, WithPayloads: true})
		again(f)
		v := f.view()
		if v.Revision() != 4 {
			f.Errorf("the store is at %d, want 4", v.Revision())
		}
		if d := diff(before, f.scan(v, storage.Query{Namespace: ns, WithPayloads: true})); d != "" {
			f.Error(d)
		}
		if d := diff([]string{"a"}, ids(f.scan(v, storage.Query{Namespace: ns, Where: label("team", "web")}))); d != "" {
			f.Errorf("index: %s", d)
		}
		if d := diff(want, take(f.T, f.Watch(f.ctx, 0), len(want))); d != "" {
			f.Errorf("events: %s", d)
		}
	})
	s.run(t, "revisions go on", func(f *fixture) {
		f.story()
		again(f)
		if r := f.commit(create(simple("new"))); r != 5 {
			f.Errorf("Commit = %d, want 5", r)
		}
		for _, e := range take(f.T, f.Watch(f.ctx, 4), 1) {
			if e.Revision != 5 {
				f.Errorf("event is of %d, want 5", e.Revision)
			}
		}
	})
	s.run(t, "often", func(f *fixture) {
		for i := range 5 {
			f.commit(create(complete(fmt.Sprint(i))))
			again(f)
		}
		if n := len(f.scan(f.view(), storage.Query{Namespace: ns})); n != 5 {
			f.Errorf("found %d containers, want 5", n)
		}
	})
}
