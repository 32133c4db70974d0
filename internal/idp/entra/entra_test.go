package entra

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

func secretSpec() idp.Spec {
	return idp.Spec{
		Name: "oidc-s3-dev-web-01", Description: "S3 access of server web-01 (dev)", OnboardingID: "onb-1", Server: "web-01",
		Environment: "dev", Audience: apiURI, Method: idp.ClientSecret,
	}
}

func lockedSpec() idp.Spec {
	spec := secretSpec()
	spec.Audience = apiLock
	return spec
}

func keySpec(certificates ...string) idp.Spec {
	spec := secretSpec()
	spec.Method, spec.PublicKeys = idp.PrivateKeyJWT, certificates
	return spec
}

func newCertificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "web-01"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func lookup(id string, spec idp.Spec) idp.Lookup {
	return idp.Lookup{ID: id, OnboardingID: spec.OnboardingID, Audience: spec.Audience, Fresh: true}
}

func once(operation, kind string) func(string) string {
	done := false
	return func(o string) string {
		if o != operation || done {
			return ""
		}
		done = true
		return kind
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	for _, spec := range []idp.Spec{secretSpec(), lockedSpec(), keySpec(newCertificate(t))} {
		t.Run(spec.Audience+" "+string(spec.Method), func(t *testing.T) {
			t.Parallel()
			d := newDirectory()
			p := start(t, d)
			var c idp.Client
			apply(t.Context(), t, p, &c, spec)
			app, principal := d.applications[3], d.principals[3]
			if app["uniqueName"] != "oidcs3-onb-1" || app["displayName"] != spec.Name || app["signInAudience"] != "AzureADMyOrg" || app["description"] != spec.Description {
				t.Errorf("application %v", app)
			}
			if c.ID != app["appId"] || c.ObjectID != app["id"] || c.PrincipalID != principal["id"] || c.Subject != principal["id"] {
				t.Errorf("client %+v\nof application %v\nand principal %v", c, app, principal)
			}
			if distinct := []string{c.ID, c.ObjectID, c.PrincipalID}; c.ID == c.ObjectID || c.ID == c.PrincipalID || c.ObjectID == c.PrincipalID {
				t.Errorf("ids are mixed up: %q", distinct)
			}
			passwords := list(app["passwordCredentials"])
			if spec.Method == idp.ClientSecret && (len(passwords) != 1 || c.Secret.Reveal() != "secret-"+fmt.Sprint(passwords[0].(map[string]any)["keyId"])) {
				t.Errorf("passwords %v", passwords)
			}
			if spec.Method == idp.PrivateKeyJWT && (len(passwords) != 0 || len(list(app["keyCredentials"])) != 1 || c.Secret != "") {
				t.Errorf("keys %v", app["keyCredentials"])
			}
			if spec.Audience == apiLock {
				if a := d.assignments[0]; a["principalId"] != principal["id"] || a["resourceId"] != d.principals[2]["id"] || a["appRoleId"] != "cccccccc-0000-0000-0000-000000000003" {
					t.Errorf("assignment %v", a)
				}
			} else if len(d.assignments) != 0 {
				t.Errorf("assignments %v", d.assignments)
			}
			for _, which := range []idp.Lookup{lookup(c.ID, spec), lookup("", spec)} {
				found, err := p.Find(t.Context(), which)
				if err != nil {
					t.Fatal(err)
				}
				if rest := deviations(p, found, spec); len(rest) > 0 || found.Subject != c.Subject || found.ID != c.ID || found.GrantID != c.GrantID || found.OnboardingID != "onb-1" || found.Method != spec.Method {
					t.Errorf("read again %+v deviates: %q", found, rest)
				}
			}
			if err := p.Delete(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if err := p.Delete(t.Context(), c); err != nil || len(d.applications) != 3 || len(d.principals) != 3 || len(d.assignments) != 0 {
				t.Errorf("after the deletion: %v", err)
			}
		})
	}
}

func TestLostResponses(t *testing.T) {
	t.Parallel()
	for part, operation := range []string{"PATCH /applications(uniqueName)", "POST /servicePrincipals", "POST /servicePrincipals//appRoleAssignments", "", "POST /applications//addPassword"} {
		for _, kind := range []string{"drop", "drop-after", "503"} {
			if operation == "" {
				continue
			}
			t.Run(operation+" "+kind, func(t *testing.T) {
				t.Parallel()
				d := newDirectory()
				p := start(t, d)
				spec := lockedSpec()
				var c idp.Client
				for i := range part {
					if len(p.Parts()[i].Deviations(c, spec)) == 0 {
						continue
					}
					if err := p.Parts()[i].Apply(t.Context(), &c, spec); err != nil {
						t.Fatal(err)
					}
				}
				d.mu.Lock()
				d.fault = once(operation, kind)
				d.mu.Unlock()
				if err := p.Parts()[part].Apply(t.Context(), &c, spec); !apierror.Is(err, apierror.Ambiguous) || d.called(operation) != 1 {
					t.Fatalf("got %v after %d calls, want one ambiguous one", err, d.called(operation))
				}
				found, err := p.Find(t.Context(), lookup(c.ID, spec))
				if apierror.Is(err, apierror.NotFound) && part == 0 && kind != "drop-after" {
					found, err = idp.Client{}, nil
				}
				if err != nil {
					t.Fatal(err)
				}
				apply(t.Context(), t, p, &found, spec)
				if len(d.applications) != 4 || len(d.principals) != 4 || len(d.assignments) != 1 || len(list(d.applications[3]["passwordCredentials"])) != 1 {
					t.Errorf("%d applications, %d principals, %d assignments, passwords %v", len(d.applications), len(d.principals), len(d.assignments), d.applications[3]["passwordCredentials"])
				}
				if found.Secret == "" || found.Subject != d.principals[3]["id"] {
					t.Errorf("client %+v", found)
				}
			})
		}
	}
}

func TestReplicationIsWaitedOut(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, lockedSpec()); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.lag = 7
	d.mu.Unlock()
	apply(t.Context(), t, p, &c, lockedSpec())
	if n := d.called("GET /servicePrincipals(appId)"); n < 3 {
		t.Errorf("the service principal was seen %d times only", n)
	}
	if len(d.principals) != 4 {
		t.Errorf("%d service principals", len(d.principals))
	}
	// An application that another process made is not waited for.
	if err := p.Delete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	d.calls = nil
	stranger := idp.Client{ID: "dddddddd-0000-0000-0000-000000000000", Found: &found{}}
	if err := p.Parts()[1].Apply(t.Context(), &stranger, lockedSpec()); !apierror.Is(err, apierror.Invalid) || len(d.calls) != 1 {
		t.Errorf("got %v after %d calls", err, len(d.calls))
	}
}

func TestReplicationThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, secretSpec()); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.refusal = `{"error":{"code":"Request_ResourceNotFound","message":"no"}}`
	d.fault = func(operation string) string {
		if operation == "GET /servicePrincipals(appId)" {
			return "404"
		}
		return ""
	}
	d.mu.Unlock()
	if err := p.Parts()[1].Apply(t.Context(), &c, secretSpec()); !apierror.Is(err, apierror.Ambiguous) || c.PrincipalID == "" {
		t.Errorf("got %v; the id that is known is %q", err, c.PrincipalID)
	}
	if n := d.called("GET /servicePrincipals(appId)"); n > replicationTries+1 {
		t.Errorf("asked %d times", n)
	}
}

func TestCloudWithoutUpsert(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.noUpsert = true
	p := start(t, d)
	spec := secretSpec()
	d.fault = once("POST /applications", "drop-after")
	var c idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c, spec); !apierror.Is(err, apierror.Ambiguous) {
		t.Fatalf("got %v", err)
	}
	// The second attempt finds the first one's application by its tag.
	apply(t.Context(), t, p, &c, spec)
	if found, err := p.Find(t.Context(), lookup("", spec)); err != nil || found.ID != c.ID || len(d.applications) != 4 {
		t.Errorf("found %+v, %v", found, err)
	}
	other := secretSpec()
	other.OnboardingID = "onb-2"
	var second idp.Client
	apply(t.Context(), t, p, &second, other)
	d.calls = nil
	third := secretSpec()
	third.OnboardingID = "onb-3"
	var c3 idp.Client
	if err := p.Parts()[0].Apply(t.Context(), &c3, third); err != nil || d.called("PATCH /applications(uniqueName)") != 0 {
		t.Errorf("%v; what the cloud lacks was tried again", err)
	}
}

func TestDriftIsMendedByNothingButTheChange(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		drift func(app, principal map[string]any, d *directory)
		want  string
		calls []string
	}{
		"renamed": {func(app, _ map[string]any, _ *directory) { app["displayName"] = "web" },
			"displayName is web instead of oidc-s3-dev-web-01", []string{"PATCH /applications/"}},
		"description gone": {func(app, _ map[string]any, _ *directory) { app["description"] = nil },
			"description is empty instead of S3 access of server web-01 (dev)", []string{"PATCH /applications/"}},
		"other tenants": {func(app, _ map[string]any, _ *directory) { app["signInAudience"] = "AzureADMultipleOrgs" },
			"signInAudience is AzureADMultipleOrgs instead of AzureADMyOrg", []string{"PATCH /applications/"}},
		"tag": {func(app, _ map[string]any, _ *directory) {
			app["tags"] = slices.DeleteFunc(list(app["tags"]), func(tag any) bool { return tag == "oidcs3:server:web-01" })
		}, "tag oidcs3:server:web-01 is missing", []string{"PATCH /applications/"}},
		"principal disabled": {func(_, principal map[string]any, _ *directory) { principal["accountEnabled"] = false },
			"service principal is disabled", []string{"PATCH /servicePrincipals/"}},
		"assignment gone": {func(_, _ map[string]any, d *directory) { d.assignments = nil },
			"app role assignment at " + apiLock + " is missing", []string{"POST /servicePrincipals//appRoleAssignments"}},
		"password gone": {func(app, _ map[string]any, _ *directory) { app["passwordCredentials"] = []any{} },
			"client secret is missing", []string{"POST /applications//addPassword", "PATCH /applications/"}},
		"password expired": {func(app, _ map[string]any, _ *directory) {
			list(app["passwordCredentials"])[0].(map[string]any)["endDateTime"] = "2020-01-02T03:04:05Z"
		}, "client secret expired on 2020-01-02", []string{"POST /applications//addPassword", "PATCH /applications/"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDirectory()
			p := start(t, d)
			spec := lockedSpec()
			var c idp.Client
			apply(t.Context(), t, p, &c, spec)
			d.applications[3]["tags"] = append(list(d.applications[3]["tags"]), "theirs")
			test.drift(d.applications[3], d.principals[3], d)
			found, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			if got := deviations(p, found, spec); !slices.Equal(got, []string{test.want}) {
				t.Fatalf("deviations %q, want %q", got, test.want)
			}
			d.calls = nil
			apply(t.Context(), t, p, &found, spec)
			if !slices.Equal(d.calls, test.calls) {
				t.Errorf("calls %q, want %q", d.calls, test.calls)
			}
			again, err := p.Find(t.Context(), lookup(c.ID, spec))
			if err != nil {
				t.Fatal(err)
			}
			if rest := deviations(p, again, spec); len(rest) > 0 {
				t.Errorf("still deviates: %q", rest)
			}
			if !slices.Contains(list(d.applications[3]["tags"]), any("theirs")) {
				t.Error("a tag of somebody else is gone")
			}
		})
	}
}

func TestUndo(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	spec := lockedSpec()
	type done struct {
		part   idp.Part
		before idp.Client
	}
	var c idp.Client
	var all []done
	for _, part := range p.Parts() {
		if len(part.Deviations(c, spec)) > 0 {
			all = append(all, done{part, c})
			if err := part.Apply(t.Context(), &c, spec); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, one := range slices.Backward(all) {
		for range 2 { // what is gone already is no error
			if err := one.part.Revert(t.Context(), &c, one.before); err != nil {
				t.Fatalf("revert %s: %v", one.part.Name, err)
			}
		}
	}
	if len(d.applications) != 3 || len(d.principals) != 3 || len(d.assignments) != 0 {
		t.Errorf("left: %v", d.applications[3:])
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	spec := secretSpec()
	var c idp.Client
	apply(t.Context(), t, p, &c, spec)
	secret := p.Parts()[4]
	keys := func() []string {
		var all []string
		for _, one := range list(d.applications[3]["passwordCredentials"]) {
			all = append(all, "secret-"+fmt.Sprint(one.(map[string]any)["keyId"]))
		}
		return all
	}
	first := c.Secret.Reveal()
	before := c
	if err := secret.Apply(t.Context(), &c, spec); err != nil {
		t.Fatal(err)
	}
	second := c.Secret.Reveal()
	if got := keys(); !slices.Equal(got, []string{first, second}) {
		t.Errorf("valid after one rotation: %q", got)
	}
	undone := c
	if err := secret.Revert(t.Context(), &undone, before); err != nil || undone.Secret.Reveal() != first || !slices.Equal(keys(), []string{first}) {
		t.Errorf("after the undo: %v, %q", err, keys())
	}
	c = undone
	for range 2 {
		if err := secret.Apply(t.Context(), &c, spec); err != nil {
			t.Fatal(err)
		}
	}
	if got := keys(); len(got) != 2 || slices.Contains(got, first) || got[1] != c.Secret.Reveal() {
		t.Errorf("valid after two rotations: %q", got)
	}
}

func TestMethodsAndCertificates(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	first, second := newCertificate(t), newCertificate(t)
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	before := c
	for _, spec := range []idp.Spec{keySpec(first), keySpec(first, second), keySpec(second), secretSpec(), keySpec(second)} {
		found, err := p.Find(t.Context(), lookup(c.ID, spec))
		if err != nil {
			t.Fatal(err)
		}
		apply(t.Context(), t, p, &found, spec)
		if n := len(list(d.applications[3]["keyCredentials"])); n != len(spec.PublicKeys) {
			t.Errorf("%d certificates, want %d", n, len(spec.PublicKeys))
		}
		if n := len(list(d.applications[3]["passwordCredentials"])); (n == 1) != (spec.Method == idp.ClientSecret) {
			t.Errorf("%d passwords with %s", n, spec.Method)
		}
		if found.Method != spec.Method {
			t.Errorf("method is %s, want %s", found.Method, spec.Method)
		}
		c = found
	}
	if err := p.Parts()[3].Revert(t.Context(), &c, before); err != nil || len(list(d.applications[3]["keyCredentials"])) != 0 {
		t.Errorf("undo: %v", err)
	}
	for name, text := range map[string]string{"no PEM": "x", "a key": "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"} {
		if err := p.Parts()[3].Apply(t.Context(), &c, keySpec(text)); !apierror.Is(err, apierror.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLegacyApplication(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	d.applications = append(d.applications, map[string]any{"id": "object-legacy", "appId": "eeeeeeee-0000-0000-0000-000000000001", "displayName": "oidc-s3-dev-web-01",
		"signInAudience": "AzureADMyOrg", "tags": []any{}, "passwordCredentials": []any{map[string]any{"keyId": "eeeeeeee-0000-0000-0000-000000000002", "displayName": "rbac", "endDateTime": "2099-01-01T00:00:00Z"}}})
	d.principals = append(d.principals, map[string]any{"id": "eeeeeeee-0000-0000-0000-000000000003", "appId": "eeeeeeee-0000-0000-0000-000000000001", "accountEnabled": true})
	spec := secretSpec()
	c, err := p.Find(t.Context(), idp.Lookup{Name: spec.Name, Audience: spec.Audience})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"description is empty instead of S3 access of server web-01 (dev)", "tag oidcs3 is missing", "tag oidcs3:environment:dev is missing",
		"tag oidcs3:onboarding-id:onb-1 is missing", "tag oidcs3:server:web-01 is missing", "client secret is missing",
	}
	if got := deviations(p, c, spec); !slices.Equal(got, want) {
		t.Errorf("deviations %q\nwant %q", got, want)
	}
	apply(t.Context(), t, p, &c, spec)
	if n := len(list(d.applications[3]["passwordCredentials"])); n != 2 {
		t.Errorf("%d passwords: the host's own must stay", n)
	}
	twin := map[string]any{"id": "object-twin", "appId": "eeeeeeee-0000-0000-0000-000000000009", "displayName": "oidc-s3-dev-web-01"}
	d.applications = append(d.applications, twin)
	if _, err := p.Find(t.Context(), idp.Lookup{Name: spec.Name}); !apierror.Is(err, apierror.Conflict) || !strings.Contains(err.Error(), "eeeeeeee-0000-0000-0000-000000000001 eeeeeeee-0000-0000-0000-000000000009") {
		t.Errorf("two of a name: %v", err)
	}
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	p := start(t, newDirectory())
	for name, which := range map[string]idp.Lookup{
		"id": {ID: "ffffffff-0000-0000-0000-000000000000"}, "onboarding": {OnboardingID: "it's"}, "name": {Name: "it's"},
	} {
		if _, err := p.Find(t.Context(), which); !apierror.Is(err, apierror.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := p.Find(t.Context(), idp.Lookup{}); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("nothing to look for: %v", err)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	token := d.url + "/" + tenantID + "/oauth2/v2.0/token"
	one := idp.API{Audience: apiURI, Issuer: "https://sts.windows.net/" + tenantID + "/", TokenEndpoint: token, Profile: "1"}
	byID := one
	byID.Audience = "aaaaaaaa-0000-0000-0000-000000000000"
	two := idp.API{Audience: "aaaaaaaa-0000-0000-0000-000000000001", Issuer: "https://login.microsoftonline.com/" + tenantID + "/v2.0",
		TokenEndpoint: token, Profile: "2", TokensCarryAZP: true}
	for audience, want := range map[string]idp.API{apiURI: one, apiURIv2: two, byID.Audience: byID} {
		if got, err := p.API(t.Context(), audience); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", audience, got, err, want)
		}
	}
	if _, err := p.API(t.Context(), "api://nothing"); !apierror.Is(err, apierror.NotFound) {
		t.Error(err)
	}
	calls := len(d.calls)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := p.API(t.Context(), apiURI); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(d.calls) != calls {
		t.Errorf("%d calls for what is known", len(d.calls)-calls)
	}
}

func TestManyLookupsShareTheirReads(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.pages = 50
	p := start(t, d)
	var appIDs []string
	for i := range 120 {
		id := fmt.Sprintf("99999999-0000-0000-0000-%012d", i)
		d.applications = append(d.applications, map[string]any{"id": "object-" + id, "appId": id, "displayName": id, "tags": []any{"oidcs3"}})
		d.principals = append(d.principals, map[string]any{"id": "p-" + id, "appId": id, "accountEnabled": true, "tags": []any{"oidcs3"}})
		appIDs = append(appIDs, id)
	}
	find := func(ctx context.Context, id string) (idp.Client, error) {
		return p.Find(ctx, idp.Lookup{ID: id, Audience: apiURI})
	}
	var all sync.WaitGroup
	for _, id := range appIDs {
		all.Go(func() {
			if c, err := find(t.Context(), id); err != nil || c.Subject != "p-"+id {
				t.Errorf("%s: %+v, %v", id, c, err)
			}
		})
	}
	all.Wait()
	if n := len(d.calls); n > 12 {
		t.Errorf("%d calls for 120 lookups", n)
	}
	c, err := find(t.Context(), appIDs[5])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t.Context(), appIDs[5]); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestListsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	var warnings []string
	p := start(t, d, func(c *Config) { c.Warn = func(text string) { warnings = append(warnings, text) } })
	if _, err := p.API(t.Context(), apiURI); err != nil {
		t.Fatal(err)
	}
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	p.shared.written = map[string]bool{}
	d.refusal = `{"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}}`
	d.fault = func(operation string) string {
		if operation == "GET /applications" {
			return "403"
		}
		return ""
	}
	for range 5 {
		if _, err := p.Find(t.Context(), idp.Lookup{ID: c.ID, Audience: apiURI}); err != nil {
			t.Error(err)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "does not let applications be listed") {
		t.Errorf("warnings %q", warnings)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	graphError := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":"rid"}}}`, code, message)
	}
	tests := map[string]struct {
		fault, body string
		kind        apierror.Kind
		text        string
	}{
		"invalid":   {"400", graphError("Request_BadRequest", "Invalid value specified"), apierror.Invalid, "Request_BadRequest: Invalid value specified"},
		"token":     {"401", graphError("InvalidAuthenticationToken", "expired"), apierror.Denied, "expired"},
		"denied":    {"403", graphError("Authorization_RequestDenied", "Insufficient privileges"), apierror.Denied, "Insufficient privileges"},
		"exists":    {"400", graphError("Request_MultipleObjectsWithSameKeyValue", "twice"), apierror.Exists, "twice"},
		"changed":   {"412", graphError("x", "y"), apierror.Conflict, "y"},
		"server":    {"500", `<html>secret-body</html>`, apierror.Ambiguous, "Internal Server Error"},
		"gateway":   {"504", ``, apierror.Ambiguous, "Gateway Timeout"},
		"lost":      {"drop", ``, apierror.Ambiguous, "sent, but no answer came"},
		"throttled": {"429", graphError("TooManyRequests", "slow down"), apierror.Throttled, "slow down"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDirectory()
			d.header = http.Header{"Retry-After": {"86400"}}
			p := start(t, d)
			c := client(&found{app: application{appID: "x", objectID: "object-1"}})
			d.fault, d.refusal = func(string) string { return test.fault }, test.body
			err := p.Parts()[0].Apply(t.Context(), &c, secretSpec())
			if !apierror.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v: %v, want %v: …%s…", apierror.KindOf(err), err, test.kind, test.text)
			}
			for _, secret := range []string{"secret-body", "graph-token"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q", secret)
				}
			}
			if n := len(d.calls); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestThrottlingIsWaitedOut(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.header = http.Header{"Retry-After": {"0"}}
	d.refusal = `{"error":{"code":"TooManyRequests","message":"slow down"}}`
	refused := 0
	d.fault = func(string) string {
		if refused++; refused%2 == 1 {
			return "429"
		}
		return ""
	}
	p := start(t, d)
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	if len(d.applications) != 4 || len(list(d.applications[3]["passwordCredentials"])) != 1 {
		t.Errorf("%v", d.applications[3:])
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	p, err := New(Config{TenantID: tenantID, Credential: anyone{}, GraphURL: "https://" + host, LoginHost: host})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "x"}); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("connection refused: %v", err)
	}
}

func TestContextEndsOnTheWay(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	if _, err := p.API(t.Context(), apiURI); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.fault = func(string) string { cancel(); return "drop-after" }
	var c idp.Client
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Errorf("got %v: %v, want ambiguous: the application may be there", apierror.KindOf(err), err)
	}
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("got %v: %v, want unavailable: nothing was sent", apierror.KindOf(err), err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	status := 200
	mux := http.NewServeMux()
	mux.Handle("/", d)
	tokens := 0
	mux.HandleFunc("POST /"+tenantID+"/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		tokens++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != 200 {
			_, _ = fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. hunter2"}`)
			return
		}
		if r.FormValue("client_secret") != "hunter2" || !strings.HasSuffix(r.FormValue("scope"), "/.default") && !strings.Contains(r.FormValue("scope"), "/.default ") {
			t.Errorf("token request for %q", r.FormValue("scope"))
		}
		_, _ = fmt.Fprint(w, `{"access_token":"graph-token","token_type":"Bearer","expires_in":3600}`)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	d.url = server.URL
	config := Config{TenantID: tenantID, ClientID: "me", ClientSecret: "hunter2", GraphURL: server.URL, LoginHost: strings.TrimPrefix(server.URL, "https://"), HTTPClient: server.Client()}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.Delete(t.Context(), idp.Client{ID: "x"}); err != nil {
			t.Error(err)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens, want 1", tokens)
	}
	status = 401
	if p, err = New(config); err != nil {
		t.Fatal(err)
	}
	err = p.Delete(t.Context(), idp.Client{ID: "x"})
	if !apierror.Is(err, apierror.Denied) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("got %v: %v", apierror.KindOf(err), err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no tenant": {}, "graph without TLS": {TenantID: "t", GraphURL: "http://graph"}, "graph with a path": {TenantID: "t", GraphURL: "https://graph/v1.0"},
		"login with a path": {TenantID: "t", LoginHost: "login/x"}, "certificate": {TenantID: "t", ClientID: "c", ClientCertificate: []byte("x")},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
