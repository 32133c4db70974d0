package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// start runs a sandbox for one test.
func start(t *testing.T, change ...func(*sandbox.Options)) *sandbox.Sandbox {
	t.Helper()
	options := sandbox.Options{Dir: t.TempDir()}
	for _, f := range change {
		f(&options)
	}
	s, err := sandbox.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// cloud is the vendors' own clients of one sandbox.
type cloud struct {
	*sandbox.Sandbox

	t   *testing.T
	env map[string]string
}

func of(t *testing.T, s *sandbox.Sandbox) cloud { return cloud{s, t, s.Env()} }

func (c cloud) config(keyID, secret, token string) aws.Config {
	return aws.Config{
		Region: c.env["AWS_REGION"], BaseEndpoint: aws.String(c.env["AWS_ENDPOINT_URL"]), HTTPClient: c.Client(),
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, token),
	}
}

func (c cloud) admin() aws.Config {
	return c.config(c.env["AWS_ACCESS_KEY_ID"], c.env["AWS_SECRET_ACCESS_KEY"], "")
}

func (c cloud) auth0() *management.Management {
	c.t.Helper()
	m, err := management.New(c.env["AUTH0_DOMAIN"], management.WithStaticToken(c.env["AUTH0_API_TOKEN"]), management.WithClient(c.Client()))
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// client makes a client at Auth0 with a grant, as an onboarding would.
func (c cloud) client(name, audience string) (id, secret string) {
	c.t.Helper()
	ctx := c.t.Context()
	client := &management.Client{Name: &name, AppType: aws.String("non_interactive"), GrantTypes: &[]string{"client_credentials"},
		OIDCConformant: aws.Bool(true), TokenEndpointAuthMethod: aws.String("client_secret_post")}
	if err := c.auth0().Client.Create(ctx, client); err != nil {
		c.t.Fatal(err)
	}
	grant := &management.ClientGrant{ClientID: client.ClientID, Audience: &audience, Scope: &[]string{}}
	if err := c.auth0().ClientGrant.Create(ctx, grant); err != nil {
		c.t.Fatal(err)
	}
	return client.GetClientID(), client.GetClientSecret()
}

// role makes a role with a trust policy and the right to use a prefix.
func (c cloud) role(name, trust, prefix string) string {
	c.t.Helper()
	ctx := c.t.Context()
	iam := awsiam.NewFromConfig(c.admin())
	role, err := iam.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		c.t.Fatal(err)
	}
	bucket := c.env["OIDCS3_SANDBOX_BUCKET"]
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::%s/%s*"},
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::%s","Condition":{"StringLike":{"s3:prefix":"%s*"}}}]}`, bucket, prefix, bucket, prefix)
	if _, err := iam.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("access"), PolicyDocument: &policy}); err != nil {
		c.t.Fatal(err)
	}
	return *role.Role.Arn
}

// trust is a trust policy for web identities with the conditions.
func (c cloud) trust(conditions map[string]string) string {
	issuer := strings.TrimPrefix(c.Auth0().Issuer(), "https://")
	equals := map[string]string{}
	for key, value := range conditions {
		equals[issuer+":"+key] = value
	}
	document, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
		"Principal": map[string]string{"Federated": c.env["OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN"]},
		"Condition": map[string]any{"StringEquals": equals},
	}}})
	if err != nil {
		c.t.Fatal(err)
	}
	return string(document)
}

// request posts to the token endpoint and returns the answer's fields.
func (c cloud) request(body map[string]string, basic ...string) (int, map[string]any) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.Auth0().Issuer()+"oauth/token", bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if len(basic) == 2 {
		req.SetBasicAuth(basic[0], basic[1])
	}
	resp, err := c.Client().Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// token gets a token by client secret.
func (c cloud) token(id, secret, audience string) string {
	c.t.Helper()
	_, answer := c.request(map[string]string{"grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience})
	token, ok := answer["access_token"].(string)
	if !ok {
		c.t.Fatalf("no token: %v", answer)
	}
	return token
}

// assume exchanges a token for a session of the role.
func (c cloud) assume(ctx context.Context, role, token string, duration time.Duration) (aws.Config, error) {
	out, err := awssts.NewFromConfig(aws.Config{Region: c.env["AWS_REGION"], BaseEndpoint: aws.String(c.env["AWS_ENDPOINT_URL"]), HTTPClient: c.Client(),
		APIOptions: awsanswer.Options()}).
		AssumeRoleWithWebIdentity(ctx, &awssts.AssumeRoleWithWebIdentityInput{
			RoleArn: &role, RoleSessionName: aws.String("host"), WebIdentityToken: &token, DurationSeconds: aws.Int32(int32(duration / time.Second)),
		})
	if err != nil {
		return aws.Config{}, err
	}
	return c.config(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken), nil
}

func put(ctx context.Context, config aws.Config, bucket, key string) error {
	_, err := awss3.NewFromConfig(config).PutObject(ctx, &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")})
	return err
}
