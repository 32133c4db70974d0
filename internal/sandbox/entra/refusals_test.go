package entra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

func TestGraphRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-01", "identifierUris": []string{"api://taken"}, "uniqueName": "taken"})
	path := "/applications/" + app.text("id")
	long := strings.Repeat("x", 257)
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		code         string
	}{
		"no name":            {"POST", "/applications", map[string]any{}, 400, "Request_BadRequest"},
		"long name":          {"POST", "/applications", map[string]any{"displayName": long}, 400, "Request_BadRequest"},
		"unknown property":   {"POST", "/applications", map[string]any{"displayName": "x", "nonsense": 1}, 400, "Request_BadRequest"},
		"read-only property": {"PATCH", path, map[string]any{"appId": "x"}, 400, "Request_BadRequest"},
		"password":           {"POST", "/applications", map[string]any{"displayName": "x", "passwordCredentials": []any{map[string]any{}}}, 400, "Request_BadRequest"},
		"wrong type":         {"PATCH", path, map[string]any{"displayName": 1}, 400, "Request_BadRequest"},
		"audience":           {"PATCH", path, map[string]any{"signInAudience": "everybody"}, 400, "Request_BadRequest"},
		"tag":                {"PATCH", path, map[string]any{"tags": []string{long}}, 400, "Request_BadRequest"},
		"identifier URI":     {"PATCH", path, map[string]any{"identifierUris": []string{"no uri"}}, 400, "Request_BadRequest"},
		"token version":      {"PATCH", path, map[string]any{"api": map[string]any{"requestedAccessTokenVersion": 3}}, 400, "Request_BadRequest"},
		"app role":           {"PATCH", path, map[string]any{"appRoles": []any{map[string]any{"id": "x"}}}, 400, "Request_BadRequest"},
		"identifier taken":   {"POST", "/applications", map[string]any{"displayName": "x", "identifierUris": []string{"api://taken"}}, 400, "Request_MultipleObjectsWithSameKeyValue"},
		"unique name taken":  {"POST", "/applications", map[string]any{"displayName": "x", "uniqueName": "taken"}, 400, "Request_MultipleObjectsWithSameKeyValue"},
		"unique name set":    {"PATCH", path, map[string]any{"uniqueName": "other"}, 400, "Request_BadRequest"},
		"array body":         {"POST", "/applications", []any{}, 400, "BadRequest"},
		"no application":     {"POST", "/servicePrincipals", map[string]any{"appId": app.text("id")}, 400, "NoBackingApplicationObject"},
		"no appId":           {"POST", "/servicePrincipals", map[string]any{}, 400, "Request_BadRequest"},
		"unknown id":         {"GET", "/applications/11111111-1111-4111-8111-111111111111", nil, 404, "Request_ResourceNotFound"},
		"unknown key":        {"GET", "/applications(color='red')", nil, 400, "Request_BadRequest"},
		"unknown segment":    {"GET", "/users", nil, 400, "Request_BadRequest"},
		"method":             {"PUT", path, map[string]any{}, 405, "Request_BadRequest"},
		"filter":             {"GET", "/applications?$filter=" + escape("displayName gt 'a'"), nil, 400, "Request_UnsupportedQuery"},
		"filter property":    {"GET", "/applications?$filter=" + escape("notes eq 'a'"), nil, 400, "Request_UnsupportedQuery"},
		"top":                {"GET", "/applications?$top=1000", nil, 400, "Request_UnsupportedQuery"},
		"select":             {"GET", path + "?$select=nonsense", nil, 400, "BadRequest"},
		"search":             {"GET", "/applications?$search=x", nil, 400, "Request_UnsupportedQuery"},
		"skip token":         {"GET", "/applications?$skiptoken=%25", nil, 400, "Request_UnsupportedQuery"},
		"end before start": {"POST", path + "/addPassword", map[string]any{"passwordCredential": map[string]any{"endDateTime": "2020-01-01T00:00:00Z"}},
			400, "Request_BadRequest"},
		"unknown password": {"POST", path + "/removePassword", map[string]any{"keyId": app.text("id")}, 400, "Request_BadRequest"},
	} {
		a := w.call(c.method, c.path, c.body, "Client-Request-Id", "mine")
		if a.status != c.status || a.text("error", "code") != c.code {
			t.Errorf("%s: status %d, %s %s; want %d %s", name, a.status, a.text("error", "code"), a.text("error", "message"), c.status, c.code)
		}
		if id := a.text("error", "innerError", "request-id"); id == "" || a.header.Get("Request-Id") != id || a.text("error", "innerError", "client-request-id") != "mine" {
			t.Errorf("%s: the request ids are missing", name)
		}
	}
	request := w.request("GET", "https://"+w.graph+"/beta/applications", nil)
	request.Header.Set("Authorization", "Bearer "+w.bearer)
	if a := w.send(request); a.status != 400 {
		t.Errorf("beta: status %d", a.status)
	}
}

func TestGraphTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := newWorld(t)
	forged, err := w.tenant.MintToken(entra.Mint{Version: 1, Forged: true, Claims: map[string]any{"aud": "https://" + w.graph, "oid": w.manager.PrincipalID,
		"roles": []string{"Application.ReadWrite.All"}}})
	if err != nil {
		t.Fatal(err)
	}
	full := []string{"Application.ReadWrite.All"}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"good":             {w.mint(map[string]any{"roles": full}), 200},
		"reader":           {w.mint(map[string]any{"roles": []string{"Directory.Read.All"}}), 200},
		"none":             {"", 401},
		"garbage":          {"garbage", 401},
		"forged":           {forged, 401},
		"another tenant's": {other.bearer, 401},
		"expired":          {w.mint(map[string]any{"roles": full, "exp": w.now().Add(-time.Minute).Unix()}), 401},
		"no expiry":        {w.mint(map[string]any{"roles": full, "exp": nil}), 401},
		"not yet":          {w.mint(map[string]any{"roles": full, "nbf": w.now().Add(time.Hour).Unix()}), 401},
		"audience":         {w.mint(map[string]any{"roles": full, "aud": identifier}), 401},
		"issuer":           {w.mint(map[string]any{"roles": full, "iss": w.tenant.Issuer(2)}), 401},
		"nobody's":         {w.mint(map[string]any{"roles": full, "oid": nil}), 401},
		"no roles":         {w.mint(nil), 403},
		"another role":     {w.mint(map[string]any{"roles": []string{"User.Read.All"}}), 403},
	} {
		a := w.callAs(c.token, "GET", "/applications", nil)
		if a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
		if code := a.text("error", "code"); c.status == 401 && code != "InvalidAuthenticationToken" || c.status == 403 && code != "Authorization_RequestDenied" {
			t.Errorf("%s: code %s", name, code)
		}
	}
	reader := w.mint(map[string]any{"roles": []string{"Directory.Read.All"}})
	if a := w.callAs(reader, "POST", "/applications", map[string]any{"displayName": "x"}); a.status != 403 {
		t.Errorf("a reader writes: status %d", a.status)
	}
}

func TestOwnedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := w.mint(map[string]any{"roles": []string{"Application.ReadWrite.OwnedBy"}})
	mine := w.callAs(owner, "POST", "/applications", map[string]any{"displayName": "mine"})
	theirs := w.api(entra.API{DisplayName: "theirs", IdentifierURI: identifier})
	if a := w.callAs(owner, "PATCH", "/applications/"+mine.text("id"), map[string]any{"displayName": "still mine"}); a.status != 204 {
		t.Errorf("my own: status %d", a.status)
	}
	if a := w.callAs(owner, "POST", "/servicePrincipals", map[string]any{"appId": mine.text("appId")}); a.status != 201 {
		t.Errorf("my own service principal: status %d", a.status)
	}
	for _, c := range []struct{ method, path string }{
		{"PATCH", "/applications/" + theirs.ObjectID}, {"DELETE", "/applications/" + theirs.ObjectID}, {"POST", "/applications/" + theirs.ObjectID + "/addPassword"},
		{"PATCH", "/servicePrincipals/" + theirs.PrincipalID}, {"DELETE", "/servicePrincipals/" + theirs.PrincipalID},
		{"POST", "/servicePrincipals/" + theirs.PrincipalID + "/appRoleAssignments"},
	} {
		if a := w.callAs(owner, c.method, c.path, map[string]any{}); a.status != 403 {
			t.Errorf("%s %s: status %d", c.method, c.path, a.status)
		}
	}
	if a := w.must(200, "GET", "/applications/"+mine.text("id")+"/owners", nil); len(a.list()) != 1 || a.list()[0]["id"] != w.manager.PrincipalID {
		t.Errorf("owners %v", a.list())
	}
}
