package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Renewal are the figures of something that is kept fresh: credentials or a token. They are named oidcs3_credentials_… and
// oidcs3_token_….
type Renewal struct {
	Figures

	renewals, failures prometheus.Counter
	last, expires      prometheus.Gauge // Unix time, seconds
}

// NewRenewal makes the figures of "credentials" or "token", all zero.
func NewRenewal(what, version string) *Renewal {
	m := &Renewal{Figures: newFigures(version)}
	m.renewals = m.counter(what, "renewals_total", "Renewals that were made.", nil)
	m.failures = m.counter(what, "renewal_failures_total", "Renewals that failed; each is tried again.", nil)
	m.last = m.gauge(what, "last_renewal_timestamp_seconds", "When the last renewal was made; 0 before the first.", nil)
	m.expires = m.gauge(what, "expiry_timestamp_seconds", "When what the last renewal gave ends; 0 before the first.", nil)
	return m
}

// Note counts one renewal, which ended at the time now.
func (m *Renewal) Note(now, expires time.Time, err error) {
	if err != nil {
		m.failures.Inc()
		return
	}
	m.renewals.Inc()
	m.last.Set(float64(now.Unix()))
	m.expires.Set(float64(expires.Unix()))
}
