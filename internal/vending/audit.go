package vending

import (
	"context"
	"log/slog"
	"time"
)

// audit gathers what the audit line of a decision says. Only what was verified gets in: an issuer that is configured, a
// client id behind a good signature.
type audit struct {
	requestID, issuer, clientID, server, role, session string

	began, expires time.Time
}

func (a audit) write(ctx context.Context, log *slog.Logger, now time.Time, refused *refusal) {
	level, decision, reason := slog.LevelInfo, "allow", "ok"
	fields := []slog.Attr{
		slog.String("request_id", a.requestID), slog.String("issuer", a.issuer), slog.String("client_id", a.clientID),
		slog.String("server", a.server), slog.String("role", a.role), slog.String("session", a.session),
		slog.Float64("duration_ms", float64(now.Sub(a.began).Microseconds())/1000),
	}
	if refused != nil {
		level, decision, reason = slog.LevelWarn, "refuse", refused.reason
		if reason == "" {
			reason = refused.code
		}
		fields = append(fields, slog.Int("status", refused.status))
		if refused.err != nil {
			fields = append(fields, slog.String("error", refused.err.Error()))
		}
		if refused.status >= 500 {
			level = slog.LevelError
		}
	} else {
		fields = append(fields, slog.Int("status", 200), slog.Time("expires", a.expires))
	}
	fields = append([]slog.Attr{slog.String("decision", decision), slog.String("reason", reason)}, fields...)
	log.LogAttrs(ctx, level, "credential request", fields...)
}
