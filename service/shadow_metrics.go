package service

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shadowMetrics are what is measured of rules in shadow. They go on when others take the
// place of these.
type shadowMetrics struct {
	isRunning prometheus.Gauge
	judged    *prometheus.CounterVec
	failures  *prometheus.CounterVec
	dropped   prometheus.Counter
	duration  prometheus.Histogram
}

func newShadowMetrics(registry prometheus.Registerer) *shadowMetrics {
	m := &shadowMetrics{
		isRunning: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "plimsoll_shadow_running", Help: "Whether a ruleset runs in shadow: 1 or 0.",
		}),
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_shadow_judged_total",
			Help: "Mutations that a ruleset in shadow judged, by how that compares with what was said.",
		}, []string{"divergence"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plimsoll_shadow_failures_total", Help: "Mutations that a ruleset in shadow came to no verdict on, by cause.",
		}, []string{"cause"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "plimsoll_shadow_dropped_total", Help: "Mutations that a ruleset in shadow had no time for.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "plimsoll_shadow_duration_seconds", Help: "Time that a ruleset in shadow took to judge a mutation.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 13), // 0.1 ms to 6 s
		}),
	}
	registry.MustRegister(m.isRunning, m.judged, m.failures, m.dropped, m.duration)
	return m
}

func (m *shadowMetrics) running(is bool) {
	m.isRunning.Set(0)
	if is {
		m.isRunning.Set(1)
	}
}

func (m *shadowMetrics) observe(divergence, cause string, took time.Duration) {
	m.judged.WithLabelValues(divergence).Inc()
	if cause != "" {
		m.failures.WithLabelValues(cause).Inc()
	}
	m.duration.Observe(took.Seconds())
}
