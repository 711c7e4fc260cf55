package service

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plimsoll-project/plimsoll"
)

// metrics are what the service counts and measures. The names are a promise to those who
// have dashboards and alerts; docs/operations.md lists them. No label says who, which
// container or which namespace: anybody can read them, and make up any number of those.
type metrics struct {
	decisions *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	glass     *prometheus.CounterVec
	exempted  prometheus.Counter
	dropped   *prometheus.CounterVec
	log       logMetrics
	audit     auditMetrics
	// maskFailures counts decisions of which policies could not say what to hide.
	maskFailures prometheus.Counter
}

// newMetrics registers the service's metrics. It panics if another service has done so
// with the same registry.
func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_decisions_total",
			Help: "Attempts to change something, by operation and outcome. Answers to retries that were answered before do not count again.",
		}, []string{"operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "plimsoll_decision_duration_seconds",
			Help:    "Time from request to answer of attempts to change something, commit included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 13), // 0.1 ms to 6 s
		}, []string{"operation"}),
	}
	m.glass = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_break_glass_total",
		Help: "Attempts to override rules by break-glass, by outcome. Any deserves a look.",
	}, []string{"outcome"})
	m.exempted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "plimsoll_exempted_decisions_total",
		Help: "Changes that were admitted because exemptions cover what they violate.",
	})
	m.maskFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "plimsoll_decision_log_mask_failures_total",
		Help: "Decisions recorded without what was judged, because data.system.log.mask came to no result.",
	})
	m.dropped = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_decisions_dropped_total",
		Help: "Decisions that changed nothing and were not recorded, by reason: queue (more than can be written), caller (more of one caller than are kept), total (more than are kept), failed (the store failed).",
	}, []string{"reason"})
	for _, why := range dropReasons { // so that an alert sees the first one
		m.dropped.WithLabelValues(string(why))
	}
	m.log = newLogMetrics()
	m.audit = newAuditMetrics(registry)
	registry.MustRegister(m.decisions, m.duration, m.glass, m.exempted, m.dropped, m.log.bytes, m.log.records, m.log.trimmed, m.maskFailures)
	return m
}

// decided counts a decision.
func (m *metrics) decided(d *plimsoll.Decision) {
	operation := string(d.Operation)
	m.decisions.WithLabelValues(operation, string(d.Outcome)).Inc()
	m.duration.WithLabelValues(operation).Observe(d.Duration.Seconds())
	if exempted, _ := countWaived(d.Verdict.Warnings); exempted > 0 && d.Outcome == plimsoll.OutcomeAdmitted {
		m.exempted.Inc()
	}
}

// brokeGlass counts a use of break-glass.
func (m *metrics) brokeGlass(d *plimsoll.Decision) { m.glass.WithLabelValues(string(d.Outcome)).Inc() }

// metricsHandler serves the registry in the formats of Prometheus.
func (s *Service) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{
		// A collector that fails must not hide what the others say.
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}
