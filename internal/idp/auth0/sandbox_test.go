package auth0_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
	sandbox "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// world is a tenant of the sandbox behind its edge, and the adapter that manages it.
type world struct {
	edge     *edge.Edge
	tenant   *sandbox.Tenant
	provider *auth0.Provider
}

// open starts a tenant. Without scopes the adapter gets its token with a client secret and may do everything.
func open(t *testing.T, observe func(ratelimit.Event), scopes ...string) *world {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	domain := server.Listener.Addr().String()
	tenant, err := sandbox.New(sandbox.Config{Now: time.Now, Domain: domain})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.AddAPI("upload", "urn:upload", "rfc9068_profile"); err != nil {
		t.Fatal(err)
	}
	w := &world{edge: edge.New(time.Now), tenant: tenant}
	server.Config.Handler = w.edge.Wrap(tenant)
	server.StartTLS()
	t.Cleanup(server.Close)
	config := auth0.Config{Domain: domain, HTTPClient: server.Client(), Observe: observe}
	if len(scopes) == 0 {
		config.ClientID, config.ClientSecret = tenant.AddManagementClient("terraform", sandbox.AllScopes()...)
	} else if config.Token, err = tenant.ManagementToken(t.Context(), scopes, 3600); err != nil {
		t.Fatal(err)
	}
	if w.provider, err = auth0.New(config); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) calls(operation string) int {
	n := 0
	for _, call := range w.edge.Calls().Calls() {
		if call.Operation == operation {
			n++
		}
	}
	return n
}

func (w *world) fault(t *testing.T, f edge.Fault) {
	t.Helper()
	if err := w.edge.Faults().Add(f); err != nil {
		t.Fatal(err)
	}
}

func spec(keys ...string) idp.Spec {
	s := idp.Spec{Name: "oidc-s3-dev-web-01", Description: "S3 access of server web-01 (dev)", OnboardingID: "onb-1", Server: "web-01",
		Environment: "dev", Audience: "urn:upload", Method: idp.ClientSecret, PublicKeys: keys}
	if len(keys) > 0 {
		s.Method = idp.PrivateKeyJWT
	}
	return s
}

func lookup(id string) idp.Lookup {
	return idp.Lookup{ID: id, OnboardingID: "onb-1", Audience: "urn:upload", Fresh: true}
}

// converge applies what deviates, looking after every ambiguous attempt as the controller does.
func (w *world) converge(ctx context.Context, t *testing.T, c *idp.Client, s idp.Spec) {
	t.Helper()
	for _, part := range w.provider.Parts() {
		for try := 0; len(part.Deviations(*c, s)) > 0; try++ {
			if try == 4 {
				t.Fatalf("%s still deviates: %q", part.Name, part.Deviations(*c, s))
			}
			err := part.Apply(ctx, c, s)
			if err == nil {
				continue
			}
			if !apierror.Is(err, apierror.Ambiguous) {
				t.Fatalf("apply %s: %v", part.Name, err)
			}
			found, err := w.provider.Find(ctx, lookup(c.ID))
			if err != nil && !apierror.Is(err, apierror.NotFound) {
				t.Fatal(err)
			}
			*c = found
		}
	}
}

func (w *world) check(ctx context.Context, t *testing.T, id string, s idp.Spec) idp.Client {
	t.Helper()
	c, err := w.provider.Find(ctx, lookup(id))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range w.provider.Parts() {
		if rest := part.Deviations(c, s); len(rest) > 0 {
			t.Errorf("%s deviates: %q", part.Name, rest)
		}
	}
	return c
}

func publicKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestLifeInTheSandbox(t *testing.T) {
	t.Parallel()
	w := open(t, nil)
	first, second := publicKey(t), publicKey(t)
	var c idp.Client
	var secrets []string
	for i, s := range []idp.Spec{spec(), spec(first), spec(first, second), spec(second), spec()} {
		w.converge(t.Context(), t, &c, s)
		found := w.check(t.Context(), t, c.ID, s)
		if found.Method != s.Method || found.Secret != c.Secret || (found.Secret == "") != (s.Method == idp.PrivateKeyJWT) {
			t.Errorf("step %d: method %s", i, found.Method)
		}
		c = found
		if c.Secret != "" {
			secrets = append(secrets, c.Secret.Reveal())
		}
	}
	if len(secrets) != 2 || secrets[0] == secrets[1] {
		t.Error("the client's first secret works again")
	}
	if n := w.calls("POST /oauth/token"); n != 1 {
		t.Errorf("%d management tokens were fetched, want 1", n)
	}
	for range 2 {
		if err := w.provider.Delete(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.provider.Find(t.Context(), lookup(c.ID)); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestEveryFaultAtEveryWrite(t *testing.T) {
	t.Parallel()
	key := publicKey(t)
	writes := map[string][]string{
		"secret": {"POST /api/v2/clients", "POST /api/v2/client-grants"},
		"key":    {"POST /api/v2/clients", "PATCH /api/v2/clients/{id}", "POST /api/v2/client-grants"},
		"switch": {"POST /api/v2/clients/{id}/credentials", "PATCH /api/v2/clients/{id}"},
		"back":   {"PATCH /api/v2/clients/{id}", "POST /api/v2/clients/{id}/rotate-secret", "DELETE /api/v2/clients/{id}/credentials/{credential}"},
	}
	from := map[string]idp.Spec{"switch": spec(), "back": spec(key)}
	to := map[string]idp.Spec{"secret": spec(), "key": spec(key), "switch": spec(key), "back": spec()}
	for scenario, operations := range writes {
		for _, operation := range operations {
			for _, kind := range []string{edge.DropBefore, edge.DropAfter, edge.ErrorAfter, edge.InternalError, edge.TooManyRequests} {
				t.Run(scenario+" "+operation+" "+kind, func(t *testing.T) {
					t.Parallel()
					w := open(t, nil)
					var c idp.Client
					if start, ok := from[scenario]; ok {
						w.converge(t.Context(), t, &c, start)
					}
					w.fault(t, edge.Fault{Operation: operation, Nth: 1, Kind: kind, RetryAfter: "0"})
					w.converge(t.Context(), t, &c, to[scenario])
					found := w.check(t.Context(), t, c.ID, to[scenario])
					if found.Secret != c.Secret {
						t.Error("the secret that was handed out is not the client's")
					}
					if same, err := w.provider.Find(t.Context(), lookup("")); err != nil || same.ID != c.ID {
						t.Errorf("by its onboarding id: %v", err) // a second client would be a conflict
					}
				})
			}
		}
	}
}

func TestRateLimitOfTheSandbox(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refused := 0
	w := open(t, func(e ratelimit.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Reason == ratelimit.Refused {
			refused++
		}
	})
	w.edge.Limits().Set("auth0", edge.Settings{Rate: 20, Burst: 5})
	begun := time.Now()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			s := spec()
			s.OnboardingID = fmt.Sprint("onb-", i)
			var c idp.Client
			w.converge(t.Context(), t, &c, s)
		})
	}
	all.Wait()
	if made := w.calls("POST /api/v2/clients"); made > 10+refused {
		t.Errorf("%d creates for 10 clients and %d refusals", made, refused)
	}
	t.Logf("20 calls at 20 a second took %s, with %d refusals", time.Since(begun).Round(time.Millisecond), refused)
	if refused > 5 || time.Since(begun) > 20*time.Second {
		t.Errorf("%d refusals in %s", refused, time.Since(begun))
	}
}

func TestMissingScopesAreNamed(t *testing.T) {
	t.Parallel()
	all := sandbox.AllScopes()
	for scope, do := range map[string]func(w *world) error{
		"create:clients": func(w *world) error {
			var c idp.Client
			return w.provider.Parts()[0].Apply(t.Context(), &c, spec())
		},
		"read:clients": func(w *world) error {
			_, err := w.provider.Find(t.Context(), lookup("x"))
			return err
		},
		"delete:clients": func(w *world) error { return w.provider.Delete(t.Context(), idp.Client{ID: "x"}) },
		"read:resource_servers": func(w *world) error {
			_, err := w.provider.API(t.Context(), "urn:upload")
			return err
		},
	} {
		t.Run(scope, func(t *testing.T) {
			w := open(t, nil, slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == scope })...)
			err := do(w)
			if !apierror.Is(err, apierror.Denied) || !strings.Contains(err.Error(), "it needs one of: "+scope) {
				t.Errorf("got %v", err)
			}
		})
	}
}
