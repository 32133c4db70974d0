package entra_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// mint makes a token for Graph of any claims.
func (w *world) mint(claims map[string]any) string {
	w.t.Helper()
	all := map[string]any{"aud": "https://" + w.graph, "oid": w.manager.PrincipalID, "sub": w.manager.PrincipalID, "appid": w.manager.AppID}
	for name, value := range claims {
		all[name] = value
	}
	text, err := w.tenant.MintToken(entra.Mint{Version: 1, Claims: all})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func TestApplicationLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.must(201, "POST", "/applications", map[string]any{
		"@odata.type": "#microsoft.graph.application", "displayName": "web-01", "tags": []string{"oidcs3", "it's"},
		"identifierUris": []string{"api://web-01"}, "api": map[string]any{"requestedAccessTokenVersion": 2}, "notes": "hello",
	})
	id, appID := made.text("id"), made.text("appId")
	if id == appID || id == "" || made.text("signInAudience") != "AzureADMyOrg" || made.at("api", "requestedAccessTokenVersion") != 2.0 || made.text("notes") != "hello" {
		t.Fatalf("made %v", made.body)
	}
	w.must(204, "PATCH", "/applications/"+id, map[string]any{"displayName": "web-02", "description": "a server", "uniqueName": "oidcs3/1"})
	for _, path := range []string{"/applications/" + id, "/applications(appId='" + appID + "')", "/applications(uniqueName='oidcs3%2F1')"} {
		a := w.must(200, "GET", path+"?$select=id,displayName,uniqueName", nil)
		if a.text("id") != id || a.text("displayName") != "web-02" || len(a.body) != 4 {
			t.Errorf("%s: %v", path, a.body)
		}
	}
	for filter, want := range map[string]int{
		"appId eq '" + appID + "'": 1, "displayName eq 'WEB-02'": 1, "uniqueName eq 'oidcs3/1'": 1, "identifierUris/any(x:x eq 'api://web-01')": 1,
		"tags/any(t:t eq 'oidcs3')": 1, "tags/any(t:t eq 'it''s') and displayName eq 'web-02'": 1, "tags/any(t:t eq 'no')": 0, "startswith(displayName,'web')": 1,
	} {
		a := w.must(200, "GET", "/applications?$count=true&$filter="+escape(filter), nil)
		if len(a.list()) != want || a.body["@odata.count"] != float64(want) {
			t.Errorf("%s: %d applications, want %d", filter, len(a.list()), want)
		}
	}
	w.must(404, "GET", "/applications/"+appID, nil)
	w.must(404, "GET", "/applications(appId='"+id+"')", nil)

	principal := w.must(201, "POST", "/servicePrincipals", map[string]any{"appId": appID, "tags": []string{"oidcs3"}})
	if pid := principal.text("id"); pid == id || pid == appID {
		t.Error("the service principal has the application's id")
	}
	if a := w.call("POST", "/servicePrincipals", map[string]any{"appId": appID}); a.status != 409 || a.text("error", "code") != "Request_MultipleObjectsWithSameKeyValue" {
		t.Errorf("a second service principal: status %d, %s", a.status, a.text("error", "code"))
	}
	w.must(204, "PATCH", "/servicePrincipals(appId='"+appID+"')", map[string]any{"appRoleAssignmentRequired": true})
	if a := w.must(200, "GET", "/servicePrincipals?$filter="+escape("tags/any(t:t eq 'oidcs3')"), nil); len(a.list()) != 1 || a.list()[0]["appRoleAssignmentRequired"] != true {
		t.Errorf("service principals %v", a.list())
	}

	w.must(204, "DELETE", "/applications(appId='"+appID+"')", nil)
	w.must(404, "GET", "/applications/"+id, nil)
	w.must(404, "GET", "/servicePrincipals/"+principal.text("id"), nil)
	w.must(404, "DELETE", "/applications/"+id, nil)
	again := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-02", "identifierUris": []string{"api://web-01"}})
	if a := w.call("POST", "/directory/deletedItems/"+id+"/restore", nil); a.status != 400 {
		t.Errorf("restored although its identifier URI is taken: status %d", a.status)
	}
	w.must(204, "DELETE", "/applications/"+again.text("id"), nil)
	if a := w.must(200, "GET", "/directory/deletedItems/microsoft.graph.application", nil); len(a.list()) != 2 {
		t.Errorf("%d deleted applications", len(a.list()))
	}
	w.must(200, "POST", "/directory/deletedItems/"+id+"/restore", nil)
	w.must(200, "GET", "/applications(appId='"+appID+"')", nil)
	w.must(200, "GET", "/servicePrincipals/"+principal.text("id"), nil)
	w.must(204, "DELETE", "/directory/deletedItems/"+again.text("id"), nil)
	w.must(404, "GET", "/directory/deletedItems/"+again.text("id"), nil)
	w.must(204, "DELETE", "/applications/"+id, nil)
	w.must(200, "GET", "/directory/deletedItems/"+id, nil)
	w.sleep(31 * 24 * time.Hour)
	w.bearer = w.graphToken(w.manager.AppID, w.secret)
	w.must(404, "GET", "/directory/deletedItems/"+id, nil)
}

func escape(filter string) string {
	return strings.NewReplacer(" ", "%20", "'", "%27", "/", "%2F", ":", "%3A", "(", "%28", ")", "%29").Replace(filter)
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, prefer := "/applications(uniqueName='oidcs3-1')", []string{"Prefer", "create-if-missing"}
	w.must(404, "PATCH", path, map[string]any{"displayName": "web-01"})
	made := w.must(201, "PATCH", path, map[string]any{"displayName": "web-01"}, prefer...)
	if made.text("uniqueName") != "oidcs3-1" || made.text("appId") == "" {
		t.Fatalf("made %v", made.body)
	}
	w.must(204, "PATCH", path, map[string]any{"displayName": "web-02"}, prefer...)
	if a := w.must(200, "GET", path, nil); a.text("id") != made.text("id") || a.text("displayName") != "web-02" {
		t.Errorf("upserted %v", a.body)
	}
	if a := w.call("PATCH", "/applications(appId='"+made.text("appId")+"')", map[string]any{"displayName": "x"}, prefer...); a.status != 400 {
		t.Errorf("upsert by appId: status %d", a.status)
	}
	w.must(204, "DELETE", path, nil)
	if a := w.must(201, "PATCH", path, map[string]any{"displayName": "web-01"}, prefer...); a.text("appId") == made.text("appId") {
		t.Error("a deleted application came back")
	}
	w.tenant.SetUpsert(false)
	w.must(400, "PATCH", "/applications(uniqueName='other')", map[string]any{"displayName": "web-01"}, prefer...)
}

func TestPasswordsAreShownOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-01"})
	path := "/applications/" + app.text("id")
	var secrets []string
	for range 2 {
		a := w.must(200, "POST", path+"/addPassword", map[string]any{"passwordCredential": map[string]any{"displayName": "oidcs3", "endDateTime": "2099-01-01T00:00:00Z"}})
		secret := a.text("secretText")
		if len(secret) != 40 || a.text("hint") != secret[:3] || a.text("endDateTime") != "2099-01-01T00:00:00Z" {
			t.Fatal("the password is not as asked for")
		}
		secrets = append(secrets, secret)
	}
	shown := w.must(200, "GET", path, nil).body["passwordCredentials"].([]any)
	if len(shown) != 2 {
		t.Fatalf("%d passwords", len(shown))
	}
	for _, one := range shown {
		if one := one.(map[string]any); one["secretText"] != nil || one["hint"] == nil || one["keyId"] == nil {
			t.Error("a read does not show what it should, or shows a secret")
		}
	}
	state, err := json.Marshal(w.tenant.State(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(secrets, w.secret) {
		if strings.Contains(string(state), secret) {
			t.Error("the state holds a secret")
		}
	}
	if !strings.Contains(string(state), `"display_name":"web-01"`) {
		t.Error("the state lacks the application")
	}
}

func TestKeyCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-01"})
	path := "/applications/" + app.text("id")
	certificate := newCertificate(t, newRSAKey(t), time.Now().Add(24*time.Hour))
	valid := map[string]any{"type": "AsymmetricX509Cert", "usage": "Verify", "key": certificate.Raw, "displayName": "one"}
	with := func(changes map[string]any) []any {
		one := map[string]any{}
		for name, value := range valid {
			one[name] = value
		}
		for name, value := range changes {
			one[name] = value
		}
		return []any{one}
	}
	for name, keys := range map[string]any{
		"no certificate": with(map[string]any{"key": []byte("no")}), "no key": with(map[string]any{"key": nil}), "type": with(map[string]any{"type": "Symmetric"}),
		"usage": with(map[string]any{"usage": "Sign"}), "end": with(map[string]any{"endDateTime": "2999-01-01T00:00:00Z"}), "twice": append(with(nil), with(nil)...),
		"start": with(map[string]any{"startDateTime": "2000-01-01T00:00:00Z"}), "not base64": with(map[string]any{"key": "%"}),
	} {
		if a := w.call("PATCH", path, map[string]any{"keyCredentials": keys}); a.status != 400 || !strings.HasPrefix(a.text("error", "code"), "KeyCredentialsInvalid") {
			t.Errorf("%s: status %d, %s", name, a.status, a.text("error", "code"))
		}
	}
	w.must(204, "PATCH", path, map[string]any{"keyCredentials": with(nil)})
	plain := w.must(200, "GET", path, nil).body["keyCredentials"].([]any)[0].(map[string]any)
	asked := w.must(200, "GET", path+"?$select=keyCredentials", nil).body["keyCredentials"].([]any)[0].(map[string]any)
	if plain["key"] != nil || asked["key"] == nil || plain["customKeyIdentifier"] == nil {
		t.Error("keys are shown to who does not ask for them, or not to who does")
	}
	listed := w.must(200, "GET", "/applications?$select=id,keyCredentials&$filter="+escape("id eq '"+app.text("id")+"'"), nil).list()[0]
	if listed["keyCredentials"].([]any)[0].(map[string]any)["key"] != nil {
		t.Error("a list shows keys")
	}
	w.must(204, "PATCH", path, map[string]any{"keyCredentials": []any{map[string]any{"keyId": plain["keyId"]}}})
	kept := w.must(200, "GET", path+"?$select=keyCredentials", nil).body["keyCredentials"].([]any)
	if len(kept) != 1 || kept[0].(map[string]any)["key"] == nil {
		t.Error("a key named by its id alone did not stay")
	}
	w.must(204, "PATCH", path, map[string]any{"keyCredentials": []any{}})
	if left := w.must(200, "GET", path, nil).body["keyCredentials"].([]any); len(left) != 0 {
		t.Errorf("%d keys are left", len(left))
	}
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	client, _, err := w.tenant.AddManagementClient("server")
	if err != nil {
		t.Fatal(err)
	}
	api := w.api(entra.API{DisplayName: "api", IdentifierURI: identifier})
	const none = "00000000-0000-0000-0000-000000000000"
	path := "/servicePrincipals/" + client.PrincipalID + "/appRoleAssignments"
	body := func(changes ...string) map[string]any {
		all := map[string]any{"principalId": client.PrincipalID, "resourceId": api.PrincipalID, "appRoleId": none}
		for i := 0; i+1 < len(changes); i += 2 {
			all[changes[i]] = changes[i+1]
		}
		return all
	}
	for name, c := range map[string]struct {
		body   map[string]any
		status int
	}{
		"appId for an object id":     {body("principalId", client.AppID), 404},
		"object id of application":   {body("resourceId", api.ObjectID), 404},
		"a role that does not exist": {body("appRoleId", api.AppID), 400},
		"another principal":          {body("principalId", w.manager.PrincipalID), 400},
		"no GUID":                    {body("appRoleId", "upload"), 400},
	} {
		if a := w.call("POST", path, c.body); a.status != c.status {
			t.Errorf("%s: status %d, want %d", name, a.status, c.status)
		}
	}
	made := w.must(201, "POST", path, body())
	if a := w.call("POST", path, body()); a.status != 400 || !strings.Contains(a.text("error", "message"), "already exists") {
		t.Errorf("a second assignment: status %d", a.status)
	}
	for _, list := range []string{path, "/servicePrincipals/" + api.PrincipalID + "/appRoleAssignedTo"} {
		if a := w.must(200, "GET", list, nil); len(a.list()) != 1 || a.list()[0]["id"] != made.text("id") {
			t.Errorf("%s: %v", list, a.list())
		}
	}
	if a := w.must(200, "GET", "/servicePrincipals/"+api.PrincipalID+"/appRoleAssignments", nil); len(a.list()) != 0 {
		t.Error("the API has its client's assignment")
	}
	w.must(204, "DELETE", path+"/"+made.text("id"), nil)
	w.must(404, "DELETE", path+"/"+made.text("id"), nil)
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 7 {
		w.must(201, "POST", "/applications", map[string]any{"displayName": fmt.Sprintf("web-%02d", i), "tags": []string{"paged"}})
	}
	seen := map[string]bool{}
	next, pages := "/applications?$top=3&$select=displayName&$filter="+escape("tags/any(t:t eq 'paged')"), 0
	for ; next != ""; pages++ {
		a := w.must(200, "GET", next, nil)
		for _, one := range a.list() {
			seen[one["displayName"].(string)] = true
		}
		next = a.text("@odata.nextLink")
	}
	if pages != 3 || len(seen) != 7 {
		t.Errorf("%d applications on %d pages", len(seen), pages)
	}
}

func TestReplicationLag(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant.SetReplicationLag(time.Minute)
	app := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-01"})
	read := "/applications(appId='" + app.text("appId") + "')"
	for i, want := range []int{404, 200, 404, 200} {
		if a := w.call("GET", read, nil); a.status != want {
			t.Errorf("read %d: status %d, want %d", i, a.status, want)
		}
	}
	if a := w.call("POST", "/servicePrincipals", map[string]any{"appId": app.text("appId")}); a.status != 400 || !strings.Contains(a.text("error", "message"), "does not reference a valid application object") {
		t.Errorf("a service principal at once: status %d", a.status)
	}
	w.must(201, "POST", "/servicePrincipals", map[string]any{"appId": app.text("appId")})
	w.must(404, "POST", "/applications/"+app.text("id")+"/addPassword", map[string]any{})
	w.must(200, "POST", "/applications/"+app.text("id")+"/addPassword", map[string]any{})
	w.sleep(2 * time.Minute)
	for range 3 {
		w.must(200, "GET", read, nil)
	}
	w.tenant.SetReplicationLag(0)
	fresh := w.must(201, "POST", "/applications", map[string]any{"displayName": "web-02"})
	w.must(200, "GET", "/applications/"+fresh.text("id"), nil)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	step := func(id, method, url string, body any, after ...string) map[string]any {
		return map[string]any{"id": id, "method": method, "url": url, "body": body, "dependsOn": after, "headers": map[string]string{"Content-Type": "application/json"}}
	}
	a := w.must(200, "POST", "/$batch", map[string]any{"requests": []any{
		step("1", "POST", "/applications", map[string]any{"displayName": "web-01"}),
		step("2", "GET", "applications/11111111-1111-4111-8111-111111111111", nil),
		step("3", "GET", "/applications", nil, "2"),
		step("4", "GET", "/applications?$select=id", nil, "1"),
		step("5", "POST", "/$batch", map[string]any{}),
	}})
	statuses := map[string]float64{}
	for _, one := range a.body["responses"].([]any) {
		statuses[one.(map[string]any)["id"].(string)] = one.(map[string]any)["status"].(float64)
	}
	for id, want := range map[string]float64{"1": 201, "2": 404, "3": 424, "4": 200, "5": 400} {
		if statuses[id] != want {
			t.Errorf("request %s: status %v, want %v", id, statuses[id], want)
		}
	}
	many := []any{}
	for i := range 21 {
		many = append(many, step(fmt.Sprint(i), "GET", "/applications", nil))
	}
	w.must(400, "POST", "/$batch", map[string]any{"requests": many})
}

func TestEdge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edge.Limits().Set("graph", edge.Settings{Rate: 0.1, Burst: 1})
	w.must(200, "GET", "/applications", nil)
	if a := w.call("GET", "/applications", nil); a.status != 429 || a.text("error", "code") != "TooManyRequests" || a.header.Get("Retry-After") == "" {
		t.Errorf("beyond the rate: status %d", a.status)
	}
	w.edge.Limits().Set("graph", edge.Settings{})
	w.call("POST", "/applications(appId='x')/addPassword", nil)
	calls := w.edge.Calls().Calls()
	last := calls[len(calls)-1]
	if last.Service != "graph" || last.Operation != "POST /applications(appId)/addPassword" || last.Caller != w.manager.AppID {
		t.Errorf("the journal says %+v", last)
	}
	if first := calls[0]; first.Service != "entra" || first.Operation != "POST /oauth2/v2.0/token" || first.Status != http.StatusOK {
		t.Errorf("the journal says %+v", first)
	}
}
