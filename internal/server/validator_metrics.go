package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll-project/plimsoll/plugins"
)

// validatorMetrics are what is counted of validators, whichever rules they belong to, and
// how it stands with those that judge. The label is the name of a binding, which only
// operators give. It is a [prometheus.Collector].
type validatorMetrics struct {
	judged, shadows *prometheus.CounterVec
	quarantines     *prometheus.Desc
	instances       *prometheus.Desc
	// judging are the validators that judge; nil if there are none.
	judging func() *plugins.Validators
}

func newValidatorMetrics(judging func() *plugins.Validators) *validatorMetrics {
	return &validatorMetrics{
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_validator_judgements_total",
			Help: "What came of asking a validator: valid, violations, fault, out-of-fuel, out-of-time, quarantined or abandoned. Verdicts that are remembered count.",
		}, []string{"validator", "outcome"}),
		shadows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_validator_shadow_violations_total",
			Help: "Violations that a validator with enforcement shadow has found.",
		}, []string{"validator"}),
		quarantines: prometheus.NewDesc("plimsoll_validator_quarantines",
			"Callers on whose behalf a validator is not asked at present, because it failed again and again.", []string{"validator"}, nil),
		instances: prometheus.NewDesc("plimsoll_validator_instances",
			"Instances of a validator: busy in a call, idle, or the most that there may be (limit).", []string{"validator", "state"}, nil),
		judging: judging,
	}
}

// observe counts what came of asking a validator.
func (m *validatorMetrics) observe(j plugins.Judged) {
	m.judged.WithLabelValues(j.Validator, string(j.Outcome)).Inc()
	if j.Enforcement == plugins.Shadow {
		m.shadows.WithLabelValues(j.Validator).Add(float64(j.Violations))
	}
}

// Describe implements [prometheus.Collector].
func (m *validatorMetrics) Describe(out chan<- *prometheus.Desc) {
	m.judged.Describe(out)
	m.shadows.Describe(out)
	out <- m.quarantines
	out <- m.instances
}

// Collect implements [prometheus.Collector].
func (m *validatorMetrics) Collect(out chan<- prometheus.Metric) {
	m.judged.Collect(out)
	m.shadows.Collect(out)
	validators := m.judging()
	if validators == nil {
		return
	}
	gauge := func(desc *prometheus.Desc, value int, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(value), labels...)
	}
	quarantines := map[string]int{}
	for _, q := range validators.Quarantines() {
		quarantines[q.Validator]++
	}
	for _, i := range validators.Instances() {
		gauge(m.quarantines, quarantines[i.Validator], i.Validator)
		gauge(m.instances, i.Busy, i.Validator, "busy")
		gauge(m.instances, i.Idle, i.Validator, "idle")
		gauge(m.instances, i.Limit, i.Validator, "limit")
	}
}
