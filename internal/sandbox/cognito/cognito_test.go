package cognito_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/cognito"
)

type world struct {
	*awsjsontest.Server

	service *cognito.Service
	client  *sdk.Client
}

func newWorld(t *testing.T, host string) *world {
	t.Helper()
	w := &world{}
	w.Server = awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		w.service = cognito.New(cognito.Config{Now: time.Now, AccountID: awsjsontest.Account, Region: awsjsontest.Region, Partition: awsjsontest.Partition, Guard: guard, Host: host})
		return w.service
	})
	w.client = sdk.NewFromConfig(w.Admin())
	return w
}

// createPool makes a user pool with the resource server "uploads" and its scopes read and write.
func createPool(t *testing.T, c *sdk.Client) string {
	t.Helper()
	pool, err := c.CreateUserPool(t.Context(), &sdk.CreateUserPoolInput{PoolName: aws.String("uploads")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateResourceServer(t.Context(), &sdk.CreateResourceServerInput{UserPoolId: pool.UserPool.Id, Identifier: aws.String("uploads"), Name: aws.String("uploads"),
		Scopes: []types.ResourceServerScopeType{{ScopeName: aws.String("read"), ScopeDescription: aws.String("read")}, {ScopeName: aws.String("write"), ScopeDescription: aws.String("write")}}})
	if err != nil {
		t.Fatal(err)
	}
	return *pool.UserPool.Id
}

func machine(pool, name string, scopes ...string) *sdk.CreateUserPoolClientInput {
	return &sdk.CreateUserPoolClientInput{UserPoolId: &pool, ClientName: &name, GenerateSecret: true, AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{types.OAuthFlowTypeClientCredentials}, AllowedOAuthScopes: scopes}
}

// question is one call of the table that the sandbox and moto both answer.
type question struct {
	name string
	ask  func(ctx context.Context, c *sdk.Client, pool string) (string, error)
	want string // of ask, or the error's code and message; POOL stands for the user pool's id
	// moto is moto's own answer where it differs; because names the documentation that decides.
	moto, because string
}

func answer(q question, c *sdk.Client, pool string) string {
	got, err := q.ask(context.Background(), c, pool)
	if err != nil {
		got = awsjsontest.Code(err) + ": " + awsjsontest.Message(err)
	}
	return strings.ReplaceAll(got, pool, "POOL")
}

func questions() []question {
	create := func(change func(in *sdk.CreateUserPoolClientInput)) func(context.Context, *sdk.Client, string) (string, error) {
		return func(ctx context.Context, c *sdk.Client, pool string) (string, error) {
			in := machine(pool, "web-01", "uploads/write")
			change(in)
			out, err := c.CreateUserPoolClient(ctx, in)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s flows=%v scopes=%v secret=%t", *out.UserPoolClient.ClientName, out.UserPoolClient.AllowedOAuthFlows, out.UserPoolClient.AllowedOAuthScopes, out.UserPoolClient.ClientSecret != nil), nil
		}
	}
	const api = "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/"
	return []question{
		{name: "machine client", ask: create(func(*sdk.CreateUserPoolClientInput) {}), want: "web-01 flows=[client_credentials] scopes=[uploads/write] secret=true"},
		{name: "a second one of the name", ask: create(func(*sdk.CreateUserPoolClientInput) {}), want: "web-01 flows=[client_credentials] scopes=[uploads/write] secret=true"},
		{name: "scope that does not exist", ask: create(func(in *sdk.CreateUserPoolClientInput) { in.AllowedOAuthScopes = []string{"uploads/upload"} }),
			want: "ScopeDoesNotExistException: Invalid scope requested: uploads/upload",
			moto: "web-01 flows=[client_credentials] scopes=[uploads/upload] secret=true", because: api + "API_CreateUserPoolClient.html#API_CreateUserPoolClient_Errors (ScopeDoesNotExistException)"},
		{name: "no secret", ask: create(func(in *sdk.CreateUserPoolClientInput) { in.GenerateSecret = false }),
			want: "InvalidOAuthFlowException: client_credentials flow can not be selected if client does not have a client secret.",
			moto: "web-01 flows=[client_credentials] scopes=[uploads/write] secret=false", because: api + "API_CreateUserPoolClient.html#CognitoUserPools-CreateUserPoolClient-request-AllowedOAuthFlows"},
		{name: "code beside client_credentials", ask: create(func(in *sdk.CreateUserPoolClientInput) {
			in.AllowedOAuthFlows = append(in.AllowedOAuthFlows, types.OAuthFlowTypeCode)
		}),
			want: "InvalidOAuthFlowException: client_credentials flow can not be selected along with code flow or implicit flow.",
			moto: "web-01 flows=[client_credentials code] scopes=[uploads/write] secret=true", because: api + "API_CreateUserPoolClient.html#CognitoUserPools-CreateUserPoolClient-request-AllowedOAuthFlows"},
		{name: "OAuth without scopes", ask: create(func(in *sdk.CreateUserPoolClientInput) { in.AllowedOAuthScopes = nil }),
			want: "InvalidParameterException: AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
			moto: "web-01 flows=[client_credentials] scopes=[] secret=true", because: api + "API_CreateUserPoolClient.html#API_CreateUserPoolClient_Errors (InvalidParameterException)"},
		{name: "pool that does not exist", ask: create(func(in *sdk.CreateUserPoolClientInput) { in.UserPoolId = aws.String("eu-west-1_nowhere12") }),
			want: "ResourceNotFoundException: User pool eu-west-1_nowhere12 does not exist."},
		{name: "client that does not exist", ask: func(ctx context.Context, c *sdk.Client, pool string) (string, error) {
			_, err := c.DescribeUserPoolClient(ctx, &sdk.DescribeUserPoolClientInput{UserPoolId: &pool, ClientId: aws.String("nowhere")})
			return "", err
		}, want: "ResourceNotFoundException: User pool client nowhere does not exist.",
			moto: "ResourceNotFoundException: nowhere", because: "the message alone: " + api + "API_DescribeUserPoolClient.html#API_DescribeUserPoolClient_Errors"},
		{name: "resource server", ask: func(ctx context.Context, c *sdk.Client, pool string) (string, error) {
			out, err := c.DescribeResourceServer(ctx, &sdk.DescribeResourceServerInput{UserPoolId: &pool, Identifier: aws.String("uploads")})
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s %d scopes", *out.ResourceServer.Identifier, len(out.ResourceServer.Scopes)), nil
		}, want: "uploads 2 scopes"},
		{name: "resource server twice", ask: func(ctx context.Context, c *sdk.Client, pool string) (string, error) {
			_, err := c.CreateResourceServer(ctx, &sdk.CreateResourceServerInput{UserPoolId: &pool, Identifier: aws.String("uploads"), Name: aws.String("uploads")})
			return "", err
		}, want: "InvalidParameterException: uploads already exists in user pool POOL."},
		{name: "update resets what is not sent", ask: func(ctx context.Context, c *sdk.Client, pool string) (string, error) {
			in := machine(pool, "web-02", "uploads/write")
			in.AccessTokenValidity, in.TokenValidityUnits = aws.Int32(15), &types.TokenValidityUnitsType{AccessToken: types.TimeUnitsTypeMinutes}
			made, err := c.CreateUserPoolClient(ctx, in)
			if err != nil {
				return "", err
			}
			if _, err := c.UpdateUserPoolClient(ctx, &sdk.UpdateUserPoolClientInput{UserPoolId: &pool, ClientId: made.UserPoolClient.ClientId, ClientName: aws.String("web-03")}); err != nil {
				return "", err
			}
			out, err := c.DescribeUserPoolClient(ctx, &sdk.DescribeUserPoolClientInput{UserPoolId: &pool, ClientId: made.UserPoolClient.ClientId})
			if err != nil {
				return "", err
			}
			u := out.UserPoolClient
			return fmt.Sprintf("%s flows=%d scopes=%d validity=%t secret=%t", *u.ClientName, len(u.AllowedOAuthFlows), len(u.AllowedOAuthScopes), u.AccessTokenValidity != nil, aws.ToString(u.ClientSecret) == *made.UserPoolClient.ClientSecret), nil
		}, want: "web-03 flows=0 scopes=0 validity=false secret=true",
			moto: "web-03 flows=1 scopes=1 validity=true secret=true", because: api + `API_UpdateUserPoolClient.html ("If you don't provide a value for an attribute, Amazon Cognito sets it to its default value")`},
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1:1")
	pool := createPool(t, w.client)
	for _, q := range questions() {
		if got := answer(q, w.client, pool); got != q.want {
			t.Errorf("%s:\n got %s\nwant %s", q.name, got, q.want)
		}
	}
}

// TestQuestionsAgainstMoto asks moto the same. Where it answers otherwise, the question says why the sandbox does not.
func TestQuestionsAgainstMoto(t *testing.T) {
	t.Parallel()
	c := sdk.NewFromConfig(awsjsontest.Moto(t))
	pool := createPool(t, c)
	for _, q := range questions() {
		want := q.want
		if q.because != "" {
			want = q.moto
		}
		if got := answer(q, c, pool); got != want {
			t.Errorf("%s:\nmoto %s\nwant %s", q.name, got, want)
		}
	}
}

func TestClientPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1:1")
	pool := createPool(t, w.client)
	for n := range 70 {
		if _, err := w.client.CreateUserPoolClient(t.Context(), machine(pool, fmt.Sprintf("web-%02d", n), "uploads/write")); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	seen := map[string]bool{}
	for p := sdk.NewListUserPoolClientsPaginator(w.client, &sdk.ListUserPoolClientsInput{UserPoolId: &pool}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.UserPoolClients))
		for _, one := range page.UserPoolClients {
			seen[*one.ClientName] = true
		}
	}
	if !slices.Equal(sizes, []int{60, 10}) || len(seen) != 70 {
		t.Errorf("pages of %v, %d clients", sizes, len(seen))
	}
	_, err := w.client.ListUserPoolClients(t.Context(), &sdk.ListUserPoolClientsInput{UserPoolId: &pool, MaxResults: aws.Int32(61)})
	if awsjsontest.Code(err) != "InvalidParameterException" {
		t.Errorf("61 a page: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1:1")
	ctx, c := t.Context(), w.client
	pool := createPool(t, c)
	made, err := c.CreateUserPoolClient(ctx, machine(pool, "web-01", "uploads/write"))
	if err != nil {
		t.Fatal(err)
	}
	id := made.UserPoolClient.ClientId
	add := &sdk.AddUserPoolClientSecretInput{UserPoolId: &pool, ClientId: id}
	second, err := c.AddUserPoolClientSecret(ctx, add)
	if err != nil || aws.ToString(second.ClientSecretDescriptor.ClientSecretValue) == "" {
		t.Fatalf("second secret: %v", err)
	}
	if _, err := c.AddUserPoolClientSecret(ctx, add); awsjsontest.Code(err) != "LimitExceededException" {
		t.Errorf("third secret: %v", err)
	}
	list, err := c.ListUserPoolClientSecrets(ctx, &sdk.ListUserPoolClientSecretsInput{UserPoolId: &pool, ClientId: id})
	if err != nil || len(list.ClientSecrets) != 2 || list.ClientSecrets[0].ClientSecretValue != nil {
		t.Fatalf("secrets %v", err)
	}
	remove := func(secret *string) error {
		_, err := c.DeleteUserPoolClientSecret(ctx, &sdk.DeleteUserPoolClientSecretInput{UserPoolId: &pool, ClientId: id, ClientSecretId: secret})
		return err
	}
	if err := remove(list.ClientSecrets[0].ClientSecretId); err != nil {
		t.Error(err)
	}
	if err := remove(list.ClientSecrets[1].ClientSecretId); awsjsontest.Code(err) != "InvalidParameterException" {
		t.Errorf("the last secret: %v", err)
	}
	out, err := c.DescribeUserPoolClient(ctx, &sdk.DescribeUserPoolClientInput{UserPoolId: &pool, ClientId: id})
	if err != nil || *out.UserPoolClient.ClientSecret != *second.ClientSecretDescriptor.ClientSecretValue {
		t.Errorf("the client does not have its newer secret: %v", err)
	}
	state := fmt.Sprint(w.service.State(ctx))
	if strings.Contains(state, *out.UserPoolClient.ClientSecret) || !strings.Contains(state, *id) {
		t.Error("the state shows a secret or lacks the client")
	}
}

func TestPoolsAndDomains(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1:1")
	ctx, c := t.Context(), w.client
	pool := createPool(t, c)
	for _, d := range []struct{ domain, code string }{{"Uploads", "InvalidParameterException"}, {"my-cognito", "InvalidParameterException"}, {"uploads-dev", ""}, {"uploads-two", "InvalidParameterException"}} {
		if _, err := c.CreateUserPoolDomain(ctx, &sdk.CreateUserPoolDomainInput{UserPoolId: &pool, Domain: &d.domain}); awsjsontest.Code(err) != d.code {
			t.Errorf("domain %s: %v, want %s", d.domain, err, d.code)
		}
	}
	out, err := c.DescribeUserPool(ctx, &sdk.DescribeUserPoolInput{UserPoolId: &pool})
	if err != nil || *out.UserPool.Domain != "uploads-dev" || *out.UserPool.Arn != "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/"+pool {
		t.Errorf("pool %+v, %v", out, err)
	}
	description, err := c.DescribeUserPoolDomain(ctx, &sdk.DescribeUserPoolDomainInput{Domain: aws.String("uploads-dev")})
	if err != nil || *description.DomainDescription.UserPoolId != pool {
		t.Errorf("domain %+v, %v", description, err)
	}
	servers, err := c.ListResourceServers(ctx, &sdk.ListResourceServersInput{UserPoolId: &pool, MaxResults: aws.Int32(10)})
	if err != nil || len(servers.ResourceServers) != 1 {
		t.Errorf("resource servers %+v, %v", servers, err)
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1:1")
	mine, other := createPool(t, w.client), createPool(t, w.client)
	c := sdk.NewFromConfig(w.User(t, "limited", `{"Effect":"Allow","Action":"cognito-idp:*UserPoolClient","Resource":"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/`+mine+`"}`))
	made, err := c.CreateUserPoolClient(t.Context(), machine(mine, "web-01", "uploads/write"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateUserPoolClient(t.Context(), machine(other, "web-01", "uploads/write")); awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("another pool: %v", err)
	}
	if _, err := c.DescribeUserPool(t.Context(), &sdk.DescribeUserPoolInput{UserPoolId: &mine}); awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("another action: %v", err)
	}
	if _, err := w.client.DescribeUserPoolClient(t.Context(), &sdk.DescribeUserPoolClientInput{UserPoolId: &other, ClientId: made.UserPoolClient.ClientId}); awsjsontest.Code(err) != "ResourceNotFoundException" {
		t.Errorf("a client in another pool: %v", err)
	}
}
