package sandbox_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// list adds a client id to the OIDC provider's list.
func (c cloud) list(id string) {
	c.t.Helper()
	_, err := awsiam.NewFromConfig(c.admin()).AddClientIDToOpenIDConnectProvider(c.t.Context(), &awsiam.AddClientIDToOpenIDConnectProviderInput{
		OpenIDConnectProviderArn: aws.String(c.env["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"]), ClientID: &id,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestTokenDialects checks what tokens of each dialect say, by the tenant's own discovery document and keys.
func TestTokenDialects(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	for name, want := range map[string]struct {
		typ      string
		has, not []string
	}{
		"OIDCS3_SANDBOX_AUTH0_AUDIENCE":     {"at+jwt", []string{"client_id", "jti"}, []string{"azp", "gty"}},
		"OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP": {"JWT", []string{"azp", "gty"}, []string{"client_id"}},
	} {
		id, secret := c.client(name, c.env[name])
		parsed, err := jwt.ParseSigned(c.token(id, secret, c.env[name]), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		if typ := parsed.Headers[0].ExtraHeaders[jose.HeaderType]; typ != want.typ {
			t.Errorf("%s: typ %v, want %s", name, typ, want.typ)
		}
		var claims map[string]any
		keys := c.keys()
		if err := parsed.Claims(keys.Key(parsed.Headers[0].KeyID)[0].Key, &claims); err != nil {
			t.Fatalf("%s: the signature: %v", name, err)
		}
		if claims["iss"] != c.Auth0().Issuer() || claims["sub"] != id+"@clients" || claims["aud"] != c.env[name] {
			t.Errorf("%s: claims %v", name, claims)
		}
		for _, key := range want.has {
			if claims[key] == nil {
				t.Errorf("%s: no %s in %v", name, key, claims)
			}
		}
		for _, key := range want.not {
			if claims[key] != nil {
				t.Errorf("%s: %s in %v", name, key, claims)
			}
		}
	}
}

// keys follows discovery to the tenant's keys.
func (c cloud) keys() jose.JSONWebKeySet {
	c.t.Helper()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	c.get(c.Auth0().Issuer()+".well-known/openid-configuration", &discovery)
	if discovery.Issuer != c.Auth0().Issuer() {
		c.t.Fatalf("the issuer is %q", discovery.Issuer)
	}
	var keys jose.JSONWebKeySet
	c.get(discovery.JWKSURI, &keys)
	return keys
}

func (c cloud) get(url string, into any) {
	c.t.Helper()
	resp, err := c.Client().Get(url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		c.t.Fatal(err)
	}
}

// TestTokenEndpointRefusals checks each method of authentication, and what the endpoint refuses.
func TestTokenEndpointRefusals(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	audience := c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"]
	id, secret := c.client("host", audience)
	ungranted, otherSecret := c.client("other", c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP"])
	interactive, interactiveSecret := c.client("interactive", audience)
	if err := c.auth0().Client.Update(t.Context(), interactive, &management.Client{GrantTypes: &[]string{"implicit"}}); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience}
	with := func(changes map[string]string) map[string]string {
		body := maps.Clone(good)
		maps.Copy(body, changes)
		return body
	}
	for name, test := range map[string]struct {
		body   map[string]string
		basic  []string
		status int
		code   string
	}{
		"secret in the body":   {good, nil, 200, ""},
		"secret by basic":      {with(map[string]string{"client_id": "", "client_secret": ""}), []string{id, secret}, 200, ""},
		"wrong secret":         {with(map[string]string{"client_secret": "wrong"}), nil, 401, "access_denied"},
		"unknown client":       {with(map[string]string{"client_id": "nobody"}), nil, 401, "access_denied"},
		"no grant for the API": {with(map[string]string{"client_id": ungranted, "client_secret": otherSecret}), nil, 403, "access_denied"},
		"unknown API":          {with(map[string]string{"audience": "https://nobody.example"}), nil, 403, "access_denied"},
		"no audience":          {with(map[string]string{"audience": ""}), nil, 403, "access_denied"},
		"grant type":           {with(map[string]string{"grant_type": "password"}), nil, 403, "unsupported_grant_type"},
		"not for this client":  {with(map[string]string{"client_id": interactive, "client_secret": interactiveSecret}), nil, 403, "unauthorized_client"},
		"a made-up assertion":  {with(map[string]string{"client_assertion": "a.b.c", "client_assertion_type": assertionType}), nil, 401, "invalid_client"},
	} {
		status, answer := c.request(test.body, test.basic...)
		code, _ := answer["error"].(string)
		if status != test.status || code != test.code {
			t.Errorf("%s: %d %v, want %d %s", name, status, answer, test.status, test.code)
		}
	}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// TestPrivateKeyJWT registers a key, gets a token with it, and tries spoiled assertions.
func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	c := of(t, start(t))
	audience := c.env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"]
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	id, secret := c.client("host", audience)
	credential := &management.Credential{CredentialType: aws.String("public_key"), Name: aws.String("key"),
		PEM: aws.String(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))}
	if err := c.auth0().Client.CreateCredential(t.Context(), id, credential); err != nil {
		t.Fatal(err)
	}
	use := map[string]any{"token_endpoint_auth_method": nil, "client_authentication_methods": map[string]any{
		"private_key_jwt": map[string]any{"credentials": []any{map[string]any{"id": credential.GetID()}}},
	}}
	if err := c.auth0().Request(t.Context(), "PATCH", c.auth0().URI("clients", id), &use); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := func(change map[string]any) map[string]any {
		all := map[string]any{"iss": id, "sub": id, "aud": c.Auth0().Issuer(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": rand.Text()}
		maps.Copy(all, change)
		return all
	}
	replayed := sign(t, key, claims(nil))
	for _, test := range []struct {
		name      string
		assertion string
		status    int
	}{
		{"good", sign(t, key, claims(nil)), 200},
		{"first use", replayed, 200},
		{"second use", replayed, 401},
		{"another key", sign(t, other, claims(nil)), 401},
		{"wrong aud", sign(t, key, claims(map[string]any{"aud": "https://elsewhere.example/"})), 401},
		{"expired", sign(t, key, claims(map[string]any{"exp": now.Add(-time.Second).Unix()})), 401},
		{"valid for too long", sign(t, key, claims(map[string]any{"exp": now.Add(time.Hour).Unix()})), 401},
		{"without jti", sign(t, key, claims(map[string]any{"jti": ""})), 401},
		{"another's subject", sign(t, key, claims(map[string]any{"sub": "other"})), 401},
	} {
		status, answer := c.request(map[string]string{"grant_type": "client_credentials", "audience": audience,
			"client_assertion_type": assertionType, "client_assertion": test.assertion})
		if status != test.status {
			t.Errorf("%s: %d %v, want %d", test.name, status, answer, test.status)
		}
	}
	if status, _ := c.request(map[string]string{"grant_type": "client_credentials", "audience": audience, "client_id": id, "client_secret": secret}); status != 401 {
		t.Errorf("the secret of a client with private_key_jwt: %d, want 401", status)
	}
}

func sign(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
