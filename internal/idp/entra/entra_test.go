package entra

import (
	"fmt"
	"testing"

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
			before := len(d.calls)
			if err := p.Delete(t.Context(), c); err != nil || len(d.calls) != before+2 { // one more to make sure
				t.Errorf("deleting what this process deleted took %d calls: %v", len(d.calls)-before, err)
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
