package entra

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

func TestFindNothing(t *testing.T) {
	t.Parallel()
	p := start(t, newDirectory())
	for name, which := range map[string]idp.Lookup{
		"id": {ID: "ffffffff-0000-0000-0000-000000000000"}, "onboarding": {OnboardingID: "it's"}, "name": {Name: "it's"}, "subject": {Subject: "ffffffff-0000-0000-0000-000000000000"},
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
	byID.Audience, byID.Identifier = "aaaaaaaa-0000-0000-0000-000000000000", apiURI
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
