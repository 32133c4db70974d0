package token

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a source whose identity provider is a function, and the pauses that it made.
type rig struct {
	*Source
	clock  *clock
	pauses []time.Duration
	logged bytes.Buffer
}

func newRig(t *testing.T, auth config.Authentication, serve http.HandlerFunc, change func(*config.Config)) *rig {
	t.Helper()
	server := httptest.NewTLSServer(serve)
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "https://")
	cfg := config.Config{IdentityProvider: config.Auth0, Auth0Domain: host, Auth0ClientID: "client", Auth0Audience: "urn:uploads",
		EntraLoginHost: host, EntraTenantID: "tenant", EntraClientID: "client", EntraAudience: "api://uploads",
		CognitoDomain: host, CognitoClientID: "client", CognitoScopes: "uploads/read  uploads/write", AWSRegion: "eu-west-1"}
	if change != nil {
		change(&cfg)
	}
	r := &rig{clock: &clock{now: time.Unix(1_800_000_000, 0)}}
	policy := retry.Policy{Attempts: 4, Base: time.Second, Cap: time.Minute,
		Jitter: func(d time.Duration) time.Duration { return d },
		Sleep:  func(_ context.Context, d time.Duration) error { r.pauses = append(r.pauses, d); return nil }}
	s, err := New(cfg, auth, Options{Client: server.Client(), Policy: policy, Now: r.clock.Now,
		Log: slog.New(slog.NewTextHandler(&r.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	r.Source = s
	return r
}

var secret = config.Authentication{ClientSecret: "p+ss w%rd"}

// TestReplacedSecret: a secret that was replaced is used for the next token; one that cannot be read is not.
func TestReplacedSecret(t *testing.T) {
	t.Parallel()
	var asked []string
	r := newRig(t, secret, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Secret string `json:"client_secret"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		asked = append(asked, body.Secret)
		answerToken(w, "token", 60)
	}, nil)
	auth, unreadable := secret, error(nil)
	r.reload = func() (config.Authentication, error) { return auth, unreadable }
	next := func() {
		t.Helper()
		if _, err := r.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.clock.advance(time.Hour)
	}
	next()
	auth.ClientSecret = "s3cond"
	next()
	auth, unreadable = config.Authentication{}, errors.New("the file is gone")
	next()
	auth, unreadable = config.Authentication{PrivateKey: "no key"}, nil
	next()
	if want := []string{secret.ClientSecret.Reveal(), "s3cond", "s3cond", "s3cond"}; !slices.Equal(asked, want) {
		t.Errorf("asked with %q", asked)
	}
	if log := r.logged.String(); strings.Contains(log, "s3cond") || strings.Count(log, "stays in use") != 2 {
		t.Errorf("the log: %s", log)
	}
}

func answerToken(w http.ResponseWriter, name string, life int) {
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d}`, name, life)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]string{
		config.Auth0:   `/oauth/token application/json {"audience":"urn:uploads","client_id":"client","client_secret":"p+ss w%rd","grant_type":"client_credentials"}`,
		config.Entra:   "/tenant/oauth2/v2.0/token application/x-www-form-urlencoded client_id=client&client_secret=p%2Bss+w%25rd&grant_type=client_credentials&scope=api%3A%2F%2Fuploads%2F.default",
		config.Cognito: "/oauth2/token application/x-www-form-urlencoded grant_type=client_credentials&scope=uploads%2Fread+uploads%2Fwrite",
	} {
		r := newRig(t, secret, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if got := r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body); got != want {
				t.Errorf("%s: got %s", provider, got)
			}
			if _, _, basic := r.BasicAuth(); basic != (provider == config.Cognito) {
				t.Errorf("%s: basic authentication is %t", provider, basic)
			}
			answerToken(w, "a.b.c", 3600)
		}, func(c *config.Config) { c.IdentityProvider = provider })
		tok, err := r.Token(t.Context())
		if err != nil || tok.Value.Reveal() != "a.b.c" || !tok.Expires.Equal(r.clock.Now().Add(59*time.Minute)) {
			t.Errorf("%s: %v, good until %v", provider, err, tok.Expires)
		}
		if log := r.logged.String(); strings.Contains(log, "a.b.c") || strings.Contains(log, "rd") {
			t.Errorf("%s: the log holds a token or secret", provider)
		}
	}
}

func TestCognitoHost(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]string{"uploads": "uploads.auth.eu-west-1.amazoncognito.com", "auth.example.com": "auth.example.com", "127.0.0.1:1": "127.0.0.1:1", "localhost:99": "localhost:99"} {
		if got := cognitoHost(domain, "eu-west-1"); got != want {
			t.Errorf("cognitoHost(%s) = %s", domain, got)
		}
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := 0
	r := newRig(t, secret, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		answerToken(w, fmt.Sprint(asked), 600)
	}, nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if tok, err := r.Token(t.Context()); err != nil || tok.Value.Reveal() != "1" {
				t.Errorf("another token, or none: %v", err)
			}
		})
	}
	all.Wait()
	r.clock.advance(539 * time.Second) // a minute before the end less one second
	first, _ := r.Token(t.Context())
	r.clock.advance(2 * time.Second)
	second, _ := r.Token(t.Context())
	third, _ := r.Replace(t.Context(), second)
	again, _ := r.Replace(t.Context(), second) // somebody was faster
	if got := first.Value.Reveal() + second.Value.Reveal() + third.Value.Reveal() + again.Value.Reveal(); got != "1233" || asked != 3 {
		t.Errorf("tokens %s, asked %d times", got, asked)
	}
}

// TestExpiryIsTimeOfDay: a machine that slept, or was restored, must notice that a token is over.
func TestExpiryIsTimeOfDay(t *testing.T) {
	t.Parallel()
	r := newRig(t, secret, func(w http.ResponseWriter, _ *http.Request) { answerToken(w, "t", 600) }, nil)
	r.clock.now = time.Now()
	if !strings.Contains(r.clock.now.String(), "m=") {
		t.Fatal("this clock is not monotonic")
	}
	tok, err := r.Token(t.Context())
	if err != nil || strings.Contains(tok.Expires.String(), "m=") {
		t.Errorf("good until %v, %v", tok.Expires, err)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	statuses := []int{429, 503, 500}
	r := newRig(t, secret, func(w http.ResponseWriter, _ *http.Request) {
		if len(statuses) == 0 {
			answerToken(w, "t", 60)
			return
		}
		if statuses[0] == 429 {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
	}, nil)
	if _, err := r.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(r.pauses), "[8s 2s 4s]"; got != want {
		t.Errorf("pauses %s, want %s", got, want)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status  int
		body    string
		refused bool
		want    string
		asked   int
	}{
		"refused":      {401, `{"error":"invalid_client","error_description":"no\nsuch client"}`, true, "refused (401): invalid_client: no such client", 1},
		"bare":         {403, `<html>`, true, "refused (403): Forbidden", 1},
		"busy":         {503, ``, false, "status 503", 4},
		"broken":       {500, `{"error":"server_error"}`, false, "status 500 server_error", 4},
		"throttled":    {429, `{"error":"too_many_requests"}`, false, "status 429 too_many_requests", 4},
		"passing":      {400, `{"error":"temporarily_unavailable"}`, false, "status 400 temporarily_unavailable", 4},
		"wait forever": {429, `retry-after`, false, "status 429", 1},
		"not a token":  {200, `<html>`, false, "is this host a token endpoint?", 1},
		"redirect":     {302, ``, false, "is this host a token endpoint?", 1},
		"other type":   {200, `{"access_token":"a","token_type":"mac"}`, false, "not a bearer token", 1},
	} {
		asked := 0
		r := newRig(t, secret, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			if tc.body == "retry-after" {
				w.Header().Set("Retry-After", "3600")
			}
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, tc.body)
		}, nil)
		_, err := r.Token(t.Context())
		var refused *Refused
		var away *Unavailable
		if errors.As(err, &refused) != tc.refused || errors.As(err, &away) == tc.refused || !strings.Contains(fmt.Sprint(err), tc.want) || asked != tc.asked {
			t.Errorf("%s: %v after %d requests", name, err, asked)
		}
		if strings.Contains(fmt.Sprint(err), "p+ss") {
			t.Errorf("%s: the error holds the secret", name)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	r := newRig(t, secret, func(http.ResponseWriter, *http.Request) { <-hang }, nil)
	t.Cleanup(func() { close(hang) })
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := r.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
}

func keyPEM(t *testing.T) (*rsa.PrivateKey, []byte, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), der
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	key, text, certificate := keyPEM(t)
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	for provider, algorithm := range map[string]jose.SignatureAlgorithm{config.Auth0: jose.RS256, config.Entra: jose.PS256} {
		ids := map[string]bool{}
		var r *rig
		r = newRig(t, config.Authentication{PrivateKey: config.Secret(text)}, func(w http.ResponseWriter, req *http.Request) {
			body, _ := io.ReadAll(req.Body)
			var fields struct {
				Assertion string `json:"client_assertion"`
				Type      string `json:"client_assertion_type"`
			}
			if json.Unmarshal(body, &fields) != nil {
				req.Body = io.NopCloser(bytes.NewReader(body))
				fields.Assertion, fields.Type = req.PostFormValue("client_assertion"), req.PostFormValue("client_assertion_type")
			}
			parsed, err := jwt.ParseSigned(fields.Assertion, []jose.SignatureAlgorithm{algorithm})
			if err != nil || fields.Type != assertionType {
				t.Errorf("%s: %v, type %q", provider, err, fields.Type)
				return
			}
			var claims jwt.Claims
			if err := parsed.Claims(&key.PublicKey, &claims); err != nil {
				t.Errorf("%s: %v", provider, err)
			}
			audience := "https://" + req.Host + "/"
			if provider == config.Entra {
				audience = "https://" + req.Host + "/tenant/oauth2/v2.0/token"
				sum := sha256.Sum256(certificate)
				if got := parsed.Headers[0].ExtraHeaders["x5t#S256"]; got != base64.RawURLEncoding.EncodeToString(sum[:]) {
					t.Errorf("x5t#S256 is %v", got)
				}
			}
			want := jwt.Expected{Issuer: "client", Subject: "client", AnyAudience: jwt.Audience{audience}, Time: r.clock.Now()}
			if err := claims.ValidateWithLeeway(want, 0); err != nil || claims.Expiry.Time().Sub(r.clock.Now()) > 5*time.Minute || ids[claims.ID] || claims.ID == "" {
				t.Errorf("%s: %v, claims %+v", provider, err, claims)
			}
			ids[claims.ID] = true
			if len(ids) == 1 {
				w.WriteHeader(500) // a retry brings an assertion of its own
				return
			}
			answerToken(w, "t", 60)
		}, func(c *config.Config) { c.IdentityProvider = provider })
		if _, err := r.Token(t.Context()); err != nil || len(ids) != 2 {
			t.Errorf("%s: %v", provider, err)
		}
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	_, mine, _ := keyPEM(t)
	_, _, others := keyPEM(t)
	foreign := append(bytes.Clone(mine), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: others})...)
	for text, want := range map[string]string{
		"hello": "no PEM block", string(foreign): "belongs to another key",
		"-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n":                     "cannot be parsed",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n": "encrypted",
	} {
		_, err := newSigner(config.Auth0, config.Secret(text))
		var e *config.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := newSigner(config.Cognito, config.Secret(mine)); err == nil {
		t.Error("cognito takes a key")
	}
}

func FuzzPeek(f *testing.F) {
	b64 := base64.RawURLEncoding.EncodeToString
	f.Add(b64([]byte(`{"typ":"at+jwt"}`)) + "." + b64([]byte(`{"aud":["a","b"],"exp":1e9,"azp":"x"}`)) + ".x")
	f.Add("a.b.c")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Peek(Token{Value: config.Secret(text)})
		if err == nil && strings.ContainsAny(c.Issuer+c.AZP+c.Subject+c.Type+strings.Join(c.Audience, ""), "\n\r\x1b") {
			t.Error("claims hold control characters")
		}
	})
}
