package service

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll-project/plimsoll/storage"
)

// TrimDecisions lets go of the oldest records of the log, which are older than
// Options.DecisionRetention or more than Options.DecisionLimit has room for. Somebody is to
// call it now and then.
func (s *Service) TrimDecisions(ctx context.Context) error {
	retention := max(s.options.DecisionRetention, 0)
	removed, err := s.store.TrimLog(ctx, storage.Retention{Since: s.options.Now().Add(-retention), Bytes: uint64(s.options.DecisionLimit)}) //nolint:gosec // not negative
	s.metrics.log.trimmed.Add(float64(removed))
	if err != nil {
		return err
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	state := view.LogState()
	s.metrics.log.bytes.Set(float64(state.Bytes))
	s.metrics.log.records.Set(float64(state.Kept()))
	return view.Close()
}

// logMetrics are of the log of decisions, as of the latest TrimDecisions.
type logMetrics struct {
	bytes, records prometheus.Gauge
	trimmed        prometheus.Counter
}

func newLogMetrics() logMetrics {
	return logMetrics{
		bytes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "plimsoll_decision_log_bytes", Help: "About how many bytes the log of decisions takes, as of the last minute."}),
		records: prometheus.NewGauge(prometheus.GaugeOpts{Name: "plimsoll_decision_log_records", Help: "How many records the log of decisions has, as of the last minute."}),
		trimmed: prometheus.NewCounter(prometheus.CounterOpts{Name: "plimsoll_decision_log_trimmed_total", Help: "Records that the log of decisions let go of, because of their age or for want of room."}),
	}
}
