package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetricsRegistry returns a registry of metrics with those of the process, which go by the
// names that every Go program has them under. The parts of the server add theirs.
func newMetricsRegistry(options Options) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "plimsoll_build_info",
		Help:        "1, with the version and commit of the program.",
		ConstLabels: prometheus.Labels{"version": options.Version, "commit": options.Commit},
	})
	build.Set(1)
	registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
