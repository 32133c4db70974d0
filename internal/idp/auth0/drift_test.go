package auth0

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// legacy is a client as the plain module left it on a real tenant.
func legacy() map[string]any {
	return map[string]any{
		"client_id": "legacy1", "client_secret": "legacy-secret", "name": "oidc-s3-dev-web-01", "app_type": "non_interactive",
		"description": "M2M app for web-01 S3 uploads", "is_first_party": true, "oidc_conformant": false,
		"grant_types":                []any{"authorization_code", "implicit", "refresh_token", "client_credentials"},
		"token_endpoint_auth_method": "client_secret_post", "jwt_configuration": map[string]any{"secret_encoded": false},
	}
}

func TestLegacyShapeIsMended(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	a.clients = []map[string]any{legacy()}
	a.grants = []map[string]any{{"id": "cgr_legacy", "client_id": "legacy1", "audience": "urn:upload", "scope": []any{}}}
	spec := secretSpec()
	c, err := p.Find(t.Context(), idp.Lookup{Name: spec.Name, Audience: spec.Audience})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"description is M2M app for web-01 S3 uploads instead of S3 access of server web-01 (dev)",
		"grant_types are [authorization_code implicit refresh_token client_credentials] instead of [client_credentials]",
		"oidc_conformant is false instead of true",
		"client_metadata oidcs3_onboarding_id is missing",
		"client_metadata oidcs3_server is missing",
		"client_metadata oidcs3_environment is missing",
		"client_metadata oidcs3_audience is missing",
	}
	if got := deviations(p, c, spec); !slices.Equal(got, want) {
		t.Errorf("deviations %q\nwant %q", got, want)
	}
	before := c
	a.calls = nil
	apply(t.Context(), t, p, &c, spec)
	if want := []string{"PATCH clients/id"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
	if c.Secret.Reveal() != "legacy-secret" || c.GrantID != "cgr_legacy" || a.clients[0]["name"] != "oidc-s3-dev-web-01" {
		t.Errorf("client %+v", c)
	}
	// Undone, it is as it was.
	if err := p.Parts()[0].Revert(t.Context(), &c, before); err != nil {
		t.Fatal(err)
	}
	wantClient := legacy()
	wantClient["client_metadata"] = map[string]any{}
	if !reflect.DeepEqual(a.clients[0], wantClient) {
		t.Errorf("after the undo %v\nwant %v", a.clients[0], wantClient)
	}
}

func TestDriftIsMendedByNothingButTheChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		drift func(a *tenant)
		want  string
		calls []string
	}{
		"renamed": {func(a *tenant) { a.clients[0]["name"] = "web server" },
			"name is web server instead of oidc-s3-dev-web-01", []string{"PATCH clients/id"}},
		"description emptied": {func(a *tenant) { delete(a.clients[0], "description") },
			"description is empty instead of S3 access of server web-01 (dev)", []string{"PATCH clients/id"}},
		"app type": {func(a *tenant) { a.clients[0]["app_type"] = "spa" },
			"app_type is spa instead of non_interactive", []string{"PATCH clients/id"}},
		"another grant type": {func(a *tenant) { a.clients[0]["grant_types"] = []any{"client_credentials", "password"} },
			"grant_types are [client_credentials password] instead of [client_credentials]", []string{"PATCH clients/id"}},
		"no grant types": {func(a *tenant) { a.clients[0]["grant_types"] = []any{} },
			"grant_types are [] instead of [client_credentials]", []string{"PATCH clients/id"}},
		"conformance": {func(a *tenant) { a.clients[0]["oidc_conformant"] = false },
			"oidc_conformant is false instead of true", []string{"PATCH clients/id"}},
		"third party": {func(a *tenant) { a.clients[0]["is_first_party"] = false },
			"is_first_party is false instead of true", []string{"PATCH clients/id"}},
		"basic authentication": {func(a *tenant) { a.clients[0]["token_endpoint_auth_method"] = "client_secret_basic" },
			"client authentication is client_secret_basic instead of client_secret_post", []string{"PATCH clients/id"}},
		"public": {func(a *tenant) { a.clients[0]["token_endpoint_auth_method"] = "none" },
			"client authentication is none instead of client_secret_post", []string{"PATCH clients/id"}},
		"metadata": {func(a *tenant) { a.clients[0]["client_metadata"].(map[string]any)["oidcs3_server"] = "web-02" },
			"client_metadata oidcs3_server is web-02 instead of web-01", []string{"PATCH clients/id"}},
		"grant gone": {func(a *tenant) { a.grants = nil },
			"client grant for urn:upload is missing", []string{"POST client-grants"}},
		"grant with scopes": {func(a *tenant) { a.grants[0]["scope"] = []any{"admin", "read"} },
			"client grant for urn:upload has the scopes [admin read] instead of none", []string{"PATCH client-grants/id"}},
		"grant of everything": {func(a *tenant) { a.grants[0]["allow_all_scopes"] = true },
			"client grant for urn:upload allows all scopes instead of none", []string{"PATCH client-grants/id"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			p := start(t, a)
			spec := secretSpec()
			var c idp.Client
			apply(t.Context(), t, p, &c, spec)
			a.clients[0]["client_metadata"].(map[string]any)["theirs"] = "kept"
			test.drift(a)
			found, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			if got := deviations(p, found, spec); !slices.Equal(got, []string{test.want}) {
				t.Fatalf("deviations %q, want %q", got, test.want)
			}
			a.calls = nil
			apply(t.Context(), t, p, &found, spec)
			if !slices.Equal(a.calls, test.calls) {
				t.Errorf("calls %q, want %q", a.calls, test.calls)
			}
			again, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			if rest := deviations(p, again, spec); len(rest) > 0 {
				t.Errorf("still deviates: %q", rest)
			}
			if a.clients[0]["client_metadata"].(map[string]any)["theirs"] != "kept" || again.Secret.Reveal() != "secret0002" {
				t.Errorf("the mending touched more than it had to: %v", a.clients[0])
			}
		})
	}
}

func TestEachPartIsUndone(t *testing.T) {
	t.Parallel()
	for _, spec := range []idp.Spec{secretSpec(), keySpec(newKey())} {
		t.Run(string(spec.Method), func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			p := start(t, a)
			var c idp.Client
			type done struct {
				part   idp.Part
				before idp.Client
			}
			var all []done
			for _, part := range p.Parts() {
				if len(part.Deviations(c, spec)) == 0 {
					continue
				}
				all = append(all, done{part, c})
				if err := part.Apply(t.Context(), &c, spec); err != nil {
					t.Fatal(err)
				}
			}
			for _, d := range slices.Backward(all) {
				for range 2 { // what is gone already is no error
					if err := d.part.Revert(t.Context(), &c, d.before); err != nil {
						t.Fatalf("revert %s: %v", d.part.Name, err)
					}
				}
			}
			if len(a.clients)+len(a.grants) != 0 {
				t.Errorf("left: %v %v", a.clients, a.grants)
			}
		})
	}
}

func TestAudienceChanges(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	a.grants = append(a.grants, map[string]any{"id": "cgr_theirs", "client_id": c.ID, "audience": "urn:theirs", "scope": []any{}})
	spec := secretSpec()
	spec.Audience = "https://api.example.com/"
	found, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"client grant for https://api.example.com/ is missing", "client grant is still for urn:upload"}
	if got := deviations(p, found, spec); !slices.Equal(got, want) {
		t.Errorf("deviations %q, want %q", got, want)
	}
	before := found
	apply(t.Context(), t, p, &found, spec)
	audiences := func() string {
		var all []string
		for _, g := range a.grants {
			all = append(all, fmt.Sprint(g["audience"]))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	if got := audiences(); got != "https://api.example.com/ urn:theirs" {
		t.Errorf("grants for %s", got)
	}
	if err := p.Parts()[3].Revert(t.Context(), &found, before); err != nil {
		t.Fatal(err)
	}
	if got := audiences(); got != "urn:theirs urn:upload" {
		t.Errorf("after the undo grants for %s", got)
	}
	if rest := deviations(p, found, secretSpec()); len(rest) > 0 {
		t.Errorf("after the undo: %q", rest)
	}
}
