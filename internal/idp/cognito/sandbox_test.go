package cognito_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	sandbox "github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

// everybody lets every request through.
type everybody struct{}

func (everybody) Authenticate(*http.Request, string) (authz.Caller, sigv4.Signed, error) {
	return authz.Caller{Admin: true}, sigv4.Signed{PayloadHash: "UNSIGNED-PAYLOAD"}, nil
}

func (everybody) Authorize(*http.Request, authz.Caller, string, string, map[string][]string, string) error {
	return nil
}

// world is a user pool of the sandbox behind its edge, and the adapter that manages it.
type world struct {
	t        *testing.T
	edge     *edge.Edge
	domain   *httptest.Server
	pool     string
	issuer   string
	provider *cognito.Provider
	since    time.Time // when the server's role would have been made
}

func open(t *testing.T) *world {
	t.Helper()
	api, domain := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	service := sandbox.New(sandbox.Config{Now: time.Now, AccountID: "123456789012", Region: "eu-west-1", Partition: "aws", Guard: everybody{},
		Host: domain.Listener.Addr().String()})
	w := &world{t: t, edge: edge.New(time.Now), domain: domain, since: time.Now()}
	for server, one := range map[*httptest.Server]edge.Service{api: service, domain: service.Domain()} {
		server.Config.Handler, server.Config.ErrorLog = w.edge.Wrap(one), log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
	}
	var err error
	if w.pool, err = service.CreatePool(t.Context(), "pool", "oidc-s3", map[string][]string{"s3": {"upload", "read"}}); err != nil {
		t.Fatal(err)
	}
	w.issuer = service.Issuer(w.pool)
	w.provider, err = cognito.New(cognito.Config{
		Client: cognitoidp.New(cognitoidp.Options{
			BaseEndpoint: &api.URL, Region: "eu-west-1", HTTPClient: api.Client(), APIOptions: awsanswer.Options(),
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", ""),
		}),
		PoolID: w.pool, Domain: domain.Listener.Addr().String(), Issuer: w.issuer, Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// converge applies what deviates, looking after every ambiguous attempt as the controller does.
func (w *world) converge(c *idp.Client, s idp.Spec) {
	w.t.Helper()
	one := part(w.t, w.provider)
	for try := 0; len(one.Deviations(*c, s)) > 0; try++ {
		if try == 4 {
			w.t.Fatalf("the app client still deviates: %q", one.Deviations(*c, s))
		}
		err := one.Apply(w.t.Context(), c, s)
		if err == nil {
			continue
		}
		if !apierror.Is(err, apierror.Ambiguous) {
			w.t.Fatalf("apply: %v", err)
		}
		found, err := w.provider.Find(w.t.Context(), idp.Lookup{ID: c.ID, Name: s.Name, OnboardingID: s.OnboardingID, Since: w.since, Fresh: true})
		if err != nil && !apierror.Is(err, apierror.NotFound) {
			w.t.Fatal(err)
		}
		*c = found
	}
}

// token asks the pool's domain for one.
func (w *world) token(c idp.Client, scope string) int {
	w.t.Helper()
	form := strings.NewReader(url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}.Encode())
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.domain.URL+"/oauth2/token", form)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(c.ID, c.Secret.Reveal())
	response, err := w.domain.Client().Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

func TestLifeInTheSandbox(t *testing.T) {
	t.Parallel()
	w := open(t)
	api, err := w.provider.API(t.Context(), w.pool)
	if err != nil {
		t.Fatal(err)
	}
	if api.Issuer != w.issuer || api.TokenEndpoint != w.domain.URL+"/oauth2/token" || !slices.Equal(api.Scopes, []string{"s3/read", "s3/upload"}) {
		t.Errorf("API %+v", api)
	}
	both := spec()
	both.Scopes = []string{"s3/upload", "s3/read"}
	var c idp.Client
	for i, one := range []struct {
		spec idp.Spec
		read int // status of a token for s3/read
	}{{spec(), 400}, {both, 200}, {spec(), 400}} {
		before := c
		w.converge(&c, one.spec)
		if before.Exists() && (before.ID != c.ID || before.Secret != c.Secret) {
			t.Errorf("step %d: another client or secret", i)
		}
		if status := w.token(c, "s3/upload"); status != http.StatusOK {
			t.Errorf("step %d: status %d for a token", i, status)
		}
		if status := w.token(c, "s3/read"); status != one.read {
			t.Errorf("step %d: status %d for a token to read, want %d", i, status, one.read)
		}
	}
	nonsense := spec()
	nonsense.Scopes = []string{"s3/nonsense"}
	if err := part(t, w.provider).Apply(t.Context(), &c, nonsense); !apierror.Is(err, apierror.Invalid) {
		t.Errorf("a scope that does not exist: %v", err)
	}
	for range 2 {
		if err := w.provider.Delete(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.provider.Find(t.Context(), idp.Lookup{ID: c.ID}); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("deleted: %v", err)
	}
	if status := w.token(c, "s3/upload"); status == http.StatusOK {
		t.Error("a deleted client gets tokens")
	}
}

func TestEveryFaultAtEveryWrite(t *testing.T) {
	t.Parallel()
	narrow := spec()
	narrow.Scopes = []string{"s3/read"}
	for operation, from := range map[string][]idp.Spec{"CreateUserPoolClient": nil, "UpdateUserPoolClient": {narrow}} {
		for _, kind := range []string{edge.DropBefore, edge.DropAfter, edge.ErrorAfter, edge.InternalError, edge.TooManyRequests} {
			t.Run(operation+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := open(t)
				var c idp.Client
				for _, start := range from {
					w.converge(&c, start)
				}
				if err := w.edge.Faults().Add(edge.Fault{Operation: operation, Nth: 1, Kind: kind}); err != nil {
					t.Fatal(err)
				}
				w.converge(&c, spec())
				found, err := w.provider.Find(t.Context(), idp.Lookup{Name: spec().Name}) // a second client would be a conflict
				if err != nil || found.ID != c.ID || found.Secret != c.Secret || len(part(t, w.provider).Deviations(found, spec())) > 0 {
					t.Errorf("found %q: %v", found.ID, err)
				}
				fired := slices.ContainsFunc(w.edge.Calls().Calls(), func(call edge.Call) bool { return call.Fault == kind })
				if !fired {
					t.Error("the fault was never met")
				}
			})
		}
	}
}
