package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// Bounds on jobs.
const (
	// jobPage is how many things are read at once.
	jobPage = 256
	// progressInterval is how often progress is told.
	progressInterval = 200 * time.Millisecond
	// maxToldBytes bounds what is kept of what a job has told. One that has told more
	// cannot be taken up again.
	maxToldBytes = 16 << 20
)

// job judges many things one after the other, and tells what it finds: an audit, an impact
// or a replay. S is what is judged, and M the messages that tell. It is for one goroutine
// at a time.
//
// A job whose caller hangs up is kept for a while, with the state and the rules that it
// judges by, and can be taken up where it was interrupted.
type job[S, M any] struct {
	service  *Service
	crew     *crew
	revision plimsoll.Revision
	total    int64

	// next reads some of what is to be judged next, and says whether there may be more.
	next func(ctx context.Context) (some []S, more bool, err error)
	// judge judges a thing. It may be called at once for several, and changes nothing. An
	// error means that the job cannot go on. What it returns is called once, in order: it
	// counts what was found, and returns what there is to tell, or nil.
	judge func(ctx context.Context, thing S) (count func() *M, err error)
	// progress and summary make messages.
	progress func(*plimsollv1.Progress) *M
	summary  func() *M
	// release lets go of what the job holds.
	release []func()

	page    []S  // what was read and is still to be judged
	read    bool // all was read
	done    int64
	token   string        // for who takes it up again
	told    []*M          // what was found so far; nil if that is too much
	bytes   int           // of told
	lasted  time.Duration // before it was interrupted
	began   time.Time
	reached time.Time // when progress was last told
	ended   sync.Once
}

func newJob[S, M any](s *Service) *job[S, M] {
	return &job[S, M]{service: s, crew: s.background.newCrew(), token: rand.Text(), told: []*M{}}
}

// hold has the job keep something until it ends.
func (j *job[S, M]) hold(release func()) { j.release = append(j.release, release) }

// end lets go of what the job holds.
func (j *job[S, M]) end() {
	j.ended.Do(func() {
		for _, release := range j.release {
			release()
		}
	})
}

// run goes on until everything is judged, and tells what it finds: what was found before it
// was interrupted, too. If it is interrupted, it is kept.
func (j *job[S, M]) run(ctx context.Context, send func(*M) error) error {
	j.began = time.Now()
	unread := false
	err := j.resume(ctx, func(m *M) error {
		err := send(m)
		unread = unread || err != nil
		return err
	})
	j.lasted += time.Since(j.began)
	if err != nil && (unread || ctx.Err() != nil) && j.told != nil {
		j.service.paused.keep(j.token, j)
	} else {
		j.end()
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

func (j *job[S, M]) resume(ctx context.Context, send func(*M) error) error {
	if err := j.tell(send, true); err != nil {
		return err
	}
	for _, m := range j.told {
		if err := send(m); err != nil {
			return err
		}
	}
	for !j.read || len(j.page) > 0 {
		if len(j.page) == 0 {
			err := j.crew.do(ctx, &j.crew.workers[0], func() error {
				page, more, err := j.next(ctx)
				if err == nil {
					j.page, j.read = page, !more
				}
				return err
			})
			if err != nil {
				return err
			}
			continue
		}
		if err := j.some(ctx, send); err != nil {
			return err
		}
	}
	if err := j.tell(send, true); err != nil {
		return err
	}
	return send(j.summary())
}

// some judges the next few things.
func (j *job[S, M]) some(ctx context.Context, send func(*M) error) error {
	const each = 8 // more would be lost when it is interrupted
	counts := make([]func() *M, min(len(j.page), each*len(j.crew.workers)))
	failed := j.crew.each(ctx, len(counts), func(ctx context.Context, i int) (err error) {
		counts[i], err = j.judge(ctx, j.page[i])
		return err
	})
	for _, count := range counts {
		if count == nil { // not judged any more
			break
		}
		m := count()
		j.page, j.done = j.page[1:], j.done+1
		if m != nil {
			j.remember(m)
			if err := send(m); err != nil {
				return err
			}
		}
		if err := j.tell(send, false); err != nil {
			return err
		}
	}
	return failed
}

// remember keeps what was told, for who takes the job up again.
func (j *job[S, M]) remember(m *M) {
	if j.told == nil {
		return
	}
	if message, ok := any(m).(proto.Message); ok {
		j.bytes += messageBytes(message)
	}
	if j.told = append(j.told, m); j.bytes > maxToldBytes {
		j.told = nil
	}
}

// tell tells how far it has come, if it has not just done so.
func (j *job[S, M]) tell(send func(*M) error, now bool) error {
	if !now && time.Since(j.reached) < progressInterval {
		return nil
	}
	j.reached = time.Now()
	p := &plimsollv1.Progress{Revision: uint64(j.revision), Done: j.done, Total: j.total}
	if j.done > 0 {
		lasted := j.lasted + time.Since(j.began)
		p.Remaining = durationpb.New(time.Duration(float64(lasted) / float64(j.done) * float64(j.total-j.done)))
	}
	if j.told != nil {
		p.Resume = j.token
	}
	return send(j.progress(p))
}

// takeUp returns the interrupted job of a token.
func takeUp[S, M any](s *Service, token string) (*job[S, M], error) {
	kept := s.paused.take(token)
	if kept == nil {
		return nil, fmt.Errorf("what was interrupted is not kept any more: %w: it is for %s at most; begin anew", plimsoll.ErrNotFound, pausedFor)
	}
	j, ok := kept.(*job[S, M])
	if !ok {
		s.paused.keep(token, kept)
		return nil, &plimsoll.RequestError{Field: "resume", Problem: "is of another kind of work"}
	}
	return j, nil
}

var errNothingElse = &plimsoll.RequestError{Field: "resume", Problem: "stands alone: it goes on with what was asked for before"}

// onlyResumes reports whether a request that takes up a job asks for nothing else.
func onlyResumes(req proto.Message) error {
	m := req.ProtoReflect()
	n := 0
	for i := range m.Descriptor().Fields().Len() {
		if m.Has(m.Descriptor().Fields().Get(i)) {
			n++
		}
	}
	if n != 1 {
		return errNothingElse
	}
	return nil
}

// perform begins the job of a request, or takes up that of its token, and runs it when
// there is no other.
func perform[S, M any](ctx context.Context, s *Service, req interface {
	proto.Message
	GetResume() string
}, begin func(j *job[S, M]) error, send func(*M) error,
) error {
	if err := requireOperator(ctx); err != nil {
		return err
	}
	var j *job[S, M]
	var err error
	if req.GetResume() != "" {
		if err := onlyResumes(req); err != nil {
			return err
		}
		if j, err = takeUp[S, M](s, req.GetResume()); err != nil {
			return err
		}
	} else {
		j = newJob[S, M](s)
	}
	if err := s.jobs.Acquire(ctx, 1); err != nil {
		if req.GetResume() != "" {
			s.paused.keep(j.token, j)
		}
		return err
	}
	defer s.jobs.Release(1)
	if req.GetResume() == "" {
		if err := begin(j); err != nil {
			j.end()
			return err
		}
	}
	return j.run(ctx, send)
}

var errPanicked = errors.New("the server has a fault that judging this meets; its log says more")
