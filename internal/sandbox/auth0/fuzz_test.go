package auth0

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func FuzzParsePublicKey(f *testing.F) {
	f.Add("")
	f.Add("-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----")
	f.Add("-----BEGIN RSA PUBLIC KEY-----\nMA==\n-----END RSA PUBLIC KEY-----")
	f.Add("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----")
	f.Fuzz(func(t *testing.T, text string) {
		key, notAfter := parsePublicKey(text)
		if key == nil && !notAfter.IsZero() {
			t.Error("an end of validity without a key")
		}
		if key != nil && key.N.BitLen() < smallestKey {
			t.Error("a key that is too small")
		}
	})
}

// FuzzTokenEndpoint sends anything to the token endpoint of a tenant with a client without a secret: nobody gets a token.
func FuzzTokenEndpoint(f *testing.F) {
	tenant, err := New(Config{Now: time.Now, Domain: "tenant.example"})
	if err != nil {
		f.Fatal(err)
	}
	id, _ := tenant.AddManagementClient("server", "read:clients")
	client, _ := tenant.clients.Get(context.Background(), id)
	tenant.clients.Put("id", client.with(document{"client_secret": nil, "client_id": "id"}))
	f.Add("application/json", `{"grant_type":"client_credentials","client_id":"id","client_secret":""}`, "")
	f.Add("application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=id", "Basic aWQ6")
	f.Add("application/json; charset=utf-8", `{"grant_type":"client_credentials","client_assertion":"e30.e30.","client_assertion_type":"x"}`, "Basic %%")
	f.Fuzz(func(t *testing.T, contentType, body, authorization string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://tenant.example/oauth/token", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		tenant.ServeHTTP(w, r)
		var answer map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer["error"] == "" || w.Code < 400 || w.Code >= 500 {
			t.Errorf("answer %d without an error: %v", w.Code, err)
		}
	})
}

// FuzzClientBody sends anything as a new client: it is made or refused, and never more than that.
func FuzzClientBody(f *testing.F) {
	tenant, err := New(Config{Now: time.Now, Domain: "tenant.example"})
	if err != nil {
		f.Fatal(err)
	}
	token, err := tenant.ManagementToken(context.Background(), AllScopes(), 3600)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"name":"x"}`)
	f.Add(`{"name":"x","client_metadata":{"a":null},"grant_types":[{}],"token_endpoint_auth_method":{}}`)
	f.Add(`{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[1,{"credential_type":"public_key"}]}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://tenant.example/api/v2/clients", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		tenant.ServeHTTP(w, r)
		if w.Code != http.StatusCreated && w.Code != http.StatusBadRequest && w.Code != http.StatusForbidden {
			t.Errorf("answer %d", w.Code)
		}
	})
}
