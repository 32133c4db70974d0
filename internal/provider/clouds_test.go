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
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
)

// What tests do to the clouds behind Terraform's back, with the vendors' own clients.

// environment is the configuration of the SDK's own chain.
func environment(ctx context.Context) (aws.Config, error) {
	return config.LoadDefaultConfig(ctx, config.WithAPIOptions(awsanswer.Options()))
}

func iamClient(t *testing.T) *awsiam.Client {
	t.Helper()
	cfg, err := environment(t.Context())
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

func poolsClient(t *testing.T) *cognitoidentityprovider.Client {
	t.Helper()
	cfg, err := environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cognitoidentityprovider.NewFromConfig(cfg)
}

func dynamoClient(t *testing.T) *dynamodb.Client {
	t.Helper()
	cfg, err := environment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dynamodb.NewFromConfig(cfg)
}

// poolClient is the id of the one Cognito app client of that name.
func poolClient(t *testing.T, name string) string {
	t.Helper()
	pages := cognitoidentityprovider.NewListUserPoolClientsPaginator(poolsClient(t), &cognitoidentityprovider.ListUserPoolClientsInput{
		UserPoolId: aws.String(clouds.Env()["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"]), MaxResults: aws.Int32(60),
	})
	var ids []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.UserPoolClients {
			if aws.ToString(c.ClientName) == name {
				ids = append(ids, *c.ClientId)
			}
		}
	}
	if len(ids) != 1 {
		t.Fatalf("there are %d app clients named %s", len(ids), name)
	}
	return ids[0]
}

// updatePoolClient changes an app client, keeping what is not changed.
func updatePoolClient(t *testing.T, name string, change func(*cognitoidentityprovider.UpdateUserPoolClientInput)) error {
	t.Helper()
	pool, id := clouds.Env()["OIDCS3_SANDBOX_COGNITO_USER_POOL_ID"], poolClient(t, name)
	found, err := poolsClient(t).DescribeUserPoolClient(t.Context(), &cognitoidentityprovider.DescribeUserPoolClientInput{UserPoolId: &pool, ClientId: &id})
	if err != nil {
		return err
	}
	c := found.UserPoolClient
	in := &cognitoidentityprovider.UpdateUserPoolClientInput{
		UserPoolId: &pool, ClientId: &id, ClientName: c.ClientName, AllowedOAuthFlows: c.AllowedOAuthFlows, AllowedOAuthScopes: c.AllowedOAuthScopes,
		AllowedOAuthFlowsUserPoolClient: aws.ToBool(c.AllowedOAuthFlowsUserPoolClient), AccessTokenValidity: c.AccessTokenValidity,
		TokenValidityUnits: c.TokenValidityUnits, ExplicitAuthFlows: c.ExplicitAuthFlows, RefreshTokenValidity: c.RefreshTokenValidity,
	}
	change(in)
	_, err = poolsClient(t).UpdateUserPoolClient(t.Context(), in)
	return err
}

// application is the one Entra application of that name.
func application(t *testing.T, name string) entra.ApplicationState {
	t.Helper()
	state, ok := clouds.Entra().State(t.Context()).(entra.State)
	if !ok {
		t.Fatal("the tenant has another kind of state")
	}
	var found []entra.ApplicationState
	for _, a := range state.Applications {
		if a.DisplayName == name && a.DeletedAt == nil {
			found = append(found, a)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d applications named %s", len(found), name)
	}
	return found[0]
}

// graph calls Microsoft Graph as the management client.
func graph(t *testing.T, method, path string, body any) error {
	t.Helper()
	return graphAnswer(t, method, path, body, nil)
}

// graphAnswer is graph for calls whose answer is wanted.
func graphAnswer(t *testing.T, method, path string, body, answer any) error {
	t.Helper()
	env := clouds.Env()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {env["ARM_CLIENT_ID"]}, "client_secret": {env["ARM_CLIENT_SECRET"]},
		"scope": {env["OIDCS3_SANDBOX_ENTRA_GRAPH_URL"] + "/.default"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"https://"+env["OIDCS3_SANDBOX_ENTRA_LOGIN_HOST"]+"/"+env["ARM_TENANT_ID"]+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := fetch(req, &token); err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if req, err = http.NewRequestWithContext(t.Context(), method, env["OIDCS3_SANDBOX_ENTRA_GRAPH_URL"]+"/v1.0"+path, bytes.NewReader(text)); err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
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

// nothingLeft fails if anything in the clouds still bears the name of one of the servers.
func nothingLeft(t *testing.T, names ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		raw, err := json.Marshal(clouds.State(t.Context()))
		if err != nil {
			return err
		}
		var state any
		if err := json.Unmarshal(raw, &state); err != nil {
			return err
		}
		for _, name := range names {
			if left := traces(state, "", name, "oidc-s3-dev-"+name); len(left) > 0 {
				return fmt.Errorf("of server %s is left: %v", name, left)
			}
		}
		return nil
	}
}

// traces lists the paths at which a dump has one of the values. What a cloud keeps among its deleted items is gone.
func traces(v any, path string, values ...string) []string {
	var found []string
	switch v := v.(type) {
	case map[string]any:
		if v["deleted_at"] != nil {
			return nil
		}
		for key, value := range v {
			if slices.Contains(values, key) {
				found = append(found, path+"/"+key)
			}
			found = append(found, traces(value, path+"/"+key, values...)...)
		}
	case []any:
		for i, value := range v {
			found = append(found, traces(value, fmt.Sprintf("%s/%d", path, i), values...)...)
		}
	case string:
		if slices.Contains(values, v) {
			found = append(found, path)
		}
	}
	return found
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

// token gets a token the host's way.
func (h host) token(ctx context.Context) (string, error) {
	c := h.configuration
	endpoint, form := "", url.Values{"grant_type": {"client_credentials"}}
	var basic []string
	switch c["identity_provider"] {
	case "auth0":
		endpoint = "https://" + c["auth0_domain"] + "/oauth/token"
		form.Set("client_id", c["auth0_client_id"])
		form.Set("client_secret", h.secret)
		form.Set("audience", c["auth0_audience"])
	case "entra":
		endpoint = "https://" + c["entra_login_host"] + "/" + c["entra_tenant_id"] + "/oauth2/v2.0/token"
		form.Set("client_id", c["entra_client_id"])
		form.Set("client_secret", h.secret)
		form.Set("scope", c["entra_audience"]+"/.default")
	case "cognito":
		endpoint = "https://" + c["cognito_domain"] + "/oauth2/token"
		form.Set("scope", c["cognito_scopes"])
		basic = []string{c["cognito_client_id"], h.secret}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic != nil {
		req.SetBasicAuth(basic[0], basic[1])
	}
	var token struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := fetch(req, &token); err != nil || token.AccessToken == "" {
		return "", fmt.Errorf("no token: %s %s: %w", token.Error, token.Description, err)
	}
	return token.AccessToken, nil
}

func fetch(req *http.Request, into any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}

// session gets AWS credentials the host's way: a token, then STS or the credential vending service.
func (h host) session(ctx context.Context) (*s3.Client, error) {
	token, err := h.token(ctx)
	if err != nil {
		return nil, err
	}
	return h.exchange(ctx, token, h.configuration["aws_role_arn"])
}

// exchange gets AWS credentials for a token.
func (h host) exchange(ctx context.Context, token, role string) (*s3.Client, error) {
	cfg, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	if vending := h.configuration["credential_vending_url"]; vending != "" {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, vending+"/credentials", nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		var answer struct{ AccessKeyID, SecretAccessKey, Token, Code, Message string }
		if err := fetch(req, &answer); err != nil || answer.AccessKeyID == "" {
			return nil, fmt.Errorf("no credentials: %s %s: %w", answer.Code, answer.Message, err)
		}
		cfg.Credentials = credentials.NewStaticCredentialsProvider(answer.AccessKeyID, answer.SecretAccessKey, answer.Token)
		return s3.NewFromConfig(cfg), nil
	}
	out, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &role, RoleSessionName: aws.String("test"), WebIdentityToken: &token,
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
		h, err := hostOf(state, at)
		if err != nil {
			return err
		}
		if err := h.may(context.Background(), wanted...); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		return nil
	}
}

// may tries what the host should and should not be able to do at its prefix, and that it can do nothing beside it.
func (h host) may(ctx context.Context, wanted ...string) error {
	client, err := h.session(ctx)
	if err != nil {
		return fmt.Errorf("no credentials: %w", err)
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

// decode reads JSON.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// checking is a check that does not look at the state.
func checking(check func() error) resource.TestCheckFunc {
	return func(*terraform.State) error { return check() }
}
