package auth0_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
)

func statusOf(err error) int {
	var e management.Error
	if errors.As(err, &e) {
		return e.Status()
	}
	return 0
}

func TestClientThatSaysNothing(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := &management.Client{Name: p("server"), AppType: p("non_interactive")}
	if err := w.api().Client.Create(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := []string{"authorization_code", "implicit", "refresh_token", "client_credentials"}
	if !slices.Equal(c.GetGrantTypes(), want) || c.GetOIDCConformant() {
		t.Errorf("grant types %v, oidc_conformant %t; a client that asks for nothing gets %v and false", c.GetGrantTypes(), c.GetOIDCConformant(), want)
	}
	if len(c.GetClientID()) != 32 || len(c.GetClientSecret()) != 64 {
		t.Errorf("id of %d and secret of %d characters", len(c.GetClientID()), len(c.GetClientSecret()))
	}
}

func TestClientLife(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, api := t.Context(), w.api()
	c := w.client(ctx, plainAPI)
	id, secret := c.GetClientID(), c.GetClientSecret()
	if w.client(ctx).GetClientID() == id {
		t.Fatal("two clients of one name have one id")
	}
	metadata := map[string]any{"a": "1", "b": "2"}
	if err := api.Client.Update(ctx, id, &management.Client{Description: p("changed"), ClientMetadata: &metadata}); err != nil {
		t.Fatal(err)
	}
	if r := w.manage("PATCH", "clients/"+id, `{"client_metadata":{"b":null,"c":"3"}}`); r.status != 200 {
		t.Fatalf("clear a metadata key: %d", r.status)
	}
	got, err := api.Client.Read(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.GetClientMetadata()) != "map[a:1 c:3]" || got.GetDescription() != "changed" || got.GetClientSecret() != secret {
		t.Errorf("metadata %v, description %q", got.GetClientMetadata(), got.GetDescription())
	}
	for _, test := range []struct {
		scopes []string
		sees   bool
	}{
		{[]string{"read:clients"}, false},
		{[]string{"read:clients", "read:client_keys"}, true},
		{[]string{"read:clients", "read:client_credentials"}, true},
	} {
		got, err := w.api(test.scopes...).Client.Read(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if sees := got.ClientSecret != nil; sees != test.sees {
			t.Errorf("%v: sees the secret: %t, want %t", test.scopes, sees, test.sees)
		}
	}
	rotated, err := api.Client.RotateSecret(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if rotated.GetClientSecret() == secret || rotated.GetClientID() != id || rotated.GetDescription() != "changed" {
		t.Error("rotate-secret does not answer the whole client with a new secret")
	}
	for range 2 { // deleting what is gone is no error
		if err := api.Client.Delete(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.Client.Read(ctx, id); statusOf(err) != 404 {
		t.Errorf("read a deleted client: %v", err)
	}
	grants, err := api.ClientGrant.List(ctx, management.Parameter("client_id", id))
	if err != nil {
		t.Fatal(err)
	}
	if len(grants.ClientGrants) != 0 {
		t.Error("the deleted client left its grant behind")
	}
}

func TestClientPages(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, api := t.Context(), w.api()
	want := map[string]bool{}
	for range 7 {
		want[w.client(ctx).GetClientID()] = true
	}
	spa := &management.Client{Name: p("page"), AppType: p("spa")}
	if err := api.Client.Create(ctx, spa); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for page := 0; ; page++ {
		list, err := api.Client.List(ctx, management.Page(page), management.PerPage(3), management.IncludeFields("client_id", "name"),
			management.Parameter("app_type", "non_interactive"), management.Parameter("is_global", "false"))
		if err != nil {
			t.Fatal(err)
		}
		if list.Total != 7 || list.Start != 3*page || list.Limit != 3 {
			t.Errorf("page %d: total %d, start %d, limit %d", page, list.Total, list.Start, list.Limit)
		}
		for _, c := range list.Clients {
			got[c.GetClientID()] = true
			if c.GetName() != "server" || c.AppType != nil || c.ClientSecret != nil {
				t.Error("a client is shown with fields that were not asked for, or without those that were")
			}
		}
		if !list.HasNext() {
			break
		}
	}
	if len(got) != 7 || !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("the pages hold %v, want %v", sorted(got), sorted(want))
	}
	list, err := api.Client.List(ctx, management.ExcludeFields("name", "client_secret"), management.Parameter("app_type", "spa"))
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Clients) != 1 || list.Clients[0].Name != nil || list.Clients[0].GetClientID() != spa.GetClientID() {
		t.Errorf("excluded fields: %d clients", len(list.Clients))
	}
	if list, err = api.Client.List(ctx, management.Parameter("is_global", "true")); err != nil || len(list.Clients) != 0 {
		t.Errorf("global clients: %v", err)
	}
}

func sorted(set map[string]bool) []string {
	var all []string
	for key := range set {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

func TestGrants(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, api := t.Context(), w.api()
	id := w.client(ctx).GetClientID()
	other := w.client(ctx, plainAPI, azpAPI).GetClientID()
	grant := w.grant(ctx, id, plainAPI)
	if !strings.HasPrefix(grant.GetID(), "cgr_") {
		t.Errorf("grant id %q", grant.GetID())
	}
	if err := api.ClientGrant.Create(ctx, &management.ClientGrant{ClientID: &id, Audience: p(plainAPI), Scope: &[]string{}}); statusOf(err) != 409 {
		t.Errorf("a second grant for the pair: %v, want 409", err)
	}
	for _, test := range []struct {
		filter []management.RequestOption
		total  int
	}{
		{nil, 3},
		{[]management.RequestOption{management.Parameter("client_id", other)}, 2},
		{[]management.RequestOption{management.Parameter("audience", plainAPI)}, 2},
		{[]management.RequestOption{management.Parameter("client_id", other), management.Parameter("audience", azpAPI), management.PerPage(1)}, 1},
	} {
		list, err := api.ClientGrant.List(ctx, test.filter...)
		if err != nil {
			t.Fatal(err)
		}
		if list.Total != test.total || len(list.ClientGrants) != test.total {
			t.Errorf("%d grants of %d, want %d", len(list.ClientGrants), list.Total, test.total)
		}
	}
	if err := api.ClientGrant.Update(ctx, grant.GetID(), &management.ClientGrant{Scope: &[]string{"read:files"}}); err != nil {
		t.Fatal(err)
	}
	read, err := api.ClientGrant.Read(ctx, grant.GetID())
	if err != nil || !slices.Equal(read.GetScope(), []string{"read:files"}) {
		t.Errorf("scope %v: %v", read.GetScope(), err)
	}
	for range 2 {
		if err := api.ClientGrant.Delete(ctx, grant.GetID()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.ClientGrant.Read(ctx, grant.GetID()); statusOf(err) != 404 {
		t.Errorf("read a deleted grant: %v", err)
	}
}

func TestAPIs(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, api := t.Context(), w.api()
	identifier := "https://files.example.com/v1/"
	made := &management.ResourceServer{Name: p("files"), Identifier: &identifier, TokenLifetime: p(600),
		Scopes: &[]management.ResourceServerScope{{Value: p("read:files")}}}
	if err := api.ResourceServer.Create(ctx, made); err != nil {
		t.Fatal(err)
	}
	if made.GetTokenDialect() != "access_token" {
		t.Errorf("default dialect %q", made.GetTokenDialect())
	}
	if err := api.ResourceServer.Create(ctx, &management.ResourceServer{Identifier: &identifier}); statusOf(err) != 409 {
		t.Errorf("a second API of one identifier: %v, want 409", err)
	}
	for _, name := range []string{made.GetID(), identifier} {
		got, err := api.ResourceServer.Read(ctx, name)
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		if got.GetIdentifier() != identifier || got.GetTokenLifetime() != 600 {
			t.Errorf("read %s: %s, %d s", name, got.GetIdentifier(), got.GetTokenLifetime())
		}
	}
	if err := api.ResourceServer.Update(ctx, identifier, &management.ResourceServer{TokenDialect: p("rfc9068_profile")}); err != nil {
		t.Fatal(err)
	}
	list, err := api.ResourceServer.List(ctx, management.Parameter("identifiers", identifier))
	if err != nil || len(list.ResourceServers) != 1 || list.ResourceServers[0].GetTokenDialect() != "rfc9068_profile" {
		t.Errorf("list by identifier: %v", err)
	}
	grant := w.grant(ctx, w.client(ctx).GetClientID(), identifier)
	if err := api.ResourceServer.Delete(ctx, made.GetID()); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ClientGrant.Read(ctx, grant.GetID()); statusOf(err) != 404 {
		t.Errorf("the grant for a deleted API: %v, want 404", err)
	}
	if err := api.ResourceServer.Delete(ctx, "https://"+w.tenant.Domain()+"/api/v2/"); statusOf(err) != 400 {
		t.Errorf("delete the Management API: %v, want 400", err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, api := t.Context(), w.api()
	_, first := key(t)
	_, second := key(t)
	c := &management.Client{Name: p("server"), ClientAuthenticationMethods: &management.ClientAuthenticationMethods{
		PrivateKeyJWT: &management.PrivateKeyJWT{Credentials: &[]management.Credential{{CredentialType: p("public_key"), PEM: &first}}},
	}}
	if err := api.Client.Create(ctx, c); err != nil {
		t.Fatal(err)
	}
	inline := (*c.GetClientAuthenticationMethods().GetPrivateKeyJWT().Credentials)[0]
	if !strings.HasPrefix(inline.GetID(), "cred_") || len(inline.GetKeyID()) != 43 || inline.GetAlgorithm() != "RS256" {
		t.Errorf("inline credential %q, kid %q, alg %q", inline.GetID(), inline.GetKeyID(), inline.GetAlgorithm())
	}
	if c.TokenEndpointAuthMethod != nil {
		t.Error("the client has token_endpoint_auth_method and client_authentication_methods")
	}
	id := c.GetClientID()
	added := &management.Credential{CredentialType: p("public_key"), PEM: &second, Algorithm: p("PS256"), Name: p("next")}
	if err := api.Client.CreateCredential(ctx, id, added); err != nil {
		t.Fatal(err)
	}
	if err := api.Client.CreateCredential(ctx, id, &management.Credential{CredentialType: p("public_key"), PEM: &second}); statusOf(err) != 400 {
		t.Errorf("a third credential: %v, want 400", err)
	}
	list, err := api.Client.ListCredentials(ctx, id)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d credentials: %v", len(list), err)
	}
	expires := w.now().Add(time.Hour)
	if err := api.Client.UpdateCredential(ctx, id, added.GetID(), &management.Credential{ExpiresAt: &expires}); err != nil {
		t.Fatal(err)
	}
	got, err := api.Client.GetCredential(ctx, id, added.GetID())
	if err != nil || !got.GetExpiresAt().Equal(expires) || got.GetAlgorithm() != "PS256" || got.GetName() != "next" || got.PEM != nil {
		t.Errorf("read the credential: expires %v: %v", got.GetExpiresAt(), err)
	}
	if err := api.Client.DeleteCredential(ctx, id, inline.GetID()); statusOf(err) != 400 {
		t.Errorf("delete a credential in use: %v, want 400", err)
	}
	for range 2 {
		if err := api.Client.DeleteCredential(ctx, id, added.GetID()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := api.Client.GetCredential(ctx, id, added.GetID()); statusOf(err) != 404 {
		t.Errorf("read a deleted credential: %v", err)
	}
	if r := w.manage("PATCH", "clients/"+id, `{"token_endpoint_auth_method":"client_secret_post"}`); r.status != 400 {
		t.Errorf("a secret beside the key: %d, want 400", r.status)
	}
	if r := w.manage("PATCH", "clients/"+id, `{"client_authentication_methods":null,"token_endpoint_auth_method":"client_secret_post"}`); r.status != 200 {
		t.Errorf("back to a secret: %d", r.status)
	}
}
