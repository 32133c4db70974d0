package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const (
	tenantID = "11111111-2222-3333-4444-555555555555"
	apiURI   = "api://upload"
	apiURIv2 = "api://upload-v2"
	apiLock  = "api://locked" // requires app role assignments
)

// directory answers as Microsoft Graph and the login do, as far as the adapter goes.
type directory struct {
	mu           sync.Mutex
	applications []map[string]any
	principals   []map[string]any
	assignments  []map[string]any
	serial       int
	calls        []string
	noUpsert     bool
	lag          int // refusals before a new application is known everywhere
	pages        int // size of a page; 0: what is asked for
	// fault, where set, sees every call first: "" lets it through, "drop" closes the connection, "drop-after" does so
	// after the call took effect, and a status refuses it.
	fault   func(operation string) string
	refusal string
	header  http.Header
	url     string
}

type anyone struct{}

func (anyone) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "graph-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func newDirectory() *directory {
	d := &directory{}
	for i, uri := range []string{apiURI, apiURIv2, apiLock} {
		appID := fmt.Sprintf("aaaaaaaa-0000-0000-0000-00000000000%d", i)
		app := map[string]any{"id": "api-object-" + appID, "appId": appID, "displayName": uri, "identifierUris": []any{uri}, "api": map[string]any{"requestedAccessTokenVersion": nil}}
		principal := map[string]any{"id": fmt.Sprintf("bbbbbbbb-0000-0000-0000-00000000000%d", i), "appId": appID, "appRoleAssignmentRequired": false, "appRoles": []any{}}
		switch uri {
		case apiURIv2:
			app["api"] = map[string]any{"requestedAccessTokenVersion": 2}
		case apiLock:
			principal["appRoleAssignmentRequired"] = true
			principal["appRoles"] = []any{
				map[string]any{"id": "cccccccc-0000-0000-0000-000000000001", "value": "Users", "isEnabled": true, "allowedMemberTypes": []any{"User"}},
				map[string]any{"id": "cccccccc-0000-0000-0000-000000000002", "value": "Z", "isEnabled": true, "allowedMemberTypes": []any{"Application"}},
				map[string]any{"id": "cccccccc-0000-0000-0000-000000000003", "value": "Upload", "isEnabled": true, "allowedMemberTypes": []any{"User", "Application"}},
				map[string]any{"id": "cccccccc-0000-0000-0000-000000000004", "value": "A", "isEnabled": false, "allowedMemberTypes": []any{"Application"}},
			}
		}
		d.applications = append(d.applications, app)
		d.principals = append(d.principals, principal)
	}
	return d
}

func start(t *testing.T, d *directory, change ...func(*Config)) *Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(d)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections are cut on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	d.url = server.URL
	c := Config{TenantID: tenantID, Credential: anyone{}, GraphURL: server.URL, LoginHost: strings.TrimPrefix(server.URL, "https://"), HTTPClient: server.Client()}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.graph.pause = func(context.Context, time.Duration) error { return nil }
	return p
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|(api-)?object-[0-9a-f-]+|assignment-[0-9]+|='[^']*'`)

func (d *directory) called(operation string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, call := range d.calls {
		if call == operation {
			n++
		}
	}
	return n
}

func (d *directory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration") {
		issuer := "https://sts.windows.net/" + tenantID + "/"
		if strings.Contains(r.URL.Path, "/v2.0/") {
			issuer = "https://login.microsoftonline.com/" + tenantID + "/v2.0"
		}
		answer(w, 200, map[string]any{"issuer": issuer, "authorization_endpoint": d.url + "/" + tenantID + "/oauth2/v2.0/authorize",
			"token_endpoint": d.url + "/" + tenantID + "/oauth2/v2.0/token"})
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1.0")
	operation := r.Method + " " + ids.ReplaceAllString(path, "")
	d.calls = append(d.calls, operation)
	fault := ""
	if d.fault != nil {
		fault = d.fault(operation)
	}
	if status, err := strconv.Atoi(fault); err == nil {
		for key, values := range d.header {
			w.Header()[key] = values
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, d.refusal)
		return
	}
	if fault == "drop" {
		panic(http.ErrAbortHandler)
	}
	if r.Header.Get("Authorization") != "Bearer graph-token" {
		d.refuse(w, 401, "InvalidAuthenticationToken", "Access token is empty.")
		return
	}
	var body map[string]any
	if data, err := io.ReadAll(r.Body); err == nil && len(data) > 0 {
		if json.Unmarshal(data, &body) != nil {
			d.refuse(w, 400, "Request_BadRequest", "Invalid JSON")
			return
		}
	}
	recorder := httptest.NewRecorder()
	d.serve(recorder, r, path, body)
	if fault == "drop-after" {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal")
	w.WriteHeader(recorder.Code)
	_, _ = io.Copy(w, recorder.Body)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if v != nil {
		_ = json.NewEncoder(w).Encode(v)
	}
}

func (d *directory) refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]any{"error": map[string]any{"code": code, "message": message,
		"innerError": map[string]any{"date": "2026-11-23T22:00:00", "request-id": "rid", "client-request-id": "rid"}}})
}

func (d *directory) missing(w http.ResponseWriter, id string) {
	d.refuse(w, 404, "Request_ResourceNotFound", "Resource '"+id+"' does not exist or one of its queried reference-property objects are not present.")
}

func (d *directory) next() string {
	d.serial++
	return fmt.Sprintf("%08d-0000-0000-0000-000000000000", d.serial)
}

func pick(all []map[string]any, key, value string) map[string]any {
	at := slices.IndexFunc(all, func(one map[string]any) bool { return one[key] == value })
	if at < 0 {
		return nil
	}
	return all[at]
}

var (
	byKey   = regexp.MustCompile(`^/(applications|servicePrincipals)\((uniqueName|appId)='(.*)'\)$`)
	byID    = regexp.MustCompile(`^/(applications|servicePrincipals)/([^/]+)(?:/([A-Za-z]+))?(?:/(.+))?$`)
	anyTag  = regexp.MustCompile(`^tags/any\(t:t eq '(.*)'\)$`)
	anyURI  = regexp.MustCompile(`^identifierUris/any\(x:x eq '(.*)'\)$`)
	equal   = regexp.MustCompile(`^(displayName|appId|id) eq '(.*)'$`)
	collect = map[string]string{"/applications": "applications", "/servicePrincipals": "servicePrincipals"}
)

func (d *directory) serve(w http.ResponseWriter, r *http.Request, path string, body map[string]any) {
	all := map[string][]map[string]any{"applications": d.applications, "servicePrincipals": d.principals}
	if kind, ok := collect[path]; ok {
		switch {
		case r.Method == http.MethodGet:
			d.list(w, r, all[kind])
		case kind == "applications":
			answer(w, 201, d.create(body, ""))
		default:
			d.createPrincipal(w, body)
		}
		return
	}
	if m := byKey.FindStringSubmatch(path); m != nil {
		if m[2] == "uniqueName" && d.noUpsert {
			d.refuse(w, 400, "BadRequest", "Resource not found for the segment 'applications'.")
			return
		}
		one := pick(all[m[1]], m[2], m[3])
		switch {
		case r.Method == http.MethodPatch && one == nil && r.Header.Get("Prefer") == "create-if-missing":
			answer(w, 201, d.create(body, m[3]))
		case one == nil || d.lag > 0 && d.young(one):
			d.lag = max(0, d.lag-1)
			d.missing(w, m[3])
		case r.Method == http.MethodGet:
			answer(w, 200, one)
		case r.Method == http.MethodPatch:
			change(one, body)
			w.WriteHeader(204)
		default:
			d.drop(m[3])
			w.WriteHeader(204)
		}
		return
	}
	m := byID.FindStringSubmatch(path)
	if m == nil {
		d.missing(w, path)
		return
	}
	one := pick(all[m[1]], "id", m[2])
	if one == nil || d.lag > 0 && d.young(one) {
		d.lag = max(0, d.lag-1)
		d.missing(w, m[2])
		return
	}
	d.item(w, r, one, m[3], m[4], body)
}

func (d *directory) young(one map[string]any) bool {
	return !strings.HasPrefix(fmt.Sprint(one["id"]), "api-")
}

func (d *directory) item(w http.ResponseWriter, r *http.Request, one map[string]any, verb, rest string, body map[string]any) {
	switch r.Method + " " + verb {
	case "PATCH ":
		change(one, body)
		w.WriteHeader(204)
	case "DELETE ":
		d.principals = slices.DeleteFunc(d.principals, func(o map[string]any) bool { return o["id"] == one["id"] })
		w.WriteHeader(204)
	case "POST addPassword":
		wanted := body["passwordCredential"].(map[string]any)
		made := map[string]any{"keyId": d.next(), "displayName": wanted["displayName"], "endDateTime": wanted["endDateTime"], "secretText": nil}
		one["passwordCredentials"] = append(list(one["passwordCredentials"]), made)
		shown := map[string]any{"secretText": "secret-" + fmt.Sprint(made["keyId"])}
		for key, value := range made {
			if key != "secretText" {
				shown[key] = value
			}
		}
		answer(w, 200, shown)
	case "POST removePassword":
		kept := slices.DeleteFunc(list(one["passwordCredentials"]), func(o any) bool { return o.(map[string]any)["keyId"] == body["keyId"] })
		if len(kept) == len(list(one["passwordCredentials"])) && !slices.ContainsFunc(kept, func(o any) bool { return o == nil }) {
			d.refuse(w, 400, "Request_BadRequest", "No password credential found with keyId.")
			return
		}
		one["passwordCredentials"] = slices.DeleteFunc(kept, func(o any) bool { return o == nil })
		w.WriteHeader(204)
	case "GET appRoleAssignments":
		var some []map[string]any
		for _, a := range d.assignments {
			if a["principalId"] == one["id"] {
				some = append(some, a)
			}
		}
		d.list(w, r, some)
	case "POST appRoleAssignments":
		for _, a := range d.assignments {
			if a["principalId"] == body["principalId"] && a["resourceId"] == body["resourceId"] {
				d.refuse(w, 400, "Request_BadRequest", "Permission being assigned already exists on the object")
				return
			}
		}
		d.serial++
		body["id"] = fmt.Sprintf("assignment-%d", d.serial)
		d.assignments = append(d.assignments, body)
		answer(w, 201, body)
	case "DELETE appRoleAssignments":
		if pick(d.assignments, "id", rest) == nil {
			d.missing(w, rest)
			return
		}
		d.assignments = slices.DeleteFunc(d.assignments, func(o map[string]any) bool { return o["id"] == rest })
		w.WriteHeader(204)
	default:
		d.refuse(w, 405, "Request_BadRequest", "no such operation")
	}
}

func list(v any) []any {
	all, _ := v.([]any)
	return slices.Clone(all)
}

func change(one, body map[string]any) {
	for key, value := range body {
		one[key] = value
	}
}

func (d *directory) create(body map[string]any, uniqueName string) map[string]any {
	one := map[string]any{"id": "object-" + d.next(), "appId": d.next(), "signInAudience": "AzureADMyOrg", "passwordCredentials": []any{}, "keyCredentials": []any{}}
	change(one, body)
	if uniqueName != "" {
		one["uniqueName"] = uniqueName
	}
	d.applications = append(d.applications, one)
	return one
}

func (d *directory) createPrincipal(w http.ResponseWriter, body map[string]any) {
	appID := fmt.Sprint(body["appId"])
	if d.lag > 0 {
		switch d.lag--; d.lag % 3 {
		case 0:
			d.refuse(w, 400, "Request_BadRequest", "The appId '"+appID+"' of the service principal does not reference a valid application object.")
		case 1:
			d.missing(w, appID)
		default:
			d.refuse(w, 403, "Authorization_RequestDenied", "When using this permission, the backing application of the service principal being created must in the local tenant")
		}
		return
	}
	if pick(d.applications, "appId", appID) == nil {
		d.refuse(w, 400, "Request_BadRequest", "The appId '"+appID+"' of the service principal does not reference a valid application object.")
		return
	}
	if pick(d.principals, "appId", appID) != nil {
		d.refuse(w, 409, "Request_MultipleObjectsWithSameKeyValue", "The service principal cannot be created, updated, or restored because the service principal name is already in use.")
		return
	}
	body["id"], body["accountEnabled"] = d.next(), true
	d.principals = append(d.principals, body)
	answer(w, 201, body)
}

func (d *directory) drop(appID string) {
	same := func(o map[string]any) bool { return o["appId"] == appID }
	if principal := pick(d.principals, "appId", appID); principal != nil {
		d.assignments = slices.DeleteFunc(d.assignments, func(o map[string]any) bool { return o["principalId"] == principal["id"] })
	}
	d.applications = slices.DeleteFunc(d.applications, same)
	d.principals = slices.DeleteFunc(d.principals, same)
}

func (d *directory) list(w http.ResponseWriter, r *http.Request, all []map[string]any) {
	filter := strings.ReplaceAll(r.URL.Query().Get("$filter"), "''", "\x00")
	var some []any
	for _, one := range all {
		match := filter == ""
		if m := anyTag.FindStringSubmatch(filter); m != nil {
			match = slices.Contains(list(one["tags"]), any(m[1]))
		} else if m := anyURI.FindStringSubmatch(filter); m != nil {
			match = slices.Contains(list(one["identifierUris"]), any(strings.ReplaceAll(m[1], "\x00", "'")))
		} else if m := equal.FindStringSubmatch(filter); m != nil {
			match = one[m[1]] == m[2]
		}
		if match {
			some = append(some, one)
		}
	}
	size, _ := strconv.Atoi(r.URL.Query().Get("$top"))
	if d.pages > 0 {
		size = d.pages
	}
	skip, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	page := map[string]any{"value": append([]any{}, some[min(skip, len(some)):min(skip+max(size, 1), len(some))]...)}
	if skip+size < len(some) {
		query := r.URL.Query()
		query.Set("$skiptoken", strconv.Itoa(skip+size))
		page["@odata.nextLink"] = d.url + r.URL.Path + "?" + query.Encode()
	}
	answer(w, 200, page)
}

// apply does what the controller does: each part that deviates, in order.
func apply(ctx context.Context, t *testing.T, p *Provider, c *idp.Client, spec idp.Spec) {
	t.Helper()
	for _, part := range p.Parts() {
		if len(part.Deviations(*c, spec)) == 0 {
			continue
		}
		if err := part.Apply(ctx, c, spec); err != nil {
			t.Fatalf("apply %s: %v", part.Name, err)
		}
		if rest := part.Deviations(*c, spec); len(rest) > 0 {
			t.Fatalf("after apply %s: %q", part.Name, rest)
		}
	}
}

func deviations(p *Provider, c idp.Client, spec idp.Spec) []string {
	var all []string
	for _, part := range p.Parts() {
		all = append(all, part.Deviations(c, spec)...)
	}
	return all
}
