package vending_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

// TestTokens is the table of tokens that get credentials and of those that do not.
func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"cognito", "auth0", "entra1", "entra2"} {
		w.onboard(t, w.issuers[name].key("client-1"), "web-"+name, "web/"+name+"/")
	}
	s := w.service(t, w.settings())
	later, earlier := time.Now().Add(10*time.Minute).Unix(), time.Now().Add(-10*time.Minute).Unix()
	for _, c := range []struct {
		name, issuer string
		changes      map[string]any
		status       int
		reason       string // of the audit line
	}{
		{"cognito", "cognito", nil, 200, "ok"},
		{"auth0 with azp", "auth0", nil, 200, "ok"},
		{"auth0 with client_id", "auth0", map[string]any{"azp": nil, "client_id": "client-1"}, 200, "ok"},
		{"auth0 with several audiences", "auth0", map[string]any{"aud": []string{"https://other", "https://uploads"}}, 200, "ok"},
		{"entra version 1", "entra1", nil, 200, "ok"},
		{"entra version 2", "entra2", nil, 200, "ok"},

		{"unknown issuer", "auth0", map[string]any{"iss": "https://elsewhere.example/"}, 401, "unknown_issuer"},
		{"issuer without its slash", "auth0", map[string]any{"iss": strings.TrimSuffix(w.issuers["auth0"].url, "/")}, 401, "unknown_issuer"},
		{"no issuer", "auth0", map[string]any{"iss": nil}, 401, "unknown_issuer"},
		{"issuer that is a list", "auth0", map[string]any{"iss": []string{w.issuers["auth0"].url}}, 401, "unknown_issuer"},
		{"expired", "cognito", map[string]any{"exp": earlier}, 401, "expired"},
		{"no exp", "cognito", map[string]any{"exp": nil}, 401, "expiry"},
		{"exp that is text", "cognito", map[string]any{"exp": "9999999999"}, 401, "expiry"},
		{"exp beyond all time", "cognito", map[string]any{"exp": 1e300}, 401, "expiry"},
		{"not yet valid", "entra1", map[string]any{"nbf": later}, 401, "not_yet"},
		{"issued in the future", "entra1", map[string]any{"iat": later}, 401, "not_yet"},
		{"nbf that is text", "entra1", map[string]any{"nbf": "now"}, 401, "malformed"},
		{"other audience", "auth0", map[string]any{"aud": "https://other"}, 401, "audience"},
		{"no audience", "auth0", map[string]any{"aud": nil}, 401, "audience"},
		{"part of the audience", "auth0", map[string]any{"aud": "https://uploads.example"}, 401, "audience"},
		{"id token of cognito", "cognito", map[string]any{"token_use": "id"}, 401, "token_use"},
		{"no token_use", "cognito", map[string]any{"token_use": nil}, 401, "token_use"},
		{"lacking scope", "cognito", map[string]any{"scope": "uploads/read"}, 403, "scope"},
		{"no scope", "cognito", map[string]any{"scope": nil}, 403, "scope"},
		{"scope that begins like it", "cognito", map[string]any{"scope": scope + "r"}, 403, "scope"},
		{"lacking role of entra", "entra2", map[string]any{"roles": []string{"Other"}}, 403, "scope"},
		{"scp is for users", "entra2", map[string]any{"roles": nil, "scp": "Uploads.Write"}, 403, "scope"},
		{"user of cognito", "cognito", map[string]any{"sub": "a-user"}, 401, "subject"},
		{"user of auth0", "auth0", map[string]any{"sub": "auth0|user"}, 401, "subject"},
		{"user of entra", "entra2", map[string]any{"sub": "pairwise"}, 401, "subject"},
		{"entra without oid", "entra2", map[string]any{"oid": nil}, 401, "subject"},
		{"no client", "entra1", map[string]any{"appid": nil}, 401, "client"},
		{"azp where appid is wanted", "entra1", map[string]any{"appid": nil, "azp": "client-1"}, 401, "client"},
		{"two clients", "auth0", map[string]any{"client_id": "client-2"}, 401, "client"},
		{"client id with a hash", "cognito", map[string]any{"client_id": "x#y", "sub": "x#y"}, 401, "client"},
		{"unknown client", "cognito", map[string]any{"client_id": "client-2", "sub": "client-2"}, 403, "no_row"},
		{"bound to a key", "auth0", map[string]any{"cnf": map[string]string{"jkt": "x"}}, 401, "bound"},
	} {
		before := len(w.logs.String())
		status, b, out := ask(t, s, w.issuers[c.issuer].token(t, "client-1", c.changes))
		audit := lastLine(t, w.logs.String()[before:])
		if status != c.status || audit["reason"] != c.reason {
			t.Errorf("%s: status %d reason %v, want %d %s", c.name, status, audit["reason"], c.status, c.reason)
		}
		if (status == 200) != (b.AccessKeyID != "") || (status == 200) == (b.Code != "") {
			t.Errorf("%s: status %d with code %q", c.name, status, b.Code)
		}
		if out.Header["Cache-Control"] != "no-store" {
			t.Errorf("%s: may be cached", c.name)
		}
		if (status == 401) != (out.Header["WWW-Authenticate"] != "") {
			t.Errorf("%s: WWW-Authenticate %q", c.name, out.Header["WWW-Authenticate"])
		}
	}
}

func lastLine(t testing.TB, log string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(log), "\n")
	var out map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &out); err != nil {
		t.Fatalf("the log line is no JSON: %v", err)
	}
	return out
}

// TestForgeries are tokens whose claims are all good.
func TestForgeries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	s := w.service(t, w.settings())
	good := i.token(t, "client-1", nil)
	if status, _, _ := ask(t, s, good); status != 200 {
		t.Fatalf("the good token got %d", status)
	}
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	public, err := x509.MarshalPKIXPublicKey(signingKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := i.claims("client-1")
	embedded := func() string {
		mine := newKey(2048)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: mine},
			(&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", i.kid))
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
	tampered := strings.ReplaceAll(string(decode64(t, parts[1])), "client-1", "client-2")
	for name, token := range map[string]string{
		"alg none":                   b64([]byte(`{"alg":"none","kid":"`+i.kid+`"}`)) + "." + parts[1] + ".",
		"alg None with a signature":  b64([]byte(`{"alg":"None","kid":"`+i.kid+`"}`)) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key":  sign(t, jose.HS256, publicPEM, i.kid, "JWT", claims),
		"HS256 with its DER":         sign(t, jose.HS256, public, i.kid, "JWT", claims),
		"another's RSA key":          sign(t, jose.RS256, newKey(2048), i.kid, "JWT", claims),
		"another's EC key":           sign(t, jose.ES256, elliptical, i.kid, "JWT", claims),
		"key's alg is another":       sign(t, jose.PS256, signingKey(), i.kid, "JWT", claims),
		"key in the header":          embedded(),
		"no kid":                     sign(t, jose.RS256, signingKey(), "", "JWT", claims),
		"unknown kid":                sign(t, jose.RS256, signingKey(), "other", "JWT", claims),
		"typ of a logout token":      sign(t, jose.RS256, signingKey(), i.kid, "logout+jwt", claims),
		"typ of a DPoP proof":        sign(t, jose.RS256, signingKey(), i.kid, "dpop+jwt", claims),
		"claims changed":             parts[0] + "." + b64([]byte(tampered)) + "." + parts[2],
		"signature cut":              parts[0] + "." + parts[1] + "." + parts[2][:20],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"claims that are no object":  sign1(t, i.kid, []byte(`["iss"]`)),
		"claims given twice":         sign1(t, i.kid, []byte(`{"iss":"https://elsewhere.example/","iss":"`+i.url+`"}`)),
		"not a token":                "hello",
		"longer than any token":      strings.Repeat("a", 30_000),
		"JWE":                        "a.b.c.d.e",
		"JSON serialisation":         `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"two tokens joined by comma": good + "," + good,
	} {
		status, b, out := ask(t, s, token)
		if status != 401 || b.AccessKeyID != "" {
			t.Errorf("%s: status %d", name, status)
		}
		if strings.Contains(string(out.Body), parts[2][:20]) {
			t.Errorf("%s: the answer quotes the token", name)
		}
	}
	checkNoSecrets(t, w.logs.String(), good)
}

func decode64(t *testing.T, s string) []byte {
	t.Helper()
	out, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sign1(t *testing.T, kid string, payload []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: signingKey(), KeyID: kid}}, nil)
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

// checkNoSecrets looks for a token's parts, and for what only credentials have, in a log.
func checkNoSecrets(t *testing.T, log, token string) {
	t.Helper()
	for n, part := range strings.Split(token, ".") {
		if strings.Contains(log, part) {
			t.Errorf("part %d of the token is in the log", n)
		}
	}
	for _, word := range []string{"SecretAccessKey", "SessionToken", "Authorization", "Bearer"} {
		if strings.Contains(log, word) {
			t.Errorf("%q is in the log", word)
		}
	}
}

// TestUnknownKeysDoNotFlood counts the fetches that a thousand tokens with made-up key ids cause.
func TestUnknownKeysDoNotFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	now := &movingClock{at: time.Now()}
	s := w.serviceAt(t, w.settings(), now.now)
	var group sync.WaitGroup
	for n := range 20 {
		group.Go(func() {
			for m := range 50 {
				status, _, _ := ask(t, s, sign(t, jose.RS256, signingKey(), fmt.Sprintf("made-up-%d-%d", n, m), "JWT", i.claims("client-1")))
				if status != 401 {
					t.Errorf("made-up key: status %d", status)
				}
			}
		})
	}
	group.Wait()
	if n := i.fetchCount(); n != 1 {
		t.Errorf("%d fetches for 1,000 unknown keys, want 1", n)
	}

	i.set(func(i *issuer) { i.kid = "auth0-2" }) // the issuer rotates its key
	rotated := i.token(t, "client-1", nil)
	if status, _, _ := ask(t, s, rotated); status != 401 {
		t.Errorf("right after the flood a new key is not looked for yet, got %d", status)
	}
	now.advance(31 * time.Second)
	if status, _, _ := ask(t, s, rotated); status != 200 {
		t.Errorf("after 31 s the new key is found, got %d", status)
	}
	if n := i.fetchCount(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

type movingClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *movingClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *movingClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestIssuerInTrouble: keys that are known serve on for a day; keys that never were known are a 503, not a refusal.
func TestIssuerInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["auth0"]
	w.onboard(t, i.key("client-1"), "web-01", "web/01/")
	now := &movingClock{at: time.Now()}
	s := w.serviceAt(t, w.settings(), now.now)
	forever := i.token(t, "client-1", map[string]any{"exp": time.Now().Add(72 * time.Hour).Unix()})

	i.set(func(i *issuer) { i.broken = true })
	status, b, out := ask(t, s, forever)
	if status != 503 || b.Code != "ServiceUnavailable" || out.Header["Retry-After"] == "" {
		t.Errorf("without keys: %d %s Retry-After %q", status, b.Code, out.Header["Retry-After"])
	}
	i.set(func(i *issuer) { i.broken = false })
	now.advance(31 * time.Second)
	if status, _, _ = ask(t, s, forever); status != 200 {
		t.Errorf("the issuer is back: %d", status)
	}
	i.set(func(i *issuer) { i.broken = true })
	now.advance(23 * time.Hour)
	if status, _, _ = ask(t, s, forever); status != 200 {
		t.Errorf("keys of 23 hours ago: %d", status)
	}
	now.advance(2 * time.Hour)
	if status, _, _ = ask(t, s, forever); status != 503 {
		t.Errorf("keys of 25 hours ago: %d", status)
	}
}

// TestDiscoveryOfAnother: a discovery document that is about another issuer is not followed.
func TestDiscoveryOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.settings()
	honest := w.issuers["auth0"]
	claimed := honest.server.URL + "/another/" // the document below it says what it says at the root
	cfg.Issuers = []vending.Issuer{{Provider: vending.Auth0, URL: claimed, Audience: "https://uploads"}}
	w.onboard(t, claimed+"#client-1", "web-01", "web/01/")
	token := honest.token(t, "client-1", map[string]any{"iss": claimed})
	if status, _, _ := ask(t, w.service(t, cfg), token); status != 503 {
		t.Errorf("status %d", status)
	}
	if line := lastLine(t, w.logs.String()); !strings.Contains(fmt.Sprint(line["error"]), "is about the issuer") {
		t.Errorf("audit line %v", line)
	}
	cfg.Issuers[0].JWKSURI = honest.server.URL + "/keys" // the operator may say where the keys are
	if status, _, _ := ask(t, w.service(t, cfg), token); status != 200 {
		t.Errorf("with jwks_uri: status %d", status)
	}
}

func TestAuthorizationHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.issuers["cognito"]
	w.onboard(t, "client-1", "web-01", "web/01/")
	s := w.service(t, w.settings())
	token := i.token(t, "client-1", nil)
	for _, c := range []struct {
		name   string
		values []string
		status int
		code   string
	}{
		{"bearer", []string{"Bearer " + token}, 200, ""},
		{"bearer in lower case", []string{"bearer " + token}, 200, ""},
		{"bare", []string{token}, 200, ""},
		{"bare with a line's end, as a file has it", []string{token + "\n"}, 200, ""},
		{"none", nil, 401, "MissingToken"},
		{"empty", []string{""}, 401, "MissingToken"},
		{"bearer of nothing", []string{"Bearer "}, 401, "InvalidToken"},
		{"basic", []string{"Basic " + token}, 401, "InvalidToken"},
		{"two", []string{"Bearer " + token, "Bearer " + token}, 401, "InvalidToken"},
	} {
		out := s.Answer(t.Context(), vending.Request{Method: http.MethodGet, Path: "/credentials", Authorization: c.values})
		if b := decodeBody(t, strings.NewReader(string(out.Body))); out.Status != c.status || b.Code != c.code {
			t.Errorf("%s: %d %s, want %d %s", c.name, out.Status, b.Code, c.status, c.code)
		}
	}
}

func FuzzToken(f *testing.F) {
	w := newWorld(f)
	s := w.service(f, w.settings())
	good := w.issuers["auth0"].token(f, "client-1", nil)
	f.Add(good)
	f.Add("Bearer " + good)
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, header string) {
		out := s.Answer(t.Context(), vending.Request{Method: http.MethodGet, Path: "/credentials", Authorization: []string{header}})
		if out.Status == http.StatusOK || out.Status == http.StatusInternalServerError {
			t.Errorf("status %d without any row", out.Status)
		}
	})
}
