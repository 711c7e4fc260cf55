package sink

import "github.com/prometheus/client_golang/prometheus"

// Metrics are what couriers count, by their names, of which there are few.
type Metrics struct {
	sent, failures, gone *prometheus.CounterVec
	skipped              *prometheus.CounterVec
	sequence             *prometheus.GaugeVec
}

// NewMetrics registers the metrics of couriers.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "plimsoll_decision_log_" + name, Help: help}, append([]string{"sink"}, labels...))
	}
	m := &Metrics{
		sent:     counter("sent_total", "Decisions that a sink has taken. Those that are sent again after a failure or restart count again."),
		failures: counter("send_failures_total", "Attempts to send decisions on that failed."),
		gone:     counter("lost_total", "Decisions that were let go of before they could be sent on."),
		skipped:  counter("left_out_total", "Decisions that were not sent on: by data.system.log.drop (rule), or since the sink would not take them (too_large).", "why"),
		sequence: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "plimsoll_decision_log_sent_sequence", Help: "The sequence of the last decision that a sink has dealt with.",
		}, []string{"sink"}),
	}
	registry.MustRegister(m.sent, m.failures, m.gone, m.skipped, m.sequence)
	return m
}

// Begin has a courier's counters be there before they count.
func (m *Metrics) Begin(name string) {
	for _, v := range []*prometheus.CounterVec{m.sent, m.failures, m.gone} {
		v.WithLabelValues(name)
	}
}

func (m *Metrics) taken(name string, n int)   { m.sent.WithLabelValues(name).Add(float64(n)) }
func (m *Metrics) failed(name string)         { m.failures.WithLabelValues(name).Inc() }
func (m *Metrics) lost(name string, n uint64) { m.gone.WithLabelValues(name).Add(float64(n)) }
func (m *Metrics) dropped(name, why string)   { m.skipped.WithLabelValues(name, why).Inc() }
func (m *Metrics) at(name string, sequence uint64) {
	m.sequence.WithLabelValues(name).Set(float64(sequence))
}
