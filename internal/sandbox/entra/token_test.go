package entra_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

// verify checks a token as a relying party does that knows nothing but the issuer.
func (w *world) verify(issuer, text string) map[string]any {
	w.t.Helper()
	document := w.send(w.request(http.MethodGet, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", nil))
	if document.text("issuer") != issuer {
		w.t.Fatalf("discovery at %s names the issuer %q", issuer, document.text("issuer"))
	}
	response, err := w.client.Do(w.request(http.MethodGet, document.text("jwks_uri"), nil))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&keys); err != nil {
		w.t.Fatal(err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.t.Fatal(err)
	}
	claims, standard := map[string]any{}, jwt.Claims{}
	if err := token.Claims(keys, &claims, &standard); err != nil {
		w.t.Fatal(err)
	}
	if err := standard.ValidateWithLeeway(jwt.Expected{Issuer: issuer, Time: w.now()}, 0); err != nil {
		w.t.Fatal(err)
	}
	return claims
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, secret, err := w.tenant.AddManagementClient("server")
	if err != nil {
		t.Fatal(err)
	}
	v1 := w.api(entra.API{DisplayName: "null", IdentifierURI: identifier})
	one := w.api(entra.API{DisplayName: "one", IdentifierURI: "api://one", TokenVersion: 1})
	v2 := w.api(entra.API{DisplayName: "two", IdentifierURI: "https://two.example/", TokenVersion: 2})
	for _, c := range []struct {
		scope    string
		version  int
		audience string
	}{
		{identifier + "/.default", 1, identifier},
		{v1.AppID + "/.default", 1, v1.AppID},
		{"api://one/.default", 1, "api://one"},
		{one.AppID + "/.default", 1, one.AppID},
		{"https://two.example//.default", 2, v2.AppID},
		{v2.AppID + "/.default", 2, v2.AppID},
		{"https://" + w.graph + "/.default", 1, "https://" + w.graph},
	} {
		a := w.secretToken(client.AppID, secret, c.scope)
		if a.status != http.StatusOK || a.text("token_type") != "Bearer" || a.at("expires_in") != 3599.0 {
			t.Fatalf("%s: status %d, %s", c.scope, a.status, a.text("error_description"))
		}
		claims := w.verify(w.tenant.Issuer(c.version), a.text("access_token"))
		want := map[string]any{
			"aud": c.audience, "sub": client.PrincipalID, "oid": client.PrincipalID, "tid": w.tenant.ID(), "ver": strconv.Itoa(c.version) + ".0",
			"appid": nil, "appidacr": nil, "azp": nil, "azpacr": nil, "roles": nil,
		}
		if c.version == 1 {
			want["appid"], want["appidacr"] = client.AppID, "1"
		} else {
			want["azp"], want["azpacr"] = client.AppID, "1"
		}
		for name, value := range want {
			if claims[name] != value {
				t.Errorf("%s: claim %s is %v, want %v", c.scope, name, claims[name], value)
			}
		}
	}
	if issuer := w.tenant.Issuer(1); !strings.HasSuffix(issuer, "/"+w.tenant.ID()+"/") {
		t.Errorf("issuer of version 1 is %s", issuer)
	}
	if client.AppID == client.ObjectID || client.AppID == client.PrincipalID || client.ObjectID == client.PrincipalID {
		t.Error("two ids are the same")
	}
}

func TestRolesInTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, secret, err := w.tenant.AddManagementClient("server")
	if err != nil {
		t.Fatal(err)
	}
	api := w.api(entra.API{DisplayName: "api", IdentifierURI: identifier, AssignmentRequired: true, Roles: []string{"upload", "admin"}})
	if a := w.secretToken(client.AppID, secret, identifier+"/.default"); a.status != 400 || a.text("error") != "invalid_grant" || !hasCode(a, 501051) {
		t.Fatalf("without an assignment: status %d, %s", a.status, a.text("error_description"))
	}
	role := ""
	for _, one := range w.must(200, "GET", "/servicePrincipals/"+api.PrincipalID, nil).body["appRoles"].([]any) {
		if one := one.(map[string]any); one["value"] == "upload" {
			role = one["id"].(string)
		}
	}
	w.must(201, "POST", "/servicePrincipals/"+client.PrincipalID+"/appRoleAssignments",
		map[string]any{"principalId": client.PrincipalID, "resourceId": api.PrincipalID, "appRoleId": role})
	a := w.secretToken(client.AppID, secret, identifier+"/.default")
	if a.status != 200 {
		t.Fatalf("with an assignment: %s", a.text("error_description"))
	}
	roles, _ := w.verify(w.tenant.Issuer(1), a.text("access_token"))["roles"].([]any)
	if len(roles) != 1 || roles[0] != "upload" {
		t.Errorf("roles %v", roles)
	}
}

func hasCode(a answer, code int) bool {
	codes, _ := a.body["error_codes"].([]any)
	return len(codes) == 1 && codes[0] == float64(code)
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, scope := w.manager.AppID, "https://"+w.graph+"/.default"
	noPrincipal := w.must(201, "POST", "/applications", map[string]any{"displayName": "bare"})
	bareSecret := w.must(200, "POST", "/applications/"+noPrincipal.text("id")+"/addPassword", map[string]any{}).text("secretText")
	expired := w.must(200, "POST", "/applications/"+w.manager.ObjectID+"/addPassword",
		map[string]any{"passwordCredential": map[string]any{"startDateTime": "2020-01-01T00:00:00Z", "endDateTime": "2021-01-01T00:00:00Z"}}).text("secretText")
	disabled, disabledSecret, err := w.tenant.AddManagementClient("disabled")
	if err != nil {
		t.Fatal(err)
	}
	everything := w.mint(map[string]any{"roles": []string{"Application.ReadWrite.All"}})
	if a := w.callAs(everything, "PATCH", "/servicePrincipals/"+disabled.PrincipalID, map[string]any{"accountEnabled": false}); a.status != 204 {
		t.Fatal(a.text("error", "message"))
	}
	for name, c := range map[string]struct {
		form   []string
		status int
		kind   string
		code   int
	}{
		"no grant type":        {[]string{"client_id", id}, 400, "invalid_request", 900144},
		"other grant type":     {[]string{"grant_type", "password"}, 400, "unsupported_grant_type", 70003},
		"no client":            {[]string{"scope", scope}, 400, "invalid_request", 900144},
		"unknown client":       {[]string{"client_id", w.manager.ObjectID, "client_secret", w.secret, "scope", scope}, 400, "unauthorized_client", 700016},
		"no credential":        {[]string{"client_id", id, "scope", scope}, 401, "invalid_client", 7000218},
		"wrong secret":         {[]string{"client_id", id, "client_secret", w.secret + "x", "scope", scope}, 401, "invalid_client", 7000215},
		"another's secret":     {[]string{"client_id", id, "client_secret", disabledSecret, "scope", scope}, 401, "invalid_client", 7000215},
		"expired secret":       {[]string{"client_id", id, "client_secret", expired, "scope", scope}, 401, "invalid_client", 7000222},
		"no service principal": {[]string{"client_id", noPrincipal.text("appId"), "client_secret", bareSecret, "scope", scope}, 400, "unauthorized_client", 7000229},
		"disabled":             {[]string{"client_id", disabled.AppID, "client_secret", disabledSecret, "scope", scope}, 400, "unauthorized_client", 7000112},
		"no scope":             {[]string{"client_id", id, "client_secret", w.secret}, 400, "invalid_request", 900144},
		"scope, no default":    {[]string{"client_id", id, "client_secret", w.secret, "scope", identifier + "/upload"}, 400, "invalid_scope", 1002012},
		"two scopes":           {[]string{"client_id", id, "client_secret", w.secret, "scope", scope + " " + scope}, 400, "invalid_scope", 70011},
		"unknown resource":     {[]string{"client_id", id, "client_secret", w.secret, "scope", "api://nobody/.default"}, 400, "invalid_resource", 500011},
		"assertion type":       {[]string{"client_id", id, "client_assertion", "e30.e30.e30", "scope", scope}, 400, "invalid_request", 900144},
		"no assertion": {[]string{"client_id", id, "client_assertion", "e30.e30.e30", "scope", scope,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, 401, "invalid_client", 50027},
	} {
		form := c.form
		if !strings.Contains(name, "grant type") {
			form = append([]string{"grant_type", "client_credentials"}, form...)
		}
		a := w.token(form...)
		if a.status != c.status || a.text("error") != c.kind || !hasCode(a, c.code) || a.body["access_token"] != nil {
			t.Errorf("%s: status %d, %s, %s; want %d %s %d", name, a.status, a.text("error"), a.text("error_description"), c.status, c.kind, c.code)
		}
		if !strings.HasPrefix(a.text("error_description"), "AADSTS"+strconv.Itoa(c.code)+": ") || a.text("trace_id") == "" || a.text("correlation_id") == "" || a.text("timestamp") == "" {
			t.Errorf("%s: the error is incomplete", name)
		}
		if strings.Contains(a.text("error_description"), w.secret) {
			t.Errorf("%s: the error shows a secret", name)
		}
	}
	request := w.request(http.MethodGet, "https://"+w.login+"/11111111-1111-4111-8111-111111111111/v2.0/.well-known/openid-configuration", nil)
	if a := w.send(request); a.status != 400 || !hasCode(a, 90002) {
		t.Errorf("unknown tenant: status %d", a.status)
	}
}

func TestBasicAuthenticationAndOverlappingSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := w.must(200, "POST", "/applications(appId='"+w.manager.AppID+"')/addPassword", map[string]any{"passwordCredential": map[string]any{"displayName": "second"}})
	basic := func(secret string) answer {
		body := strings.NewReader("grant_type=client_credentials&scope=https%3A%2F%2F" + w.graph + "%2F.default")
		request := w.request(http.MethodPost, "https://"+w.login+"/"+w.tenant.Domain()+"/oauth2/v2.0/token", body)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth(w.manager.AppID, secret)
		return w.send(request)
	}
	for name, secret := range map[string]string{"first": w.secret, "second": second.text("secretText")} {
		if a := basic(secret); a.status != 200 {
			t.Errorf("%s secret: %s", name, a.text("error_description"))
		}
	}
	w.must(204, "POST", "/applications/"+w.manager.ObjectID+"/removePassword", map[string]any{"keyId": second.text("keyId")})
	if a := basic(second.text("secretText")); a.status != 401 || !hasCode(a, 7000215) {
		t.Errorf("a removed secret: status %d", a.status)
	}
	if a := basic(w.secret); a.status != 200 {
		t.Errorf("the secret that stays: %s", a.text("error_description"))
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.tenant.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	fresh := w.graphToken(w.manager.AppID, w.secret)
	for name, token := range map[string]string{"old": w.bearer, "new": fresh} {
		w.verify(w.tenant.Issuer(1), token)
		if a := w.callAs(token, "GET", "/organization", nil); a.status != 200 {
			t.Errorf("%s key: status %d", name, a.status)
		}
	}
}

func TestLoginRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, status := range []int{429, 500, 503} {
		recorder := newRecorder()
		request := w.request(http.MethodPost, "https://"+w.login+"/t/oauth2/v2.0/token", nil).WithContext(context.Background())
		w.tenant.Login().Refuse(recorder, request, status)
		if recorder.Code != status || !strings.Contains(recorder.Body.String(), "AADSTS900") {
			t.Errorf("status %d: %d %s", status, recorder.Code, recorder.Body)
		}
	}
	if got := w.tenant.Login().Operation(w.request("POST", "https://h/t/oauth2/v2.0/token", nil)); got != "POST /oauth2/v2.0/token" {
		t.Errorf("operation %q", got)
	}
}

func TestMintedTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := w.tenant.MintToken(entra.Mint{Version: 2, Claims: map[string]any{"aud": "x", "exp": w.now().Add(-time.Hour).Unix(), "iat": nil}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	if claims["iss"] != w.tenant.Issuer(2) || claims["aud"] != "x" || claims["iat"] != nil || claims["ver"] != "2.0" {
		t.Errorf("claims %v", claims)
	}
}
