package serve

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
)

const secretToken = "t0ken-of-the-endpoint"

var expires = time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)

func options(address string, err error) Options {
	return Options{Address: address, RoleARN: "arn:aws:iam::123456789012:role/r", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Provider: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK-secret", SessionToken: "ST", CanExpire: true, Expires: expires}, err
		})}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	const address = "127.0.0.1:9911"
	for name, tc := range map[string]struct {
		change func(*http.Request)
		fails  error
		status int
	}{
		"as an SDK asks":  {func(*http.Request) {}, nil, 200},
		"bearer":          {func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secretToken) }, nil, 200},
		"localhost":       {func(r *http.Request) { r.Host = "LOCALHOST:9911" }, nil, 200},
		"over IPv6":       {func(r *http.Request) { r.RemoteAddr = "[::1]:5" }, nil, 200},
		"mapped IPv4":     {func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:5" }, nil, 200},
		"no token":        {func(r *http.Request) { r.Header.Del("Authorization") }, nil, 401},
		"wrong token":     {func(r *http.Request) { r.Header.Set("Authorization", secretToken+"x") }, nil, 401},
		"part of it":      {func(r *http.Request) { r.Header.Set("Authorization", secretToken[:5]) }, nil, 401},
		"two tokens":      {func(r *http.Request) { r.Header.Add("Authorization", "x") }, nil, 401},
		"token as query":  {func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "token=" + secretToken }, nil, 401},
		"rebound name":    {func(r *http.Request) { r.Host = "evil.example:9911" }, nil, 403},
		"no port":         {func(r *http.Request) { r.Host = "127.0.0.1" }, nil, 403},
		"neighbour":       {func(r *http.Request) { r.RemoteAddr = "192.0.2.7:5" }, nil, 403},
		"forwarded":       {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.7") }, nil, 403},
		"empty forwarded": {func(r *http.Request) { r.Header.Set("X-Forwarded-For", "") }, nil, 403},
		"page":            {func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, nil, 403},
		"navigation":      {func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "navigate") }, nil, 403},
		"preflight":       {func(r *http.Request) { r.Method = "OPTIONS" }, nil, 405},
		"post":            {func(r *http.Request) { r.Method = "POST" }, nil, 405},
		"other path":      {func(r *http.Request) { r.URL.Path = "/" }, nil, 404},
		"no credentials":  {func(*http.Request) {}, errors.New("SK-secret"), 503},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+address+ContainerPath, nil)
		r.RemoteAddr = "127.0.0.1:5"
		r.Header.Set("Authorization", secretToken)
		tc.change(r)
		w := httptest.NewRecorder()
		Container(options(address, tc.fails), secretToken).ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code != tc.status || (tc.status == 200) != strings.Contains(body, "SK-secret") || strings.Contains(body, secretToken) {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		for _, header := range []string{"Access-Control-Allow-Origin", "Location"} {
			if w.Header().Get(header) != "" {
				t.Errorf("%s: header %s", name, header)
			}
		}
		if w.Header().Get("Cache-Control") != "no-store" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: headers %v, body %s", name, w.Header(), body)
		}
	}
}

func TestNoEmptyToken(t *testing.T) {
	t.Parallel()
	if authorized(http.Header{"Authorization": {""}}, "") || authorized(http.Header{"Authorization": {"Bearer "}}, "") {
		t.Error("an empty token opens the door")
	}
}

// TestWithSDK asks with the AWS SDK's own client, over a real port that ends with its context.
func TestWithSDK(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, l, Container(options(l.Addr().String(), nil), secretToken))
	}()
	url := "http://" + l.Addr().String() + ContainerPath
	c, err := endpointcreds.New(url, func(o *endpointcreds.Options) { o.AuthorizationToken = secretToken }).Retrieve(t.Context())
	if err != nil || c.AccessKeyID != "AK" || c.SessionToken != "ST" || !c.Expires.Equal(expires) {
		t.Errorf("key %q until %v, %v", c.AccessKeyID, c.Expires, err)
	}
	_, err = endpointcreds.New(url, func(o *endpointcreds.Options) { o.AuthorizationToken = "other" }).Retrieve(t.Context())
	if err == nil {
		t.Error("another token opens the door")
	}
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server does not end")
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{"127.0.0.1:0": true, "localhost:0": true, "0.0.0.0:0": false, ":0": false, "192.0.2.1:0": false, "[::]:0": false, "127.0.0.1": false, "example.com:80": false} {
		l, err := Listen(t.Context(), address)
		if (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil {
			_ = l.Close()
		}
	}
}

// TestListenSays which addresses cannot be meant, and which are only not to be had at the moment.
func TestListenSays(t *testing.T) {
	t.Parallel()
	taken, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for address, mistake := range map[string]bool{taken.Addr().String(): false, "127.0.0.1": true, "127.0.0.1:x": true, "127.0.0.1:65536": true, "0.0.0.0:0": true} {
		l, err := Listen(t.Context(), address)
		var e *AddressError
		if err == nil {
			_ = l.Close()
		}
		if err == nil || errors.As(err, &e) != mistake {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, mistake := range map[string]bool{"192.0.2.1:0": false, "192.0.2.1": true, "192.0.2.1:x": true} {
		var e *AddressError
		if _, err := ListenAnywhere(t.Context(), address); err == nil || errors.As(err, &e) != mistake {
			t.Errorf("anywhere, %s: %v", address, err)
		}
	}
}

// lasting gives credentials that end in an hour.
type lasting struct{}

func (lasting) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK-secret", SessionToken: "ST", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
}
