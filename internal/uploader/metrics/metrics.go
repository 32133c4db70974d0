// Package metrics shows figures of a running program to Prometheus: over HTTP on loopback, or in a file for the node
// exporter's textfile collector.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Figures are what a program shows, those of its process included.
type Figures struct{ registry *prometheus.Registry }

func newFigures(version string) Figures {
	f := Figures{registry: prometheus.NewRegistry()}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "oidcs3_build_info", Help: "The version that runs.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	f.registry.MustRegister(build, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

func (f Figures) counter(subsystem, name, help string, labels prometheus.Labels) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "oidcs3", Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels})
	f.registry.MustRegister(c)
	return c
}

func (f Figures) gauge(subsystem, name, help string, labels prometheus.Labels) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "oidcs3", Subsystem: subsystem, Name: name, Help: help, ConstLabels: labels})
	f.registry.MustRegister(g)
	return g
}

// WriteFile replaces a file of the node exporter's textfile collector, whose name should end in .prom.
func (f Figures) WriteFile(path string) error {
	if err := prometheus.WriteToTextfile(path, f.registry); err != nil {
		return fmt.Errorf("write metrics to %s: %w", path, err)
	}
	return nil
}

// Handler answers GET /metrics, in OpenMetrics for those who ask for it.
func (f Figures) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

// Serve answers on the listener until the context ends.
func (f Figures) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: f.Handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
