// Package service is Plimsoll's edge and its pipeline: it receives containers API
// calls over Connect, gRPC and gRPC-Web, and takes every mutation through judging
// to a durable commit. The pipeline is one function, in mutate.go.
//
// # Guarantees
//
// No mutation is committed that the active ruleset has not admitted: a missing
// ruleset, an error, a timeout or a panic anywhere before the commit ends the
// request with an error and without a commit. What is committed is what was judged,
// on state that still holds at the commit. An answer of success means that the
// change is durable.
//
// # Concurrency
//
// A Service is safe for concurrent use. A request uses one [Ruleset] from start to
// end, however often it is replaced meanwhile.
//
// # What it does not do
//
// It knows no database, no policy engine and no WebAssembly: it defines what it
// needs of them ([plimsoll.Judge], [storage.Store]) and is handed the rest.
package service

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/plimsoll-project/plimsoll"
	"github.com/plimsoll-project/plimsoll/storage"
)

// Options configure a Service. The zero value of a field means its default.
type Options struct {
	// DefaultNamespace is used for requests that name none. Default: "default".
	DefaultNamespace string
	// DefaultSnapshotter is that of containers which come with a root filesystem
	// through containerd.v1, which has no snapshotters. Default: "overlayfs".
	DefaultSnapshotter string
	// Version and Commit are those of the build, for clients that ask. Default:
	// "unknown", none.
	Version string
	Commit  string
	// ServerID is a UUID that clients may know the server by. Default: a random one.
	ServerID string
	// MutationTimeout bounds a mutation from request to commit, conflicts
	// included. Default: 10 s.
	MutationTimeout time.Duration
	// MaxInFlight bounds how many mutations are judged at once. More wait; those
	// that wait longer than QueueTimeout are refused. Default: 256.
	MaxInFlight int
	// QueueTimeout is how long a mutation may wait for its turn. Default: 2 s.
	QueueTimeout time.Duration
	// RequestRetention is how long a request ID is remembered. Default: 10 min.
	RequestRetention time.Duration
	// RecordSecrets has the documents that rules judge recorded with what looks like a secret
	// in them. What policies hide is hidden all the same. Default: it is hidden.
	RecordSecrets bool
	// DecisionRetention is how long decisions are kept; negative: none is. Default: 24 h.
	DecisionRetention time.Duration
	// DecisionLimit is how many bytes of decisions are kept: see [Service.TrimDecisions].
	// Those that changed nothing get half of it. Default: [DefaultDecisionLimit].
	DecisionLimit int64
	// MaxRequestBytes bounds a request, also after decompression. Default:
	// [DefaultMaxRequestBytes].
	MaxRequestBytes int
	// CORSOrigins are the origins, such as https://console.example.com, whose web
	// pages may call from a browser. They are compared byte for byte with what
	// browsers send. Default: none.
	CORSOrigins []string
	// BreakGlass are the names of the users, as decisions have them, who may override what
	// rules say. Default: nobody.
	BreakGlass []string
	// ExemptionLimit is how far ahead exemptions may expire. Default:
	// [DefaultExemptionLimit].
	ExemptionLimit time.Duration
	// OpenNamespaceLabels lets anybody change the labels of namespaces, which rules see.
	// Default: only operators may.
	OpenNamespaceLabels bool
	// Rulesets, if set, is what plimsoll.v1.PolicyService works on; otherwise that is not
	// served.
	Rulesets RulesetControl
	// DecisionInputs says which inputs are recorded with decisions. Default: all.
	DecisionInputs DecisionInputs
	// BackgroundShare is how much of one processor all audits, impacts and replays
	// together take, and BackgroundInFlight how many of their judgements there are at
	// once. Default: 0.5, 1.
	BackgroundShare    float64
	BackgroundInFlight int
	// AuditInterval is how often the continuous audit looks for what has changed. Default:
	// there is none.
	AuditInterval time.Duration
	// Logger receives what operators need to know. It never receives specs,
	// label values or other payloads. Default: discard.
	Logger *slog.Logger
	// OnDecision, if set, is called with every decision, before the caller gets
	// the answer. It must be quick and safe for concurrent use.
	OnDecision func(plimsoll.Decision)
	// Metrics is where the service's metrics are registered, and what /metrics shows.
	// Default: a registry of its own.
	Metrics *prometheus.Registry
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Limits on requests.
const (
	// MaxSpecBytes bounds the payload of a container's spec. Specs of real
	// containers have 4 to 50 KiB.
	MaxSpecBytes = 2<<20 - 1
	// MaxOptionsBytes bounds the payload of a container's runtime options, which name
	// a few paths, and MaxExtensionBytes that of each of its extensions.
	MaxOptionsBytes   = 64 << 10
	MaxExtensionBytes = 256 << 10
	// MaxContainerBytes bounds all of a container together.
	MaxContainerBytes = 3 << 20
	// MaxMetadataBytes bounds a container without its payloads: labels above all.
	// Events and watches carry it, and indexes have an entry for each label.
	MaxMetadataBytes = 256 << 10
	// MaxListBytes bounds the containers that one List answers with, as containerd
	// does (defaults.DefaultMaxSendMsgSize). grpc-go's clients take 4 MiB unless they
	// are told otherwise, containerd's 16.
	MaxListBytes = 16 << 20
	// DefaultDecisionLimit is far more than a usual day of decisions takes.
	DefaultDecisionLimit = 2 << 30
	// DefaultMaxRequestBytes leaves room for a spec of the largest size as base64
	// in JSON, and for the rest of the container.
	DefaultMaxRequestBytes = 4 << 20
)

func (o Options) withDefaults() Options {
	if o.DefaultNamespace == "" {
		o.DefaultNamespace = "default"
	}
	if o.DefaultSnapshotter == "" {
		o.DefaultSnapshotter = "overlayfs"
	}
	if o.ServerID == "" {
		o.ServerID = uuid.NewString()
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.MutationTimeout == 0 {
		o.MutationTimeout = 10 * time.Second
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 256
	}
	if o.QueueTimeout == 0 {
		o.QueueTimeout = 2 * time.Second
	}
	if o.RequestRetention == 0 {
		o.RequestRetention = 10 * time.Minute
	}
	if o.DecisionRetention == 0 {
		o.DecisionRetention = 24 * time.Hour
	}
	if o.ExemptionLimit == 0 {
		o.ExemptionLimit = DefaultExemptionLimit
	}
	if o.DecisionLimit == 0 {
		o.DecisionLimit = DefaultDecisionLimit
	}
	if o.MaxRequestBytes == 0 {
		o.MaxRequestBytes = DefaultMaxRequestBytes
	}
	if o.DecisionInputs == "" {
		o.DecisionInputs = InputsAll
	}
	if o.BackgroundShare == 0 {
		o.BackgroundShare = 0.5
	}
	if o.BackgroundInFlight == 0 {
		o.BackgroundInFlight = 1
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Service answers containers API calls. Make one with [New].
type Service struct {
	store      storage.Store
	options    Options
	ruleset    rulesetInUse
	inFlight   *semaphore.Weighted
	pages      pageViews
	lane       lane
	recorder   *recorder
	metrics    *metrics
	explains   *semaphore.Weighted // for whoever explains
	background *background
	jobs       *semaphore.Weighted // for one at a time
	paused     pausedJobs
	auditor    *auditor
	inputs     *inputRecorder // nil: they are not recorded
	watches    atomic.Int64   // how many there are
	drain      sync.Once      // closes draining
	draining   chan struct{}  // closed when callers are to go elsewhere
	maskSaid   occasion       // that rules cannot say what to hide
	dropSaid   occasion       // that rules cannot say what to drop
}

// New returns a Service over store. It refuses mutations until it is given a
// ruleset; reads work at once.
func New(store storage.Store, options Options) *Service {
	options = options.withDefaults()
	metrics := newMetrics(options.Metrics)
	draining := make(chan struct{})
	s := &Service{
		store:      store,
		options:    options,
		inFlight:   semaphore.NewWeighted(int64(options.MaxInFlight)),
		recorder:   newRecorder(store, options, metrics),
		metrics:    metrics,
		explains:   semaphore.NewWeighted(maxExplains),
		background: newBackground(options.BackgroundShare, options.BackgroundInFlight, draining),
		jobs:       semaphore.NewWeighted(1),
		draining:   draining,
	}
	s.auditor = newAuditor(s)
	s.inputs = newInputRecorder(store, options, s.background)
	return s
}

// Drain makes the service report that it is not ready, so that callers go
// elsewhere, and ends watches and work in the background. Requests that come all the same are still served.
func (s *Service) Drain() {
	s.drain.Do(func() {
		close(s.draining)
		s.paused.close()
	})
}

// Flush writes the records of decisions that are still queued. It is to be called when no
// more requests are served, and before the store is closed.
func (s *Service) Flush(ctx context.Context) error {
	return errors.Join(s.recorder.flush(ctx), s.inputs.flush(ctx))
}

var errDraining = errors.New("the server is shutting down")

// Ready reports whether mutations can be judged and committed, as nil or the
// reason why not.
func (s *Service) Ready(ctx context.Context) error {
	select {
	case <-s.draining:
		return errDraining
	default:
	}
	if !s.ruleset.isSet() {
		return plimsoll.ErrNotReady
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	return view.Close()
}

// enter waits until there is room for mutations among the MaxInFlight that may be in
// flight. A batch takes half of that at most, so that there is room for others. The caller
// calls leave when done.
func (s *Service) enter(ctx context.Context, mutations int) (leave func(), err error) {
	room := int64(max(1, min(mutations, s.options.MaxInFlight/2)))
	waiting, cancel := context.WithTimeout(ctx, s.options.QueueTimeout)
	defer cancel()
	if err := s.inFlight.Acquire(waiting, room); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, plimsoll.ErrOverloaded
	}
	return func() { s.inFlight.Release(room) }, nil
}

// newDecision begins the record of a mutation attempt.
func (s *Service) newDecision(m *plimsoll.Mutation) *plimsoll.Decision {
	now := s.options.Now().UTC()
	return &plimsoll.Decision{
		ID:         ulid.MustNew(ulid.Timestamp(now), rand.Reader).String(),
		Time:       now,
		Operation:  m.Operation,
		Key:        m.Key,
		User:       m.User,
		BreakGlass: m.BreakGlass,
		Outcome:    plimsoll.OutcomeFailed, // until proven otherwise
	}
}

// conclude completes the record and passes it on.
func (s *Service) conclude(d *plimsoll.Decision, dryRun bool, err error) {
	switch {
	case errors.Is(err, plimsoll.ErrDenied):
		d.Outcome = plimsoll.OutcomeDenied
	case err != nil:
		d.Outcome = plimsoll.OutcomeFailed
	case dryRun:
		d.Outcome = plimsoll.OutcomeDryRun
	default:
		d.Outcome = plimsoll.OutcomeAdmitted
	}
	d.Err = err
	d.Duration = s.options.Now().Sub(d.Time)
	if d.Replayed { // that decision was made before
		return
	}
	s.metrics.decided(d)
	s.soundAlarm(d)
	if s.options.OnDecision != nil {
		s.options.OnDecision(*d)
	}
}
