package auth0

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

func secretSpec() idp.Spec {
	return idp.Spec{
		Name: "oidc-s3-dev-web-01", Description: "S3 access of server web-01 (dev)", OnboardingID: "onb-1", Server: "web-01",
		Environment: "dev", Audience: "urn:upload", Method: idp.ClientSecret,
	}
}

func keySpec(keys ...string) idp.Spec {
	spec := secretSpec()
	spec.Method, spec.PublicKeys = idp.PrivateKeyJWT, keys
	return spec
}

func lookup(id string, spec idp.Spec) idp.Lookup {
	return idp.Lookup{ID: id, OnboardingID: spec.OnboardingID, Audience: spec.Audience, Fresh: true}
}

func TestCreateWithSecret(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	spec := secretSpec()
	var c idp.Client
	if got := p.Parts()[0].Deviations(c, spec); !slices.Equal(got, []string{"client oidc-s3-dev-web-01 is missing"}) {
		t.Errorf("deviations of no client: %q", got)
	}
	apply(t.Context(), t, p, &c, spec)
	want := map[string]any{
		"client_id": "client0001", "client_secret": "secret0002", "name": "oidc-s3-dev-web-01",
		"description": "S3 access of server web-01 (dev)", "app_type": "non_interactive", "grant_types": []any{"client_credentials"},
		"oidc_conformant": true, "is_first_party": true, "token_endpoint_auth_method": "client_secret_post",
		"jwt_configuration": map[string]any{"alg": "RS256"},
		"client_metadata": map[string]any{
			"oidcs3_onboarding_id": "onb-1", "oidcs3_server": "web-01", "oidcs3_environment": "dev", "oidcs3_audience": "urn:upload",
		},
	}
	if !reflect.DeepEqual(a.clients[0], want) {
		t.Errorf("client is %v\nwant %v", a.clients[0], want)
	}
	if g := a.grants[0]; g["audience"] != "urn:upload" || g["client_id"] != "client0001" || !reflect.DeepEqual(g["scope"], []any{}) {
		t.Errorf("grant is %v", g)
	}
	if c.ID != "client0001" || c.Subject != "client0001@clients" || c.Secret.Reveal() != "secret0002" || c.OnboardingID != "onb-1" || c.GrantID != "cgr_0003" {
		t.Errorf("client %+v", c)
	}
	if want := []string{"POST clients", "POST client-grants"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
	found, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	if rest := deviations(p, found, spec); len(rest) > 0 || found.Secret != c.Secret || found.GrantID != c.GrantID {
		t.Errorf("read again: %+v deviates: %q", found, rest)
	}
}

func TestLostResponseIsFoundByOnboardingID(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"drop-after", "502"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			a.fault = func(operation string) string {
				if operation == "POST clients" {
					return kind
				}
				return ""
			}
			p := start(t, a)
			for i := range 150 { // others, so that there is more than one page
				a.clients = append(a.clients, map[string]any{"client_id": fmt.Sprintf("other%d", i), "name": "other", "client_metadata": nil})
			}
			spec := secretSpec()
			var c idp.Client
			err := p.Parts()[0].Apply(t.Context(), &c, spec)
			if !apierror.Is(err, apierror.Ambiguous) || a.called("POST clients") != 1 {
				t.Fatalf("got %v after %d creates, want one ambiguous one", err, a.called("POST clients"))
			}
			found, err := p.Find(t.Context(), lookup("", spec))
			if kind == "502" {
				if !apierror.Is(err, apierror.NotFound) {
					t.Fatalf("found %+v, %v, want nothing", found, err)
				}
				return
			}
			if err != nil || found.ID != "client0001" || found.Secret.Reveal() != "secret0002" {
				t.Fatalf("found %+v, %v", found, err)
			}
			apply(t.Context(), t, p, &found, spec)
			if len(a.clients) != 151 || len(a.grants) != 1 {
				t.Errorf("%d clients and %d grants", len(a.clients), len(a.grants))
			}
		})
	}
}

func TestLostResponseOfGrant(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	spec := secretSpec()
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, spec); err != nil {
		t.Fatal(err)
	}
	a.fault = once("POST client-grants", "drop-after")
	grant := p.Parts()[3]
	if err := grant.Apply(t.Context(), &c, spec); !apierror.Is(err, apierror.Ambiguous) {
		t.Fatalf("got %v, want an ambiguous failure", err)
	}
	// A second attempt meets the grant and takes it.
	if err := grant.Apply(t.Context(), &c, spec); err != nil || c.GrantID == "" || len(a.grants) != 1 {
		t.Errorf("got %v, grant %q of %d", err, c.GrantID, len(a.grants))
	}
}

func once(operation, kind string) func(string) string {
	var mu sync.Mutex
	done := false
	return func(o string) string {
		mu.Lock()
		defer mu.Unlock()
		if o != operation || done {
			return ""
		}
		done = true
		return kind
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	twin := legacy()
	twin["client_id"] = "legacy2"
	a.clients = []map[string]any{legacy(), twin}
	for name, which := range map[string]idp.Lookup{
		"id": {ID: "nobody", Audience: "urn:upload"}, "onboarding": {OnboardingID: "onb-9", Name: "oidc-s3-dev-web-01"}, "name": {Name: "oidc-s3"},
	} {
		if c, err := p.Find(t.Context(), which); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("%s: got %+v, %v, want not found", name, c, err)
		}
	}
	if _, err := p.Find(t.Context(), idp.Lookup{Name: "oidc-s3-dev-web-01"}); !apierror.Is(err, apierror.Conflict) || !strings.Contains(err.Error(), "[legacy1 legacy2]") {
		t.Errorf("two of a name: %v", err)
	}
	if _, err := p.Find(t.Context(), idp.Lookup{}); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("nothing to look for: %v", err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "nobody"}); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	for audience, want := range map[string]idp.API{
		"https://api.example.com/": {Profile: "access_token", TokensCarryAZP: true},
		"urn:upload":               {Profile: "rfc9068_profile"},
		"urn:authz":                {Profile: "access_token_authz", TokensCarryAZP: true},
		"urn:rfc-authz":            {Profile: "rfc9068_profile_authz"},
		"urn:old":                  {Profile: "access_token", TokensCarryAZP: true},
	} {
		want.Audience, want.Issuer, want.TokenEndpoint = audience, "https://"+p.domain+"/", "https://"+p.domain+"/oauth/token"
		got, err := p.API(t.Context(), audience)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", audience, got, err, want)
		}
	}
	for _, audience := range []string{"urn:nothing", "rs_1"} {
		if _, err := p.API(t.Context(), audience); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("%s: %v", audience, err)
		}
	}
}

func TestAPIIsReadOnce(t *testing.T) {
	t.Parallel()
	a := newTenant()
	a.refusal = `{"statusCode":400,"error":"Bad Request","message":"no"}`
	a.fault = once("GET resource-servers/id", "400")
	p := start(t, a)
	if _, err := p.API(t.Context(), "urn:upload"); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.API(gone, "urn:upload"); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("got %v", err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := p.API(t.Context(), "urn:upload"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := a.called("GET resource-servers/id"); n != 2 {
		t.Errorf("%d reads, want the failed one and one more", n)
	}
}
