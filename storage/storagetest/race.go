package storagetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

func (s *suite) races(t *testing.T) {
	s.run(t, "of 32 creators of one container one wins", func(f *fixture) {
		won := f.parallel(32, func(int) (bool, error) {
			return f.attempt(func(v storage.View) (storage.Write, bool, error) {
				_, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "a"})
				if err == nil {
					return storage.Write{}, false, nil
				}
				if !errors.Is(err, plimsoll.ErrNotFound) {
					return storage.Write{}, false, err
				}
				return create(simple("a")), true, nil
			})
		})
		if r := f.view().Revision(); won != 1 || r != 1 {
			f.Errorf("%d creators won, and the store is at %d; want 1 and 1", won, r)
		}
	})
	s.run(t, "no update of a counter is lost", func(f *fixture) {
		f.commit(create(&plimsoll.Container{ID: "n"}))
		const writers, each = 8, 10
		f.parallel(writers, func(int) (bool, error) {
			for range each {
				won, err := f.attempt(func(v storage.View) (storage.Write, bool, error) {
					c, err := v.Get(f.ctx, plimsoll.Key{Namespace: ns, ID: "n"})
					if err != nil {
						return storage.Write{}, false, err
					}
					c.Spec.Value = append(c.Spec.Value, '+')
					return update(c), true, nil
				})
				if !won || err != nil {
					return won, err
				}
			}
			return true, nil
		})
		if n := len(f.get(f.view(), "n").Spec.Value); n != writers*each {
			f.Errorf("the counter is at %d, want %d", n, writers*each)
		}
	})
	// A quota: whoever finds fewer than 10 may create one more.
	for name, q := range map[string]storage.Query{
		"whole namespace": {Namespace: ns},
		"index term":      {Namespace: ns, Where: label("team", "core")},
	} {
		s.run(t, "64 creators under a quota of 10, counting a "+name, func(f *fixture) {
			if q.Where != nil { // these do not count
				for i := range 20 {
					f.commit(create(simple(fmt.Sprintf("other%d", i), "team", "web")))
				}
			}
			won := f.parallel(64, func(i int) (bool, error) {
				return f.attempt(func(v storage.View) (storage.Write, bool, error) {
					n := 0
					for _, err := range v.Scan(f.ctx, q) {
						if err != nil {
							return storage.Write{}, false, err
						}
						n++
					}
					return create(simple(fmt.Sprintf("c%d", i), "team", "core")), n < 10, nil
				})
			})
			if n := len(f.scan(f.view(), q)); won != 10 || n != 10 {
				f.Errorf("%d creators got in, and %d containers are stored; want 10 and 10", won, n)
			}
		})
	}
}

// attempt decides on a fresh view and commits, again and again until there is no
// conflict. It reports whether something was committed.
func (f *fixture) attempt(decide func(v storage.View) (storage.Write, bool, error)) (bool, error) {
	for {
		v, err := f.View(f.ctx)
		if err != nil {
			return false, err
		}
		w, ok, err := decide(v)
		v.Close()
		if !ok || err != nil {
			return false, err
		}
		_, err = f.Commit(f.ctx, v, change(w))
		if !errors.Is(err, plimsoll.ErrConflict) {
			return err == nil, err
		}
	}
}

// parallel runs n copies of work at once and counts those that return true.
func (f *fixture) parallel(n int, work func(i int) (bool, error)) int {
	f.Helper()
	var (
		wg    sync.WaitGroup
		start = make(chan struct{})
		won   = make([]bool, n)
		errs  = make([]error, n)
	)
	for i := range n {
		wg.Go(func() {
			<-start
			won[i], errs[i] = work(i)
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		f.Fatal(err)
	}
	count := 0
	for _, ok := range won {
		if ok {
			count++
		}
	}
	return count
}
