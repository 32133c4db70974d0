// Package probe does once what a server will do: it gets an access token with the server's own configuration and secret,
// and AWS credentials for the token. IAM, and some identity providers, need a while before they honour what they have
// been told; a probe ends that wait at the right moment.
//
// It uses the host binary's own code, and reads no object and writes none.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// Patience bounds one probe. AWS gives no figure for how long IAM takes to make a change known everywhere; seconds are
// usual. https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
const Patience = 2 * time.Minute

const (
	firstPause  = 500 * time.Millisecond
	longestWait = 5 * time.Second
	askTime     = 20 * time.Second // for one request
)

// Probe knows how to reach token endpoints, AWS STS and the credential vending service. Its methods may be called from
// any goroutine.
type Probe struct {
	sts    credentials.AssumeRole
	client *http.Client
	sleep  func(context.Context, time.Duration) error
	now    func() time.Time
}

// New returns a probe. The client must not follow redirects.
func New(sts credentials.AssumeRole, client *http.Client) *Probe {
	bounded := *client
	bounded.Timeout = askTime
	return &Probe{sts: sts, client: &bounded, sleep: retry.Sleep, now: time.Now}
}

// Unreachable means that the token endpoint, STS or the vending service cannot be reached from here, which says nothing
// of the server.
type Unreachable struct{ Err error }

func (e *Unreachable) Error() string { return e.Err.Error() }

func (e *Unreachable) Unwrap() error { return e.Err }

// NotYet means that the server was refused until patience ran out, or until the context ended.
type NotYet struct{ Err error }

func (e *NotYet) Error() string { return e.Err.Error() }

func (e *NotYet) Unwrap() error { return e.Err }

// Wait returns nil as soon as the server gets AWS credentials. configuration is its server_configuration. Errors are
// *Unreachable, *NotYet, or that of a configuration or secret that no host could use.
func (p *Probe) Wait(ctx context.Context, configuration string, secret idp.Secret) error {
	cfg, err := config.Parse([]byte(configuration))
	if err != nil {
		return fmt.Errorf("read the server's configuration: %w", err)
	}
	if err := cfg.Validate(config.NeedCredentials); err != nil {
		return fmt.Errorf("read the server's configuration: %w", err)
	}
	source, err := p.source(cfg, secret)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var refused error
	for pause := firstPause; ; pause = min(2*pause, longestWait) {
		_, err := source.Retrieve(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil && refused != nil:
			return &NotYet{refused}
		case unreachable(err):
			return &Unreachable{err}
		}
		refused = err
		if p.sleep(ctx, pause) != nil {
			return &NotYet{refused}
		}
	}
}

// source is what the host's own commands get credentials from. One token serves all tries: tokens cost money at some
// identity providers.
func (p *Probe) source(cfg config.Config, secret idp.Secret) (aws.CredentialsProvider, error) {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	policy := retry.Default()
	policy.Attempts = 2
	tokens, err := token.New(cfg, config.Authentication{ClientSecret: config.Secret(secret.Reveal())},
		token.Options{Client: p.client, Policy: policy, Now: p.now, Log: quiet})
	if err != nil {
		return nil, err
	}
	if cfg.CredentialVendingURL != "" {
		return &credentials.Vending{URL: cfg.CredentialVendingURL, Client: p.client, Tokens: tokens, Policy: policy, Now: p.now, Log: quiet}, nil
	}
	return &credentials.STS{Client: p.sts, Tokens: tokens, Role: cfg.AWSRoleARN, Session: cfg.ServerName, Policy: policy, Log: quiet}, nil
}

// unreachable reports whether no server has answered: the name does not resolve, nothing listens, or its certificate is
// not trusted here.
func unreachable(err error) bool {
	_, ok := errors.AsType[*url.Error](err)
	return ok
}
