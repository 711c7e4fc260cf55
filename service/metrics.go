package service

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plimsoll-project/plimsoll"
	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// metrics are what the service counts and measures. The names are a promise to those who
// have dashboards and alerts; docs/operations.md lists them. No label says who, which
// container or which namespace: anybody can read them, and make up any number of those.
type metrics struct {
	decisions *prometheus.CounterVec
	duration  *prometheus.HistogramVec

	auditContainers *prometheus.GaugeVec
	auditRules      *prometheus.GaugeVec
	auditRevision   prometheus.Gauge
	audited         *prometheus.CounterVec
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
	m.auditContainers = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "plimsoll_audit_containers",
		Help: "Stored containers by how they stand with the rules that judge now, as the continuous audit knows it; those that are warned are admitted, too.",
	}, []string{"standing"})
	m.auditRules = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "plimsoll_audit_rule_containers",
		Help: "Stored containers that a rule or validator denies, warns of or fails on, as the continuous audit knows it.",
	}, []string{"rule", "finding"})
	m.auditRevision = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "plimsoll_audit_revision", Help: "The revision that the continuous audit has come to.",
	})
	m.audited = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "plimsoll_audit_judged_total",
		Help: "Containers that the continuous audit looked at, by how: judged by the whole of the rules, by the part of them that has changed, or kept as it was.",
	}, []string{"how"})
	registry.MustRegister(m.decisions, m.duration, m.auditContainers, m.auditRules, m.auditRevision, m.audited)
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

// maxAuditRules bounds the rules that there are metrics of.
const maxAuditRules = 1000

// audit tells what the continuous audit knows.
func (m *metrics) audit(s *plimsollv1.AuditSummary) {
	m.auditRevision.Set(float64(s.GetRevision()))
	m.auditContainers.WithLabelValues("admitted").Set(float64(s.GetAdmitted()))
	m.auditContainers.WithLabelValues("warned").Set(float64(s.GetWarned()))
	m.auditContainers.WithLabelValues("denied").Set(float64(s.GetDenied()))
	m.auditContainers.WithLabelValues("failed").Set(float64(s.GetFailed()))
	m.auditRules.Reset() // some may be gone
	for _, rule := range s.GetRules()[:min(len(s.GetRules()), maxAuditRules)] {
		for finding, n := range map[string]int64{"denied": rule.GetDenied(), "warned": rule.GetWarned(), "failed": rule.GetFailed()} {
			m.auditRules.WithLabelValues(ruleName(rule.GetSource()), finding).Set(float64(n))
		}
	}
}
