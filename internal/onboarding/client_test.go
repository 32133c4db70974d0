package onboarding_test

import (
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

func TestClientOf(t *testing.T) {
	t.Parallel()
	const principal = "5a2a3c4d-0000-4000-8000-00000000000a"
	journal := map[string]string{"oidcs3:client-id": "of-the-journal", "oidcs3:identity-provider": "entra"}
	for name, c := range map[string]struct {
		tags  map[string]string
		trust access.Trust
		kind  idp.Kind
		which idp.Lookup
		fails bool
	}{
		"Auth0":                         {trust: access.Trust{Mode: access.Plain, Subject: "abc@clients"}, kind: idp.Auth0, which: idp.Lookup{ID: "abc"}},
		"Auth0, azp":                    {trust: access.Trust{Mode: access.AZP, ClientID: "abc", Subject: "abc@clients"}, kind: idp.Auth0, which: idp.Lookup{ID: "abc"}},
		"Entra":                         {trust: access.Trust{Mode: access.Plain, Subject: principal}, kind: idp.Entra, which: idp.Lookup{Subject: principal}},
		"Entra, azp":                    {trust: access.Trust{Mode: access.AZP, ClientID: "app", Subject: principal}, kind: idp.Entra, which: idp.Lookup{ID: "app"}},
		"Entra, the trust before all":   {tags: journal, trust: access.Trust{Mode: access.Plain, Subject: principal}, kind: idp.Entra, which: idp.Lookup{Subject: principal}},
		"vending with a journal":        {tags: journal, trust: access.Trust{Mode: access.Vending}, kind: idp.Entra, which: idp.Lookup{ID: "of-the-journal"}},
		"vending without":               {trust: access.Trust{Mode: access.Vending}, kind: idp.Cognito},
		"another provider's subject":    {trust: access.Trust{Mode: access.Plain, Subject: "repo:org/name:ref:refs/heads/main"}, fails: true},
		"no client before the @clients": {trust: access.Trust{Mode: access.Plain, Subject: "@clients"}, fails: true},
		"an object id in capitals":      {trust: access.Trust{Mode: access.Plain, Subject: strings.ToUpper(principal)}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, which, err := onboarding.ClientOf(iam.Role{Name: "r", Tags: c.tags}, c.trust)
			if kind != c.kind || which != c.which || (err != nil) != c.fails {
				t.Errorf("%s %+v %v", kind, which, err)
			}
		})
	}
}

func TestClientOfRows(t *testing.T) {
	t.Parallel()
	role := iam.Role{Name: "oidc-s3-dev-web-01", ARN: "arn:aws:iam::123456789012:role/oidc-s3-dev-web-01"}
	for name, c := range map[string]struct {
		clients []string
		which   idp.Lookup
		fails   string
	}{
		"no row":             {which: idp.Lookup{Name: role.Name}},
		"one":                {clients: []string{"abc"}, which: idp.Lookup{ID: "abc"}},
		"two":                {clients: []string{"def", "abc"}, fails: "several clients: abc, def"},
		"of another issuer":  {clients: []string{"https://tenant.auth0.com/#abc"}, fails: "none of Cognito"},
		"of several issuers": {clients: []string{"https://tenant.auth0.com/#abc", "abc"}, fails: "several clients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rows []rolemap.Row
			for _, id := range c.clients {
				rows = append(rows, rolemap.Row{ClientID: id, RoleARN: role.ARN})
			}
			which, err := onboarding.ClientOfRows(role, rows)
			switch {
			case c.fails == "" && (err != nil || which != c.which):
				t.Errorf("%+v, %v", which, err)
			case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
				t.Errorf("%v, want %q", err, c.fails)
			}
		})
	}
}
