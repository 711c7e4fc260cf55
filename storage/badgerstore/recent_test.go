package badgerstore

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plimsoll-project/plimsoll"
)

// Watches see the same events, whether memory or the database has them, wherever they
// begin and however many there were.
func TestRecentEvents(t *testing.T) {
	s := openIn(t, Options{})
	const commits = 2*recentLimit/64 + 10
	for i := range commits {
		change := writing(plimsoll.OperationCreate, sized(fmt.Sprintf("c%d-0", i), 10))
		for j := 1; j < 64; j++ {
			change.Writes = append(change.Writes, writing(plimsoll.OperationCreate, sized(fmt.Sprintf("c%d-%d", i, j), 10)).Writes...)
		}
		s.mustCommit(t, change)
	}
	if len(s.recent.events) > 2*recentLimit+64 {
		t.Errorf("%d events are kept", len(s.recent.events))
	}
	read := func(after plimsoll.Revision) (events []plimsoll.Event) {
		for e, err := range s.Watch(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			if events = append(events, e); e.Last && e.Revision == commits {
				return events
			}
		}
		return nil
	}
	recent := map[plimsoll.Revision][]plimsoll.Event{}
	for _, after := range []plimsoll.Revision{0, 1, commits / 2, commits - 3, commits - 1} {
		recent[after] = read(after)
	}
	s.recent.events = nil
	for after, events := range recent {
		if want := (commits - int(after)) * 64; len(events) != want {
			t.Errorf("after %d: %d events, want %d", after, len(events), want)
		}
		if diff := cmp.Diff(read(after), events, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("after %d (-database +memory):\n%s", after, diff)
		}
	}
}
