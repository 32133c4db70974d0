package vending_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/vending"
)

// TestCognito takes tokens of the sandbox's Cognito, which shares no code with those that newIssuer makes up.
func TestCognito(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var pools *cognito.Service
	host := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if pools.Handles(r) {
			pools.ServeHTTP(rw, r)
			return
		}
		pools.Domain().ServeHTTP(rw, r)
	}))
	pools = cognito.New(cognito.Config{Now: time.Now, AccountID: account, Region: region, Partition: "aws", Guard: w.engine, Host: host.Listener.Addr().String()})
	host.StartTLS()
	t.Cleanup(host.Close)
	pool, err := pools.CreatePool(t.Context(), "uploads", "uploads-dev", map[string][]string{"uploads": {"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config(aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"})
	cfg.BaseEndpoint, cfg.HTTPClient = aws.String(host.URL), host.Client()
	out, err := sdk.NewFromConfig(cfg).CreateUserPoolClient(t.Context(), &sdk.CreateUserPoolClientInput{
		UserPoolId: &pool, ClientName: aws.String("web-01"), GenerateSecret: true, AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{types.OAuthFlowTypeClientCredentials}, AllowedOAuthScopes: []string{"uploads/read", scope},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := out.UserPoolClient
	w.onboard(t, *client.ClientId, "web-01", "web/01/")
	settings := w.settings()
	settings.Issuers = []vending.Issuer{{Provider: vending.Cognito, URL: pools.Issuer(pool), Scopes: []string{scope}}}
	s := w.service(t, settings)
	for asked, want := range map[string]int{scope: 200, "uploads/read": 403} {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, host.Client())
		token, err := (&clientcredentials.Config{ClientID: *client.ClientId, ClientSecret: *client.ClientSecret, TokenURL: host.URL + "/oauth2/token", Scopes: []string{asked}}).Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status, b, _ := ask(t, s, token.AccessToken); status != want {
			t.Errorf("scope %s: %d %s, want %d", asked, status, b.Code, want)
		}
	}
}
