package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/cli"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/probe"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/secretstore"
)

// world is a sandbox, and what a platform team has to change it with.
type world struct {
	*testing.T
	sandbox *sandbox.Sandbox
	env     map[string]string
	made    map[string]onboarding.Outcome // by server
	iam     *awsiam.Client
	dynamo  *dynamodb.Client
	process *process
	ids     atomic.Int64
	// passwords is how long Entra's are valid.
	passwords time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{T: t, sandbox: s, env: s.Env(), made: map[string]onboarding.Outcome{}, process: &process{}, passwords: 400 * 24 * time.Hour}
	w.iam, w.dynamo = awsiam.NewFromConfig(w.aws()), dynamodb.NewFromConfig(w.aws())
	return w
}

// aws is the administrator's configuration.
func (w *world) aws() aws.Config {
	return aws.Config{
		Region: w.env["AWS_REGION"], BaseEndpoint: aws.String(w.env["AWS_ENDPOINT_URL"]), HTTPClient: w.http(),
		Credentials: credentials.NewStaticCredentialsProvider(w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], ""),
		APIOptions:  awsanswer.Options(),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// process is one that may die: from its last request on, nothing of it arrives.
type process struct {
	last atomic.Pointer[string] // method and path; nil: it lives on
	dead atomic.Bool
}

// mortal is its network.
type mortal struct {
	base http.RoundTripper
	of   *process
}

func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	died := errors.New("the process has died")
	if m.of.dead.Load() {
		return nil, died
	}
	response, err := m.base.RoundTrip(r)
	if last := m.of.last.Load(); last != nil && err == nil && r.Method+" "+r.URL.Path == *last {
		m.of.dead.Store(true)
		return nil, errors.Join(died, response.Body.Close())
	}
	return response, err
}

func (w *world) http() *http.Client {
	return &http.Client{Transport: mortal{w.sandbox.Client().Transport, w.process}}
}

// hurried is a clock that does not wait.
type hurried struct{}

func (hurried) Now() time.Time { return time.Now() }

func (hurried) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (w *world) clients(kind idp.Kind) idp.Provider {
	w.Helper()
	var clients idp.Provider
	var err error
	switch kind {
	case idp.Auth0:
		clients, err = auth0.New(auth0.Config{Domain: w.env["AUTH0_DOMAIN"], Token: w.env["AUTH0_API_TOKEN"], HTTPClient: w.http()})
	case idp.Entra:
		clients, err = entra.New(entra.Config{
			TenantID: w.env["ARM_TENANT_ID"], ClientID: w.env["ARM_CLIENT_ID"], ClientSecret: w.env["ARM_CLIENT_SECRET"], PasswordLifetime: w.passwords,
			GraphURL: w.env["OIDCS3_ENTRA_GRAPH_URL"], LoginHost: w.env["OIDCS3_ENTRA_LOGIN_HOST"], HTTPClient: w.http(), Sleep: hurried{}.Sleep})
	default:
		clients, err = cognito.New(cognito.Config{Client: cognitoidentityprovider.NewFromConfig(w.aws()),
			PoolID: w.env["OIDCS3_COGNITO_USER_POOL_ID"], Domain: w.env["OIDCS3_COGNITO_DOMAIN"], Region: w.env["AWS_REGION"]})
	}
	if err != nil {
		w.Fatal(err)
	}
	return clients
}

// controller is that of one run of Terraform.
func (w *world) controller(kind idp.Kind) *onboarding.Controller {
	w.Helper()
	return onboarding.New(onboarding.Config{
		Roles: iam.New(w.iam, iam.WithClock(hurried{})), Clients: w.clients(kind), Clock: hurried{},
		Mappings: rolemap.New(w.dynamo, rolemap.WithSleep(hurried{}.Sleep)),
		Vaults: map[onboarding.Storage]onboarding.Vault{
			onboarding.SecretsManager: secretstore.NewSecretsManager(secretsmanager.NewFromConfig(w.aws())),
			onboarding.ParameterStore: secretstore.NewParameterStore(ssm.NewFromConfig(w.aws())),
		},
		NewID: func() string { return fmt.Sprintf("onboarding-%d", w.ids.Add(1)) },
	})
}

// want is the configuration of a server with a prefix of its own.
func (w *world) want(kind idp.Kind, name string, change func(*onboarding.Desired)) onboarding.Desired {
	d := onboarding.Desired{
		Project: "oidc-s3", Environment: "dev", Server: name, Partition: "aws", Region: w.env["AWS_REGION"],
		Bucket: w.env["OIDCS3_SANDBOX_BUCKET"], Prefix: "backups/" + name + "/", Permission: access.Write,
		MaxSessionDuration: time.Hour, Method: idp.ClientSecret, Tags: map[string]string{"Team": "storage"},
	}
	vending := onboarding.Vending{RoleARN: w.env["OIDCS3_VENDING_ROLE_ARN"], URL: "https://vending.example/", Table: w.env["OIDCS3_CLIENT_ROLES_TABLE"]}
	switch kind {
	case idp.Cognito:
		d.Identity = onboarding.Identity{Audience: w.env["OIDCS3_COGNITO_USER_POOL_ID"], Domain: w.env["OIDCS3_COGNITO_DOMAIN"], Mode: access.Vending,
			Scopes: strings.Fields(w.env["OIDCS3_SANDBOX_COGNITO_SCOPES"]), Vending: vending}
	default:
		names := "OIDCS3_SANDBOX_" + strings.ToUpper(string(kind))
		d.Identity = onboarding.Identity{Audience: w.env[names+"_AUDIENCE"], ProviderARN: w.env[names+"_OIDC_PROVIDER_ARN"]}
	}
	if change != nil {
		change(&d)
	}
	return d
}

// azp has the server's tokens name their client in azp.
func (w *world) azp(kind idp.Kind) func(*onboarding.Desired) {
	names := "OIDCS3_SANDBOX_" + strings.ToUpper(string(kind))
	return func(d *onboarding.Desired) {
		d.Identity.Audience, d.Identity.ProviderARN = w.env[names+"_AUDIENCE_AZP"], w.env[names+"_OIDC_PROVIDER_ARN_AZP"]
	}
}

// vended has the server go by credential vending.
func (w *world) vended(d *onboarding.Desired) {
	d.Identity.ProviderARN, d.Identity.Mode = "", access.Vending
	d.Identity.Vending = onboarding.Vending{RoleARN: w.env["OIDCS3_VENDING_ROLE_ARN"], URL: "https://vending.example/", Table: w.env["OIDCS3_CLIENT_ROLES_TABLE"]}
}

func at(prefix string, permission access.Permission) func(*onboarding.Desired) {
	return func(d *onboarding.Desired) { d.Prefix, d.Permission = prefix, permission }
}

// onboard makes a server's access, as an apply does.
func (w *world) onboard(kind idp.Kind, name string, change func(*onboarding.Desired)) (onboarding.Resolved, onboarding.Outcome) {
	w.Helper()
	controller := w.controller(kind)
	want, err := controller.Resolve(w.Context(), w.want(kind, name, change))
	if err != nil {
		w.Fatal(err)
	}
	outcome, err := controller.Create(w.Context(), want)
	if err != nil {
		w.Fatal(err)
	}
	w.made[name] = outcome
	return want, outcome
}

// dies makes a server's access up to a request that takes effect, and whose answer nobody is there to read.
func (w *world) dies(kind idp.Kind, name, last string) {
	w.Helper()
	controller := w.controller(kind)
	want, err := controller.Resolve(w.Context(), w.want(kind, name, nil))
	if err != nil {
		w.Fatal(err)
	}
	w.process.last.Store(&last)
	if _, err := controller.Create(w.Context(), want); err == nil || !w.process.dead.Load() {
		w.Fatalf("the process lives: %v", err)
	}
	w.process.last.Store(nil)
	w.process.dead.Store(false)
}

// use has the server get credentials once.
func (w *world) use(want onboarding.Resolved, kind idp.Kind, outcome onboarding.Outcome) {
	w.Helper()
	p := probe.New(stsClient(w.aws()), w.sandbox.Client())
	if err := p.Wait(w.Context(), want.HostConfiguration(kind, outcome.Client, outcome.RoleARN), outcome.Client.Secret); err != nil {
		w.Fatal(err)
	}
}

// auth0Call changes something at Auth0 by hand.
func (w *world) auth0Call(method, path, body string) {
	w.Helper()
	w.call(method, "https://"+w.env["AUTH0_DOMAIN"]+"/api/v2/"+path, w.env["AUTH0_API_TOKEN"], body)
}

func (w *world) call(method, uri, token, body string) []byte {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), method, uri, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	if _, err := url.ParseQuery(body); err == nil && token == "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := w.sandbox.Client().Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil || response.StatusCode >= 300 {
		w.Fatalf("%s %s: %s %v", method, uri, response.Status, err)
	}
	return answer.Bytes()
}

// publicKey is a new key in PEM: as it is, or as a certificate that ends at a time.
func publicKey(t *testing.T, end time.Time) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var der []byte
	kind := "PUBLIC KEY"
	if end.IsZero() {
		der, err = x509.MarshalPKIXPublicKey(&key.PublicKey)
	} else {
		kind = "CERTIFICATE"
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "host"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end}
		der, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// run runs the program as of a time.
func (w *world) run(now time.Time, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	w.Helper()
	return w.runIn(w.Context(), now, getenv, args...)
}

func (w *world) runIn(ctx context.Context, now time.Time, getenv func(string) string, args ...string) (code int, stdout, stderr string) {
	w.Helper()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_CA_BUNDLE"} {
		w.Setenv(name, w.env[name])
	}
	if getenv == nil {
		getenv = func(name string) string { return w.env[name] }
	}
	var out, problems bytes.Buffer
	code = cli.Run(ctx, cli.Process{
		Stdout: &out, Stderr: &problems, Getenv: getenv, Now: func() time.Time { return now }, Version: "test",
		Transport: w.sandbox.Client().Transport,
	}, args)
	return code, out.String(), problems.String()
}
