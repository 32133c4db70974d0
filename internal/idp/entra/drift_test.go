package entra

import (
	"slices"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

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
		"tag oidcs3:onboarding-id:onb-1 is missing", "tag oidcs3:server:web-01 is missing",
	}
	if got := deviations(p, c, spec); !slices.Equal(got, want) {
		t.Errorf("deviations %q\nwant %q", got, want)
	}
	bySubject, err := p.Find(t.Context(), idp.Lookup{Subject: c.Subject})
	if err != nil || bySubject.ID != c.ID {
		t.Errorf("by its subject %q: %q, %v", c.Subject, bySubject.ID, err)
	}
	apply(t.Context(), t, p, &c, spec)
	if n := len(list(d.applications[3]["passwordCredentials"])); n != 1 {
		t.Errorf("%d passwords: the host's own is in use, and no other is needed", n)
	}
	for end, want := range map[string][]string{"2001-01-01T00:00:00Z": {"client secret expired on 2001-01-01"}, "": {"client secret is missing"}} {
		d.applications[3]["passwordCredentials"] = []any{}
		if end != "" {
			d.applications[3]["passwordCredentials"] = []any{map[string]any{"keyId": "eeeeeeee-0000-0000-0000-000000000002", "endDateTime": end}}
		}
		if c, err = p.Find(t.Context(), idp.Lookup{ID: c.ID, Fresh: true}); err != nil {
			t.Fatal(err)
		}
		if got := deviations(p, c, spec); !slices.Equal(got, want) {
			t.Errorf("with a password that ends at %q: %q, want %q", end, got, want)
		}
	}
	twin := map[string]any{"id": "object-twin", "appId": "eeeeeeee-0000-0000-0000-000000000009", "displayName": "oidc-s3-dev-web-01"}
	d.applications = append(d.applications, twin)
	if _, err := p.Find(t.Context(), idp.Lookup{Name: spec.Name}); !apierror.Is(err, apierror.Conflict) || !strings.Contains(err.Error(), "eeeeeeee-0000-0000-0000-000000000001 eeeeeeee-0000-0000-0000-000000000009") {
		t.Errorf("two of a name: %v", err)
	}
}
