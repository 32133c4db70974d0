package entra_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	sandbox "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

// world is a tenant of the sandbox behind its edge, and the adapter that manages it.
type world struct {
	edge     *edge.Edge
	tenant   *sandbox.Tenant
	provider *entra.Provider
	api      sandbox.Application
}

func open(t *testing.T) *world {
	t.Helper()
	login, graph := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	tenant, err := sandbox.New(sandbox.Config{LoginHost: login.Listener.Addr().String(), GraphHost: graph.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{edge: edge.New(time.Now), tenant: tenant}
	for server, service := range map[*httptest.Server]edge.Service{login: tenant.Login(), graph: tenant.Graph()} {
		server.Config.Handler, server.Config.ErrorLog = w.edge.Wrap(service), log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
	}
	w.api, err = tenant.AddApplication(sandbox.API{DisplayName: "upload", IdentifierURI: "api://upload", AssignmentRequired: true, Roles: []string{"Upload"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.AddApplication(sandbox.API{DisplayName: "upload 2", IdentifierURI: "api://upload-2", TokenVersion: 2}); err != nil {
		t.Fatal(err)
	}
	client, secret, err := tenant.AddManagementClient("terraform", "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")
	if err != nil {
		t.Fatal(err)
	}
	w.provider, err = entra.New(entra.Config{
		TenantID: tenant.ID(), Credential: &clientSecret{login.Client(), login.URL + "/" + tenant.ID() + "/oauth2/v2.0/token", client.AppID, secret},
		GraphURL: graph.URL, LoginHost: strings.TrimPrefix(login.URL, "https://"), HTTPClient: graph.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// clientSecret asks the sandbox's login for tokens.
type clientSecret struct {
	http            *http.Client
	url, id, secret string
}

func (c *clientSecret) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.id}, "client_secret": {c.secret}, "scope": options.Scopes}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := c.http.Do(request)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&token); err != nil || token.AccessToken == "" {
		return azcore.AccessToken{}, fmt.Errorf("token request: status %d", response.StatusCode)
	}
	return azcore.AccessToken{Token: token.AccessToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func spec(certificates ...string) idp.Spec {
	s := idp.Spec{Name: "oidc-s3-dev-web-01", Description: "S3 access of server web-01 (dev)", OnboardingID: "onb-1", Server: "web-01",
		Environment: "dev", Audience: "api://upload", Method: idp.ClientSecret, PublicKeys: certificates}
	if len(certificates) > 0 {
		s.Method = idp.PrivateKeyJWT
	}
	return s
}

func lookup(id string) idp.Lookup {
	return idp.Lookup{ID: id, OnboardingID: "onb-1", Audience: "api://upload", Fresh: true}
}

// converge applies what deviates, looking after every ambiguous attempt as the controller does.
func (w *world) converge(ctx context.Context, t *testing.T, c *idp.Client, s idp.Spec) {
	t.Helper()
	for _, part := range w.provider.Parts() {
		for try := 0; len(part.Deviations(*c, s)) > 0; try++ {
			if try == 4 {
				t.Fatalf("%s still deviates: %q", part.Name, part.Deviations(*c, s))
			}
			err := part.Apply(ctx, c, s)
			if err == nil {
				continue
			}
			if !apierror.Is(err, apierror.Ambiguous) {
				t.Fatalf("apply %s: %v", part.Name, err)
			}
			found, err := w.provider.Find(ctx, lookup(c.ID))
			if err != nil && !apierror.Is(err, apierror.NotFound) {
				t.Fatal(err)
			}
			found.Secret = c.Secret
			*c = found
		}
	}
}

func (w *world) check(ctx context.Context, t *testing.T, c idp.Client, s idp.Spec) {
	t.Helper()
	for _, id := range []string{c.ID, ""} {
		found, err := w.provider.Find(ctx, lookup(id))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range w.provider.Parts() {
			if rest := part.Deviations(found, s); len(rest) > 0 {
				t.Errorf("%s deviates: %q", part.Name, rest)
			}
		}
		if found.ID != c.ID || found.ObjectID != c.ObjectID || found.PrincipalID != c.PrincipalID || found.Subject != c.PrincipalID || found.Method != s.Method {
			t.Errorf("found %+v, want %+v", found, c)
		}
	}
}

func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "web-01"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestLifeInTheSandbox(t *testing.T) {
	t.Parallel()
	for _, upsert := range []bool{true, false} {
		t.Run(map[bool]string{true: "public cloud", false: "national cloud"}[upsert], func(t *testing.T) {
			t.Parallel()
			w := open(t)
			w.tenant.SetUpsert(upsert)
			first, second := certificate(t), certificate(t)
			var c idp.Client
			for _, s := range []idp.Spec{spec(), spec(first), spec(first, second), spec(second), spec()} {
				w.converge(t.Context(), t, &c, s)
				w.check(t.Context(), t, c, s)
				if (c.Secret == "") != (s.Method == idp.PrivateKeyJWT) {
					t.Errorf("with %s", s.Method)
				}
			}
			for range 2 {
				if err := w.provider.Delete(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range []string{c.ID, ""} {
				if _, err := w.provider.Find(t.Context(), lookup(id)); !apierror.Is(err, apierror.NotFound) {
					t.Errorf("deleted: %v", err)
				}
			}
			// Another onboarding of the same server does not meet what Entra keeps of the former one.
			again := spec()
			again.OnboardingID = "onb-2"
			var next idp.Client
			w.converge(t.Context(), t, &next, again)
			if next.ID == c.ID {
				t.Error("the deleted application is back")
			}
		})
	}
}

func TestAPIsOfTheSandbox(t *testing.T) {
	t.Parallel()
	w := open(t)
	one, err := w.provider.API(t.Context(), "api://upload")
	if err != nil || one.Issuer != w.tenant.Issuer(1) || one.Audience != "api://upload" || one.TokensCarryAZP {
		t.Errorf("version 1: %+v, %v", one, err)
	}
	two, err := w.provider.API(t.Context(), "api://upload-2")
	if err != nil || two.Issuer != w.tenant.Issuer(2) || two.Audience == "api://upload-2" || !two.TokensCarryAZP {
		t.Errorf("version 2: %+v, %v", two, err)
	}
}

func TestEveryFaultAtEveryWrite(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"PATCH /applications(uniqueName)", "POST /servicePrincipals", "POST /servicePrincipals/{id}/appRoleAssignments",
		"POST /applications/{id}/addPassword", "PATCH /applications/{id}"} {
		for _, kind := range []string{edge.DropBefore, edge.DropAfter, edge.ErrorAfter, edge.InternalError, edge.TooManyRequests} {
			t.Run(operation+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := open(t)
				if err := w.edge.Faults().Add(edge.Fault{Operation: operation, Nth: 1, Kind: kind, RetryAfter: "0"}); err != nil {
					t.Fatal(err)
				}
				var c idp.Client
				w.converge(t.Context(), t, &c, spec())
				w.check(t.Context(), t, c, spec())
				if c.Secret == "" {
					t.Error("the secret is not known")
				}
				n := 0
				for _, call := range w.edge.Calls().Calls() {
					if call.Operation == operation && call.Fault != "" {
						n++
					}
				}
				if n != 1 {
					t.Errorf("the fault fired %d times", n)
				}
			})
		}
	}
}

func TestReplicationOfTheSandbox(t *testing.T) {
	t.Parallel()
	w := open(t)
	if _, err := w.provider.API(t.Context(), "api://upload"); err != nil {
		t.Fatal(err)
	}
	w.tenant.SetReplicationLag(2 * time.Second)
	var c idp.Client
	w.converge(t.Context(), t, &c, spec())
	w.tenant.SetReplicationLag(0)
	w.check(t.Context(), t, c, spec())
}
