package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// Vending gets credentials from the credential vending API: GET <URL>/credentials with the token as bearer. It
// implements aws.CredentialsProvider; errors are those of the tokens, *Refused, *Unavailable or the context's.
type Vending struct {
	URL    string // base of the API, https
	Client *http.Client
	Tokens Tokens
	Policy retry.Policy
	Now    func() time.Time
	Log    *slog.Logger
}

// vended is the container-credentials form, or an error's.
type vended struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
	Code            string `json:"code"`
	Message         string `json:"message"`
}

// Retrieve implements aws.CredentialsProvider. A 401 may mean that the token has just expired: it is replaced once.
func (v *Vending) Retrieve(ctx context.Context) (aws.Credentials, error) {
	t, err := v.Tokens.Token(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	c, err := v.fetch(ctx, t)
	var refused *Refused
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		if t, err = v.Tokens.Replace(ctx, t); err != nil {
			return aws.Credentials{}, err
		}
		c, err = v.fetch(ctx, t)
	}
	switch {
	case err == nil:
		return logged(v.Log, ServiceVending, c), nil
	case ctx.Err() != nil:
		return aws.Credentials{}, ctx.Err()
	case errors.As(err, &refused):
		return aws.Credentials{}, err
	}
	return aws.Credentials{}, &Unavailable{Service: ServiceVending, Err: err}
}

func (v *Vending) fetch(ctx context.Context, t token.Token) (c aws.Credentials, err error) {
	err = v.Policy.Do(ctx, func(ctx context.Context) error {
		c, err = v.once(ctx, t)
		return err
	})
	return c, err
}

func (v *Vending) once(ctx context.Context, t token.Token) (aws.Credentials, error) {
	target := strings.TrimSuffix(v.URL, "/") + "/credentials"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return aws.Credentials{}, err
	}
	r.Header.Set("Authorization", "Bearer "+t.Value.Reveal())
	r.Header.Set("Accept", "application/json")
	resp, err := v.Client.Do(r)
	if err != nil {
		return aws.Credentials{}, &retry.Again{Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return aws.Credentials{}, &retry.Again{Err: fmt.Errorf("read answer: %w", err)}
	}
	var a vended
	malformed := json.Unmarshal(body, &a)
	switch {
	case retry.Transient(resp.StatusCode):
		return aws.Credentials{}, &retry.Again{Err: fmt.Errorf("status %d %s", resp.StatusCode, a.Code), After: retry.After(resp.Header, v.Now())}
	case resp.StatusCode >= 400:
		return aws.Credentials{}, v.refused(resp, a, t)
	case resp.StatusCode != http.StatusOK || malformed != nil || a.AccessKeyID == "" || a.SecretAccessKey == "" || a.Expiration.IsZero():
		return aws.Credentials{}, fmt.Errorf("status %d without credentials in it: is %s the vending API?", resp.StatusCode, target)
	}
	return aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey, SessionToken: a.Token,
		Source: ServiceVending, CanExpire: true, Expires: a.Expiration.UTC()}, nil
}

func (v *Vending) refused(resp *http.Response, a vended, t token.Token) *Refused {
	e := &Refused{Service: ServiceVending, Status: resp.StatusCode, Code: a.Code, Message: a.Message, Claims: peek(t),
		RequestID: resp.Header.Get("Apigw-Requestid")}
	if u, err := url.Parse(v.URL); err == nil {
		e.Host = u.Host
	}
	if e.Code == "" {
		e.Code = http.StatusText(resp.StatusCode)
	}
	return e
}
