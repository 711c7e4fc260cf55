package service

import (
	"github.com/prometheus/client_golang/prometheus"

	plimsollv1 "github.com/plimsoll-project/plimsoll/gen/plimsoll/v1"
)

// auditMetrics are those of the continuous audit.
type auditMetrics struct {
	containers *prometheus.GaugeVec
	rules      *prometheus.GaugeVec
	revision   prometheus.Gauge
	judged     *prometheus.CounterVec
}

// maxAuditRules bounds the rules that there are metrics of.
const maxAuditRules = 1000

func newAuditMetrics(registry prometheus.Registerer) auditMetrics {
	m := auditMetrics{
		containers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plimsoll_audit_containers",
			Help: "Stored containers by how they stand with the rules that judge now, as the continuous audit knows it; those that are warned are admitted, too.",
		}, []string{"standing"}),
		rules: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plimsoll_audit_rule_containers",
			Help: "Stored containers that a rule or validator denies, warns of or fails on, as the continuous audit knows it.",
		}, []string{"rule", "finding"}),
		revision: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "plimsoll_audit_revision", Help: "The revision that the continuous audit has come to.",
		}),
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_audit_judged_total",
			Help: "Containers that the continuous audit looked at, by how: judged by the whole of the rules, by the part of them that has changed, or kept as it was.",
		}, []string{"how"}),
	}
	for _, how := range []string{"whole", "part", "kept"} {
		m.judged.WithLabelValues(how)
	}
	registry.MustRegister(m.containers, m.rules, m.revision, m.judged)
	return m
}

// tell tells what the continuous audit knows.
func (m auditMetrics) tell(s *plimsollv1.AuditSummary) {
	m.revision.Set(float64(s.GetRevision()))
	m.containers.WithLabelValues("admitted").Set(float64(s.GetAdmitted()))
	m.containers.WithLabelValues("warned").Set(float64(s.GetWarned()))
	m.containers.WithLabelValues("denied").Set(float64(s.GetDenied()))
	m.containers.WithLabelValues("failed").Set(float64(s.GetFailed()))
	m.rules.Reset() // some may be gone
	for _, rule := range s.GetRules()[:min(len(s.GetRules()), maxAuditRules)] {
		for finding, n := range map[string]int64{"denied": rule.GetDenied(), "warned": rule.GetWarned(), "failed": rule.GetFailed()} {
			m.rules.WithLabelValues(ruleName(rule.GetSource()), finding).Set(float64(n))
		}
	}
}
