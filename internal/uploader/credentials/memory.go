package credentials

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Memory shares one set of credentials among all who ask in this process. They are renewed ahead of their end, once for
// all, while everybody goes on with the old ones; those stay in use where the identity provider or AWS is down, and are
// dropped where somebody says no. While there are none, a failure is the answer to all until a pause is over, so that
// callers in a hurry do not hurry the identity provider. Its methods may be called from any goroutine.
type Memory struct {
	Source aws.CredentialsProvider
	Now    func() time.Time
	Jitter func(time.Duration) time.Duration // a random duration up to the given one
	Log    *slog.Logger

	mu       sync.Mutex
	creds    aws.Credentials
	renewAt  time.Time
	failed   error         // of the last renewal
	failures int           // since the last renewal that went well
	again    time.Time     // until which failed is the answer where there are no credentials
	renewed  chan struct{} // closed when the renewal under way ends; nil while none is
}

// Retrieve implements aws.CredentialsProvider. Errors are those of the source, or the context's.
func (m *Memory) Retrieve(ctx context.Context) (aws.Credentials, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for first := true; ; first = false {
		now := m.Now()
		switch good := m.creds.HasKeys() && (!m.creds.CanExpire || usable(m.creds.Expires, now)); {
		case good && (!m.creds.CanExpire || now.Before(m.renewAt)):
			return m.creds, nil
		case !good && m.failed != nil && (!first || now.Before(m.again)):
			return aws.Credentials{}, m.failed
		case !first && m.creds.HasKeys():
			return m.creds, nil // as good as they come: the source gives no longer ones
		}
		done := m.renew(ctx)
		if m.creds.HasKeys() && usable(m.creds.Expires, now) {
			return m.creds, nil
		}
		if err := m.wait(ctx, done); err != nil {
			return aws.Credentials{}, err
		}
	}
}

// wait lets go of the lock until the renewal ends.
func (m *Memory) wait(ctx context.Context, done <-chan struct{}) error {
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-done:
		return nil
	}
}

// renew starts a renewal, or joins the one under way. It does not end with the one who happened to ask first.
func (m *Memory) renew(ctx context.Context) <-chan struct{} {
	if m.renewed != nil {
		return m.renewed
	}
	done := make(chan struct{})
	m.renewed = done
	go func() {
		creds, err := m.Source.Retrieve(context.WithoutCancel(ctx))
		m.mu.Lock()
		defer m.mu.Unlock()
		m.take(creds, err)
		m.renewed = nil
		close(done)
	}()
	return done
}

func (m *Memory) take(creds aws.Credentials, err error) {
	now := m.Now()
	m.failed = err
	if err == nil {
		m.failures, m.creds, m.renewAt = 0, creds, renewal(now, creds.Expires, m.Jitter)
		return
	}
	m.again = now.Add(pause(m.failures, m.Jitter))
	m.failures++
	switch {
	case refusal(err):
		m.creds = aws.Credentials{}
	case m.creds.HasKeys():
		m.renewAt = postponed(now, m.Jitter)
		m.Log.Warn("credentials are not renewed, and the old ones are used on", "until", m.creds.Expires, "error", err)
	}
}

// Invalidate drops the credentials with that access key, which somebody found to be over. Others are left alone: of many
// requests that were signed with the same key, the late ones must not cost what the first one brought.
func (m *Memory) Invalidate(accessKeyID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if accessKeyID == m.creds.AccessKeyID {
		m.creds, m.failed, m.failures = aws.Credentials{}, nil, 0
	}
}
