package sts_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sts"
)

const account = "123456789012"

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// issuer is an identity provider on loopback.
type issuer struct {
	server  *httptest.Server
	key     *rsa.PrivateKey
	mu      sync.Mutex
	kid     string
	fetches int
}

func newIssuer(t *testing.T, key *rsa.PrivateKey) *issuer {
	t.Helper()
	i := &issuer{key: key, kid: "one"}
	i.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.url(), "jwks_uri": i.server.URL + "/keys"})
		case "/keys":
			i.fetches++
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: i.kid, Use: "sig", Algorithm: "RS256"}}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) url() string  { return i.server.URL + "/" } // with a slash at the end, as Auth0 has
func (i *issuer) bare() string { return strings.TrimPrefix(i.url(), "https://") }

func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// world is an account with IAM and STS on one server.
type world struct {
	clock     *clock
	directory *iam.Directory
	engine    *authz.Engine
	sts       *sts.Service
	server    *httptest.Server
	issuer    *issuer
	provider  string // ARN
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newWorld starts at the real time, with which the SDK signs.
func newWorld(t *testing.T) *world { return newWorldAt(t, time.Now()) }

func newWorldAt(t *testing.T, start time.Time) *world {
	t.Helper()
	w := &world{clock: &clock{t: start}, issuer: newIssuer(t, rsaKey())}
	w.directory = iam.NewDirectory(iam.DirectoryConfig{Now: w.clock.now, AccountID: account, Partition: "aws"})
	w.engine = authz.New(authz.Config{Now: w.clock.now, AccountID: account, Region: "eu-west-1", Directory: w.directory})
	w.sts = sts.New(sts.Config{
		Now: w.clock.now, AccountID: account, Partition: "aws",
		Directory: w.directory, Engine: w.engine, HTTPClient: w.issuer.server.Client(),
	})
	api := iam.New(iam.Config{Directory: w.directory, Guard: w.engine})
	w.server = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.sts.Handles(w.sts.Operation(r)) {
			w.sts.ServeHTTP(rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.user(t, iam.UserSpec{Name: "admin", Admin: true, AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"})
	arn, err := w.directory.CreateOIDCProvider(t.Context(), w.issuer.url(), []string{"https://api"})
	if err != nil {
		t.Fatal(err)
	}
	w.provider = arn
	return w
}

func (w *world) user(t *testing.T, spec iam.UserSpec) string {
	t.Helper()
	arn, err := w.directory.CreateUser(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func (w *world) role(t *testing.T, name, trust string) string {
	t.Helper()
	arn, err := w.directory.CreateRole(t.Context(), iam.RoleSpec{
		Name: name, TrustPolicy: trust,
		InlinePolicies: map[string]string{"assume": `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

func (w *world) config(id, secret, token string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(w.server.URL), HTTPClient: w.server.Client(),
		APIOptions:       awsanswer.Options(),
		Credentials:      credentials.NewStaticCredentialsProvider(id, secret, token),
		RetryMaxAttempts: 1,
	}
}

func (w *world) client() *awssts.Client {
	return awssts.NewFromConfig(w.config("AKIAADMIN", "admin-secret", ""))
}

// trust is a web identity trust policy over condition keys of the provider.
func (w *world) trust(conditions map[string]string) string {
	keys := map[string]string{}
	for key, value := range conditions {
		keys[w.issuer.bare()+":"+key] = value
	}
	out, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Federated": w.provider},
		"Action": "sts:AssumeRoleWithWebIdentity", "Condition": map[string]any{"StringEquals": keys},
	}}})
	if err != nil {
		panic(err)
	}
	return string(out)
}

func (w *world) claims() map[string]any {
	now := w.clock.now().Unix()
	return map[string]any{"iss": w.issuer.url(), "aud": "https://api", "sub": "web-01@clients", "iat": now, "exp": now + 3600}
}

func (w *world) assume(ctx context.Context, roleARN, token string, duration int32) (*awssts.AssumeRoleWithWebIdentityOutput, error) {
	in := &awssts.AssumeRoleWithWebIdentityInput{RoleArn: &roleARN, RoleSessionName: aws.String("web-01"), WebIdentityToken: &token}
	if duration > 0 {
		in.DurationSeconds = &duration
	}
	return w.client().AssumeRoleWithWebIdentity(ctx, in)
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Fatalf("got %s: %s; want %s: %s", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

func TestWebIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(t, "web-01", w.trust(map[string]string{"aud": "https://api", "sub": "web-01@clients"}))
	out, err := w.assume(t.Context(), role, sign(t, w.issuer.key, jose.RS256, "one", w.claims()), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.AssumedRoleUser.Arn); got != "arn:aws:sts::123456789012:assumed-role/web-01/web-01" {
		t.Errorf("arn %s", got)
	}
	if aws.ToString(out.Provider) != w.provider || aws.ToString(out.Audience) != "https://api" || aws.ToString(out.SubjectFromWebIdentityToken) != "web-01@clients" {
		t.Errorf("provider %s audience %s subject %s", aws.ToString(out.Provider), aws.ToString(out.Audience), aws.ToString(out.SubjectFromWebIdentityToken))
	}
	if d := out.Credentials.Expiration.Sub(w.clock.now()); d > time.Hour || d < time.Hour-2*time.Second {
		t.Errorf("session lasts %s", d)
	}

	c := out.Credentials
	me, err := awssts.NewFromConfig(w.config(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(me.Arn) != aws.ToString(out.AssumedRoleUser.Arn) || aws.ToString(me.UserId) != aws.ToString(out.AssumedRoleUser.AssumedRoleId) || aws.ToString(me.Account) != account {
		t.Errorf("caller %+v", me)
	}
	for name, token := range map[string]string{"wrong": "not-the-token", "missing": ""} {
		_, err = awssts.NewFromConfig(w.config(*c.AccessKeyId, *c.SecretAccessKey, token)).GetCallerIdentity(t.Context(), nil)
		if err == nil {
			t.Errorf("a %s session token was accepted", name)
		}
	}
}

// TestWebIdentityRefusals is the table of tokens that STS must not take.
func TestWebIdentityRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.role(t, "plain", w.trust(map[string]string{"aud": "https://api", "sub": "web-01@clients"}))
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock.now().Unix()
	rs := func(claims map[string]any) string { return sign(t, w.issuer.key, jose.RS256, "one", claims) }
	with := func(change map[string]any) map[string]any {
		claims := w.claims()
		maps.Copy(claims, change)
		for key, value := range claims {
			if value == nil {
				delete(claims, key)
			}
		}
		return claims
	}
	good := rs(w.claims())
	parts := strings.Split(good, ".")
	forged := strings.Split(rs(with(map[string]any{"sub": "web-02@clients"})), ".")

	for _, test := range []struct {
		name, token, code, message string
	}{
		{"wrong iss", rs(with(map[string]any{"iss": "https://elsewhere.example/"})), "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://elsewhere.example/"},
		{"iss without the slash", rs(with(map[string]any{"iss": w.issuer.server.URL})), "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"iss over http", rs(with(map[string]any{"iss": "http://" + w.issuer.bare()})), "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"no iss", rs(with(map[string]any{"iss": nil})), "InvalidIdentityToken", "No OpenIDConnect provider"},
		{"wrong aud", rs(with(map[string]any{"aud": "https://other"})), "InvalidIdentityToken", "Incorrect token audience"},
		{"several auds", rs(with(map[string]any{"aud": []string{"https://api", "https://other"}})), "InvalidIdentityToken", "Incorrect token audience"},
		{"no aud", rs(with(map[string]any{"aud": nil})), "InvalidIdentityToken", "aud"},
		{"wrong sub", rs(with(map[string]any{"sub": "web-02@clients"})), "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"no sub", rs(with(map[string]any{"sub": nil})), "InvalidIdentityToken", "sub"},
		{"another key", sign(t, other, jose.RS256, "one", w.claims()), "InvalidIdentityToken", "signature"},
		{"payload of another token", parts[0] + "." + forged[1] + "." + parts[2], "InvalidIdentityToken", "signature"},
		{"another kid", sign(t, w.issuer.key, jose.RS256, "two", w.claims()), "InvalidIdentityToken", "verification key"},
		{"no kid", sign(t, w.issuer.key, jose.RS256, "", w.claims()), "InvalidIdentityToken", "verification key"},
		{"alg not the key's", sign(t, w.issuer.key, jose.RS512, "one", w.claims()), "InvalidIdentityToken", "algorithm"},
		{"alg of another kind", sign(t, curve, jose.ES256, "one", w.claims()), "InvalidIdentityToken", ""},
		{"alg none", "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + parts[1] + ".", "InvalidIdentityToken", "not a valid JWT"},
		{"alg HS256", sign(t, make([]byte, 32), jose.HS256, "one", w.claims()), "InvalidIdentityToken", "not a valid JWT"},
		{"not a JWT", "abcdefgh", "InvalidIdentityToken", "not a valid JWT"},
		{"expired beyond the leeway", rs(with(map[string]any{"exp": now - 301})), "ExpiredTokenException", "Token expired"},
		{"no exp", rs(with(map[string]any{"exp": nil})), "InvalidIdentityToken", "exp"},
		{"exp is text", rs(with(map[string]any{"exp": "soon"})), "InvalidIdentityToken", "exp"},
		{"iat to come", rs(with(map[string]any{"iat": now + 600})), "InvalidIdentityToken", "iat"},
		{"nbf to come", rs(with(map[string]any{"nbf": now + 600})), "InvalidIdentityToken", "nbf"},
		{"azp under a plain policy", rs(with(map[string]any{"azp": "client-1"})), "InvalidIdentityToken", "Incorrect token audience"},
		{"azp is no text", rs(with(map[string]any{"azp": 7})), "InvalidIdentityToken", "Incorrect token audience"},
		{"too long", strings.Repeat("a", 20001), "ValidationError", "20000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := w.assume(t.Context(), plain, test.token, 0)
			wantError(t, err, test.code, test.message)
		})
	}
	t.Run("expired within the leeway", func(t *testing.T) {
		t.Parallel()
		if _, err := w.assume(t.Context(), plain, rs(with(map[string]any{"exp": now - 290})), 0); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("over-long duration", func(t *testing.T) {
		t.Parallel()
		_, err := w.assume(t.Context(), plain, good, 3601)
		wantError(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		_, err = w.assume(t.Context(), plain, good, 899)
		wantError(t, err, "ValidationError", "greater than or equal to 900")
	})
	t.Run("no such role", func(t *testing.T) {
		t.Parallel()
		_, err := w.assume(t.Context(), "arn:aws:iam::123456789012:role/nobody", good, 0)
		wantError(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	})
}

func TestAuthorizedParty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plain := w.role(t, "plain", w.trust(map[string]string{"aud": "https://api", "sub": "web-01@clients"}))
	azp := w.role(t, "azp", w.trust(map[string]string{"aud": "client-1", "oaud": "https://api", "sub": "web-01@clients"}))
	claims := w.claims()
	claims["azp"] = "client-1"
	token := sign(t, w.issuer.key, jose.RS256, "one", claims)

	_, err := w.assume(t.Context(), azp, token, 0)
	wantError(t, err, "InvalidIdentityToken", "Incorrect token audience")

	client := awsiam.NewFromConfig(w.config("AKIAADMIN", "admin-secret", ""))
	if _, err := client.AddClientIDToOpenIDConnectProvider(t.Context(), &awsiam.AddClientIDToOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: &w.provider, ClientID: aws.String("client-1"),
	}); err != nil {
		t.Fatal(err)
	}
	if out, err := w.assume(t.Context(), azp, token, 0); err != nil || aws.ToString(out.Audience) != "client-1" {
		t.Fatalf("azp policy: %v, %v", out, err)
	}
	_, err = w.assume(t.Context(), plain, token, 0)
	wantError(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
	_, err = w.assume(t.Context(), azp, sign(t, w.issuer.key, jose.RS256, "one", w.claims()), 0)
	wantError(t, err, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(t, "web-01", w.trust(map[string]string{"aud": "https://api"}))
	token := sign(t, w.issuer.key, jose.RS256, "one", w.claims())
	for range 3 {
		if _, err := w.assume(t.Context(), role, token, 0); err != nil {
			t.Fatal(err)
		}
	}
	w.issuer.mu.Lock()
	if w.issuer.fetches != 1 {
		t.Errorf("%d fetches of the keys, want 1", w.issuer.fetches)
	}
	w.issuer.kid = "two"
	w.issuer.mu.Unlock()
	if _, err := w.assume(t.Context(), role, sign(t, w.issuer.key, jose.RS256, "two", w.claims()), 0); err != nil {
		t.Fatalf("after a rotation: %v", err)
	}
	for range 30 {
		_, err := w.assume(t.Context(), role, sign(t, w.issuer.key, jose.RS256, "three", w.claims()), 0)
		wantError(t, err, "InvalidIdentityToken", "verification key")
	}
	w.issuer.mu.Lock()
	if w.issuer.fetches > 10 {
		t.Errorf("unknown key ids made %d fetches", w.issuer.fetches)
	}
	w.issuer.mu.Unlock()
}

func TestIssuerUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role := w.role(t, "web-01", w.trust(map[string]string{"aud": "https://api"}))
	token := sign(t, w.issuer.key, jose.RS256, "one", w.claims())
	w.issuer.server.Close()
	_, err := w.assume(t.Context(), role, token, 0)
	wantError(t, err, "IDPCommunicationError", "")
}

func TestRolePropagation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.SetRolePropagation(10 * time.Second)
	role := w.role(t, "web-01", w.trust(map[string]string{"aud": "https://api"}))
	token := sign(t, w.issuer.key, jose.RS256, "one", w.claims())
	_, err := w.assume(t.Context(), role, token, 0)
	wantError(t, err, "AccessDenied", "Not authorized")
	w.clock.advance(10 * time.Second)
	if _, err := w.assume(t.Context(), role, token, 0); err != nil {
		t.Fatal(err)
	}
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := w.user(t, iam.UserSpec{Name: "named", AccessKeyID: "AKIANAMED", SecretAccessKey: "named-secret"})
	w.user(t, iam.UserSpec{Name: "stranger", AccessKeyID: "AKIASTRANGER", SecretAccessKey: "stranger-secret"})
	trustOf := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}}`
	}
	first := w.role(t, "first", trustOf(named))
	second := w.role(t, "second", trustOf(first))
	whole := w.role(t, "whole", trustOf("arn:aws:iam::123456789012:root"))
	assume := func(c aws.Config, role string, duration int32) (*types.Credentials, error) {
		out, err := awssts.NewFromConfig(c).AssumeRole(t.Context(), &awssts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("job"), DurationSeconds: &duration})
		if err != nil {
			return nil, err
		}
		return out.Credentials, nil
	}
	user := w.config("AKIANAMED", "named-secret", "")
	stranger := w.config("AKIASTRANGER", "stranger-secret", "")
	admin := w.config("AKIAADMIN", "admin-secret", "")

	c, err := assume(user, first, 3600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = assume(stranger, first, 3600)
	wantError(t, err, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: "+first)
	_, err = assume(admin, first, 3600)
	wantError(t, err, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: "+first)
	_, err = assume(stranger, whole, 3600) // the account is trusted, but the user's own policies say nothing
	wantError(t, err, "AccessDenied", "no identity-based policy allows the sts:AssumeRole action")
	if _, err := assume(admin, whole, 3600); err != nil {
		t.Errorf("administrator: %v", err)
	}

	session := w.config(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	if _, err := assume(session, second, 3600); err != nil {
		t.Errorf("chain: %v", err)
	}
	_, err = assume(session, second, 3601)
	wantError(t, err, "ValidationError", "exceeds the 1 hour session limit for roles assumed by role chaining")
}

func TestSessionExpires(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, time.Now().Add(-14*time.Minute)) // the SDK signs by the real clock: stay within 15 minutes of it
	role := w.role(t, "web-01", w.trust(map[string]string{"aud": "https://api"}))
	out, err := w.assume(t.Context(), role, sign(t, w.issuer.key, jose.RS256, "one", w.claims()), 900)
	if err != nil {
		t.Fatal(err)
	}
	client := awssts.NewFromConfig(w.config(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken))
	if _, err := client.GetCallerIdentity(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(15*time.Minute + time.Second)
	_, err = client.GetCallerIdentity(t.Context(), nil)
	wantError(t, err, "ExpiredToken", "The security token included in the request is expired")
}

// FuzzToken sends texts for tokens: whatever they are, the answer is an error of the API.
func FuzzToken(f *testing.F) {
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6Im9uZSJ9.eyJpc3MiOlsxXX0.AAAA")
	now := time.Now
	directory := iam.NewDirectory(iam.DirectoryConfig{Now: now, AccountID: account, Partition: "aws"})
	service := sts.New(sts.Config{
		Now: now, AccountID: account, Partition: "aws", Directory: directory, HTTPClient: http.DefaultClient,
		Engine: authz.New(authz.Config{Now: now, AccountID: account, Region: "eu-west-1", Directory: directory}),
	})
	f.Fuzz(func(t *testing.T, token string) {
		form := "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=web-01&RoleArn=arn:aws:iam::123456789012:role/x&WebIdentityToken=" + url.QueryEscape(token)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		service.ServeHTTP(rec, r)
		if rec.Code < 400 || rec.Code >= 500 {
			t.Fatalf("status %d", rec.Code)
		}
	})
}
