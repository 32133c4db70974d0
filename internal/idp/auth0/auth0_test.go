package auth0

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
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

var newKey = func() func() string {
	return func() string {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			panic(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
}()

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

func TestSecretThatNobodyKnows(t *testing.T) {
	t.Parallel()
	a := newTenant()
	a.secrets = false
	p := start(t, a)
	spec := secretSpec()
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, spec); err != nil {
		t.Fatal(err)
	}
	found, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	secret := p.Parts()[2]
	if got := secret.Deviations(found, spec); !slices.Equal(got, []string{"client secret is not known"}) {
		t.Errorf("deviations %q", got)
	}
	known := found
	known.Secret = "remembered"
	if got := secret.Deviations(known, spec); len(got) > 0 {
		t.Errorf("a secret that the caller knows deviates: %q", got)
	}
	apply(t.Context(), t, p, &found, spec)
	if found.Secret == "" || found.Secret.Reveal() != a.clients[0]["client_secret"] {
		t.Error("the rotated secret is not the client's")
	}
	// With a grant the client may be in use: a secret that cannot be read is no deviation.
	inUse, err := p.Find(t.Context(), lookup(c.ID, spec))
	if err != nil {
		t.Fatal(err)
	}
	if got := deviations(p, inUse, spec); len(got) > 0 || inUse.Secret != "" {
		t.Errorf("a client in use deviates: %q", got)
	}
	// Asked to rotate, it does; undone, the old secret works again.
	inUse.Secret = found.Secret
	before := inUse
	if err := secret.Apply(t.Context(), &inUse, spec); err != nil || inUse.Secret == before.Secret {
		t.Fatalf("rotation: %v", err)
	}
	if err := secret.Revert(t.Context(), &inUse, before); err != nil {
		t.Fatal(err)
	}
	if a.clients[0]["client_secret"] != before.Secret.Reveal() || inUse.Secret != before.Secret {
		t.Error("the undo has not put the secret back")
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	first, second, third := newKey(), newKey(), newKey()
	var c idp.Client
	spec := keySpec(first)
	apply(t.Context(), t, p, &c, spec)
	if c.Secret != "" || c.Method != idp.PrivateKeyJWT {
		t.Errorf("client %+v", c)
	}
	if want := []string{"POST clients", "PATCH clients/id", "POST client-grants"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
	check := func(step string, keys ...string) {
		t.Helper()
		var want, have []string
		for _, text := range keys {
			key, err := parseKey(text)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, key.id)
		}
		for _, id := range enabledIDs(a.clients[0]) {
			have = append(have, fmt.Sprint(pick(a.credentials[c.ID], "id", id)["kid"]))
		}
		if !sameSet(want, have) || len(a.credentials[c.ID]) != len(want) {
			t.Errorf("%s: enabled %v of %d stored, want %v", step, have, len(a.credentials[c.ID]), want)
		}
		found, err := p.Find(t.Context(), lookup(c.ID, keySpec(keys...)))
		if err != nil {
			t.Fatal(err)
		}
		if rest := deviations(p, found, keySpec(keys...)); len(rest) > 0 {
			t.Errorf("%s: deviates: %q", step, rest)
		}
		c = found
	}
	check("created", first)
	a.calls = nil
	check("read with the record", first)
	if n := a.called("GET clients/id/credentials"); n != 0 {
		t.Errorf("the record of keys did not save %d reads", n)
	}
	for _, rotation := range [][]string{{first, second}, {second}, {second, third}, {first, third}, {second}} {
		apply(t.Context(), t, p, &c, keySpec(rotation...))
		check(fmt.Sprint(len(rotation)), rotation...)
	}
	// Somebody else's key, enabled in the dashboard, shows and goes.
	a.calls = nil
	made, _ := a.makeCredential(c.ID, map[string]any{"pem": third})
	a.clients[0]["client_authentication_methods"] = privateKeyJWT([]any{map[string]any{"id": made["id"]}})
	found, err := p.Find(t.Context(), lookup(c.ID, keySpec(second)))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Parts()[1].Deviations(found, keySpec(second)); len(got) != 2 || !strings.Contains(got[0], "is missing") || !strings.Contains(got[1], "is enabled and not wanted") {
		t.Errorf("deviations %q", got)
	}
	apply(t.Context(), t, p, &found, keySpec(second))
	check("mended", second)
}

func TestLostResponseWhileKeysRotate(t *testing.T) {
	t.Parallel()
	first, second := newKey(), newKey()
	for _, lost := range []string{"POST clients/id/credentials", "PATCH clients/id", "DELETE clients/id/credentials/id"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			p := start(t, a)
			var c idp.Client
			apply(t.Context(), t, p, &c, keySpec(first))
			a.mu.Lock()
			a.fault = once(lost, "drop-after")
			a.mu.Unlock()
			spec := keySpec(second)
			authentication := p.Parts()[1]
			if err := authentication.Apply(t.Context(), &c, spec); !apierror.Is(err, apierror.Ambiguous) {
				t.Fatalf("got %v, want an ambiguous failure", err)
			}
			found, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			apply(t.Context(), t, p, &found, spec)
			if got := enabledIDs(a.clients[0]); len(got) != 1 {
				t.Errorf("%d keys are enabled", len(got))
			}
			if rest := deviations(p, found, spec); len(rest) > 0 {
				t.Errorf("deviates: %q", rest)
			}
		})
	}
}

func TestMethodChanges(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	key := newKey()
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	asSecret := c
	apply(t.Context(), t, p, &c, keySpec(key))
	if c.Method != idp.PrivateKeyJWT || c.Secret != "" || a.clients[0]["token_endpoint_auth_method"] != nil {
		t.Errorf("client %+v", c)
	}
	undone := c
	if err := p.Parts()[1].Revert(t.Context(), &undone, asSecret); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Find(t.Context(), lookup(c.ID, secretSpec())); err != nil || len(deviations(p, got, secretSpec())) > 0 || got.Secret != asSecret.Secret || len(a.credentials[c.ID]) != 0 {
		t.Errorf("after the undo: %v, %q", err, deviations(p, got, secretSpec()))
	}
	apply(t.Context(), t, p, &undone, keySpec(key))
	old := a.clients[0]["client_secret"]
	a.fault = once("POST clients/id/rotate-secret", "drop")
	if err := p.Parts()[1].Apply(t.Context(), &undone, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Fatalf("got %v, want an ambiguous failure", err)
	}
	found, err := p.Find(t.Context(), lookup(c.ID, secretSpec()))
	if err != nil {
		t.Fatal(err)
	}
	if got := deviations(p, found, secretSpec()); !slices.Equal(got, []string{"keys of a former client authentication are left"}) {
		t.Errorf("half-way: %q", got)
	}
	apply(t.Context(), t, p, &found, secretSpec())
	if found.Secret == "" || found.Secret.Reveal() == old || len(a.credentials[c.ID]) != 0 {
		t.Error("the secret of old works again, or keys are left")
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
	if _, err := p.API(gone, "urn:upload"); err != nil && !apierror.Is(err, apierror.Unavailable) {
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

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault, body string
		kind        apierror.Kind
		text        string
	}{
		"invalid":     {"400", `{"statusCode":400,"message":"Payload validation error","errorCode":"invalid_body"}`, apierror.Invalid, "invalid_body: Payload validation error"},
		"token":       {"401", `{"statusCode":401,"message":"Expired token received"}`, apierror.Denied, "the management token is not accepted: Expired token received"},
		"scope":       {"403", `{"statusCode":403,"message":"Insufficient scope, expected any of: create:clients","errorCode":"insufficient_scope"}`, apierror.Denied, "insufficient_scope: the management token lacks a scope; it needs one of: create:clients"},
		"entitlement": {"403", `{"statusCode":403,"message":"This feature is not enabled for this tenant.","errorCode":"insufficient_entitlement"}`, apierror.Denied, "This feature is not enabled"},
		"missing":     {"404", `{"statusCode":404,"message":"The client does not exist","errorCode":"inexistent_client"}`, apierror.NotFound, "inexistent_client: The client does not exist"},
		"exists":      {"409", `{"statusCode":409,"message":"exists"}`, apierror.Exists, "exists"},
		"server":      {"500", `<html>secret-body</html>`, apierror.Ambiguous, "Internal Server Error"},
		"gateway":     {"503", ``, apierror.Ambiguous, "Service Unavailable"},
		"redirected":  {"304", ``, apierror.Invalid, "Not Modified"},
		"lost":        {"drop", ``, apierror.Ambiguous, "sent, but no answer came"},
		"cut off":     {"201", `{"client_id":`, apierror.Ambiguous, "answer that cannot be read"},
		"no client":   {"201", `{}`, apierror.Ambiguous, "names no client"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			a.fault, a.refusal = func(string) string { return test.fault }, test.body
			p := start(t, a)
			var c idp.Client
			err := p.Parts()[0].Apply(t.Context(), &c, secretSpec())
			if !apierror.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || c.Exists() {
				t.Errorf("got %v: %v, want %v: …%s…", apierror.KindOf(err), err, test.kind, test.text)
			}
			for _, secret := range []string{"secret-body", "management-token", "onb-1"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q", secret)
				}
			}
			if n := len(a.calls); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	domain := strings.TrimPrefix(server.URL, "https://")
	untrusted, err := New(Config{Domain: domain, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	unresolved, err := New(Config{Domain: "tenant.invalid", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, p *Provider) {
		var c idp.Client
		if err := p.Parts()[0].Apply(t.Context(), &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
			t.Errorf("%s: %v: %v, want unavailable", name, apierror.KindOf(err), err)
		}
	}
	check("certificate not trusted", untrusted)
	check("no such host", unresolved)
	server.Close()
	check("connection refused", untrusted)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var c idp.Client
	if err := untrusted.Parts()[0].Apply(ended, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("ended context: %v", err)
	}
}

func TestContextEndsOnTheWay(t *testing.T) {
	t.Parallel()
	a := newTenant()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.fault = func(string) string { cancel(); return "drop-after" }
	p := start(t, a)
	var c idp.Client
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Errorf("got %v: %v, want ambiguous: the client may be there", apierror.KindOf(err), err)
	}
	a.fault = nil
	a.header, a.refusal = http.Header{"Retry-After": {"60"}}, `{"statusCode":429,"message":"Global limit has been reached"}`
	waiting, stop := context.WithCancel(t.Context())
	defer stop()
	p = start(t, a, func(c *Config) {
		c.Observe = func(e ratelimit.Event) {
			if e.Reason == ratelimit.Refused {
				stop()
			}
		}
	})
	a.mu.Lock()
	a.fault = func(string) string { return "429" }
	a.mu.Unlock()
	if err := p.Parts()[0].Apply(waiting, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("got %v: %v, want unavailable: it was refused", apierror.KindOf(err), err)
	}
}

func TestReadsAreRepeatedWritesAreNot(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	a.fault = func(string) string { return "503" }
	if _, err := p.Find(t.Context(), idp.Lookup{ID: "x"}); !apierror.Is(err, apierror.Ambiguous) {
		t.Error(err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "x"}); !apierror.Is(err, apierror.Ambiguous) {
		t.Error(err)
	}
	if want := []string{"GET clients/id", "GET clients/id", "GET clients/id", "DELETE clients/id"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
}

func TestStormOf429(t *testing.T) {
	t.Parallel()
	a := newTenant()
	a.refusal = `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`
	a.header = http.Header{"Retry-After": {"0"}}
	refused := 0
	a.fault = func(string) string {
		if refused++; refused <= 5 {
			return "429"
		}
		return ""
	}
	var mu sync.Mutex
	events := 0
	p := start(t, a, func(c *Config) {
		c.Observe = func(e ratelimit.Event) {
			if e.Reason == ratelimit.Refused {
				mu.Lock()
				events++
				mu.Unlock()
			}
		}
	})
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			spec := secretSpec()
			spec.OnboardingID = fmt.Sprint(i)
			var c idp.Client
			for _, part := range []int{0, 3} {
				if err := p.Parts()[part].Apply(t.Context(), &c, spec); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(a.clients) != 10 || len(a.grants) != 10 || len(a.calls) != 25 || events != 5 {
		t.Errorf("%d clients, %d grants, %d calls, %d refusals seen; want 10, 10, 25, 5", len(a.clients), len(a.grants), len(a.calls), events)
	}
	a.header = http.Header{"Retry-After": {"86400"}}
	refused = 0
	if err := p.Delete(t.Context(), idp.Client{ID: "client0001"}); !apierror.Is(err, apierror.Throttled) || !strings.Contains(err.Error(), "Global limit") {
		t.Errorf("got %v", err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "client0001"}); !apierror.Is(err, apierror.Throttled) {
		t.Errorf("got %v", err)
	}
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(curve.Public())
	if err != nil {
		t.Fatal(err)
	}
	ec := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	p := start(t, newTenant())
	for name, keys := range map[string][]string{
		"none": nil, "three": {newKey(), newKey(), newKey()}, "no PEM": {"hello"}, "elliptic": {ec}, "private": {secret},
	} {
		var c idp.Client
		if err := p.Parts()[0].Apply(t.Context(), &c, keySpec(keys...)); !apierror.Is(err, apierror.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no domain": {Token: "t"}, "a path": {Domain: "tenant.auth0.com/api", Token: "t"}, "no credentials": {Domain: "d"},
		"two credentials": {Domain: "d", Token: "t", ClientID: "i", ClientSecret: "s"}, "no client id": {Domain: "d", ClientSecret: "s"},
		"no algorithm": {Domain: "d", ClientID: "i", ClientAssertionPrivateKey: "k"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestManagementToken(t *testing.T) {
	t.Parallel()
	a := newTenant()
	tokens, status := 0, 200
	mux := http.NewServeMux()
	mux.Handle("/api/v2/", a)
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		tokens++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != 200 {
			_, _ = fmt.Fprint(w, `{"error":"access_denied","error_description":"Unauthorized","echo":"hunter2"}`)
			return
		}
		if r.FormValue("grant_type") != "client_credentials" || !strings.HasSuffix(r.FormValue("audience"), "/api/v2/") {
			t.Errorf("token request with %v", r.Form)
		}
		_, _ = fmt.Fprint(w, `{"access_token":"management-token","token_type":"Bearer","expires_in":86400}`)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	config := Config{Domain: strings.TrimPrefix(server.URL, "https://"), ClientID: "me", ClientSecret: "hunter2", HTTPClient: server.Client()}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if tokens != 0 {
		t.Error("a token was fetched before it was needed")
	}
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, ctx := range []context.Context{first, t.Context()} {
		if _, err := p.API(ctx, "urn:upload"); err != nil {
			t.Error(err)
		}
		if err := p.Delete(ctx, idp.Client{ID: "x"}); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if tokens != 1 {
		t.Errorf("%d tokens were fetched, want 1", tokens)
	}
	for code, kind := range map[int]apierror.Kind{403: apierror.Denied, 500: apierror.Unavailable} {
		status = code
		p, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Delete(t.Context(), idp.Client{ID: "x"})
		if !apierror.Is(err, kind) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "no management token") {
			t.Errorf("%d: got %v: %v", code, apierror.KindOf(err), err)
		}
	}
}
