package cognito

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Parts implements idp.Provider.
func (p *Provider) Parts() []idp.Part {
	return []idp.Part{
		{Name: "app client", Deviations: clientDeviations, Apply: p.applyClient, Revert: p.revertClient},
		{Name: idp.SecretPart, Deviations: secretDeviations, Apply: p.applySecret, Revert: p.revertSecret},
	}
}

// applyClient makes the client, or mends what is ours of it.
func (p *Provider) applyClient(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	if spec.Method != idp.ClientSecret {
		return &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: "CreateUserPoolClient", Object: "app client " + spec.Name,
			Message: "app clients of Cognito authenticate with a client secret, and not with " + string(spec.Method)}
	}
	if !c.Exists() {
		return p.createClient(ctx, c, spec)
	}
	if c.Secret == "" && aws.ToString(state(*c).ClientSecret) == "" {
		return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "UpdateUserPoolClient", Object: object(c.ID),
			Message: "the app client was made without a secret, which the client credentials grant needs and which cannot be added; replace it"}
	}
	return p.change(ctx, c, wanted(spec))
}

// createClient makes the client in one attempt.
func (p *Provider) createClient(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	what := "app client " + spec.Name
	ids, err := p.taken(ctx, spec.Name)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return &apierror.Error{Kind: apierror.Exists, Service: service, Operation: "CreateUserPoolClient", Object: what,
			Message: "the user pool has an app client of this name already: " + set(ids)}
	}
	want := wanted(spec)
	out, err := callOnce(ctx, p, "CreateUserPoolClient", what, &cognitoidp.CreateUserPoolClientInput{
		UserPoolId: &p.pool, ClientName: &want.name, GenerateSecret: true,
		AllowedOAuthFlowsUserPoolClient: want.enabled, AllowedOAuthFlows: want.flows, AllowedOAuthScopes: want.scopes,
		AccessTokenValidity: aws.Int32(tokenValidity), TokenValidityUnits: &types.TokenValidityUnitsType{AccessToken: types.TimeUnitsTypeHours},
		// Without any, Cognito lets users sign in through the client. This one is for refresh tokens, which it never gets.
		ExplicitAuthFlows:          []types.ExplicitAuthFlowsType{types.ExplicitAuthFlowsTypeAllowRefreshTokenAuth},
		PreventUserExistenceErrors: types.PreventUserExistenceErrorTypesEnabled,
	}, p.client.CreateUserPoolClient)
	if err != nil {
		return err
	}
	if out.UserPoolClient == nil || aws.ToString(out.UserPoolClient.ClientId) == "" {
		return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "CreateUserPoolClient", Object: what, Message: "the answer names no app client"}
	}
	*c = client(*out.UserPoolClient)
	p.names.added(spec.Name, c.ID)
	return nil
}

// change reads the client and puts settings into it.
func (p *Provider) change(ctx context.Context, c *idp.Client, want settings) error {
	now, err := p.describe(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(settingsOf(now).deviations(want)) > 0 {
		out, err := call(ctx, p, "UpdateUserPoolClient", object(c.ID), update(now, want), p.client.UpdateUserPoolClient)
		if err != nil {
			return err
		}
		if out.UserPoolClient == nil || aws.ToString(out.UserPoolClient.ClientId) != c.ID {
			return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "UpdateUserPoolClient", Object: object(c.ID), Message: "the answer is about another app client"}
		}
		secret := now.ClientSecret
		if now = *out.UserPoolClient; aws.ToString(now.ClientSecret) == "" {
			now.ClientSecret = secret
		}
	}
	renewed := client(now)
	if c.SecretID != "" { // which of several Cognito shows is not documented
		renewed.Secret, renewed.SecretID = c.Secret, c.SecretID
	}
	*c = renewed
	return nil
}

// revertClient puts back what is ours. What others have changed since stays.
func (p *Provider) revertClient(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return p.Delete(ctx, *c)
	}
	reverted := idp.Client{ID: before.ID, Secret: c.Secret, SecretID: c.SecretID}
	err := p.change(ctx, &reverted, settingsOf(state(before)))
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	if err == nil {
		*c = reverted
	}
	return err
}

// describe reads an app client with its secret.
func (p *Provider) describe(ctx context.Context, id string) (types.UserPoolClientType, error) {
	out, err := call(ctx, p, "DescribeUserPoolClient", object(id),
		&cognitoidp.DescribeUserPoolClientInput{UserPoolId: &p.pool, ClientId: &id}, p.client.DescribeUserPoolClient)
	if err != nil {
		return types.UserPoolClientType{}, err
	}
	if out.UserPoolClient == nil || aws.ToString(out.UserPoolClient.ClientId) != id {
		return types.UserPoolClientType{}, &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "DescribeUserPoolClient",
			Object: object(id), Message: "the answer is about another app client"}
	}
	app := *out.UserPoolClient
	app.UserPoolId = &p.pool
	return app, nil
}
