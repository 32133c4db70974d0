package auth0_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const (
	plainAPI = "https://plain.example.com"
	azpAPI   = "https://azp.example.com"
)

// world is a tenant behind its edge, on a clock of the test's own, with the vendor's client of it.
type world struct {
	t      *testing.T
	tenant *auth0.Tenant
	edge   *edge.Edge
	http   *http.Client

	mu    sync.Mutex
	clock time.Time
}

func open(t *testing.T) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	w := &world{t: t, clock: time.Now().Truncate(time.Second)}
	var err error
	if w.tenant, err = auth0.New(auth0.Config{Now: w.now, Domain: server.Listener.Addr().String()}); err != nil {
		t.Fatal(err)
	}
	for identifier, dialect := range map[string]string{plainAPI: "rfc9068_profile", azpAPI: "access_token"} {
		if err := w.tenant.AddAPI(dialect, identifier, dialect); err != nil {
			t.Fatal(err)
		}
	}
	w.edge = edge.New(w.now)
	server.Config.Handler = w.edge.Wrap(w.tenant)
	server.StartTLS()
	t.Cleanup(server.Close)
	w.http = server.Client()
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// bearer is a token for the Management API with the scopes, or with all of them where none is named.
func (w *world) bearer(scopes ...string) string {
	w.t.Helper()
	if len(scopes) == 0 {
		scopes = auth0.AllScopes()
	}
	token, err := w.tenant.ManagementToken(w.t.Context(), scopes, 3600)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// api is Auth0's own client of the Management API.
func (w *world) api(scopes ...string) *management.Management {
	w.t.Helper()
	m, err := management.New(w.tenant.Domain(), management.WithStaticToken(w.bearer(scopes...)), management.WithClient(w.http), management.WithNoRetries())
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// reply is what an endpoint answered. Its object is nil where the body is none.
type reply struct {
	status int
	header http.Header
	object map[string]any
}

func (r reply) text(field string) string {
	text, _ := r.object[field].(string)
	return text
}

// send makes one request. The path is as it goes over the wire; headers are pairs of a name and a value.
func (w *world) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, "https://"+w.tenant.Domain()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header}
	if len(raw) > 0 && json.Unmarshal(raw, &r.object) != nil {
		r.object = nil // an array, which no caller of send looks into
	}
	return r
}

// manage makes one request to the Management API with every scope.
func (w *world) manage(method, path, body string) reply {
	w.t.Helper()
	return w.send(method, "/api/v2/"+path, body, "Authorization", "Bearer "+w.bearer(), "Content-Type", "application/json")
}

// client makes a machine-to-machine client with a secret, and with grants for the APIs.
func (w *world) client(ctx context.Context, audiences ...string) *management.Client {
	w.t.Helper()
	c := &management.Client{Name: p("server"), AppType: p("non_interactive"), GrantTypes: &[]string{"client_credentials"},
		OIDCConformant: p(true), TokenEndpointAuthMethod: p("client_secret_post")}
	if err := w.api().Client.Create(ctx, c); err != nil {
		w.t.Fatal(err)
	}
	for _, audience := range audiences {
		w.grant(ctx, c.GetClientID(), audience)
	}
	return c
}

func (w *world) grant(ctx context.Context, clientID, audience string, scopes ...string) *management.ClientGrant {
	w.t.Helper()
	scope := append([]string{}, scopes...)
	g := &management.ClientGrant{ClientID: &clientID, Audience: &audience, Scope: &scope}
	if err := w.api().ClientGrant.Create(ctx, g); err != nil {
		w.t.Fatal(err)
	}
	return g
}

func p[T any](v T) *T { return &v }
