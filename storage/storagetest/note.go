package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func note(key, value string) plimsoll.Entry {
	return plimsoll.Entry{
		EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: key}, Value: []byte(value), ExpiresAt: time.Now().Add(time.Hour).Round(time.Second),
	}
}

func (f *fixture) note(notes ...plimsoll.Entry) {
	f.Helper()
	if err := f.Note(f.ctx, notes); err != nil {
		f.Fatalf("Note: %v", err)
	}
}

func (s *suite) notes(t *testing.T) {
	s.run(t, "cost no revision and leave no event", func(f *fixture) {
		f.note(note("a", "1"))
		f.commit(create(simple("x")))
		f.note(note("b", "2"))
		f.commit(create(simple("y")))
		v := f.view()
		if v.Revision() != 2 {
			f.Errorf("the store is at revision %d", v.Revision())
		}
		if d := diff([]string{"a=1", "b=2"}, f.entries(v, plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
		for _, e := range take(f.T, f.Watch(f.ctx, 0), 2) {
			if e.Entry != nil {
				f.Errorf("a watch shows %+v", e)
			}
		}
	})
	s.run(t, "come with a change, all or nothing", func(f *fixture) {
		c := change(create(simple("x")))
		c.Notes = []plimsoll.Entry{note("a", "1")}
		if _, err := f.Commit(f.ctx, f.view(), c); err != nil {
			f.Fatal(err)
		}
		c.Notes = []plimsoll.Entry{note("b", "2")}
		if _, err := f.Commit(f.ctx, f.view(), c); !errors.Is(err, plimsoll.ErrExists) {
			f.Fatalf("Commit: %v", err)
		}
		v := f.view()
		if d := diff([]string{"a=1"}, f.entries(v, plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
		if e := f.entry(v, plimsoll.KindDecision, "a"); e.Revision != 1 || !e.ExpiresAt.Equal(c.Notes[0].ExpiresAt) {
			f.Errorf("the note is %+v", e)
		}
	})
	s.run(t, "are seen by views that are opened later, and not by earlier ones", func(f *fixture) {
		f.commit(create(simple("x")))
		before := f.view()
		f.note(note("a", "1"))
		if d := diff([]string{"a=1"}, f.entries(f.view(), plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
		if d := diff([]string(nil), f.entries(before, plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "conflict with nothing", func(f *fixture) {
		v := f.view()
		f.entries(v, plimsoll.KindDecision, "")
		f.note(note("a", "1"))
		c := change(create(simple("x")))
		c.Notes = []plimsoll.Entry{note("a", "2"), note("b", "3")}
		if _, err := f.Commit(f.ctx, v, c); err != nil {
			f.Fatalf("Commit: %v", err)
		}
		if d := diff([]string{"a=2", "b=3"}, f.entries(f.view(), plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "are listed from a key on", func(f *fixture) {
		for _, key := range []string{"n/1", "n/2", "n/3", "o/1"} {
			f.note(note(key, ""))
		}
		for after, want := range map[string][]string{
			"": {"n/1", "n/2", "n/3"}, "n/": {"n/1", "n/2", "n/3"}, "a": {"n/1", "n/2", "n/3"}, "n/1": {"n/2", "n/3"}, "n/25": {"n/3"}, "n/3": nil, "z": nil,
		} {
			var got []string
			for e, err := range f.view().Entries(f.ctx, plimsoll.KindDecision, "n/", after) {
				if err != nil {
					f.Fatal(err)
				}
				got = append(got, e.Key)
			}
			if d := diff(want, got); d != "" {
				f.Errorf("after %q: %s", after, d)
			}
		}
	})
	s.run(t, "keep any bytes", func(f *fixture) {
		values := [][]byte{nil, {0, 0xff}, bytes.Repeat([]byte(`{"ociVersion":"1.3.0"}`), 5000), []byte(strings.Repeat("x", 64<<10))}
		var notes []plimsoll.Entry
		for i, v := range values {
			notes = append(notes, note(fmt.Sprint(i), string(v)))
		}
		f.note(notes...)
		v := f.view()
		for i, want := range values {
			if got := f.entry(v, plimsoll.KindDecision, fmt.Sprint(i)); !bytes.Equal(got.Value, want) {
				f.Errorf("note %d has %d bytes and not the %d that were kept", i, len(got.Value), len(want))
			}
		}
	})
	s.run(t, "many are kept", func(f *fixture) {
		var notes []plimsoll.Entry
		for i := range 3000 {
			notes = append(notes, note(fmt.Sprintf("%05d", i), strings.Repeat(fmt.Sprint(i), 200)))
		}
		f.note(notes...)
		if n := len(f.entries(f.view(), plimsoll.KindDecision, "")); n != len(notes) {
			f.Errorf("there are %d", n)
		}
	})
	s.run(t, "expire", func(f *fixture) {
		gone := note("gone", "")
		gone.ExpiresAt = time.Now().Add(-time.Minute)
		f.note(gone, note("kept", ""))
		if d := diff([]string{"kept="}, f.entries(f.view(), plimsoll.KindDecision, "")); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "that never expire are refused", func(f *fixture) {
		forever := note("a", "")
		forever.ExpiresAt = time.Time{}
		c := change(create(simple("x")))
		c.Notes = []plimsoll.Entry{forever}
		if _, err := f.Commit(f.ctx, f.view(), c); err == nil {
			f.Error("one was committed")
		}
		if err := f.Note(f.ctx, c.Notes); err == nil {
			f.Error("one was kept")
		}
		if v := f.view(); v.Revision() != 0 {
			f.Errorf("the store is at revision %d", v.Revision())
		}
	})
	s.run(t, "and commits at once are all kept", func(f *fixture) {
		const each = 20
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range each {
					if err := f.Note(f.ctx, []plimsoll.Entry{note(fmt.Sprintf("note/%d/%d", i, j), "")}); err != nil {
						f.Error(err)
					}
				}
			})
			wg.Go(func() {
				for j := range each {
					v, err := f.View(f.ctx)
					if err != nil {
						f.Error(err)
						return
					}
					c := change(create(simple(fmt.Sprintf("%d-%d", i, j))))
					c.Notes = []plimsoll.Entry{note(fmt.Sprintf("change/%d/%d", i, j), "")}
					if _, err := f.Commit(f.ctx, v, c); err != nil {
						f.Error(err)
					}
					_ = v.Close()
				}
			})
		}
		wg.Wait()
		v := f.view()
		if n := len(f.scan(v, storage.Query{Namespace: ns})); n != 8*each || v.Revision() != 8*each {
			f.Errorf("%d containers at revision %d", n, v.Revision())
		}
		if n := len(f.entries(v, plimsoll.KindDecision, "")); n != 2*8*each {
			f.Errorf("%d notes", n)
		}
	})
	s.run(t, "are refused once the store is closed", func(f *fixture) {
		f.close()
		if err := f.Note(f.ctx, []plimsoll.Entry{note("a", "")}); !errors.Is(err, plimsoll.ErrClosed) {
			f.Errorf("Note: %v", err)
		}
	})
	if s.reopen == nil {
		return
	}
	s.run(t, "are there after a restart", func(f *fixture) {
		f.commit(create(simple("x")))
		f.note(note("a", "1"))
		f.close()
		again := s.reopen(t, f.Store)
		defer again.Close()
		v, err := again.View(f.ctx)
		if err != nil {
			f.Fatal(err)
		}
		defer v.Close()
		if e, err := v.Entry(f.ctx, plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: "a"}); err != nil || string(e.Value) != "1" {
			f.Errorf("Entry: %+v, %v", e, err)
		}
	})
}
