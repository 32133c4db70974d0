package onboarding

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// cloud is a sandbox of one identity provider's own, and how to reach it as the provider does.
type cloud struct {
	kind    string
	sandbox *sandbox.Sandbox
	clock   hurried
	servers atomic.Int64
	ids     atomic.Int64
	early   []string
	hurry   bool // the next run of Terraform is impatient
	mu      sync.Mutex
}

// How long an adapter's transport waits for an answer to begin: longer than a busy machine takes, and, where an answer that
// comes too late is what a test is about, not long.
const (
	patience   = 30 * time.Second
	impatience = 400 * time.Millisecond
)

func newCloud(t *testing.T, kind string) *cloud {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := &cloud{kind: kind, sandbox: s, clock: hurried{begin: time.Now()}}
	if kind == "cognito" { // the role of a vending service, which nobody runs here
		spec := iam.RoleSpec{Name: "vending", TrustPolicy: access.DenyAll(), MaxSessionDuration: time.Hour}
		if _, err := c.terraform(t.Context(), nil, nil).c.roles.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// hurried is a clock that runs ten times faster than time.
type hurried struct{ begin time.Time }

const hurry = 10

func (h hurried) Now() time.Time { return h.begin.Add(time.Since(h.begin) * hurry) }

func (h hurried) Sleep(ctx context.Context, d time.Duration) error {
	return systemClock{}.Sleep(ctx, d/hurry)
}

// counting tells a hook of every request that is about to be sent.
type counting struct {
	base http.RoundTripper
	hook func(n int)
	n    *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.hook(int(c.n.Add(1)))
	return c.base.RoundTrip(r)
}

// terraform is a run of Terraform with adapters of its own, as every run has. hook hears of its requests.
func (c *cloud) terraform(ctx context.Context, hook func(int), known *remembered) terraform {
	if hook == nil {
		hook = func(int) {}
	}
	client := c.sandbox.Client()
	transport, _ := client.Transport.(*http.Transport)
	transport.ResponseHeaderTimeout = patience
	if c.hurry {
		transport.ResponseHeaderTimeout = impatience
	}
	transport.IdleConnTimeout = time.Second // thousands of runs follow one another
	client = &http.Client{Transport: counting{transport, hook, &atomic.Int64{}}}
	env := c.sandbox.Env()
	config := aws.Config{
		Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""),
		APIOptions:  awsanswer.Options(),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 4, 5*time.Millisecond })
		},
	}
	roles := iam.New(awsiam.NewFromConfig(config), iam.WithClock(c.clock))
	clients, err := c.provider(config, client, env)
	if err != nil {
		panic(err)
	}
	controller := New(Config{
		Roles: watched{roles, c}, Clients: clients, Clock: c.clock,
		Mappings: rolemap.New(dynamodb.NewFromConfig(config), rolemap.WithSleep(c.clock.Sleep)),
		NewID:    func() string { return fmt.Sprintf("onboarding-%d", c.ids.Add(1)) },
	})
	return terraform{ctx: ctx, c: controller, known: known, adopts: func() bool { return true },
		role: func(name string) (iam.Role, error) { return roles.Read(context.WithoutCancel(ctx), name) }}
}

func (c *cloud) provider(config aws.Config, client *http.Client, env map[string]string) (idp.Provider, error) {
	switch c.kind {
	case "entra":
		return entra.New(entra.Config{TenantID: env["ARM_TENANT_ID"], ClientID: env["ARM_CLIENT_ID"], ClientSecret: env["ARM_CLIENT_SECRET"],
			GraphURL: env["OIDCS3_SANDBOX_ENTRA_GRAPH_URL"], LoginHost: env["OIDCS3_SANDBOX_ENTRA_LOGIN_HOST"], HTTPClient: client, Sleep: c.clock.Sleep})
	case "cognito":
		return cognito.New(cognito.Config{Client: cognitoidentityprovider.NewFromConfig(config), PoolID: env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"],
			Domain: env["OIDCS3_SANDBOX_COGNITO_DOMAIN"], Region: env["AWS_REGION"], Sleep: c.clock.Sleep})
	}
	return auth0.New(auth0.Config{Domain: env["AUTH0_DOMAIN"], Token: env["AUTH0_API_TOKEN"], HTTPClient: client})
}

// server is another server, as a configuration asks for it.
func (c *cloud) server(t *testing.T, azp bool) Resolved {
	t.Helper()
	env := c.sandbox.Env()
	d := serverNamed(fmt.Sprintf("s%d", c.servers.Add(1))).Desired
	d.Bucket = env["OIDCS3_SANDBOX_BUCKET"]
	suffix := ""
	if azp {
		suffix = "_AZP"
	}
	prefix := "OIDCS3_SANDBOX_" + strings.ToUpper(c.kind)
	d.Identity = Identity{Audience: env[prefix+"_AUDIENCE"+suffix], ProviderARN: env[prefix+"_OIDC_PROVIDER_ARN"+suffix]}
	if c.kind == "cognito" {
		role := "arn:aws:iam::123456789012:role/vending"
		d.Identity = Identity{Audience: env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"], Mode: access.Vending, Scopes: strings.Fields(env["OIDCS3_SANDBOX_COGNITO_SCOPES"]), Domain: env["OIDCS3_SANDBOX_COGNITO_DOMAIN"],
			Vending: Vending{RoleARN: role, URL: "https://vending.example/", Table: env["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]}}
	}
	want, err := c.terraform(t.Context(), nil, nil).c.Resolve(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// watched looks, when a role is opened, whether everything else stands.
type watched struct {
	Roles
	c *cloud
}

func (w watched) SetTrust(ctx context.Context, name, document string) error {
	if !access.IsDenyAll(document) {
		state := fmt.Sprint(w.c.sandbox.State(context.WithoutCancel(ctx))["iam"])
		if !strings.Contains(state, name) || !strings.Contains(w.c.dump(), access.ObjectPolicy) {
			w.c.breach("early access: role %s was opened without its policies", name)
		}
		trust, err := access.ParseTrust(document)
		if err == nil && w.c.kind == "auth0" && !w.c.granted(strings.TrimSuffix(trust.Subject, "@clients")) {
			w.c.breach("early access: role %s was opened before its client had its grant", name)
		}
	}
	return w.Roles.SetTrust(ctx, name, document)
}

func (c *cloud) breach(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.early = append(c.early, fmt.Sprintf(format, args...))
}

// granted looks into the tenant for a grant.
func (c *cloud) granted(client string) bool {
	tenant, _ := c.sandbox.State(context.Background())["auth0"].(map[string]any)
	return strings.Contains(fmt.Sprint(tenant["client_grants"]), client)
}

// stands looks whether a server that was applied is as it must be, and its secret opens the door.
func (c *cloud) stands(known *remembered, want Resolved) (broken []string) {
	ctx := context.Background()
	o, err := c.terraform(ctx, nil, known).refresh()
	if err != nil {
		return []string{"not reached: read: " + err.Error()}
	}
	if !known.exists || differs(o, *known, want) {
		broken = append(broken, fmt.Sprintf("not reached: the next plan is not empty: %v", o.Drift))
	}
	if n := strings.Count(c.dump(), `: "`+want.Name()+`"`); n > 0 {
		names := map[string]int{"auth0": 2, "entra": 3, "cognito": 2} // the role, and the client's objects
		if n > names[c.kind] {
			broken = append(broken, fmt.Sprintf("duplicate: %d objects bear the name %s", n, want.Name()))
		}
	}
	if err := c.token(known, want); err != nil {
		broken = append(broken, "lost secret: "+err.Error())
	}
	return broken
}

// token asks for a token with what the state knows.
func (c *cloud) token(known *remembered, want Resolved) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {known.ref.ClientID}, "client_secret": {known.secret.Reveal()}}
	switch c.kind {
	case "entra":
		form.Set("scope", want.Identity.Audience+"/.default")
	case "cognito":
		form.Set("scope", strings.Join(want.Identity.Scopes, " "))
	default:
		form.Set("audience", want.Identity.Audience)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, want.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.sandbox.Client().Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the token endpoint answers %s", resp.Status)
	}
	return nil
}
