package iam

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
)

// OIDCProvider returns an OIDC provider of the account, from a read that the callers of a run share. Changing its list
// through this adapter ends the sharing.
func (r *Roles) OIDCProvider(ctx context.Context, arn string) (OIDCProvider, error) {
	provider, err := r.providers.Get(ctx, arn, func(ctx context.Context) (OIDCProvider, error) {
		return r.OIDCProviderFresh(ctx, arn)
	})
	provider.ClientIDs = slices.Clone(provider.ClientIDs)
	return provider, awserror.From(service, "GetOpenIDConnectProvider", providerObject(arn), err)
}

// OIDCProviderFresh asks IAM itself.
func (r *Roles) OIDCProviderFresh(ctx context.Context, arn string) (OIDCProvider, error) {
	input := &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}
	out, err := call(ctx, "GetOpenIDConnectProvider", providerObject(arn), input, r.api.GetOpenIDConnectProvider)
	if err != nil {
		return OIDCProvider{}, err
	}
	return OIDCProvider{ARN: arn, URL: aws.ToString(out.Url), ClientIDs: out.ClientIDList}, nil
}

// AddAudience adds a client id to the provider's list; one that is there already is no error. IAM adds one entry and
// leaves the others alone, so that concurrent changes do not undo each other.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddClientIDToOpenIDConnectProvider.html
func (r *Roles) AddAudience(ctx context.Context, arn, clientID string) error {
	defer r.providers.Forget(arn)
	input := &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &clientID}
	_, err := call(ctx, "AddClientIDToOpenIDConnectProvider", providerObject(arn), input, r.api.AddClientIDToOpenIDConnectProvider)
	return explainQuota(err, "an OIDC provider takes at most 100 client IDs, a quota that AWS does not raise; "+
		"let the API issue tokens without azp, or use federation = \"vending\"")
}

// RemoveAudience removes a client id from the provider's list; one that is gone already, or a provider that is, is no
// error.
func (r *Roles) RemoveAudience(ctx context.Context, arn, clientID string) error {
	defer r.providers.Forget(arn)
	input := &awsiam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: &clientID}
	_, err := call(ctx, "RemoveClientIDFromOpenIDConnectProvider", providerObject(arn), input, r.api.RemoveClientIDFromOpenIDConnectProvider)
	return ignoreGone(err)
}
