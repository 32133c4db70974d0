package cognito_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/cognito"
)

// host is a user pool with its domain on loopback.
type host struct {
	*world

	server       *httptest.Server
	pool, issuer string
	id, secret   string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{}
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.service.Domain().ServeHTTP(w, r) }))
	h.world = newWorld(t, h.server.Listener.Addr().String())
	h.server.StartTLS()
	t.Cleanup(h.server.Close)
	pool, err := h.service.CreatePool(t.Context(), "uploads", "uploads-dev", map[string][]string{"uploads": {"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	h.pool, h.issuer = pool, h.service.Issuer(pool)
	out, err := h.client.CreateUserPoolClient(t.Context(), machine(pool, "web-01", "uploads/read", "uploads/write"))
	if err != nil {
		t.Fatal(err)
	}
	h.id, h.secret = *out.UserPoolClient.ClientId, *out.UserPoolClient.ClientSecret
	return h
}

// TestToken: golang.org/x/oauth2 gets a token, and go-oidc verifies it by discovery.
func TestToken(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, h.server.Client())
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		cfg := clientcredentials.Config{ClientID: h.id, ClientSecret: h.secret, TokenURL: h.server.URL + "/oauth2/token", Scopes: []string{"uploads/write"}, AuthStyle: style}
		token, err := cfg.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		provider, err := oidc.NewProvider(oidc.ClientContext(ctx, h.server.Client()), h.issuer)
		if err != nil {
			t.Fatal(err)
		}
		verified, err := provider.VerifierContext(ctx, &oidc.Config{SkipClientIDCheck: true}).Verify(ctx, token.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		if err := verified.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if _, has := claims["aud"]; has {
			t.Error("the token has an aud")
		}
		for name, want := range map[string]any{"sub": h.id, "client_id": h.id, "token_use": "access", "scope": "uploads/write", "iss": h.issuer} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	ctx := t.Context()
	idle, err := h.client.CreateUserPoolClient(ctx, &sdk.CreateUserPoolClientInput{UserPoolId: &h.pool, ClientName: aws.String("idle"), GenerateSecret: true})
	if err != nil {
		t.Fatal(err)
	}
	basic := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(id, secret) }
	}
	good := "grant_type=client_credentials"
	for _, c := range []struct {
		name  string
		body  string
		with  func(*http.Request)
		error string // "": a token
		scope string
	}{
		{"basic", good, basic(h.id, h.secret), "", "uploads/read uploads/write"},
		{"in the form", good + "&client_id=" + h.id + "&client_secret=" + h.secret, nil, "", "uploads/read uploads/write"},
		{"one scope", good + "&scope=uploads%2Fread", basic(h.id, h.secret), "", "uploads/read"},
		{"the same client in the form", good + "&client_id=" + h.id, basic(h.id, h.secret), "", "uploads/read uploads/write"},
		{"wrong secret", good, basic(h.id, "wrong"), "invalid_client", ""},
		{"unknown client", good, basic("nobody", h.secret), "invalid_client", ""},
		{"no client", good, nil, "invalid_request", ""},
		{"another client in the form", good + "&client_id=other", basic(h.id, h.secret), "invalid_request", ""},
		{"secret in both", good + "&client_id=" + h.id + "&client_secret=" + h.secret, basic(h.id, h.secret), "invalid_request", ""},
		{"bearer", good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "invalid_client", ""},
		{"scope of nobody", good + "&scope=uploads%2Fupload", basic(h.id, h.secret), "invalid_scope", ""},
		{"no grant type", "scope=uploads%2Fread", basic(h.id, h.secret), "invalid_request", ""},
		{"password grant", "grant_type=password", basic(h.id, h.secret), "unsupported_grant_type", ""},
		{"code grant", "grant_type=authorization_code&code=x", basic(h.id, h.secret), "unauthorized_client", ""},
		{"client without the flow", good, basic(*idle.UserPoolClient.ClientId, *idle.UserPoolClient.ClientSecret), "unauthorized_client", ""},
		{"grant type twice", good + "&" + good, basic(h.id, h.secret), "invalid_request", ""},
		{"JSON", `{"grant_type":"client_credentials"}`, func(r *http.Request) {
			r.SetBasicAuth(h.id, h.secret)
			r.Header.Set("Content-Type", "application/json")
		}, "invalid_request", ""},
		{"parameters in the URL", "", func(r *http.Request) { r.SetBasicAuth(h.id, h.secret); r.URL.RawQuery = good }, "invalid_request", ""},
	} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.server.URL+"/oauth2/token", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if c.with != nil {
			c.with(r)
		}
		resp, err := h.server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Error       string `json:"error"`
			AccessToken string `json:"access_token"`
			ExpiresIn   int    `json:"expires_in"`
			TokenType   string `json:"token_type"`
		}
		err = json.NewDecoder(resp.Body).Decode(&out)
		_ = resp.Body.Close()
		if err != nil || out.Error != c.error || (resp.StatusCode == http.StatusOK) != (c.error == "") || (out.AccessToken != "") != (c.error == "") {
			t.Errorf("%s: %d %q, want %q (%v)", c.name, resp.StatusCode, out.Error, c.error, err)
		}
		if c.error == "" && (out.ExpiresIn != 3600 || out.TokenType != "Bearer") {
			t.Errorf("%s: %d %s", c.name, out.ExpiresIn, out.TokenType)
		}
	}
	resp, err := h.server.Client().Get(h.server.URL + "/oauth2/token")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

// TestRotation: both active secrets get tokens, a deleted one none.
func TestRotation(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	second, err := h.client.AddUserPoolClientSecret(t.Context(), &sdk.AddUserPoolClientSecretInput{UserPoolId: &h.pool, ClientId: &h.id})
	if err != nil {
		t.Fatal(err)
	}
	works := func(secret string) bool {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, h.server.Client())
		_, err := (&clientcredentials.Config{ClientID: h.id, ClientSecret: secret, TokenURL: h.server.URL + "/oauth2/token"}).Token(ctx)
		return err == nil
	}
	if !works(h.secret) || !works(*second.ClientSecretDescriptor.ClientSecretValue) {
		t.Error("one of two active secrets does not work")
	}
	list, err := h.client.ListUserPoolClientSecrets(t.Context(), &sdk.ListUserPoolClientSecretsInput{UserPoolId: &h.pool, ClientId: &h.id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.client.DeleteUserPoolClientSecret(t.Context(), &sdk.DeleteUserPoolClientSecretInput{UserPoolId: &h.pool, ClientId: &h.id, ClientSecretId: list.ClientSecrets[0].ClientSecretId})
	if err != nil {
		t.Fatal(err)
	}
	if works(h.secret) || !works(*second.ClientSecretDescriptor.ClientSecretValue) {
		t.Error("the wrong secret was deleted")
	}
}

func FuzzTokenForm(f *testing.F) {
	f.Add("grant_type=client_credentials&client_id=x&client_secret=y", "application/x-www-form-urlencoded", "")
	f.Add("a=%zz", "text/plain", "Basic Og==")
	w := &world{}
	w.service = newService()
	f.Fuzz(func(t *testing.T, body, contentType, authorization string) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/oauth2/token"}, Header: http.Header{"Content-Type": {contentType}, "Authorization": {authorization}}, Body: readCloser(body)}
		out := httptest.NewRecorder()
		w.service.Domain().ServeHTTP(out, r.WithContext(t.Context()))
		if out.Code != http.StatusBadRequest {
			t.Errorf("status %d without any client", out.Code)
		}
	})
}

func newService() *cognito.Service {
	return cognito.New(cognito.Config{Now: time.Now, Host: "127.0.0.1:1"})
}

func readCloser(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }
