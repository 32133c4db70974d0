package auth0_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// metadata is a client's body with n metadata keys, each with a value of the length.
func metadata(n, length int) string {
	pairs := make([]string, n)
	for i := range pairs {
		pairs[i] = fmt.Sprintf(`"k%d":%q`, i, strings.Repeat("v", length))
	}
	return `{"name":"x","client_metadata":{` + strings.Join(pairs, ",") + `}}`
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx := t.Context()
	c := w.client(ctx, plainAPI)
	id := c.GetClientID()
	_, public := key(t)
	one := fmt.Sprintf(`{"credential_type":"public_key","pem":%q}`, public)
	api := "resource-servers/https:%2F%2Fplain.example.com"
	management := fmt.Sprintf("resource-servers/https:%%2F%%2F%s%%2Fapi%%2Fv2%%2F", w.tenant.Domain())
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"client that is not there":       {"GET", "clients/none", "", 404, "inexistent_client"},
		"update what is not there":       {"PATCH", "clients/none", `{"name":"x"}`, 404, "inexistent_client"},
		"rotate what is not there":       {"POST", "clients/none/rotate-secret", "", 404, "inexistent_client"},
		"a path nobody knows":            {"GET", "secrets", "", 404, "not_found"},
		"a method nobody knows":          {"PUT", "clients/" + id, "{}", 404, "not_found"},
		"no JSON":                        {"POST", "clients", `{"name":`, 400, "invalid_body"},
		"no object":                      {"POST", "clients", `["name"]`, 400, "invalid_body"},
		"no name":                        {"POST", "clients", `{}`, 400, "invalid_body"},
		"a name that is no text":         {"POST", "clients", `{"name":1}`, 400, "invalid_body"},
		"a name taken away":              {"PATCH", "clients/" + id, `{"name":""}`, 400, "invalid_body"},
		"a name too long":                {"POST", "clients", `{"name":"` + strings.Repeat("n", 151) + `"}`, 400, "invalid_body"},
		"a field nobody knows":           {"POST", "clients", `{"name":"x","colour":"red"}`, 400, "invalid_body"},
		"an id of one's own":             {"POST", "clients", `{"name":"x","client_id":"mine"}`, 400, "invalid_body"},
		"app type":                       {"POST", "clients", `{"name":"x","app_type":"daemon"}`, 400, "invalid_body"},
		"grant type":                     {"POST", "clients", `{"name":"x","grant_types":["magic"]}`, 400, "invalid_body"},
		"grant types, no list":           {"POST", "clients", `{"name":"x","grant_types":"implicit"}`, 400, "invalid_body"},
		"authentication method":          {"POST", "clients", `{"name":"x","token_endpoint_auth_method":"private_key_jwt"}`, 400, "invalid_body"},
		"authentication method, no text": {"POST", "clients", `{"name":"x","token_endpoint_auth_method":["none"]}`, 400, "invalid_body"},
		"ten metadata keys":              {"POST", "clients", metadata(10, 255), 201, ""},
		"eleven metadata keys":           {"POST", "clients", metadata(11, 1), 400, "invalid_body"},
		"long metadata":                  {"POST", "clients", metadata(1, 256), 400, "invalid_body"},
		"metadata, no object":            {"POST", "clients", `{"name":"x","client_metadata":"k"}`, 400, "invalid_body"},
		"metadata, no text":              {"POST", "clients", `{"name":"x","client_metadata":{"k":{}}}`, 400, "invalid_body"},
		"both ways of authentication": {"POST", "clients", `{"name":"x","token_endpoint_auth_method":"none",
			"client_authentication_methods":{"private_key_jwt":{"credentials":[` + one + `]}}}`, 400, "invalid_body"},
		"mTLS":                      {"POST", "clients", `{"name":"x","client_authentication_methods":{"tls_client_auth":{"credentials":[]}}}`, 403, "insufficient_entitlement"},
		"no authentication method":  {"POST", "clients", `{"name":"x","client_authentication_methods":{}}`, 400, "invalid_body"},
		"no credentials":            {"POST", "clients", `{"name":"x","client_authentication_methods":{"private_key_jwt":{}}}`, 400, "invalid_body"},
		"empty credentials":         {"POST", "clients", `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[]}}}`, 400, "invalid_body"},
		"three credentials":         {"POST", "clients", `{"name":"x","client_authentication_methods":{"private_key_jwt":{"credentials":[` + one + "," + one + "," + one + `]}}}`, 400, "invalid_body"},
		"another's credential":      {"PATCH", "clients/" + id, `{"token_endpoint_auth_method":null,"client_authentication_methods":{"private_key_jwt":{"credentials":[{"id":"cred_x"}]}}}`, 400, "invalid_body"},
		"a credential, no key":      {"POST", "clients/" + id + "/credentials", `{"credential_type":"public_key","pem":"x"}`, 400, "invalid_body"},
		"a credential of no type":   {"POST", "clients/" + id + "/credentials", strings.Replace(one, "public_key", "x509_cert", 1), 400, "invalid_body"},
		"a credential's algorithm":  {"POST", "clients/" + id + "/credentials", strings.Replace(one, "{", `{"alg":"HS256",`, 1), 400, "invalid_body"},
		"a credential's expiry":     {"POST", "clients/" + id + "/credentials", strings.Replace(one, "{", `{"expires_at":"soon",`, 1), 400, "invalid_body"},
		"a credential of nobody":    {"POST", "clients/none/credentials", one, 404, "inexistent_client"},
		"credentials of nobody":     {"GET", "clients/none/credentials", "", 404, "inexistent_client"},
		"delete one of nobody":      {"DELETE", "clients/none/credentials/cred_x", "", 404, "inexistent_client"},
		"update no credential":      {"PATCH", "clients/" + id + "/credentials/cred_x", `{"expires_at":null}`, 404, "inexistent_credential"},
		"update nothing of one":     {"PATCH", "clients/" + id + "/credentials/cred_x", `{}`, 400, "invalid_body"},
		"page":                      {"GET", "clients?page=-1", "", 400, "invalid_query_string"},
		"page size":                 {"GET", "clients?per_page=101", "", 400, "invalid_query_string"},
		"page size, no number":      {"GET", "client-grants?per_page=many", "", 400, "invalid_query_string"},
		"a grant of nobody":         {"POST", "client-grants", `{"client_id":"none","audience":"` + plainAPI + `"}`, 404, "inexistent_client"},
		"a grant for no API":        {"POST", "client-grants", `{"client_id":"` + id + `","audience":"https://none.example"}`, 400, "inexistent_resource_server"},
		"a grant without an API":    {"POST", "client-grants", `{"client_id":"` + id + `"}`, 400, "invalid_body"},
		"a grant's scope":           {"POST", "client-grants", `{"client_id":"` + id + `","audience":"` + azpAPI + `","scope":"read"}`, 400, "invalid_body"},
		"a second grant":            {"POST", "client-grants", `{"client_id":"` + id + `","audience":"` + plainAPI + `","scope":[]}`, 409, "client_grant_conflict"},
		"a grant that is not there": {"GET", "client-grants/cgr_x", "", 404, "inexistent_client_grant"},
		"update no grant":           {"PATCH", "client-grants/cgr_x", `{"scope":[]}`, 404, "inexistent_client_grant"},
		"an API that is not there":  {"GET", "resource-servers/none", "", 404, "inexistent_resource_server"},
		"an API without identifier": {"POST", "resource-servers", `{"name":"x"}`, 400, "invalid_body"},
		"an API's identifier":       {"PATCH", api, `{"identifier":"https://new.example"}`, 400, "invalid_body"},
		"an API's dialect":          {"PATCH", api, `{"token_dialect":"latin"}`, 400, "invalid_body"},
		"an API's lifetime":         {"PATCH", api, `{"token_lifetime":2592001}`, 400, "invalid_body"},
		"a second API":              {"POST", "resource-servers", `{"identifier":"` + plainAPI + `"}`, 409, "resource_server_conflict"},
		"update the Management API": {"PATCH", management, `{"token_lifetime":1}`, 400, "operation_not_supported"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.manage(test.method, test.path, test.body)
			if r.status != test.status || r.text("errorCode") != test.code {
				t.Fatalf("%d %q (%s), want %d %q", r.status, r.text("errorCode"), r.text("message"), test.status, test.code)
			}
			if test.code != "" && (r.object["statusCode"] != float64(test.status) || r.text("error") == "" || r.text("message") == "") {
				t.Errorf("the body of the error lacks a field: %v", slices.Sorted(maps.Keys(r.object)))
			}
		})
	}
	if got, err := w.api().Client.Read(ctx, id); err != nil || got.GetClientSecret() != c.GetClientSecret() || got.ClientAuthenticationMethods != nil {
		t.Errorf("a refused change took effect: %v", err)
	}
}

// TestScopes takes away one scope at a time: exactly the calls that need it are refused.
func TestScopes(t *testing.T) {
	t.Parallel()
	w := open(t)
	for call, scope := range map[string]string{
		"POST clients":                    "create:clients",
		"GET clients":                     "read:clients",
		"GET clients/x":                   "read:clients",
		"PATCH clients/x":                 "update:clients",
		"DELETE clients/x":                "delete:clients",
		"POST clients/x/rotate-secret":    "update:client_keys",
		"POST clients/x/credentials":      "create:client_credentials",
		"GET clients/x/credentials":       "read:client_credentials",
		"GET clients/x/credentials/y":     "read:client_credentials",
		"PATCH clients/x/credentials/y":   "update:client_credentials",
		"DELETE clients/x/credentials/y":  "delete:client_credentials",
		"POST client-grants":              "create:client_grants",
		"GET client-grants":               "read:client_grants",
		"PATCH client-grants/x":           "update:client_grants",
		"DELETE client-grants/x":          "delete:client_grants",
		"POST resource-servers":           "create:resource_servers",
		"GET resource-servers":            "read:resource_servers",
		"GET resource-servers/x":          "read:resource_servers",
		"PATCH resource-servers/x":        "update:resource_servers",
		"DELETE resource-servers/x":       "delete:resource_servers",
		"GET client-grants?client_id=x":   "read:client_grants",
		"GET clients?fields=client_id":    "read:clients",
		"GET resource-servers?per_page=1": "read:resource_servers",
	} {
		method, path, _ := strings.Cut(call, " ")
		without := slices.DeleteFunc(auth0.AllScopes(), func(s string) bool { return s == scope })
		for _, test := range []struct {
			scopes  []string
			refused bool
		}{{without, true}, {[]string{scope}, false}} {
			r := w.send(method, "/api/v2/"+path, "", "Authorization", "Bearer "+w.bearer(test.scopes...))
			refused := r.status == 403 && r.text("errorCode") == "insufficient_scope" && strings.Contains(r.text("message"), scope)
			if refused != test.refused || r.status == 401 {
				t.Errorf("%s, %d scopes: %d %q", call, len(test.scopes), r.status, r.text("errorCode"))
			}
		}
	}
}

func TestManagementTokens(t *testing.T) {
	t.Parallel()
	w := open(t)
	other := open(t)
	good := map[string]any{"iss": w.tenant.Issuer(), "sub": "x@clients", "aud": w.tenant.Issuer() + "api/v2/",
		"exp": w.now().Add(time.Hour).Unix(), "scope": "read:clients"}
	mint := func(tenant *auth0.Tenant, change map[string]any) string {
		claims := maps.Clone(good)
		maps.Copy(claims, change)
		token, err := tenant.MintToken(nil, claims)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + token
	}
	for name, test := range map[string]struct {
		header string
		status int
	}{
		"good":            {mint(w.tenant, nil), 200},
		"expired":         {mint(w.tenant, map[string]any{"exp": w.now().Add(-time.Second).Unix()}), 401},
		"no expiry":       {mint(w.tenant, map[string]any{"exp": nil}), 401},
		"another API's":   {mint(w.tenant, map[string]any{"aud": plainAPI}), 401},
		"another issuer":  {mint(w.tenant, map[string]any{"iss": "https://elsewhere.example/"}), 401},
		"another's key":   {mint(other.tenant, nil), 401},
		"no scope":        {mint(w.tenant, map[string]any{"scope": ""}), 403},
		"no token":        {"", 401},
		"no bearer token": {"Basic eDp5", 401},
		"no JWT":          {"Bearer x.y.z", 401},
	} {
		if r := w.send("GET", "/api/v2/clients", "", "Authorization", test.header); r.status != test.status {
			t.Errorf("%s: %d %q, want %d", name, r.status, r.text("message"), test.status)
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.edge.Limits().Set("auth0", edge.Settings{Rate: 0.5, Burst: 2})
	for i, want := range []int{200, 200, 429} {
		r := w.manage("GET", "clients?include_totals=true", "")
		if r.status != want || r.header.Get("X-Ratelimit-Limit") != "2" || r.header.Get("X-Ratelimit-Remaining") != strconv.Itoa(max(0, 1-i)) {
			t.Errorf("call %d: %d, limit %s, remaining %s", i, r.status, r.header.Get("X-Ratelimit-Limit"), r.header.Get("X-Ratelimit-Remaining"))
		}
		if want == 429 {
			reset, err := strconv.ParseInt(r.header.Get("X-Ratelimit-Reset"), 10, 64)
			if err != nil || reset != w.now().Unix()+2 || r.text("errorCode") != "too_many_requests" || r.text("message") != "Global limit has been reached" {
				t.Errorf("reset in %d s, %q %q: %v", reset-w.now().Unix(), r.text("errorCode"), r.text("message"), err)
			}
		}
	}
	w.wait(2 * time.Second)
	if r := w.manage("GET", "clients?include_totals=true", ""); r.status != 200 {
		t.Errorf("after the reset: %d", r.status)
	}
}

func TestJournalAndState(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := w.client(t.Context(), plainAPI)
	w.edge.Calls().Clear()
	w.manage("GET", "clients/"+c.GetClientID(), "")
	w.send("POST", "/oauth/token", fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q,"audience":%q}`,
		c.GetClientID(), c.GetClientSecret(), plainAPI), "Content-Type", "application/json")
	w.send("GET", "/nowhere", "")
	calls := w.edge.Calls().Calls()
	for i, want := range []edge.Call{
		{Operation: "GET /api/v2/clients/{id}", Status: 200, Caller: "sandbox@clients"},
		{Operation: "POST /oauth/token", Status: 200, Caller: c.GetClientID()},
		{Operation: "GET /nowhere", Status: 404},
	} {
		if i >= len(calls) || calls[i].Operation != want.Operation || calls[i].Status != want.Status || calls[i].Caller != want.Caller {
			t.Errorf("call %d of %d is not %+v", i, len(calls), want)
		}
	}
	state, err := json.Marshal(w.tenant.State(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(state), c.GetClientID()) || strings.Contains(string(state), c.GetClientSecret()) {
		t.Error("the state lacks the client or shows its secret")
	}
}
