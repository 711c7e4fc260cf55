package plugins

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/plimsoll-project/plimsoll"
)

// What a quarantine is made of.
const (
	// quarantineAfter is how many different containers in a row the validator must have
	// failed to judge, for one caller.
	quarantineAfter = 5
	// firstQuarantine is how long it is not asked then; each probe that fails doubles
	// that, up to longestQuarantine.
	firstQuarantine   = time.Second
	longestQuarantine = 30 * time.Second
	// forgetFailures is when failures are too long ago to be in a row with new ones.
	forgetFailures = 10 * time.Minute
	// maxCallers is how many callers with failures are remembered.
	maxCallers = 1024
)

// breaker keeps a validator that fails again and again from being asked: whoever would
// have it judge is refused at once. A nil breaker refuses nobody. It does so for each caller by itself, because a caller
// decides what a validator is given, and must not be able to have it refuse others. It is
// safe for concurrent use.
type breaker struct {
	mu      sync.Mutex
	callers *simplelru.LRU[caller, *streak] // those with failures since the last verdict
}

// caller is who has a container judged.
type caller struct{ user, via, namespace string }

// streak is failures in a row.
type streak struct {
	containers   []string // different ones, at most quarantineAfter
	last         time.Time
	quarantine   time.Duration // 0: none
	since, until time.Time
	probing      bool // a call is under way that decides whether it ends
}

func newBreaker() (*breaker, error) {
	callers, err := simplelru.NewLRU[caller, *streak](maxCallers, nil)
	return &breaker{callers: callers}, err
}

// occasion is who asks about which container.
type occasion struct {
	caller    caller
	container string
}

func occasionOf(in *plimsoll.Input) occasion {
	o := occasion{caller: caller{in.User.Name, in.User.Via, in.Namespace}}
	if in.Object != nil {
		o.container = in.Object.ID
	}
	return o
}

// pass is leave to ask the validator once. It must be given back with leave.
type pass struct {
	occasion

	probe bool
}

// enter gives leave to ask the validator, or says for how long there is none.
func (b *breaker) enter(o occasion) (p pass, wait time.Duration) {
	p.occasion = o
	if !b.counts(o) {
		return p, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streak(p.caller)
	if s == nil || s.quarantine == 0 {
		return p, 0
	}
	if wait := time.Until(s.until); wait > 0 {
		return p, wait
	}
	if s.probing {
		return p, firstQuarantine
	}
	s.probing, p.probe = true, true
	return p, 0
}

// counts reports whether failures count. Nobody calls when the server itself looks at what
// is stored.
func (b *breaker) counts(o occasion) bool { return b != nil && o.caller.via != "" }

// streak is that of a caller, nil for none.
func (b *breaker) streak(c caller) *streak {
	s, ok := b.callers.Get(c)
	if ok && time.Since(s.last) > forgetFailures && !s.probing {
		b.callers.Remove(c)
		return nil
	}
	return s
}

// What has changed with a call.
type change int

const (
	unchanged   change = iota
	quarantined        // the validator is not asked any more
	recovered          // it is again
)

// leave notes what came of a call: a verdict if err is nil, a failure if it is the
// validator's, and nothing otherwise.
func (b *breaker) leave(p pass, err error) change {
	if !b.counts(p.occasion) {
		return unchanged
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streak(p.caller)
	if s != nil && p.probe {
		s.probing = false
	}
	switch {
	case err == nil && s != nil:
		b.callers.Remove(p.caller)
		if s.quarantine > 0 {
			return recovered
		}
	case err == nil, !isGuestsFault(err):
	case s == nil:
		b.callers.Add(p.caller, &streak{containers: []string{p.container}, last: time.Now()})
	case s.quarantine > 0:
		if p.probe {
			s.close(min(2*s.quarantine, longestQuarantine))
		}
	default:
		s.last = time.Now()
		if !slices.Contains(s.containers, p.container) {
			s.containers = append(s.containers, p.container)
		}
		if len(s.containers) >= quarantineAfter {
			s.since = s.last
			s.close(firstQuarantine)
			return quarantined
		}
	}
	return unchanged
}

// close begins a quarantine, or goes on with it.
func (s *streak) close(d time.Duration) {
	s.last = time.Now()
	s.quarantine, s.until = d, s.last.Add(d)
}

// Quarantine says that a validator is not asked on behalf of a caller, because it has
// failed to judge what that caller wanted again and again.
type Quarantine struct {
	// Validator is its name.
	Validator string
	// User and Via are the caller's, Namespace is that of the containers.
	User, Via, Namespace string
	// Since is when it began. From Until on the caller's next request is a probe.
	Since, Until time.Time
}

// quarantines lists those that have not ended.
func (b *breaker) quarantines(validator string) []Quarantine {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []Quarantine
	for _, c := range b.callers.Keys() {
		if s := b.streak(c); s != nil && s.quarantine > 0 {
			list = append(list, Quarantine{
				Validator: validator, User: c.user, Via: c.via, Namespace: c.namespace, Since: s.since, Until: s.until,
			})
		}
	}
	slices.SortFunc(list, func(x, y Quarantine) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Namespace, y.Namespace))
	})
	return list
}
