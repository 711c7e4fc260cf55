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
	shadow    *shadowMetrics
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
	registry.MustRegister(m.decisions, m.duration)
	m.shadow = newShadowMetrics(registry)
	return m
}

// decided counts a decision.
func (m *metrics) decided(d *plimsoll.Decision) {
	operation := string(d.Operation)
	m.decisions.WithLabelValues(operation, string(d.Outcome)).Inc()
	m.duration.WithLabelValues(operation).Observe(d.Duration.Seconds())
}

// metricsHandler serves the registry in the formats of Prometheus.
func (s *Service) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{
		// A collector that fails must not hide what the others say.
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}
