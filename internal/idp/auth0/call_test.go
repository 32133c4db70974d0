package auth0

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

func TestErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault, body string
		kind        apierror.Kind
		text        string
	}{
		"invalid":     {"400", `{"statusCode":400,"message":"Payload validation error","errorCode":"invalid_body"}`, apierror.Invalid, "invalid_body: Payload validation error"},
		"token":       {"401", `{"statusCode":401,"message":"Expired token received"}`, apierror.Denied, "the management token is not accepted: Expired token received"},
		"scope":       {"403", `{"statusCode":403,"message":"Insufficient scope, expected any of: create:clients","errorCode":"insufficient_scope"}`, apierror.Denied, "insufficient_scope: the management token lacks a scope; it needs one of: create:clients"},
		"entitlement": {"403", `{"statusCode":403,"message":"This feature is not enabled for this tenant.","errorCode":"insufficient_entitlement"}`, apierror.Denied, "This feature is not enabled"},
		"missing":     {"404", `{"statusCode":404,"message":"The client does not exist","errorCode":"inexistent_client"}`, apierror.NotFound, "inexistent_client: The client does not exist"},
		"exists":      {"409", `{"statusCode":409,"message":"exists"}`, apierror.Exists, "exists"},
		"server":      {"500", `<html>secret-body</html>`, apierror.Ambiguous, "Internal Server Error"},
		"gateway":     {"503", ``, apierror.Ambiguous, "Service Unavailable"},
		"redirected":  {"304", ``, apierror.Invalid, "Not Modified"},
		"lost":        {"drop", ``, apierror.Ambiguous, "sent, but no answer came"},
		"cut off":     {"201", `{"client_id":`, apierror.Ambiguous, "answer that cannot be read"},
		"no client":   {"201", `{}`, apierror.Ambiguous, "names no client"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newTenant()
			a.fault, a.refusal = func(string) string { return test.fault }, test.body
			p := start(t, a)
			var c idp.Client
			err := p.Parts()[0].Apply(t.Context(), &c, secretSpec())
			if !apierror.Is(err, test.kind) || !strings.Contains(err.Error(), test.text) || c.Exists() {
				t.Errorf("got %v: %v, want %v: …%s…", apierror.KindOf(err), err, test.kind, test.text)
			}
			for _, secret := range []string{"secret-body", "management-token", "onb-1"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q", secret)
				}
			}
			if n := len(a.calls); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	domain := strings.TrimPrefix(server.URL, "https://")
	untrusted, err := New(Config{Domain: domain, Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	unresolved, err := New(Config{Domain: "tenant.invalid", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, p *Provider) {
		var c idp.Client
		if err := p.Parts()[0].Apply(t.Context(), &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
			t.Errorf("%s: %v: %v, want unavailable", name, apierror.KindOf(err), err)
		}
	}
	check("certificate not trusted", untrusted)
	check("no such host", unresolved)
	server.Close()
	check("connection refused", untrusted)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var c idp.Client
	if err := untrusted.Parts()[0].Apply(ended, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("ended context: %v", err)
	}
}

func TestContextEndsOnTheWay(t *testing.T) {
	t.Parallel()
	a := newTenant()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.fault = func(string) string { cancel(); return "drop-after" }
	p := start(t, a)
	var c idp.Client
	if err := p.Parts()[0].Apply(ctx, &c, secretSpec()); !apierror.Is(err, apierror.Ambiguous) {
		t.Errorf("got %v: %v, want ambiguous: the client may be there", apierror.KindOf(err), err)
	}
	a.fault = nil
	a.header, a.refusal = http.Header{"Retry-After": {"60"}}, `{"statusCode":429,"message":"Global limit has been reached"}`
	waiting, stop := context.WithCancel(t.Context())
	defer stop()
	p = start(t, a, func(c *Config) {
		c.Observe = func(e ratelimit.Event) {
			if e.Reason == ratelimit.Refused {
				stop()
			}
		}
	})
	a.mu.Lock()
	a.fault = func(string) string { return "429" }
	a.mu.Unlock()
	if err := p.Parts()[0].Apply(waiting, &c, secretSpec()); !apierror.Is(err, apierror.Unavailable) {
		t.Errorf("got %v: %v, want unavailable: it was refused", apierror.KindOf(err), err)
	}
}

func TestReadsAreRepeatedWritesAreNot(t *testing.T) {
	t.Parallel()
	a := newTenant()
	p := start(t, a)
	a.fault = func(string) string { return "503" }
	if _, err := p.Find(t.Context(), idp.Lookup{ID: "x"}); !apierror.Is(err, apierror.Ambiguous) {
		t.Error(err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "x"}); !apierror.Is(err, apierror.Ambiguous) {
		t.Error(err)
	}
	if want := []string{"GET clients/id", "GET clients/id", "GET clients/id", "DELETE clients/id"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls %q, want %q", a.calls, want)
	}
}

func TestStormOf429(t *testing.T) {
	t.Parallel()
	a := newTenant()
	a.refusal = `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`
	a.header = http.Header{"Retry-After": {"0"}}
	refused := 0
	a.fault = func(string) string {
		if refused++; refused <= 5 {
			return "429"
		}
		return ""
	}
	var mu sync.Mutex
	events := 0
	p := start(t, a, func(c *Config) {
		c.Observe = func(e ratelimit.Event) {
			if e.Reason == ratelimit.Refused {
				mu.Lock()
				events++
				mu.Unlock()
			}
		}
	})
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			spec := secretSpec()
			spec.OnboardingID = fmt.Sprint(i)
			var c idp.Client
			for _, part := range []int{0, 3} {
				if err := p.Parts()[part].Apply(t.Context(), &c, spec); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if len(a.clients) != 10 || len(a.grants) != 10 || len(a.calls) != 25 || events != 5 {
		t.Errorf("%d clients, %d grants, %d calls, %d refusals seen; want 10, 10, 25, 5", len(a.clients), len(a.grants), len(a.calls), events)
	}
	a.header = http.Header{"Retry-After": {"86400"}}
	refused = 0
	if err := p.Delete(t.Context(), idp.Client{ID: "client0001"}); !apierror.Is(err, apierror.Throttled) || !strings.Contains(err.Error(), "Global limit") {
		t.Errorf("got %v", err)
	}
	if err := p.Delete(t.Context(), idp.Client{ID: "client0001"}); !apierror.Is(err, apierror.Throttled) {
		t.Errorf("got %v", err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no domain": {Token: "t"}, "a path": {Domain: "tenant.auth0.com/api", Token: "t"}, "no credentials": {Domain: "d"},
		"two credentials": {Domain: "d", Token: "t", ClientID: "i", ClientSecret: "s"}, "no client id": {Domain: "d", ClientSecret: "s"},
		"no algorithm": {Domain: "d", ClientID: "i", ClientAssertionPrivateKey: "k"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestManagementToken(t *testing.T) {
	t.Parallel()
	a := newTenant()
	tokens, status := 0, 200
	mux := http.NewServeMux()
	mux.Handle("/api/v2/", a)
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		tokens++
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != 200 {
			_, _ = fmt.Fprint(w, `{"error":"access_denied","error_description":"Unauthorized","echo":"hunter2"}`)
			return
		}
		if r.FormValue("grant_type") != "client_credentials" || !strings.HasSuffix(r.FormValue("audience"), "/api/v2/") {
			t.Errorf("token request with %v", r.Form)
		}
		_, _ = fmt.Fprint(w, `{"access_token":"management-token","token_type":"Bearer","expires_in":86400}`)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	config := Config{Domain: strings.TrimPrefix(server.URL, "https://"), ClientID: "me", ClientSecret: "hunter2", HTTPClient: server.Client()}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if tokens != 0 {
		t.Error("a token was fetched before it was needed")
	}
	first, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, ctx := range []context.Context{first, t.Context()} {
		if _, err := p.API(ctx, "urn:upload"); err != nil {
			t.Error(err)
		}
		if err := p.Delete(ctx, idp.Client{ID: "x"}); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if tokens != 1 {
		t.Errorf("%d tokens were fetched, want 1", tokens)
	}
	for code, kind := range map[int]apierror.Kind{403: apierror.Denied, 500: apierror.Unavailable} {
		status = code
		p, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Delete(t.Context(), idp.Client{ID: "x"})
		if !apierror.Is(err, kind) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "no management token") {
			t.Errorf("%d: got %v: %v", code, apierror.KindOf(err), err)
		}
	}
}
