package entra_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

const (
	allRoles   = "Application.ReadWrite.All AppRoleAssignment.ReadWrite.All"
	identifier = "api://oidc-s3"
)

// world is a tenant behind two TLS servers, with a clock that tests turn.
type world struct {
	t       *testing.T
	tenant  *entra.Tenant
	client  *http.Client
	edge    *edge.Edge
	login   string // host:port
	graph   string
	skew    atomic.Int64
	manager entra.Application
	secret  string
	bearer  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	login, graph := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	w := &world{t: t, login: login.Listener.Addr().String(), graph: graph.Listener.Addr().String()}
	tenant, err := entra.New(entra.Config{Now: w.now, LoginHost: w.login, GraphHost: w.graph})
	if err != nil {
		t.Fatal(err)
	}
	w.tenant, w.edge = tenant, edge.New(w.now)
	login.Config.Handler, graph.Config.Handler = w.edge.Wrap(tenant.Login()), w.edge.Wrap(tenant.Graph())
	for _, server := range []*httptest.Server{login, graph} {
		server.StartTLS()
		t.Cleanup(server.Close)
	}
	w.client = login.Client() // both have the same certificate
	if w.manager, w.secret, err = tenant.AddManagementClient("terraform", strings.Fields(allRoles)...); err != nil {
		t.Fatal(err)
	}
	w.bearer = w.graphToken(w.manager.AppID, w.secret)
	return w
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

func (w *world) sleep(d time.Duration) { w.skew.Add(int64(d)) }

// answer is what a service said.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(path ...string) string {
	text, _ := a.at(path...).(string)
	return text
}

func (a answer) at(path ...string) any {
	var value any = a.body
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

func (a answer) list() []map[string]any {
	var objects []map[string]any
	values, _ := a.body["value"].([]any)
	for _, value := range values {
		object, _ := value.(map[string]any)
		objects = append(objects, object)
	}
	return objects
}

func (w *world) send(request *http.Request) answer {
	w.t.Helper()
	response, err := w.client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &a.body); err != nil {
			w.t.Fatalf("%s %s: the answer is no JSON object: %v", request.Method, request.URL.Path, err)
		}
	}
	return a
}

func (w *world) request(method, uri string, body io.Reader) *http.Request {
	w.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, uri, body)
	if err != nil {
		w.t.Fatal(err)
	}
	return request
}

// call calls Graph with the management client's token; headers come in pairs.
func (w *world) call(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	return w.callAs(w.bearer, method, path, body, headers...)
}

func (w *world) callAs(bearer, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	uri := path
	if !strings.HasPrefix(path, "https://") {
		uri = "https://" + w.graph + "/v1.0" + path
	}
	request := w.request(method, uri, reader)
	request.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return w.send(request)
}

// must calls Graph and expects a status.
func (w *world) must(status int, method, path string, body any, headers ...string) answer {
	w.t.Helper()
	a := w.call(method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s: status %d with %s, want %d", method, path, a.status, a.text("error", "message"), status)
	}
	return a
}

// token asks the token endpoint; the form comes in pairs.
func (w *world) token(form ...string) answer {
	w.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		if form[i+1] != "" {
			values.Set(form[i], form[i+1])
		}
	}
	request := w.request(http.MethodPost, "https://"+w.login+"/"+w.tenant.ID()+"/oauth2/v2.0/token", strings.NewReader(values.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(request)
}

func (w *world) secretToken(id, secret, scope string) answer {
	w.t.Helper()
	return w.token("grant_type", "client_credentials", "client_id", id, "client_secret", secret, "scope", scope)
}

func (w *world) graphToken(id, secret string) string {
	w.t.Helper()
	a := w.secretToken(id, secret, "https://"+w.graph+"/.default")
	if a.status != http.StatusOK {
		w.t.Fatalf("no token for Graph: %s", a.text("error_description"))
	}
	return a.text("access_token")
}

// api makes a protected API.
func (w *world) api(api entra.API) entra.Application {
	w.t.Helper()
	made, err := w.tenant.AddApplication(api)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}
