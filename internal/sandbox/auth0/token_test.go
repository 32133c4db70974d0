package auth0_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// key makes a key pair; the public half is in PEM.
func key(t *testing.T) (private *rsa.PrivateKey, public string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return private, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// ask posts to the token endpoint: JSON, or with a form's fields where asked to.
func (w *world) ask(fields map[string]string, asForm bool, headers ...string) reply {
	w.t.Helper()
	if asForm {
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, value)
		}
		return w.send("POST", "/oauth/token", form.Encode(), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send("POST", "/oauth/token", string(body), append(headers, "Content-Type", "application/json")...)
}

// with returns a copy of m with changes; an empty value takes a field away.
func with(m map[string]string, changes map[string]string) map[string]string {
	changed := maps.Clone(m)
	maps.Copy(changed, changes)
	maps.DeleteFunc(changed, func(_, v string) bool { return v == "" })
	return changed
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := t.Context()
	c := w.client(ctx, plainAPI)
	good := map[string]string{"grant_type": "client_credentials", "audience": plainAPI, "client_id": c.GetClientID(), "client_secret": c.GetClientSecret()}
	nameless := with(good, map[string]string{"client_id": "", "client_secret": ""})
	basic := w.client(ctx, plainAPI)
	public := w.client(ctx, plainAPI)
	interactive := w.client(ctx, plainAPI)
	for id, change := range map[string]*management.Client{
		basic.GetClientID():       {TokenEndpointAuthMethod: p("client_secret_basic")},
		public.GetClientID():      {TokenEndpointAuthMethod: p("none")},
		interactive.GetClientID(): {GrantTypes: &[]string{"implicit"}},
	} {
		if err := w.api().Client.Update(ctx, id, change); err != nil {
			t.Fatal(err)
		}
	}
	as := func(c *management.Client) map[string]string {
		return with(good, map[string]string{"client_id": c.GetClientID(), "client_secret": c.GetClientSecret()})
	}
	secretless := w.client(ctx, plainAPI)
	if r := w.manage("PATCH", "clients/"+secretless.GetClientID(), `{"client_secret":null}`); r.status != 200 {
		t.Fatalf("take the secret away: %d", r.status)
	}
	for name, test := range map[string]struct {
		fields      map[string]string
		asForm      bool
		user        *management.Client
		status      int
		code, words string
	}{
		"JSON":                    {good, false, nil, 200, "", ""},
		"form":                    {good, true, nil, 200, "", ""},
		"Basic":                   {nameless, true, basic, 200, "", ""},
		"Basic and JSON":          {nameless, false, basic, 200, "", ""},
		"wrong secret":            {with(good, map[string]string{"client_secret": "wrong"}), false, nil, 401, "access_denied", "Unauthorized"},
		"no secret":               {with(good, map[string]string{"client_secret": ""}), false, nil, 401, "access_denied", "Unauthorized"},
		"client without a secret": {with(good, map[string]string{"client_id": secretless.GetClientID(), "client_secret": ""}), false, nil, 401, "access_denied", "Unauthorized"},
		"unknown client":          {with(good, map[string]string{"client_id": "nobody"}), false, nil, 401, "access_denied", "Unauthorized"},
		"no client":               {nameless, false, nil, 401, "access_denied", "Unauthorized"},
		"client of method none":   {as(public), false, nil, 401, "access_denied", "Unauthorized"},
		"no grant": {with(good, map[string]string{"audience": azpAPI}), false, nil, 403, "access_denied",
			`Client is not authorized to access "` + azpAPI + `". You need to create a "client-grant" associated to this API.`},
		"unknown API":         {with(good, map[string]string{"audience": "https://none.example"}), false, nil, 403, "access_denied", "Service not enabled within domain: https://none.example"},
		"grant type of other": {as(interactive), false, nil, 403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client."},
		"grant type":          {with(good, map[string]string{"grant_type": "password"}), false, nil, 403, "unsupported_grant_type", "Unsupported grant type: password"},
		"no grant type":       {with(good, map[string]string{"grant_type": ""}), false, nil, 403, "unsupported_grant_type", "Unsupported grant type: "},
	} {
		var headers []string
		if test.user != nil {
			headers = []string{"Authorization", basicAuth(test.user)}
		}
		r := w.ask(test.fields, test.asForm, headers...)
		if r.status != test.status || r.text("error") != test.code || r.text("error_description") != test.words {
			t.Errorf("%s: %d %q %q, want %d %q", name, r.status, r.text("error"), r.text("error_description"), test.status, test.code)
		}
		if r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, r.header.Get("Cache-Control"))
		}
	}
	for name, test := range map[string]struct{ body, contentType string }{
		"no JSON":         {"{", "application/json"},
		"no text in JSON": {`{"grant_type":1}`, "application/json"},
		"no form":         {"%zz", "application/x-www-form-urlencoded"},
		"no type":         {"{}", "text/plain"},
	} {
		if r := w.send("POST", "/oauth/token", test.body, "Content-Type", test.contentType); r.status != 400 || r.text("error") != "invalid_request" {
			t.Errorf("%s: %d %q", name, r.status, r.text("error"))
		}
	}
	if _, err := w.api().Client.RotateSecret(ctx, c.GetClientID()); err != nil {
		t.Fatal(err)
	}
	if r := w.ask(good, false); r.status != 401 {
		t.Errorf("the secret of before the rotation: %d", r.status)
	}
}

func basicAuth(c *management.Client) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.GetClientID())+":"+url.QueryEscape(c.GetClientSecret())))
}

// TestDialects compares a token of each dialect, as a verifier from outside sees it.
func TestDialects(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := t.Context()
	for dialect, test := range map[string]struct {
		typ         string
		has, lacks  []string
		permissions bool
	}{
		"access_token":          {"JWT", []string{"azp", "gty"}, []string{"client_id", "jti"}, false},
		"access_token_authz":    {"JWT", []string{"azp", "gty"}, []string{"client_id", "jti"}, true},
		"rfc9068_profile":       {"at+jwt", []string{"client_id", "jti"}, []string{"azp", "gty"}, false},
		"rfc9068_profile_authz": {"at+jwt", []string{"client_id", "jti"}, []string{"azp", "gty"}, true},
	} {
		audience := "urn:" + dialect
		made := &management.ResourceServer{Identifier: &audience, TokenDialect: p(dialect), TokenLifetime: p(900)}
		if err := w.api().ResourceServer.Create(ctx, made); err != nil {
			t.Fatal(err)
		}
		c := w.client(ctx)
		w.grant(ctx, c.GetClientID(), audience, "read:files", "write:files")
		r := w.ask(map[string]string{"grant_type": "client_credentials", "audience": audience, "client_id": c.GetClientID(), "client_secret": c.GetClientSecret()}, false)
		if r.text("token_type") != "Bearer" || r.object["expires_in"] != 900.0 || r.text("scope") != "read:files write:files" {
			t.Errorf("%s: %s, expires in %v, scope %q", dialect, r.text("token_type"), r.object["expires_in"], r.text("scope"))
		}
		typ, claims := w.verify(r.text("access_token"))
		for name, want := range map[string]any{
			"iss": "https://" + w.tenant.Domain() + "/", "sub": c.GetClientID() + "@clients", "aud": audience,
			"iat": float64(w.now().Unix()), "exp": float64(w.now().Unix() + 900), "scope": "read:files write:files",
		} {
			if claims[name] != want {
				t.Errorf("%s: %s is %v, want %v", dialect, name, claims[name], want)
			}
		}
		if typ != test.typ {
			t.Errorf("%s: typ %q, want %q", dialect, typ, test.typ)
		}
		if _, has := claims["permissions"]; has != test.permissions {
			t.Errorf("%s: permissions: %t", dialect, has)
		}
		for _, name := range []string{"azp", "client_id"} {
			if claims[name] != nil && claims[name] != c.GetClientID() {
				t.Errorf("%s: %s is %v", dialect, name, claims[name])
			}
		}
		if gty := claims["gty"]; gty != nil && gty != "client-credentials" {
			t.Errorf("%s: gty is %v", dialect, gty)
		}
		for _, name := range test.has {
			if claims[name] == nil {
				t.Errorf("%s: no %s", dialect, name)
			}
		}
		for _, name := range test.lacks {
			if claims[name] != nil {
				t.Errorf("%s: has %s", dialect, name)
			}
		}
	}
}

// keySet fetches the tenant's keys by way of its discovery document.
func (w *world) keySet() jose.JSONWebKeySet {
	w.t.Helper()
	discovery := w.send("GET", "/.well-known/openid-configuration", "")
	if discovery.text("issuer") != "https://"+w.tenant.Domain()+"/" || discovery.text("token_endpoint") != discovery.text("issuer")+"oauth/token" {
		w.t.Errorf("issuer %q, token endpoint %q", discovery.text("issuer"), discovery.text("token_endpoint"))
	}
	path, ok := strings.CutPrefix(discovery.text("jwks_uri"), "https://"+w.tenant.Domain())
	if !ok {
		w.t.Fatalf("jwks_uri %q", discovery.text("jwks_uri"))
	}
	r := w.send("GET", path, "")
	if !strings.Contains(r.header.Get("Cache-Control"), "max-age=") {
		w.t.Errorf("Cache-Control of the keys: %q", r.header.Get("Cache-Control"))
	}
	raw, err := json.Marshal(r.object)
	if err != nil {
		w.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		w.t.Fatal(err)
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || k.Use != "sig" || k.Algorithm != "RS256" {
			w.t.Errorf("key %s: public %t, use %q, alg %q", k.KeyID, k.IsPublic(), k.Use, k.Algorithm)
		}
	}
	return set
}

// verify checks a token with the tenant's published keys and returns its type and claims.
func (w *world) verify(token string) (typ string, claims map[string]any) {
	w.t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := parsed.Claims(w.keySet(), &claims); err != nil {
		w.t.Fatalf("verify with the published keys: %v", err)
	}
	typ, _ = parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	return typ, claims
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := open(t)
	ids := func() (all []string) {
		for _, k := range w.keySet().Keys {
			all = append(all, k.KeyID)
		}
		return all
	}
	old, before := w.bearer(), ids()
	if err := w.tenant.RotateSigningKey(); err != nil {
		t.Fatal(err)
	}
	if both := ids(); len(both) != 2 || both[0] == before[0] || both[1] != before[0] {
		t.Errorf("keys %v after the rotation, %v before", both, before)
	}
	w.verify(old)
	w.verify(w.bearer())
	if r := w.send("GET", "/api/v2/clients", "", "Authorization", "Bearer "+old); r.status != 200 {
		t.Errorf("a token of the old key: %d", r.status)
	}
	w.tenant.RetireSigningKeys()
	if rest := ids(); len(rest) != 1 || slices.Contains(rest, before[0]) {
		t.Errorf("keys %v after retirement of %v", rest, before)
	}
	if r := w.send("GET", "/api/v2/clients", "", "Authorization", "Bearer "+old); r.status != 401 {
		t.Errorf("a token of a retired key: %d", r.status)
	}
}

// keys are made once: making them is what takes the time.
var assertionKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})

func TestAssertions(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := t.Context()
	mine, other := assertionKeys()[0], assertionKeys()[1]
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256} {
		id, kid := w.keyed(mine, string(alg), plainAPI)
		stranger := w.client(ctx, plainAPI)
		sign := func(key any, alg jose.SignatureAlgorithm, kid string, change map[string]any) string {
			claims := map[string]any{"iss": id, "sub": id, "aud": w.tenant.Issuer(), "iat": w.now().Unix(),
				"exp": w.now().Add(time.Minute).Unix(), "jti": rand.Text()}
			maps.Copy(claims, change)
			return signed(t, key, alg, kid, claims)
		}
		good := sign(mine, alg, kid, nil)
		another := map[jose.SignatureAlgorithm]jose.SignatureAlgorithm{jose.RS256: jose.PS256, jose.RS384: jose.RS256, jose.PS256: jose.RS256}[alg]
		for _, test := range []struct {
			name      string
			assertion string
			change    map[string]string
			status    int
		}{
			{"good", good, nil, 200},
			{"used before", good, nil, 401},
			{"without kid", sign(mine, alg, "", nil), nil, 200},
			{"with the client's id beside it", sign(mine, alg, kid, nil), map[string]string{"client_id": id}, 200},
			{"for the token endpoint", sign(mine, alg, kid, map[string]any{"aud": w.tenant.Issuer() + "oauth/token"}), nil, 200},
			{"five minutes", sign(mine, alg, kid, map[string]any{"exp": w.now().Add(5 * time.Minute).Unix()}), nil, 200},
			{"longer than five minutes", sign(mine, alg, kid, map[string]any{"exp": w.now().Add(5*time.Minute + time.Second).Unix()}), nil, 401},
			{"expired", sign(mine, alg, kid, map[string]any{"exp": w.now().Unix()}), nil, 401},
			{"no expiry", sign(mine, alg, kid, map[string]any{"exp": nil}), nil, 401},
			{"no jti", sign(mine, alg, kid, map[string]any{"jti": nil}), nil, 401},
			{"another's kid", sign(mine, alg, "another", nil), nil, 401},
			{"another key", sign(other, alg, kid, nil), nil, 401},
			{"another algorithm", sign(mine, another, kid, nil), nil, 401},
			{"symmetric", sign([]byte(strings.Repeat("k", 32)), jose.HS256, kid, nil), nil, 401},
			{"another audience", sign(mine, alg, kid, map[string]any{"aud": "https://elsewhere.example/"}), nil, 401},
			{"another issuer", sign(mine, alg, kid, map[string]any{"iss": stranger.GetClientID()}), nil, 401},
			{"another subject", sign(mine, alg, kid, map[string]any{"sub": stranger.GetClientID()}), nil, 401},
			{"another's client id", sign(mine, alg, kid, nil), map[string]string{"client_id": stranger.GetClientID()}, 401},
			{"another client", sign(mine, alg, kid, map[string]any{"iss": stranger.GetClientID(), "sub": stranger.GetClientID()}), nil, 401},
			{"another type", sign(mine, alg, kid, nil), map[string]string{"client_assertion_type": "urn:example"}, 401},
			{"no JWT", "x.y.z", nil, 401},
		} {
			fields := map[string]string{"grant_type": "client_credentials", "audience": plainAPI, "client_assertion_type": assertionType, "client_assertion": test.assertion}
			r := w.ask(with(fields, test.change), true)
			if r.status != test.status || (test.status == 401 && r.text("error") != "invalid_client") {
				t.Errorf("%s, %s: %d %q %q, want %d", alg, test.name, r.status, r.text("error"), r.text("error_description"), test.status)
			}
		}
	}
}

// TestKeyInsteadOfSecret has a client with a key: its secret gets nobody in, and neither does an expired key.
func TestKeyInsteadOfSecret(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := t.Context()
	mine := assertionKeys()[0]
	id, kid := w.keyed(mine, "RS256", plainAPI)
	c, err := w.api().Client.Read(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.ask(map[string]string{"grant_type": "client_credentials", "audience": plainAPI, "client_id": id, "client_secret": c.GetClientSecret()}, false); r.status != 401 {
		t.Errorf("by secret: %d", r.status)
	}
	credentials, err := w.api().Client.ListCredentials(ctx, id)
	if err != nil || len(credentials) != 1 {
		t.Fatalf("%d credentials: %v", len(credentials), err)
	}
	expires := w.now().Add(time.Hour)
	if err := w.api().Client.UpdateCredential(ctx, id, credentials[0].GetID(), &management.Credential{ExpiresAt: &expires}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{200, 401} {
		assertion := signed(t, mine, jose.RS256, kid, map[string]any{"iss": id, "sub": id, "aud": w.tenant.Issuer(), "exp": w.now().Add(time.Minute).Unix(), "jti": rand.Text()})
		r := w.ask(map[string]string{"grant_type": "client_credentials", "audience": plainAPI, "client_assertion_type": assertionType, "client_assertion": assertion}, false)
		if r.status != want {
			t.Errorf("%d, want %d", r.status, want)
		}
		w.wait(time.Hour)
	}
}

// keyed makes a client with private_key_jwt.
func (w *world) keyed(private *rsa.PrivateKey, alg, audience string) (id, kid string) {
	w.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	c := &management.Client{Name: p("keyed"), GrantTypes: &[]string{"client_credentials"}, ClientAuthenticationMethods: &management.ClientAuthenticationMethods{
		PrivateKeyJWT: &management.PrivateKeyJWT{Credentials: &[]management.Credential{{CredentialType: p("public_key"), PEM: &text, Algorithm: &alg}}},
	}}
	if err := w.api().Client.Create(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	w.grant(w.t.Context(), c.GetClientID(), audience)
	return c.GetClientID(), (*c.GetClientAuthenticationMethods().GetPrivateKeyJWT().Credentials)[0].GetKeyID()
}

func signed(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options = options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
