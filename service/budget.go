package service

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// budget is how many bytes of decisions that changed nothing are recorded over the time
// that decisions are kept: a flood may use it up at once, and then it fills anew over that
// time. Without it, a flood of refusals would push everything else out of the log.
//
// One user can use up half of it, and in one namespace a quarter, so that no flood of one
// takes the room of others. It is not safe for concurrent use.
type budget struct {
	total  *rate.Limiter
	users  *shares
	shares *shares // of a user in a namespace
}

// maxShares bounds how many are remembered. Whoever is forgotten has a whole share again.
const maxShares = 4096

func newBudget(bytes int64, over time.Duration) *budget {
	limiter := func(part int64) *rate.Limiter {
		return rate.NewLimiter(rate.Limit(float64(bytes/part)/over.Seconds()), int(bytes/part))
	}
	return &budget{total: limiter(1), users: newShares(func() *rate.Limiter { return limiter(2) }), shares: newShares(func() *rate.Limiter { return limiter(4) })}
}

// take takes bytes, or says why there are not as many; "" if there are.
func (b *budget) take(c caller, bytes int, now time.Time) dropReason {
	limiters := []*rate.Limiter{b.total, b.users.of(caller{user: c.user}), b.shares.of(c)}
	for i, l := range limiters {
		if l.TokensAt(now) < float64(bytes) {
			if i == 0 {
				return dropTotal
			}
			return dropCaller
		}
	}
	for _, l := range limiters {
		l.AllowN(now, bytes)
	}
	return ""
}

// shares are limiters of callers.
type shares struct {
	lru  *simplelru.LRU[caller, *rate.Limiter]
	full func() *rate.Limiter
}

func newShares(full func() *rate.Limiter) *shares {
	lru, err := simplelru.NewLRU[caller, *rate.Limiter](maxShares, nil)
	if err != nil { // only for a size that is not positive
		panic(err)
	}
	return &shares{lru, full}
}

func (s *shares) of(c caller) *rate.Limiter {
	l, ok := s.lru.Get(c)
	if !ok {
		l = s.full()
		s.lru.Add(c, l)
	}
	return l
}
