package metrics

import "github.com/prometheus/client_golang/prometheus"

// Spool are the figures of a watched directory. They are named oidcs3_spool_….
type Spool struct {
	Figures

	Uploaded, UploadedBytes, Failures prometheus.Counter
	LastUpload                        prometheus.Gauge // Unix time, seconds

	Waiting, WaitingBytes, OldestSeconds, Failing, Kept, KeptBytes prometheus.Gauge
}

// NewSpool makes the figures of the directory, all zero, and those of the process itself.
func NewSpool(dir, version string) *Spool {
	m := &Spool{Figures: newFigures(version)}
	labels := prometheus.Labels{"dir": dir}
	m.Uploaded = m.counter("spool", "uploaded_files_total", "Files that were uploaded.", labels)
	m.UploadedBytes = m.counter("spool", "uploaded_bytes_total", "Bytes of the files that were uploaded.", labels)
	m.Failures = m.counter("spool", "upload_failures_total", "Uploads that failed; each is tried again.", labels)
	m.LastUpload = m.gauge("spool", "last_upload_timestamp_seconds", "When the last file was uploaded; 0 before the first.", labels)
	m.Waiting = m.gauge("spool", "waiting_files", "Files that are not uploaded yet.", labels)
	m.WaitingBytes = m.gauge("spool", "waiting_bytes", "Bytes of the files that are not uploaded yet.", labels)
	m.OldestSeconds = m.gauge("spool", "oldest_waiting_seconds", "Age of the oldest file that is not uploaded yet.", labels)
	m.Failing = m.gauge("spool", "failing_files", "Of the files that are not uploaded yet, those that have failed.", labels)
	m.Kept = m.gauge("spool", "kept_files", "Files that are uploaded and still in the directory.", labels)
	m.KeptBytes = m.gauge("spool", "kept_bytes", "Bytes of the files that are uploaded and still in the directory.", labels)
	return m
}
