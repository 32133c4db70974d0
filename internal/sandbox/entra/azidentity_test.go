package entra_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is a SHA-1 thumbprint
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// publicLogin sends what is meant for login.microsoftonline.com to the sandbox: a client that does not know its login host
// asks there whether it is one.
type publicLogin struct {
	base http.RoundTripper
	host string
}

func (p publicLogin) Do(request *http.Request) (*http.Response, error) {
	if request.URL.Host == "login.microsoftonline.com" {
		request = request.Clone(request.Context())
		request.URL.Host, request.Host = p.host, p.host
	}
	return p.base.RoundTrip(request)
}

func newCertificate(t *testing.T, key crypto.Signer, end time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func newRSAKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) register(objectID string, certificates ...*x509.Certificate) {
	w.t.Helper()
	keys := []any{}
	for _, one := range certificates {
		keys = append(keys, map[string]any{"type": "AsymmetricX509Cert", "usage": "Verify", "key": one.Raw, "displayName": "server"})
	}
	everything := w.mint(map[string]any{"roles": []string{"Application.ReadWrite.All"}})
	if a := w.callAs(everything, "PATCH", "/applications/"+objectID, map[string]any{"keyCredentials": keys}); a.status != 204 {
		w.t.Fatalf("register certificates: status %d, %s", a.status, a.text("error", "message"))
	}
}

func TestAzidentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := newRSAKey(t)
	certificate := newCertificate(t, key, time.Now().Add(24*time.Hour))
	w.register(w.manager.ObjectID, certificate)
	options := policy.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + w.login + "/"},
		Transport: publicLogin{w.client.Transport, w.login},
	}
	for _, apart := range []bool{true, false} {
		secret, err := azidentity.NewClientSecretCredential(w.tenant.ID(), w.manager.AppID, w.secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: apart})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := azidentity.NewClientCertificateCredential(w.tenant.ID(), w.manager.AppID, []*x509.Certificate{certificate}, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: apart})
		if err != nil {
			t.Fatal(err)
		}
		for acr, credential := range map[string]azcore.TokenCredential{"1": secret, "2": signed} {
			token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://" + w.graph + "/.default"}})
			if err != nil {
				t.Fatalf("credential %s, instance discovery disabled %v: %v", acr, apart, err)
			}
			if claims := w.verify(w.tenant.Issuer(1), token.Token); claims["appidacr"] != acr {
				t.Errorf("appidacr is %v, want %s", claims["appidacr"], acr)
			}
			if a := w.callAs(token.Token, "GET", "/applications", nil); a.status != 200 {
				t.Errorf("Graph: status %d", a.status)
			}
		}
	}
	discovered := false
	for _, one := range w.edge.Calls().Calls() {
		discovered = discovered || one.Operation == "GET /common/discovery/instance" && one.Status == 200
	}
	if !discovered {
		t.Error("nobody asked for instance discovery")
	}
	wrong, err := azidentity.NewClientSecretCredential(w.tenant.ID(), w.manager.AppID, "wrong",
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://" + w.graph + "/.default"}}); err == nil {
		t.Error("a wrong secret got a token")
	}
}

func TestClientAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, other := newRSAKey(t), newRSAKey(t)
	certificate := newCertificate(t, key, time.Now().Add(24*time.Hour))
	soon := newCertificate(t, other, time.Now().Add(time.Hour))
	unknown := newCertificate(t, other, time.Now().Add(2*time.Hour))
	w.register(w.manager.ObjectID, certificate, soon)
	id, endpoint := w.manager.AppID, "https://"+w.login+"/"+w.tenant.ID()+"/oauth2/v2.0/token"
	long := func(c *x509.Certificate) map[jose.HeaderKey]any {
		sum := sha256.Sum256(c.Raw)
		return map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	}
	short := func(c *x509.Certificate) map[jose.HeaderKey]any {
		sum := sha1.Sum(c.Raw) //nolint:gosec // as above
		return map[jose.HeaderKey]any{"x5t": base64.StdEncoding.EncodeToString(sum[:])}
	}
	type assertion struct {
		alg    jose.SignatureAlgorithm
		key    any
		header map[jose.HeaderKey]any
		change map[string]any // nil takes a claim away
		wait   time.Duration  // before it is used
		code   int            // 0: accepted
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]assertion{
		"PS256":               {alg: jose.PS256, key: key, header: long(certificate)},
		"RS256":               {alg: jose.RS256, key: key, header: long(certificate)},
		"x5t":                 {alg: jose.RS256, key: key, header: short(certificate)},
		"v1 endpoint":         {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"aud": "https://" + w.login + "/" + w.tenant.ID() + "/oauth2/token"}},
		"ES256":               {alg: jose.ES256, key: ec, header: long(certificate), code: 50027},
		"no thumbprint":       {alg: jose.PS256, key: key, code: 700027},
		"unknown certificate": {alg: jose.PS256, key: other, header: long(unknown), code: 700027},
		"another's key":       {alg: jose.PS256, key: other, header: long(certificate), code: 700027},
		"audience":            {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"aud": "https://login.example/"}, code: 700023},
		"no audience":         {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"aud": nil}, code: 700023},
		"issuer":              {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"iss": "somebody"}, code: 700021},
		"subject":             {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"sub": w.manager.PrincipalID}, code: 700021},
		"no jti":              {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"jti": nil}, code: 50027},
		"no exp":              {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"exp": nil}, code: 50027},
		"expired":             {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"exp": time.Now().Add(-6 * time.Minute).Unix()}, code: 700024},
		"far too long":        {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"exp": time.Now().Add(48 * time.Hour).Unix()}, code: 700024},
		"not yet":             {alg: jose.PS256, key: key, header: long(certificate), change: map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, code: 700024},
		"expired certificate": {alg: jose.PS256, key: other, header: long(soon), wait: 2 * time.Hour, code: 700027},
	} {
		w.sleep(c.wait)
		now := w.now()
		claims := map[string]any{"aud": endpoint, "iss": id, "sub": id, "jti": name, "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
		for claim, value := range c.change {
			claims[claim] = value
			if value == nil {
				delete(claims, claim)
			}
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: c.alg, Key: c.key}, &jose.SignerOptions{ExtraHeaders: c.header})
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		a := w.token("grant_type", "client_credentials", "client_id", id, "client_assertion", text,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "scope", "https://"+w.graph+"/.default")
		w.sleep(-c.wait)
		if c.code == 0 && a.status != 200 || c.code != 0 && (a.status != 401 || !hasCode(a, c.code)) {
			t.Errorf("%s: status %d, %s; want %d", name, a.status, a.text("error_description"), c.code)
		}
	}
}
