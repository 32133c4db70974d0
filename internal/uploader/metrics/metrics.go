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

// Spool are the figures of a watched directory. They are named oidcs3_spool_….
type Spool struct {
	registry *prometheus.Registry

	Uploaded, UploadedBytes, Failures prometheus.Counter
	LastUpload                        prometheus.Gauge // Unix time, seconds

	Waiting, WaitingBytes, OldestSeconds, Failing, Kept, KeptBytes prometheus.Gauge
}

// NewSpool makes the figures of the directory, all zero, and those of the process itself.
func NewSpool(dir, version string) *Spool {
	m := &Spool{registry: prometheus.NewRegistry()}
	labels := prometheus.Labels{"dir": dir}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "oidcs3", Subsystem: "spool", Name: name, Help: help, ConstLabels: labels})
		m.registry.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "oidcs3", Subsystem: "spool", Name: name, Help: help, ConstLabels: labels})
		m.registry.MustRegister(g)
		return g
	}
	m.Uploaded = counter("uploaded_files_total", "Files that were uploaded.")
	m.UploadedBytes = counter("uploaded_bytes_total", "Bytes of the files that were uploaded.")
	m.Failures = counter("upload_failures_total", "Uploads that failed; each is tried again.")
	m.LastUpload = gauge("last_upload_timestamp_seconds", "When the last file was uploaded; 0 before the first.")
	m.Waiting = gauge("waiting_files", "Files that are not uploaded yet.")
	m.WaitingBytes = gauge("waiting_bytes", "Bytes of the files that are not uploaded yet.")
	m.OldestSeconds = gauge("oldest_waiting_seconds", "Age of the oldest file that is not uploaded yet.")
	m.Failing = gauge("failing_files", "Of the files that are not uploaded yet, those that have failed.")
	m.Kept = gauge("kept_files", "Files that are uploaded and still in the directory.")
	m.KeptBytes = gauge("kept_bytes", "Bytes of the files that are uploaded and still in the directory.")
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "oidcs3_build_info", Help: "The version that runs.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// WriteFile replaces a file of the node exporter's textfile collector, whose name should end in .prom.
func (m *Spool) WriteFile(path string) error {
	if err := prometheus.WriteToTextfile(path, m.registry); err != nil {
		return fmt.Errorf("write metrics to %s: %w", path, err)
	}
	return nil
}

// Handler answers GET /metrics, in OpenMetrics for those who ask for it.
func (m *Spool) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return mux
}

// Serve answers on the listener until the context ends.
func (m *Spool) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: m.Handler(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
