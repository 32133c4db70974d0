package doctor_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

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
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/doctor"
)

// clouds is one sandbox for all tests: a process reads its CAs once.
var clouds *sandbox.Sandbox

func TestMain(m *testing.M) { os.Exit(withClouds(m)) }

func withClouds(m *testing.M) int {
	dir, err := os.MkdirTemp("", "oidcs3-doctor-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	vending, err := programs.Build(programs.Vending)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if clouds, err = sandbox.Start(context.Background(), sandbox.Options{Dir: dir, VendingBinary: vending}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = clouds.Close() }()
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "SSL_CERT_FILE"} {
		if err := os.Setenv(name, clouds.Env()[name]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return programs.Main(m)
}

func admin() aws.Config {
	env := clouds.Env()
	return aws.Config{Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: clouds.Client(),
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")}
}

// host is a server that was onboarded, and the files that its host has.
type host struct {
	t      *testing.T
	name   string
	role   string // name
	client string // id
	dir    string
	config map[string]string
	secret string
	now    func() time.Time
	env    map[string]string
}

// onboard makes a server the way the provider does.
func onboard(t *testing.T, kind, name string, permission access.Permission, azp bool) *host {
	t.Helper()
	env := clouds.Env()
	suffix := ""
	if azp {
		suffix = "_AZP"
	}
	prefix := "OIDCS3_SANDBOX_" + strings.ToUpper(kind)
	want := onboarding.Desired{
		Project: "oidc-s3", Environment: "dev", Server: name, Partition: "aws", Region: env["AWS_REGION"], Bucket: env["OIDCS3_SANDBOX_BUCKET"],
		Prefix: "servers/" + name + "/", Permission: permission, MaxSessionDuration: time.Hour, Method: idp.ClientSecret,
		Identity: onboarding.Identity{Audience: env[prefix+"_AUDIENCE"+suffix], ProviderARN: env[prefix+"_OIDC_PROVIDER_ARN"+suffix]},
	}
	if kind == "cognito" {
		want.Identity = onboarding.Identity{Audience: env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"], Mode: access.Vending,
			Scopes: strings.Fields(env["OIDCS3_SANDBOX_COGNITO_SCOPES"]), Domain: env["OIDCS3_SANDBOX_COGNITO_DOMAIN"],
			Vending: onboarding.Vending{RoleARN: env["OIDCS3_SANDBOX_VENDING_ROLE_ARN"], URL: env["OIDCS3_SANDBOX_VENDING_URL"], Table: env["OIDCS3_SANDBOX_CLIENT_ROLES_TABLE"]}}
	}
	c := onboarding.New(onboarding.Config{Roles: iam.New(awsiam.NewFromConfig(admin())), Clients: provider(t, kind), NewID: rand.Text,
		Mappings: rolemap.New(dynamodb.NewFromConfig(admin()))})
	resolved, err := c.Resolve(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Create(t.Context(), resolved)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, name: name, role: want.Name(), client: made.Client.ID, dir: t.TempDir(), secret: made.Client.Secret.Reveal(), now: time.Now, env: map[string]string{}}
	t.Cleanup(func() {
		h.forget()
		h.allow(nil)
		check(t, c.Delete(context.Background(), resolved, onboarding.Reference{RoleARN: made.RoleARN, OnboardingID: made.OnboardingID, ClientID: made.Client.ID}))
	})
	if err := json.Unmarshal([]byte(resolved.HostConfiguration(idp.Kind(kind), made.Client, made.RoleARN)), &h.config); err != nil {
		t.Fatal(err)
	}
	return h
}

// forget removes the probes below the server's prefix, so that the next run of the test finds none.
func (h *host) forget() {
	for _, key := range keys(h.t, h.name) {
		_, err := storage().DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: aws.String(clouds.Env()["OIDCS3_SANDBOX_BUCKET"]), Key: &key})
		check(h.t, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func storage() *s3.Client {
	return s3.NewFromConfig(admin(), func(o *s3.Options) { o.UsePathStyle = true })
}

func provider(t *testing.T, kind string) idp.Provider {
	t.Helper()
	env := clouds.Env()
	var p idp.Provider
	var err error
	switch kind {
	case "entra":
		p, err = entra.New(entra.Config{TenantID: env["ARM_TENANT_ID"], ClientID: env["ARM_CLIENT_ID"], ClientSecret: env["ARM_CLIENT_SECRET"],
			GraphURL: env["OIDCS3_SANDBOX_ENTRA_GRAPH_URL"], LoginHost: env["OIDCS3_SANDBOX_ENTRA_LOGIN_HOST"], HTTPClient: clouds.Client()})
	case "cognito":
		p, err = cognito.New(cognito.Config{Client: cognitoidentityprovider.NewFromConfig(admin()), PoolID: env["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"],
			Domain: env["OIDCS3_SANDBOX_COGNITO_DOMAIN"], Region: env["AWS_REGION"]})
	default:
		p, err = auth0.New(auth0.Config{Domain: env["AUTH0_DOMAIN"], Token: env["AUTH0_API_TOKEN"], HTTPClient: clouds.Client()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// examine runs the command and returns what it prints and its exit code.
func (h *host) examine(args ...string) (out string, code int) {
	h.t.Helper()
	text, err := json.Marshal(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write("config.json", string(text), 0o644)
	if _, err := os.Stat(h.file("client_secret")); err != nil {
		h.write("client_secret", h.secret, 0o600)
	}
	env := map[string]string{"OIDCS3_CONFIG": h.file("config.json")}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "SSL_CERT_FILE"} {
		env[name] = clouds.Env()[name]
	}
	maps.Copy(env, h.env)
	var stdout, stderr bytes.Buffer
	code = cli.Main(cli.Process{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: h.now, Version: "test",
		Getenv: func(name string) string { return env[name] }}, append([]string{"doctor", "--client-secret-file", h.file("client_secret")}, args...))
	for _, what := range []string{h.secret, "eyJ", "ASIA"} {
		if strings.TrimSpace(what) != "" && strings.Contains(stdout.String()+stderr.String(), what) {
			h.t.Errorf("the doctor shows a secret, a token or credentials (%d bytes)", len(what))
		}
	}
	return stdout.String(), code
}

func (h *host) file(name string) string { return filepath.Join(h.dir, name) }

func (h *host) write(name, text string, mode os.FileMode) {
	h.t.Helper()
	if err := os.WriteFile(h.file(name), []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(h.file(name), mode); err != nil { // whatever the umask
		h.t.Fatal(err)
	}
}

// findings is what the doctor finds, by --json.
func (h *host) findings() ([]doctor.Finding, int) {
	h.t.Helper()
	out, code := h.examine("--json")
	var all []doctor.Finding
	for l := range strings.Lines(out) {
		var f doctor.Finding
		if err := json.Unmarshal([]byte(l), &f); err != nil {
			h.t.Fatalf("%q: %v", l, err)
		}
		all = append(all, f)
	}
	return all, code
}

// allow replaces the role's permissions.
func (h *host) allow(policies map[string]string) {
	h.t.Helper()
	ctx := context.WithoutCancel(h.t.Context())
	api := awsiam.NewFromConfig(admin())
	old, err := api.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: &h.role})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, name := range old.PolicyNames {
		if _, err := api.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: &h.role, PolicyName: &name}); err != nil {
			h.t.Fatal(err)
		}
	}
	for name, document := range policies {
		if _, err := api.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: &h.role, PolicyName: &name, PolicyDocument: &document}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// grant is a policy with the actions on the resources of the bucket.
func grant(actions, resources []string) string {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": resources}}})
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}

func (h *host) trust(document string) {
	h.t.Helper()
	if _, err := awsiam.NewFromConfig(admin()).UpdateAssumeRolePolicy(h.t.Context(), &awsiam.UpdateAssumeRolePolicyInput{RoleName: &h.role, PolicyDocument: &document}); err != nil {
		h.t.Fatal(err)
	}
}

// keys lists the bucket's objects that contain the text.
func keys(t *testing.T, text string) (found []string) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(storage(), &s3.ListObjectsV2Input{Bucket: aws.String(clouds.Env()["OIDCS3_SANDBOX_BUCKET"])})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			if strings.Contains(*o.Key, text) {
				found = append(found, *o.Key)
			}
		}
	}
	return found
}
