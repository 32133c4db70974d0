package cognito

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognitoidp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// maxSecrets is how many secrets of an app client are valid at once.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AddUserPoolClientSecret.html
const maxSecrets = 2

// secretDeviations finds none: Cognito shows a client's secret, and what made the client gave it one.
func secretDeviations(idp.Client, idp.Spec) []string { return nil }

// applySecret makes a new secret beside the one in use, which stays valid until the next one is made. The one before it,
// which nobody should be using any more, makes room.
func (p *Provider) applySecret(ctx context.Context, c *idp.Client, _ idp.Spec) error {
	all, err := p.secrets(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(all) == 1 {
		c.SecretID = all[0]
	}
	if err := p.deleteSecrets(ctx, c, all); err != nil {
		return err
	}
	out, err := callOnce(ctx, p, "AddUserPoolClientSecret", object(c.ID),
		&cognitoidp.AddUserPoolClientSecretInput{UserPoolId: &p.pool, ClientId: &c.ID}, p.client.AddUserPoolClientSecret)
	if err != nil {
		return err
	}
	made := out.ClientSecretDescriptor
	if made == nil || aws.ToString(made.ClientSecretId) == "" || aws.ToString(made.ClientSecretValue) == "" {
		return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "AddUserPoolClientSecret", Object: object(c.ID),
			Message: "the answer shows no secret"}
	}
	c.Secret, c.SecretID = idp.Secret(*made.ClientSecretValue), *made.ClientSecretId
	return nil
}

// revertSecret removes the secrets that have come since.
func (p *Provider) revertSecret(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return nil // the client goes as a whole
	}
	if before.SecretID == "" && c.SecretID == "" {
		return nil // applySecret learns which secret is in use before it changes anything: it has changed nothing
	}
	all, err := p.secrets(ctx, c.ID)
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Secret, c.SecretID = before.Secret, before.SecretID
	if c.SecretID == "" {
		c.SecretID = all[0] // applySecret leaves no other beside its own
	}
	return p.deleteSecrets(ctx, c, all)
}

// deleteSecrets deletes those that are not the one in use.
func (p *Provider) deleteSecrets(ctx context.Context, c *idp.Client, all []string) error {
	if len(all) < maxSecrets {
		return nil // the last one cannot be deleted
	}
	if !slices.Contains(all, c.SecretID) {
		return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "DeleteUserPoolClientSecret", Object: object(c.ID),
			Message: "the app client has two secrets, and it is not known which of them the server uses; delete the other one " +
				"(aws cognito-idp list-user-pool-client-secrets, delete-user-pool-client-secret)"}
	}
	for _, id := range all {
		if id == c.SecretID {
			continue
		}
		_, err := call(ctx, p, "DeleteUserPoolClientSecret", object(c.ID),
			&cognitoidp.DeleteUserPoolClientSecretInput{UserPoolId: &p.pool, ClientId: &c.ID, ClientSecretId: &id}, p.client.DeleteUserPoolClientSecret)
		if err != nil && !apierror.Is(err, apierror.NotFound) {
			return err
		}
	}
	return nil
}

// secrets lists the ids of a client's secrets, the eldest first. There is at least one.
func (p *Provider) secrets(ctx context.Context, clientID string) ([]string, error) {
	out, err := call(ctx, p, "ListUserPoolClientSecrets", object(clientID),
		&cognitoidp.ListUserPoolClientSecretsInput{UserPoolId: &p.pool, ClientId: &clientID}, p.client.ListUserPoolClientSecrets)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out.ClientSecrets, func(a, b types.ClientSecretDescriptorType) int {
		return aws.ToTime(a.ClientSecretCreateDate).Compare(aws.ToTime(b.ClientSecretCreateDate))
	})
	var ids []string
	for _, one := range out.ClientSecrets {
		ids = append(ids, aws.ToString(one.ClientSecretId))
	}
	if len(ids) == 0 {
		return nil, &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "ListUserPoolClientSecrets", Object: object(clientID),
			Message: "the app client has no secret, and none can be added to one that was made without"}
	}
	return ids, nil
}
