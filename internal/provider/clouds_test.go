package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/auth0/go-auth0/management"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
)

// What tests do to the clouds behind Terraform's back, with the vendors' own clients.

func iamClient(t *testing.T) *awsiam.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return awsiam.NewFromConfig(cfg)
}

func auth0Client(t *testing.T) *management.Management {
	t.Helper()
	env := clouds.Env()
	m, err := management.New(env["AUTH0_DOMAIN"], management.WithStaticToken(env["AUTH0_API_TOKEN"]))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// auth0ID is the id of the one Auth0 client of that name.
func auth0ID(t *testing.T, name string) string {
	t.Helper()
	ids := auth0IDs(t, name)
	if len(ids) != 1 {
		t.Fatalf("there are %d clients named %s", len(ids), name)
	}
	return ids[0]
}

func auth0IDs(t *testing.T, name string) []string {
	t.Helper()
	var ids []string
	for page := 0; ; page++ {
		list, err := auth0Client(t).Client.List(context.Background(), management.Page(page), management.PerPage(100))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Clients {
			if c.GetName() == name {
				ids = append(ids, c.GetClientID())
			}
		}
		if !list.HasNext() {
			return ids
		}
	}
}

// nothingLeft fails if a role, client or grant of the servers is still there.
func nothingLeft(t *testing.T, names ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		for _, name := range names {
			full := "oidc-s3-dev-" + name
			if _, err := iamClient(t).GetRole(context.Background(), &awsiam.GetRoleInput{RoleName: &full}); err == nil {
				return fmt.Errorf("role %s is left", full)
			}
			if ids := auth0IDs(t, full); len(ids) > 0 {
				return fmt.Errorf("clients of %s are left: %v", full, ids)
			}
		}
		return nil
	}
}

// host is what a host knows: its configuration and its secret.
type host struct {
	configuration map[string]string
	secret        string
}

func hostOf(state *terraform.State, at string) (host, error) {
	r, ok := state.RootModule().Resources[at]
	if !ok {
		return host{}, fmt.Errorf("%s is not in the state", at)
	}
	h := host{secret: r.Primary.Attributes["client_secret"]}
	err := json.Unmarshal([]byte(r.Primary.Attributes["server_configuration"]), &h.configuration)
	return h, err
}

// session gets AWS credentials the host's way: a token, then AssumeRoleWithWebIdentity.
func (h host) session(ctx context.Context) (*s3.Client, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {h.configuration["auth0_client_id"]},
		"client_secret": {h.secret}, "audience": {h.configuration["auth0_audience"]}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+h.configuration["auth0_domain"]+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var token struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&token); err != nil || token.AccessToken == "" {
		return nil, fmt.Errorf("no token: %s %s", resp.Status, token.Description)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	out, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(h.configuration["aws_role_arn"]), RoleSessionName: aws.String("test"), WebIdentityToken: &token.AccessToken,
	})
	if err != nil {
		return nil, err
	}
	c := out.Credentials
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return s3.NewFromConfig(cfg), nil
}

// may tries what the server should and should not be able to do at its prefix, and that it can do nothing beside it.
func may(at string, wanted ...string) resource.TestCheckFunc {
	return func(state *terraform.State) error {
		ctx := context.Background()
		h, err := hostOf(state, at)
		if err != nil {
			return err
		}
		client, err := h.session(ctx)
		if err != nil {
			return fmt.Errorf("%s gets no credentials: %w", at, err)
		}
		bucket, prefix := aws.String(h.configuration["s3_bucket"]), h.configuration["s3_path_prefix"]
		tries := map[string]func(prefix string) error{
			"put": func(p string) error {
				_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(p + "file"), Body: bytes.NewReader([]byte("x"))})
				return err
			},
			"get": func(p string) error {
				_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String(p + "file")})
				return err
			},
			"list": func(p string) error {
				_, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String(p)})
				return err
			},
			"delete": func(p string) error {
				_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(p + "file")})
				return err
			},
		}
		for _, name := range []string{"put", "get", "list", "delete"} {
			if err := tries[name](prefix); (err == nil) != slices.Contains(wanted, name) {
				return fmt.Errorf("%s at %s: %w; wanted are %v", name, prefix, err, wanted)
			}
			for _, beside := range []string{"beside/", strings.TrimSuffix(prefix, "/") + "0/", ""} {
				if err := tries[name](beside); err == nil {
					return fmt.Errorf("%s beside the prefix, at %q, is allowed", name, beside)
				}
			}
		}
		return nil
	}
}

// checking is a check that does not look at the state.
func checking(check func() error) resource.TestCheckFunc {
	return func(*terraform.State) error { return check() }
}
