package credentials_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

func TestMain(m *testing.M) { os.Exit(programs.Main(m)) }

// TestEveryWayIn gets credentials from the clouds in every way that a host has: each identity provider, by secret and by
// key, through STS and through credential vending.
func TestEveryWayIn(t *testing.T) {
	t.Parallel()
	clouds, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), VendingBinary: programs.For(t, programs.Vending)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clouds.Close() })
	w := world{t, clouds}
	for _, test := range []struct {
		idp     idp.Kind
		key     bool
		vending bool
	}{
		{idp.Auth0, false, false}, {idp.Auth0, true, false}, {idp.Auth0, false, true}, {idp.Auth0, true, true},
		{idp.Entra, false, false}, {idp.Entra, true, false}, {idp.Entra, false, true}, {idp.Entra, true, true},
		{idp.Cognito, false, true},
	} {
		name := fmt.Sprintf("%s-key-%t-vending-%t", test.idp, test.key, test.vending)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{t, w.clouds}
			cfg, auth, role := w.onboard(test.idp, name, test.key, test.vending)
			quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
			tokens, err := token.New(cfg, auth, token.Options{Client: clouds.Client(), Policy: retry.Default(), Now: time.Now, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			var source aws.CredentialsProvider = &credentials.STS{Client: sts.NewFromConfig(w.aws(nil)), Tokens: tokens, Role: cfg.AWSRoleARN,
				Session: cfg.ServerName, Policy: retry.Default(), Log: quiet}
			if test.vending {
				source = &credentials.Vending{URL: cfg.CredentialVendingURL, Client: clouds.Client(), Tokens: tokens, Policy: retry.Default(), Now: time.Now, Log: quiet}
			}
			c, err := source.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			me, err := sts.NewFromConfig(w.aws(awscredentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken))).
				GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil {
				t.Fatal(err)
			}
			if want := ":assumed-role/" + role + "/" + name; !strings.HasSuffix(*me.Arn, want) {
				t.Errorf("the credentials are those of %s, want …%s", *me.Arn, want)
			}
		})
	}
}

type world struct {
	t      *testing.T
	clouds *sandbox.Sandbox
}

func (w world) env(name string) string { return w.clouds.Env()["OIDCS3_SANDBOX_"+name] }

func (w world) aws(c aws.CredentialsProvider) aws.Config {
	env := w.clouds.Env()
	return aws.Config{Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: w.clouds.Client(), Credentials: c,
		APIOptions: awsanswer.Options()}
}

// provider is the adapter of an identity provider.
func (w world) provider(kind idp.Kind, admin aws.Config) (idp.Provider, error) {
	env := w.clouds.Env()
	switch kind {
	case idp.Entra:
		return entra.New(entra.Config{TenantID: env["ARM_TENANT_ID"], ClientID: env["ARM_CLIENT_ID"], ClientSecret: env["ARM_CLIENT_SECRET"],
			GraphURL: w.env("ENTRA_GRAPH_URL"), LoginHost: w.env("ENTRA_LOGIN_HOST"), HTTPClient: w.clouds.Client()})
	case idp.Cognito:
		return cognito.New(cognito.Config{Client: cognitoidentityprovider.NewFromConfig(admin), PoolID: w.env("COGNITO_USER_POOL_ID"),
			Domain: w.env("COGNITO_DOMAIN"), Region: env["AWS_REGION"]})
	case idp.Auth0:
	}
	return auth0.New(auth0.Config{Domain: env["AUTH0_DOMAIN"], Token: env["AUTH0_API_TOKEN"], HTTPClient: w.clouds.Client()})
}

// onboard makes a server as the provider does, with a key that keygen has made, and returns what its host has.
func (w world) onboard(kind idp.Kind, name string, key, vending bool) (config.Config, config.Authentication, string) {
	w.t.Helper()
	env := w.clouds.Env()
	prefix := strings.ToUpper(string(kind)) + "_"
	d := onboarding.Desired{
		Project: "oidc-s3", Environment: "dev", Server: name, Partition: "aws", Region: env["AWS_REGION"], Bucket: w.env("BUCKET"),
		Prefix: "servers/" + name + "/", Permission: access.Write, MaxSessionDuration: time.Hour, Method: idp.ClientSecret,
		Identity: onboarding.Identity{Audience: w.env(prefix + "AUDIENCE"), ProviderARN: w.env(prefix + "OIDC_PROVIDER_ARN")},
	}
	if vending {
		d.Identity.ProviderARN, d.Identity.Mode = "", access.Vending
		d.Identity.Vending = onboarding.Vending{RoleARN: w.env("VENDING_ROLE_ARN"), URL: w.env("VENDING_URL"), Table: w.env("CLIENT_ROLES_TABLE")}
	}
	if kind == idp.Cognito {
		d.Identity.Audience, d.Identity.Domain, d.Identity.Scopes = w.env("COGNITO_USER_POOL_ID"), w.env("COGNITO_DOMAIN"), strings.Fields(w.env("COGNITO_SCOPES"))
	}
	var auth config.Authentication
	if key {
		d.Method = idp.PrivateKeyJWT
		private, public := w.keygen(kind == idp.Entra)
		auth.PrivateKey, d.PublicKeys = config.Secret(private), []string{public}
	}
	admin := w.aws(awscredentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], ""))
	clients, err := w.provider(kind, admin)
	if err != nil {
		w.t.Fatal(err)
	}
	c := onboarding.New(onboarding.Config{Roles: iam.New(awsiam.NewFromConfig(admin)), Clients: clients, NewID: rand.Text,
		Mappings: rolemap.New(dynamodb.NewFromConfig(admin))})
	want, err := c.Resolve(w.t.Context(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	made, err := c.Create(w.t.Context(), want)
	if err != nil {
		w.t.Fatal(err)
	}
	if !key {
		auth.ClientSecret = config.Secret(made.Client.Secret.Reveal())
	}
	cfg, err := config.Parse([]byte(want.HostConfiguration(kind, made.Client, made.RoleARN)))
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg, auth, d.Name()
}

// keygen runs the command of that name.
func (w world) keygen(certificate bool) (private, public string) {
	w.t.Helper()
	name := filepath.Join(w.t.TempDir(), "host.key")
	args := []string{"keygen", "--json", "--private-key-file", name}
	if certificate {
		args = append(args, "--certificate", "--common-name", "host.example")
	}
	var out, problems strings.Builder
	code := cli.Main(cli.Process{Stdout: &out, Stderr: &problems, Getenv: func(string) string { return "" }, Now: time.Now}, args)
	if code != 0 {
		w.t.Fatalf("keygen: exit code %d: %s", code, &problems)
	}
	var answer struct {
		PublicKeyPEM string `json:"public_key_pem"`
	}
	if err := json.Unmarshal([]byte(out.String()), &answer); err != nil {
		w.t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text), answer.PublicKeyPEM
}
