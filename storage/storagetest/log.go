package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func record(key, value string) storage.Record {
	return storage.Record{EntryKey: plimsoll.EntryKey{Kind: plimsoll.KindDecision, Key: key}, Time: epoch, Value: []byte(value)}
}

func (f *fixture) append(records ...storage.Record) {
	f.Helper()
	if err := f.Append(f.ctx, records); err != nil {
		f.Fatalf("Append: %v", err)
	}
}

// commitWith commits a change that comes with records.
func (f *fixture) commitWith(records []storage.Record, writes ...storage.Write) error {
	f.Helper()
	v := f.view()
	defer v.Close()
	c := change(writes...)
	c.Records = records
	_, err := f.Commit(f.ctx, v, c)
	return err
}

// told is how cases write down records: sequence, revision, key and value.
func told(e *storage.Logged) string {
	return fmt.Sprintf("%d @%d %s=%s", e.Sequence, e.Revision, e.Key, e.Value)
}

// log is the log from a record on, as it is now.
func (f *fixture) log(after uint64) []string {
	f.Helper()
	var all []string
	head := f.view().LogState().Head.Sequence
	if after >= head {
		return nil
	}
	for e, err := range f.Log(f.ctx, after) {
		if err != nil {
			f.Fatalf("Log after %d: %v", after, err)
		}
		all = append(all, told(e))
		if e.Sequence == head {
			break
		}
	}
	return all
}

// records are the records of a kind by their keys.
func (f *fixture) records(v storage.View, prefix, after string) []string {
	f.Helper()
	var all []string
	for e, err := range v.Records(f.ctx, plimsoll.KindDecision, prefix, after) {
		if err != nil {
			f.Fatalf("Records: %v", err)
		}
		all = append(all, e.Key+"="+string(e.Value))
	}
	return all
}

// verify verifies the log as it is now, and returns how far it goes.
func (f *fixture) verify(visit func(*storage.Logged) error) (storage.LogState, error) {
	v := f.view()
	defer v.Close()
	return v.LogState(), v.VerifyLog(f.ctx, visit)
}

func (f *fixture) trim(keep storage.Retention, want uint64) {
	f.Helper()
	if n, err := f.TrimLog(f.ctx, keep); err != nil || n != want {
		f.Fatalf("TrimLog: %d, %v, want %d", n, err, want)
	}
}

func (s *suite) logs(t *testing.T) {
	s.run(t, "numbers records without gaps and keeps what they are", func(f *fixture) {
		f.append(record("a", "1"), record("b", "2"))
		if err := f.commitWith([]storage.Record{record("c", "3")}, create(simple("x"))); err != nil {
			f.Fatal(err)
		}
		other := record("d", "4")
		other.Kind, other.Time = "other", epoch.Add(time.Hour).In(time.FixedZone("", 3600))
		f.append(other)
		if d := diff([]string{"1 @0 a=1", "2 @0 b=2", "3 @1 c=3", "4 @1 d=4"}, f.log(0)); d != "" {
			f.Error(d)
		}
		if d := diff([]string{"3 @1 c=3", "4 @1 d=4"}, f.log(2)); d != "" {
			f.Error(d)
		}
		v := f.view()
		if v.Revision() != 1 {
			f.Errorf("the store is at revision %d", v.Revision())
		}
		e, err := v.Record(f.ctx, other.EntryKey)
		if err != nil {
			f.Fatal(err)
		}
		if e.Kind != "other" || !e.Time.Equal(other.Time) || e.Time.Location() != time.UTC || told(e) != "4 @1 d=4" || e.Position() != v.LogState().Head {
			f.Errorf("the record is %+v", e)
		}
		for _, e := range take(f.T, f.Watch(f.ctx, 0), 1) {
			if e.Container == nil || !e.Logged {
				f.Errorf("a watch shows %+v", e)
			}
		}
	})
	s.run(t, "says in events whether their commit appended records", func(f *fixture) {
		f.commit(create(simple("x")))
		if err := f.commitWith([]storage.Record{record("a", "")}, create(simple("y"))); err != nil {
			f.Fatal(err)
		}
		events := take(f.T, f.Watch(f.ctx, 0), 2)
		if events[0].Logged || !events[1].Logged {
			f.Errorf("events are %+v", events)
		}
		for e, err := range f.History(f.ctx, plimsoll.Key{Namespace: ns, ID: "y"}, 0) {
			if err != nil || !e.Logged {
				f.Errorf("%+v, %v", e, err)
			}
		}
	})
	s.run(t, "is a chain that anybody can compute again", func(f *fixture) {
		for i := range 5 {
			f.append(record(fmt.Sprint(i), strings.Repeat("x", i*100)))
		}
		var link storage.Link
		n := uint64(0)
		state, err := f.verify(func(e *storage.Logged) error {
			if n++; e.Sequence != n || storage.NextLink(link, e) != e.Link {
				f.Errorf("record %d: %+v", n, e)
			}
			link = e.Link
			return nil
		})
		if err != nil || n != 5 || state.Head != (storage.Position{Sequence: 5, Link: link}) || state != f.view().LogState() {
			f.Errorf("VerifyLog: %+v, %v, after %d records", state, err, n)
		}
		stop := errors.New("stop")
		if _, err := f.verify(func(*storage.Logged) error { return stop }); !errors.Is(err, stop) {
			f.Errorf("VerifyLog: %v", err)
		}
	})
	s.run(t, "takes what comes with a change as a whole or not at all", func(f *fixture) {
		if err := f.commitWith([]storage.Record{record("a", "1"), record("b", "2")}, create(simple("x"))); err != nil {
			f.Fatal(err)
		}
		if err := f.commitWith([]storage.Record{record("c", "3")}, create(simple("x"))); !errors.Is(err, plimsoll.ErrExists) {
			f.Fatalf("Commit: %v", err)
		}
		v := f.view()
		f.commit(create(simple("y")))
		conflicting := change(create(simple("y")))
		conflicting.Records = []storage.Record{record("d", "4")}
		if _, err := f.Commit(f.ctx, v, conflicting); !errors.Is(err, plimsoll.ErrConflict) {
			f.Fatalf("Commit: %v", err)
		}
		f.append(record("e", "5"))
		if d := diff([]string{"1 @1 a=1", "2 @1 b=2", "3 @2 e=5"}, f.log(0)); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "is seen by views that are opened later, and not by earlier ones", func(f *fixture) {
		f.append(record("a", "1"))
		before := f.view()
		f.append(record("b", "2"))
		if d := diff([]string{"a=1", "b=2"}, f.records(f.view(), "", "")); d != "" {
			f.Error(d)
		}
		if d := diff([]string{"a=1"}, f.records(before, "", "")); d != "" || before.LogState().Head.Sequence != 1 {
			f.Error(d, before.LogState())
		}
		if _, err := before.Record(f.ctx, record("b", "").EntryKey); !errors.Is(err, plimsoll.ErrNotFound) {
			f.Errorf("Record: %v", err)
		}
	})
	s.run(t, "conflicts with nothing", func(f *fixture) {
		v := f.view()
		f.records(v, "", "")
		_, _ = v.Record(f.ctx, record("a", "").EntryKey)
		f.append(record("a", "1"))
		c := change(create(simple("x")))
		c.Records = []storage.Record{record("a", "2")}
		if _, err := f.Commit(f.ctx, v, c); err != nil {
			f.Fatalf("Commit: %v", err)
		}
	})
	s.run(t, "is listed by key, from one on", func(f *fixture) {
		for _, key := range []string{"n/2", "n/1", "o/1", "n/3", "n/22"} {
			f.append(record(key, ""))
		}
		for after, want := range map[string][]string{
			"": {"n/1=", "n/2=", "n/22=", "n/3="}, "n/": {"n/1=", "n/2=", "n/22=", "n/3="}, "a": {"n/1=", "n/2=", "n/22=", "n/3="},
			"n/1": {"n/2=", "n/22=", "n/3="}, "n/2": {"n/22=", "n/3="}, "n/25": {"n/3="}, "n/3": nil, "z": nil,
		} {
			if d := diff(want, f.records(f.view(), "n/", after)); d != "" {
				f.Errorf("after %q: %s", after, d)
			}
		}
		v := f.view()
		if e, err := v.Record(f.ctx, record("n/2", "").EntryKey); err != nil || e.Sequence != 1 {
			f.Errorf("Record: %+v, %v", e, err)
		}
		for _, key := range []string{"n", "n/", "n/222", "p"} {
			if _, err := v.Record(f.ctx, record(key, "").EntryKey); !errors.Is(err, plimsoll.ErrNotFound) {
				f.Errorf("Record %q: %v", key, err)
			}
		}
	})
	s.run(t, "keeps all records of one key", func(f *fixture) {
		f.append(record("a", "1"), record("b", "2"), record("a", "3"))
		v := f.view()
		if d := diff([]string{"a=1", "a=3", "b=2"}, f.records(v, "", "")); d != "" {
			f.Error(d)
		}
		if e, err := v.Record(f.ctx, record("a", "").EntryKey); err != nil || e.Sequence != 1 {
			f.Errorf("Record: %+v, %v", e, err)
		}
	})
	s.run(t, "keeps any bytes", func(f *fixture) {
		values := [][]byte{nil, {0, 0xff}, bytes.Repeat([]byte(`{"ociVersion":"1.3.0"}`), 5000), []byte(strings.Repeat("x", 64<<10))}
		for i, v := range values {
			f.append(record(fmt.Sprint(i), string(v)))
		}
		v := f.view()
		for i, want := range values {
			if got, err := v.Record(f.ctx, record(fmt.Sprint(i), "").EntryKey); err != nil || !bytes.Equal(got.Value, want) {
				f.Errorf("record %d is not the %d bytes that were appended: %v", i, len(want), err)
			}
		}
	})
	s.run(t, "takes more records than one transaction", func(f *fixture) {
		var records []storage.Record
		for i := range 3000 {
			records = append(records, record(fmt.Sprintf("%05d", i), strings.Repeat(fmt.Sprint(i), 200)))
		}
		f.append(records...)
		if n := len(f.records(f.view(), "", "")); n != len(records) {
			f.Errorf("there are %d", n)
		}
		if n := len(f.log(0)); n != len(records) {
			f.Errorf("the log has %d", n)
		}
	})
	s.run(t, "refuses records without a form", func(f *fixture) {
		for name, spoil := range map[string]func(*storage.Record){
			"no kind":          func(r *storage.Record) { r.Kind = "" },
			"no time":          func(r *storage.Record) { r.Time = time.Time{} },
			"zero byte in key": func(r *storage.Record) { r.Key = "a\x00" },
			"long key":         func(r *storage.Record) { r.Key = strings.Repeat("k", 5000) },
			"too large":        func(r *storage.Record) { r.Value = make([]byte, 1<<20) },
		} {
			r := record("a", "")
			spoil(&r)
			if err := f.Append(f.ctx, []storage.Record{r}); err == nil {
				f.Errorf("%s: it was appended", name)
			}
			if err := f.commitWith([]storage.Record{r}, create(simple("x"))); err == nil {
				f.Errorf("%s: it was committed", name)
			}
		}
		if v := f.view(); v.Revision() != 0 || v.LogState().Head.Sequence != 0 {
			f.Errorf("the store is at revision %d, and the log at %d", v.Revision(), v.LogState().Head.Sequence)
		}
	})
	s.run(t, "has each record once, whoever appends at the same time", func(f *fixture) {
		const each = 20
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range each {
					if err := f.Append(f.ctx, []storage.Record{record(fmt.Sprintf("alone/%d/%d", i, j), "")}); err != nil {
						f.Error(err)
					}
				}
			})
			wg.Go(func() {
				for j := range each {
					if err := f.commitWith([]storage.Record{record(fmt.Sprintf("change/%d/%d", i, j), "")}, create(simple(fmt.Sprintf("%d-%d", i, j)))); err != nil {
						f.Error(err)
					}
				}
			})
		}
		seen := make(map[string]bool) // by one who follows meanwhile
		for e, err := range f.Log(f.ctx, 0) {
			if err != nil {
				f.Error(err)
				break
			}
			if seen[e.Key] || e.Sequence != uint64(len(seen))+1 {
				f.Errorf("record %d after %d: %s", e.Sequence, len(seen), e.Key)
			}
			if seen[e.Key] = true; len(seen) == 2*8*each {
				break
			}
		}
		wg.Wait()
		v := f.view()
		if n := len(f.records(v, "", "")); n != 2*8*each || v.LogState().Head.Sequence != 2*8*each || v.Revision() != 8*each {
			f.Errorf("%d records, at %d, and revision %d", n, v.LogState().Head.Sequence, v.Revision())
		}
	})
	s.logFollowing(t)
	s.logTrimming(t)
	s.run(t, "is closed with the store", func(f *fixture) {
		v := f.view()
		f.close()
		if err := f.Append(f.ctx, []storage.Record{record("a", "")}); !errors.Is(err, plimsoll.ErrClosed) {
			f.Errorf("Append: %v", err)
		}
		if err := v.VerifyLog(f.ctx, nil); !errors.Is(err, plimsoll.ErrClosed) {
			f.Errorf("VerifyLog: %v", err)
		}
		if _, err := f.TrimLog(f.ctx, storage.Retention{}); !errors.Is(err, plimsoll.ErrClosed) {
			f.Errorf("TrimLog: %v", err)
		}
		for _, err := range f.Log(f.ctx, 0) {
			if !errors.Is(err, plimsoll.ErrClosed) {
				f.Errorf("Log: %v", err)
			}
		}
	})
	if s.reopen == nil {
		return
	}
	s.run(t, "goes on after a restart", func(f *fixture) {
		f.append(record("a", "1"), record("b", "2"))
		if err := f.commitWith([]storage.Record{record("c", "3")}, create(simple("x"))); err != nil {
			f.Fatal(err)
		}
		f.trim(storage.Retention{Bytes: 1}, 3)
		f.append(record("d", "4"))
		before := f.view().LogState()
		f.close()
		again := s.reopen(t, f.Store)
		defer again.Close()
		if err := again.Append(f.ctx, []storage.Record{record("e", "5")}); err != nil {
			f.Fatal(err)
		}
		var got []string
		v, err := again.View(f.ctx)
		if err != nil {
			f.Fatal(err)
		}
		defer v.Close()
		state := v.LogState()
		if err := v.VerifyLog(f.ctx, func(e *storage.Logged) error {
			got = append(got, told(e))
			return nil
		}); err != nil {
			f.Fatal(err)
		}
		if d := diff([]string{"4 @1 d=4", "5 @1 e=5"}, got); d != "" {
			f.Error(d)
		}
		if d := cmp.Diff(before.Trimmed, state.Trimmed); d != "" || !state.TrimmedAt.Equal(before.TrimmedAt) || state.Head.Sequence != 5 {
			f.Errorf("the log is %+v, and was %+v", state, before)
		}
	})
}

func (s *suite) logFollowing(t *testing.T) {
	s.run(t, "is followed", func(f *fixture) {
		f.append(record("a", "1"))
		next, stop := iter.Pull2(f.Log(f.ctx, 0))
		defer stop()
		expect := func(want string) {
			f.Helper()
			if e, err, ok := next(); !ok || err != nil || told(e) != want {
				f.Fatalf("followed: %+v, %v, want %s", e, err, want)
			}
		}
		expect("1 @0 a=1")
		f.append(record("b", "2"), record("c", "3"))
		expect("2 @0 b=2")
		f.commit(create(simple("x")))
		expect("3 @0 c=3")
		if err := f.commitWith([]storage.Record{record("d", "4")}, create(simple("y"))); err != nil {
			f.Fatal(err)
		}
		expect("4 @2 d=4")
	})
	s.run(t, "is followed from a record that is still to come", func(f *fixture) {
		f.append(record("a", "1"))
		next, stop := iter.Pull2(f.Log(f.ctx, 2))
		defer stop()
		f.append(record("b", "2"), record("c", "3"))
		if e, err, _ := next(); err != nil || told(e) != "3 @0 c=3" {
			f.Errorf("followed: %+v, %v", e, err)
		}
	})
	s.run(t, "is followed until the context ends", func(f *fixture) {
		ctx, cancel := context.WithCancel(f.ctx)
		defer cancel()
		f.append(record("a", "1"))
		n := 0
		for e, err := range f.Log(ctx, 0) {
			if n++; n == 1 && err == nil {
				cancel()
				continue
			}
			if !errors.Is(err, context.Canceled) {
				f.Errorf("%+v, %v", e, err)
			}
		}
		if n != 2 {
			f.Errorf("%d pairs", n)
		}
	})
	s.run(t, "is lost by those who are slower than it is trimmed", func(f *fixture) {
		var records []storage.Record
		for i := range 2000 {
			records = append(records, record(fmt.Sprintf("%04d", i), ""))
		}
		f.append(records...)
		next, stop := iter.Pull2(f.Log(f.ctx, 0))
		defer stop()
		if e, err, _ := next(); err != nil || e.Sequence != 1 {
			f.Fatalf("%+v, %v", e, err)
		}
		f.trim(storage.Retention{Bytes: 1}, 2000)
		last := uint64(1)
		for {
			e, err, _ := next()
			if err == nil && e.Sequence == last+1 { // what was read before
				last++
				if last < 2000 {
					continue
				}
				f.append(record("z", ""))
				e, err, _ = next()
				if err != nil || e.Sequence != 2001 {
					f.Errorf("%+v, %v", e, err)
				}
				return
			}
			var trimmed *plimsoll.TrimmedError
			if !errors.As(err, &trimmed) || trimmed.First != 2001 || !errors.Is(err, plimsoll.ErrTrimmed) {
				f.Errorf("after %d: %+v, %v", last, e, err)
			}
			return
		}
	})
}

func (s *suite) logTrimming(t *testing.T) {
	s.run(t, "is trimmed by age, in order", func(f *fixture) {
		for i, minutes := range []int{0, 10, 5, 20, 30} { // they need not be in order of time
			r := record(fmt.Sprint(i+1), "")
			r.Time = epoch.Add(time.Duration(minutes) * time.Minute)
			f.append(r)
		}
		f.trim(storage.Retention{}, 0)
		f.trim(storage.Retention{Since: epoch}, 0)
		f.trim(storage.Retention{Since: epoch.Add(6 * time.Minute)}, 1) // the second keeps the third
		if d := diff([]string{"2=", "3=", "4=", "5="}, f.records(f.view(), "", "")); d != "" {
			f.Error(d)
		}
		f.trim(storage.Retention{Since: epoch.Add(20 * time.Minute)}, 2)
		state := f.view().LogState()
		if d := diff([]string{"4 @0 4=", "5 @0 5="}, f.log(3)); d != "" || state.Trimmed.Sequence != 3 || state.Kept() != 2 || state.TrimmedAt.IsZero() {
			f.Errorf("%+v: %s", state, d)
		}
		for _, after := range []uint64{0, 2} {
			for _, err := range f.Log(f.ctx, after) {
				var trimmed *plimsoll.TrimmedError
				if !errors.As(err, &trimmed) || trimmed.First != 4 {
					f.Errorf("Log after %d: %v", after, err)
				}
			}
		}
	})
	s.run(t, "is trimmed by size, the oldest first", func(f *fixture) {
		for i := range 100 {
			f.append(record(fmt.Sprintf("%03d", i), ""))
		}
		full := f.view().LogState().Bytes
		f.trim(storage.Retention{Bytes: full}, 0)
		f.trim(storage.Retention{Bytes: full / 2}, 50)
		if state := f.view().LogState(); state.Bytes != full/2 || state.Trimmed.Sequence != 50 {
			f.Errorf("the log is %+v", state)
		}
		f.trim(storage.Retention{Bytes: full/2 - 1}, 1)
	})
	s.run(t, "is trimmed to the end, and goes on", func(f *fixture) {
		if err := f.commitWith([]storage.Record{record("a", "1"), record("b", "2")}, create(simple("x"))); err != nil {
			f.Fatal(err)
		}
		head := f.view().LogState().Head
		f.trim(storage.Retention{Bytes: 1}, 2)
		state := f.view().LogState()
		if state.Head != head || state.Trimmed != head || state.TrimmedRevision != 1 || state.Bytes != 0 || state.Kept() != 0 {
			f.Errorf("the log is %+v", state)
		}
		if got, err := f.verify(nil); err != nil || got != state {
			f.Errorf("VerifyLog: %+v, %v", got, err)
		}
		f.append(record("c", "3"))
		if d := diff([]string{"3 @1 c=3"}, f.log(2)); d != "" {
			f.Error(d)
		}
	})
	s.run(t, "is trimmed in many transactions, while it grows", func(f *fixture) {
		var records []storage.Record
		for i := range 3000 {
			records = append(records, record(fmt.Sprintf("%05d", i), ""))
		}
		f.append(records...)
		size := f.view().LogState().Bytes / 3000
		var wg sync.WaitGroup
		var removed uint64
		wg.Go(func() {
			for removed < 2900 {
				n, err := f.TrimLog(f.ctx, storage.Retention{Bytes: 100 * size})
				if err != nil {
					f.Error(err)
					return
				}
				removed += n
			}
		})
		for i := range 100 {
			f.append(record(fmt.Sprintf("more/%d", i), ""))
		}
		wg.Wait()
		state, err := f.verify(nil)
		if err != nil || state.Head.Sequence != 3100 || state.Trimmed.Sequence != removed {
			f.Errorf("VerifyLog: %+v, %v, and %d were removed", state, err, removed)
		}
		if n := len(f.records(f.view(), "", "")); uint64(n) != state.Kept() {
			f.Errorf("%d records are found, and %d are kept", n, state.Kept())
		}
	})
	s.run(t, "keeps what views see while it is trimmed", func(f *fixture) {
		f.append(record("a", "1"), record("b", "2"))
		v := f.view()
		f.trim(storage.Retention{Bytes: 1}, 2)
		if d := diff([]string{"a=1", "b=2"}, f.records(v, "", "")); d != "" {
			f.Error(d)
		}
	})
}
