// Package token gets access tokens from an identity provider with the client credentials grant (RFC 6749, 4.4), and
// reads their claims for diagnostics.
//
// Nothing here verifies a token: AWS STS and the vending API do. Nothing here logs one.
package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// Token is an access token.
type Token struct {
	Value   config.Secret
	Expires time.Time
}

// Refused says that the identity provider understood the request and turned it down.
type Refused struct {
	Host        string // of the token endpoint
	Provider    string // config.Auth0, …
	Status      int
	Code        string // OAuth error code, such as invalid_client; may be empty
	Description string // error_description; may be empty
}

func (e *Refused) Error() string {
	reason := e.Code
	switch {
	case reason == "":
		reason = http.StatusText(e.Status)
	case e.Description != "":
		reason += ": " + e.Description
	}
	return fmt.Sprintf("get token from %s: refused (%d): %s", e.Host, e.Status, reason)
}

// Unavailable says that the identity provider gave no answer, or none that makes sense.
type Unavailable struct {
	Host string
	Err  error
}

func (e *Unavailable) Error() string { return fmt.Sprintf("get token from %s: %v", e.Host, e.Err) }

func (e *Unavailable) Unwrap() error { return e.Err }

// Source gives tokens. It keeps the last one until shortly before it expires, and asks once for all that wait.
// Its methods may be called from any goroutine.
type Source struct {
	url      string
	endpoint endpoint
	client   *http.Client
	policy   retry.Policy
	now      func() time.Time
	log      *slog.Logger

	turn   chan struct{} // holds one element while nobody asks; guards what follows, and endpoint
	cached Token
	cfg    config.Config
	auth   config.Authentication
	reload func() (config.Authentication, error)
}

// Options are what a Source works with.
type Options struct {
	Client *http.Client // with a time-out
	Policy retry.Policy
	Now    func() time.Time
	Log    *slog.Logger
	// Reload, where set, reads the secret or key again. It is asked before each token, so that one that was replaced is used
	// without a restart.
	Reload func() (config.Authentication, error)
}

// New returns the source for a validated configuration. It fails with a *config.Error on a private key that cannot be used.
func New(cfg config.Config, auth config.Authentication, opts Options) (*Source, error) {
	e, err := newEndpoint(cfg, auth)
	if err != nil {
		return nil, err
	}
	s := &Source{url: e.url.String(), endpoint: e, client: opts.Client, policy: opts.Policy, now: opts.Now, log: opts.Log, turn: make(chan struct{}, 1),
		cfg: cfg, auth: auth, reload: opts.Reload}
	s.turn <- struct{}{}
	return s, nil
}

// Endpoint is the URL of the token endpoint.
func (s *Source) Endpoint() string { return s.url }

// Token returns a token that is good for a while yet. Errors: *Refused, *Unavailable or the context's.
func (s *Source) Token(ctx context.Context) (Token, error) { return s.get(ctx, "") }

// Replace returns a token other than the given one, which somebody found expired.
func (s *Source) Replace(ctx context.Context, old Token) (Token, error) {
	return s.get(ctx, old.Value)
}

func (s *Source) get(ctx context.Context, unwanted config.Secret) (Token, error) {
	select {
	case <-ctx.Done():
		return Token{}, ctx.Err()
	case <-s.turn:
	}
	defer func() { s.turn <- struct{}{} }()
	if s.cached.Value != "" && s.cached.Value != unwanted && s.now().Before(s.cached.Expires) {
		return s.cached, nil
	}
	s.refresh()
	var t Token
	err := s.policy.Do(ctx, func(ctx context.Context) (err error) {
		t, err = s.request(ctx)
		return err
	})
	if err != nil {
		return Token{}, s.classify(ctx, err)
	}
	s.log.Debug("got a token", "provider", s.endpoint.provider, "host", s.endpoint.host(), "good until", t.Expires)
	s.cached = t
	return t, nil
}

// refresh takes up a secret or key that was replaced. One that cannot be read or used just now leaves the former in use.
func (s *Source) refresh() {
	if s.reload == nil {
		return
	}
	auth, err := s.reload()
	if err == nil && auth == s.auth {
		return
	}
	var e endpoint
	if err == nil {
		e, err = newEndpoint(s.cfg, auth)
	}
	if err != nil {
		s.log.Warn("the secret or key cannot be read again, and the one from before stays in use", "error", err)
		return
	}
	s.log.Info("the secret or key was replaced, and the new one is used")
	s.endpoint, s.auth = e, auth
}

func (s *Source) classify(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	var refused *Refused
	if errors.As(err, &refused) {
		return err
	}
	return &Unavailable{Host: s.endpoint.host(), Err: err}
}

// margin is how long before its end a token is no longer used: a tenth of its life, a minute at most.
func margin(life time.Duration) time.Duration { return min(life/10, time.Minute) }
