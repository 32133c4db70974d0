package vending_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	sandboxdynamodb "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/dynamodb"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sts"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	bucket  = "uploads-bucket"
	table   = "client-roles"
	scope   = "uploads/write"
)

// world is the clouds that a vending service meets: IAM, STS and DynamoDB on one port, and four issuers.
type world struct {
	directory  *iam.Directory
	engine     *authz.Engine
	aws        *httptest.Server
	calls      *callCount
	vendingARN string
	session    aws.Credentials // of the vending role
	rows       *rolemap.Table
	issuers    map[string]*issuer
	logs       *lockedBuffer
}

type callCount struct {
	mu sync.Mutex
	by map[string]int
}

func (c *callCount) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[name]++
}

func (c *callCount) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by[name]
}

// lockedBuffer takes the log of concurrent requests.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// awaits reports whether the text comes within a minute: a child's log travels beside its answers.
func (l *lockedBuffer) awaits(text string) bool {
	for range 6000 {
		if strings.Contains(l.String(), text) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{calls: &callCount{by: map[string]int{}}, logs: &lockedBuffer{}}
	w.directory = iam.NewDirectory(iam.DirectoryConfig{Now: time.Now, AccountID: account, Partition: "aws"})
	w.engine = authz.New(authz.Config{Now: time.Now, AccountID: account, Region: region, Directory: w.directory})
	stsAPI := sts.New(sts.Config{Now: time.Now, AccountID: account, Partition: "aws", Directory: w.directory, Engine: w.engine, HTTPClient: http.DefaultClient})
	db := sandboxdynamodb.New(sandboxdynamodb.Config{Now: time.Now, AccountID: account, Region: region, Partition: "aws", Guard: w.engine})
	w.aws = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if db.Handles(r) {
			w.calls.add(db.Operation(r))
			db.ServeHTTP(rw, r)
			return
		}
		w.calls.add(stsAPI.Operation(r))
		stsAPI.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.aws.Close)
	ctx := context.Background()
	if _, err := w.directory.CreateUser(ctx, iam.UserSpec{Name: "admin", Admin: true, AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.CreateTable(ctx, table, "client_id"); err != nil {
		t.Fatal(err)
	}
	w.rows = rolemap.New(dynamodb.NewFromConfig(w.config(aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"})))
	w.vendingARN = w.role(t, "vending", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:SetSourceIdentity"],"Resource":"arn:aws:iam::123456789012:role/oidc-s3-*"},{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"arn:aws:dynamodb:eu-west-1:123456789012:table/client-roles"}]}`)
	out, err := awssts.NewFromConfig(w.config(aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"})).AssumeRole(ctx,
		&awssts.AssumeRoleInput{RoleArn: &w.vendingARN, RoleSessionName: aws.String("lambda")})
	if err != nil {
		t.Fatal(err)
	}
	w.session = aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	w.issuers = map[string]*issuer{}
	for _, name := range []string{"cognito", "auth0", "entra1", "entra2"} {
		w.issuers[name] = newIssuer(t, name)
	}
	return w
}

func (w *world) config(c aws.Credentials) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(w.aws.URL), HTTPClient: w.aws.Client(), RetryMaxAttempts: 1,
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
	}
}

func (w *world) role(t testing.TB, name, trust, policy string) string {
	t.Helper()
	arn, err := w.directory.CreateRole(context.Background(), iam.RoleSpec{Name: name, TrustPolicy: trust, InlinePolicies: map[string]string{"p": policy}})
	if err != nil {
		t.Fatal(err)
	}
	return arn
}

// onboard makes a server's role, as the provider does, and its row. The role's own policy is wide open.
func (w *world) onboard(t testing.TB, key, server, prefix string) rolemap.Row {
	t.Helper()
	trust := access.Trust{Mode: access.Vending, VendingRoleARN: w.vendingARN, ServerName: server}
	if err := trust.Validate(); err != nil {
		t.Fatal(err)
	}
	arn := w.role(t, "oidc-s3-dev-"+server, trust.Policy(), `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:*","sts:SetSourceIdentity"],"Resource":"*"}}`)
	row := rolemap.Row{ClientID: key, RoleARN: arn, ServerName: server, Prefix: prefix}
	if err := w.rows.Put(context.Background(), table, row); err != nil {
		t.Fatal(err)
	}
	return row
}

// settings are those that take tokens of all four issuers.
func (w *world) settings() vending.Config {
	return vending.Config{
		Table: table, Buckets: []vending.Bucket{{Name: bucket}}, SessionDuration: 3600, RequestsPerMinute: 6000, RequestBurst: 100, RowCacheSeconds: 30,
		Issuers: []vending.Issuer{
			{Provider: vending.Cognito, URL: w.issuers["cognito"].url, Scopes: []string{scope}},
			{Provider: vending.Auth0, URL: w.issuers["auth0"].url, Audience: "https://uploads"},
			{Provider: vending.Entra, URL: w.issuers["entra1"].url, Audience: "api://uploads", ClientClaim: "appid"},
			{Provider: vending.Entra, URL: w.issuers["entra2"].url, Audience: "8a1ba4d2-uploads", Scopes: []string{"Uploads.Write"}},
		},
	}
}

func (w *world) service(t testing.TB, cfg vending.Config) *vending.Service {
	t.Helper()
	return w.serviceAt(t, cfg, time.Now)
}

// keysPatience is how long a fetch of keys goes on here: longer than a busy machine takes for what must not wait for it.
const keysPatience = 2 * time.Minute

func (w *world) serviceAt(t testing.TB, cfg vending.Config, now func() time.Time) *vending.Service {
	t.Helper()
	return w.servicePatient(t, cfg, now, keysPatience)
}

func (w *world) servicePatient(t testing.TB, cfg vending.Config, now func() time.Time, patience time.Duration) *vending.Service {
	t.Helper()
	keys := vending.KeyClient(w.aws.Client().Transport)
	keys.Timeout = patience
	s, err := vending.New(cfg, vending.Dependencies{
		Rows: rolemap.New(dynamodb.NewFromConfig(w.config(w.session))), STS: awssts.NewFromConfig(w.config(w.session)),
		HTTP: keys, Now: now, Log: slog.New(slog.NewJSONHandler(w.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// environment is what a binary under test needs to reach the world: endpoints, credentials, the CA.
func (w *world) environment(t testing.TB) map[string]string {
	t.Helper()
	document, err := json.Marshal(w.settings())
	if err != nil {
		t.Fatal(err)
	}
	ca := w.caFile(t)
	return map[string]string{
		"AWS_ENDPOINT_URL": w.aws.URL, "AWS_REGION": region, "AWS_CA_BUNDLE": ca, "SSL_CERT_FILE": ca, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": w.session.AccessKeyID, "AWS_SECRET_ACCESS_KEY": w.session.SecretAccessKey, "AWS_SESSION_TOKEN": w.session.SessionToken,
		vending.EnvDocument: string(document),
	}
}

// caFile holds the certificate that all test servers share.
func (w *world) caFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.aws.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// issuer is an identity provider on loopback that signs what it is told to.
type issuer struct {
	kind, url string
	server    *httptest.Server

	mu      sync.Mutex
	kid     string
	fetches int
	broken  bool
	hangs   chan struct{} // takes the word of each request that gets no answer; nil: all get one
}

func newIssuer(t testing.TB, kind string) *issuer {
	t.Helper()
	i := &issuer{kind: kind, kid: kind + "-1"}
	i.server = httptest.NewTLSServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.server.Close)
	path := map[string]string{"cognito": "/eu-west-1_pool", "auth0": "/", "entra1": "/tenant/", "entra2": "/tenant/v2.0"}[kind]
	i.url = i.server.URL + path
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	if hangs := i.hangs; hangs != nil {
		i.mu.Unlock()
		hangs <- struct{}{}
		<-r.Context().Done()
		hangs <- struct{}{}
		return
	}
	defer i.mu.Unlock()
	switch {
	case i.broken:
		w.WriteHeader(http.StatusBadGateway)
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.url, i.server.URL+"/keys")
	case r.URL.Path == "/keys":
		i.fetches++
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: signingKey().Public(), KeyID: i.kid, Use: "sig", Algorithm: "RS256"}}}
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *issuer) fetchCount() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// claims are those of a good token of a client.
func (i *issuer) claims(client string) map[string]any {
	now := time.Now().Unix()
	c := map[string]any{"iss": i.url, "iat": now, "exp": now + 3600}
	switch i.kind {
	case "cognito":
		maps.Copy(c, map[string]any{"sub": client, "client_id": client, "token_use": "access", "scope": "uploads/read " + scope})
	case "auth0":
		maps.Copy(c, map[string]any{"sub": client + "@clients", "azp": client, "aud": "https://uploads", "gty": "client-credentials"})
	case "entra1":
		maps.Copy(c, map[string]any{"sub": "sp-" + client, "oid": "sp-" + client, "appid": client, "aud": "api://uploads", "nbf": now})
	case "entra2":
		maps.Copy(c, map[string]any{"sub": "sp-" + client, "oid": "sp-" + client, "azp": client, "aud": "8a1ba4d2-uploads", "nbf": now, "roles": []string{"Uploads.Write"}})
	}
	return c
}

func (i *issuer) key(client string) string {
	if i.kind == "cognito" {
		return client
	}
	return i.url + "#" + client
}

// token signs the client's claims with changes; a nil value removes a claim.
func (i *issuer) token(t testing.TB, client string, changes map[string]any) string {
	t.Helper()
	c := i.claims(client)
	for name, value := range changes {
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
	}
	return sign(t, jose.RS256, signingKey(), i.kid, "JWT", c)
}

var signingKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey(2048) })

func newKey(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid, typ string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
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

// body is an answer as a client reads it.
type body struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
	RoleARN         string `json:"RoleArn"`
	Code            string `json:"code"`
	Message         string `json:"message"`
}

// ask exchanges a token at the service itself.
func ask(t testing.TB, s *vending.Service, token string) (int, body, vending.Response) {
	t.Helper()
	out := s.Answer(context.Background(), vending.Request{Method: http.MethodGet, Path: "/credentials", Authorization: []string{"Bearer " + token}, ID: "request-1"})
	return out.Status, decodeBody(t, bytes.NewReader(out.Body)), out
}

func decodeBody(t testing.TB, r io.Reader) body {
	t.Helper()
	var b body
	if err := json.NewDecoder(r).Decode(&b); err != nil {
		t.Fatalf("the answer is no JSON: %v", err)
	}
	return b
}
