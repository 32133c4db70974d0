package entra

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	graphError := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":"rid"}}}`, code, message)
	}
	tests := map[string]struct {
		fault, body string
		kind        apierror.Kind
		text        string
	}{
		"invalid":   {"400", graphError("Request_BadRequest", "Invalid value specified"), apierror.Invalid, "Request_BadRequest: Invalid value specified"},
		"token":     {"401", graphError("InvalidAuthenticationToken", "expired"), apierror.Denied, "expired"},
		"denied":    {"403", graphError("Authorization_RequestDenied", "Insufficient privileges"), apierror.Denied, "Insufficient privileges"},
		"exists":    {"400", graphError("Request_MultipleObjectsWithSameKeyValue", "twice"), apierror.Exists, "twice"},
		"changed":   {"412", graphError("x", "y"), apierror.Conflict, "y"},
		"server":    {"500", `<html>secret-body</html>`, apierror.Ambiguous, "Internal Server Error"},
		"gateway":   {"504", ``, apierror.Ambiguous, "Gateway Timeout"},
		"lost":      {"drop", ``, apierror.Ambiguous, "sent, but no answer came"},
		"throttled": {"429", graphError("TooManyRequests", "slow down"), apierror.Throttled, "slow down"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDirectory()
			d.header = http.Header{"Retry-After": {"86400"}}
			p := start(t, d)
			c := client(&found{app: application{appID: "x", objectID: "object-1"}})
			d.fault, d.refusal = func(string) string { return test.fault }, test.body
			err := p.Parts()[0].Apply(t.Context(), &c, secretSpec())
			if !apierror.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v: %v, want %v: …%s…", apierror.KindOf(err), err, test.kind, test.text)
			}
			for _, secret := range []string{"secret-body", "graph-token"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q", secret)
				}
			}
			if n := len(d.calls); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestThrottlingIsWaitedOut(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	d.header = http.Header{"Retry-After": {"0"}}
	d.refusal = `{"error":{"code":"TooManyRequests","message":"slow down"}}`
	refused := 0
	d.fault = func(string) string {
		if refused++; refused%2 == 1 {
			return "429"
		}
		return ""
	}
	p := start(t, d)
	var c idp.Client
	apply(t.Context(), t, p, &c, secretSpec())
	if len(d.applications) != 4 || len(list(d.applications[3]["passwordCredentials"])) != 1 {
		t.Errorf("%v", d.applications[3:])
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	p, err := New(Config{TenantID: tenantID, Credential: anyone{}, GraphURL: "https://" + host, LoginHost: host})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "x"}); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("connection refused: %v", err)
	}
}

func TestContextEndsOnTheWay(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	p := start(t, d)
	if _, err := p.API(t.Context(), apiURI); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.fault = func(string) string { cancel(); return "drop-after" }
	var c idp.Client
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Errorf("got %v: %v, want ambiguous: the application may be there", apierror.KindOf(err), err)
	}
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("got %v: %v, want unavailable: nothing was sent", apierror.KindOf(err), err)
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	status := 200
	mux := http.NewServeMux()
	mux.Handle("/", d)
	tokens := 0
	mux.HandleFunc("POST /"+tenantID+"/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		tokens++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != 200 {
			_, _ = fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. hunter2"}`)
			return
		}
		if r.FormValue("client_secret") != "hunter2" || !strings.HasSuffix(r.FormValue("scope"), "/.default") && !strings.Contains(r.FormValue("scope"), "/.default ") {
			t.Errorf("token request for %q", r.FormValue("scope"))
		}
		_, _ = fmt.Fprint(w, `{"access_token":"graph-token","token_type":"Bearer","expires_in":3600}`)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	d.url = server.URL
	config := Config{TenantID: tenantID, ClientID: "me", ClientSecret: "hunter2", GraphURL: server.URL, LoginHost: strings.TrimPrefix(server.URL, "https://"), HTTPClient: server.Client()}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.Delete(t.Context(), idp.Client{ID: "x"}); err != nil {
			t.Error(err)
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens, want 1", tokens)
	}
	status = 401
	if p, err = New(config); err != nil {
		t.Fatal(err)
	}
	err = p.Delete(t.Context(), idp.Client{ID: "x"})
	if !apierror.Is(err, apierror.Denied) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "AADSTS7000215") {
		t.Errorf("got %v: %v", apierror.KindOf(err), err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no tenant": {}, "graph without TLS": {TenantID: "t", GraphURL: "http://graph"}, "graph with a path": {TenantID: "t", GraphURL: "https://graph/v1.0"},
		"login with a path": {TenantID: "t", LoginHost: "login/x"}, "certificate": {TenantID: "t", ClientID: "c", ClientCertificate: []byte("x")},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
