// Package hosttest gives a test a host of its own: a sandbox in this process, with one server onboarded at Auth0, and
// the files that the platform team hands to the host's owner. Only tests import it.
package hosttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// Server is the name of the server, and Prefix what it may use of the bucket.
const (
	Server = "web-01"
	Prefix = Server + "/"
)

// Host is a machine as its owner sets it up.
type Host struct {
	*sandbox.Sandbox

	Config, Secret, CA string // files
	Bucket             string
	RoleARN            string
	Trust              map[string]string // environment that leads clients to the sandbox; no credentials
}

// New starts a sandbox and onboards the server. Both end with the test.
func New(t *testing.T) *Host {
	t.Helper()
	dir := t.TempDir()
	clouds, err := sandbox.Start(t.Context(), sandbox.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := clouds.Close(); err != nil {
			t.Error(err)
		}
	})
	env := clouds.Env()
	h := &Host{Sandbox: clouds, Config: filepath.Join(dir, "config.json"), Secret: filepath.Join(dir, "client_secret"),
		CA: env["AWS_CA_BUNDLE"], Bucket: env["OIDCS3_SANDBOX_BUCKET"], Trust: map[string]string{}}
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE", "SSL_CERT_FILE",
		"REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"} {
		h.Trust[name] = env[name]
	}
	id, secret := h.client(t, env)
	h.role(t, env, id)
	configuration, err := json.Marshal(map[string]string{
		"identity_provider": "auth0", "auth0_domain": env["AUTH0_DOMAIN"], "auth0_client_id": id,
		"auth0_audience": env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"], "aws_role_arn": h.RoleARN, "aws_region": env["AWS_REGION"],
		"s3_bucket": h.Bucket, "s3_path_prefix": Prefix, "server_name": Server,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{h.Config: configuration, h.Secret: []byte(secret)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// client makes the server's client at Auth0, with a grant for the API.
func (h *Host) client(t *testing.T, env map[string]string) (id, secret string) {
	t.Helper()
	auth0, err := management.New(env["AUTH0_DOMAIN"], management.WithStaticToken(env["AUTH0_API_TOKEN"]), management.WithClient(h.Client()))
	if err != nil {
		t.Fatal(err)
	}
	client := &management.Client{Name: aws.String(Server), AppType: aws.String("non_interactive"), GrantTypes: &[]string{"client_credentials"},
		OIDCConformant: aws.Bool(true), TokenEndpointAuthMethod: aws.String("client_secret_post")}
	if err := auth0.Client.Create(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	grant := &management.ClientGrant{ClientID: client.ClientID, Audience: aws.String(env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"]), Scope: &[]string{}}
	if err := auth0.ClientGrant.Create(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	return client.GetClientID(), client.GetClientSecret()
}

// role makes the role that the client's tokens assume, with everything below the prefix.
func (h *Host) role(t *testing.T, env map[string]string, clientID string) {
	t.Helper()
	issuer := strings.TrimPrefix(h.Auth0().Issuer(), "https://")
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
		"Principal":{"Federated":%q},"Condition":{"StringEquals":{%q:%q,%q:%q}}}]}`, env["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"],
		issuer+":sub", clientID+"@clients", issuer+":aud", env["OIDCS3_SANDBOX_AUTH0_AUDIENCE"])
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:DeleteObject","s3:AbortMultipartUpload","s3:ListMultipartUploadParts"],"Resource":"arn:aws:s3:::%[1]s/%[2]s*"},
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::%[1]s","Condition":{"StringLike":{"s3:prefix":"%[2]s*"}}}]}`, h.Bucket, Prefix)
	client := iam.NewFromConfig(aws.Config{Region: env["AWS_REGION"], BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL"]), HTTPClient: h.Client(),
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")})
	name := "oidc-s3-dev-" + Server
	made, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	h.RoleARN = *made.Role.Arn
	if _, err := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("access"), PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
}

// Environ is the environment of a program on the host: where the sandbox is, PATH, what is given, and nothing of the
// test's own.
func (h *Host) Environ(more map[string]string) []string {
	all := maps.Clone(h.Trust)
	all["PATH"] = os.Getenv("PATH")
	maps.Copy(all, more)
	environ := make([]string, 0, len(all))
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	return environ
}
