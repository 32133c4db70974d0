package secretstore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const secretsManager = "secretsmanager"

// SecretsManager keeps secrets in AWS Secrets Manager, encrypted with the account's key aws/secretsmanager.
type SecretsManager struct{ client *secretsmanager.Client }

// NewSecretsManager returns a vault. It sends no request.
func NewSecretsManager(client *secretsmanager.Client) *SecretsManager {
	return &SecretsManager{client: client}
}

// Put implements onboarding.Vault.
func (s *SecretsManager) Put(ctx context.Context, name, owner string, value idp.Secret) (arn string, err error) {
	err = put(ctx, secretsManager, "CreateSecret", name, func(ctx context.Context) error {
		out, err := s.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{
			Name: &name, Description: aws.String(description), SecretString: aws.String(value.Reveal()),
			Tags: []types.Tag{{Key: aws.String(ownerTag), Value: &owner}},
		})
		if err == nil {
			arn = aws.ToString(out.ARN)
		}
		return wrong(secretsManager, "CreateSecret", name, err)
	}, func(ctx context.Context) (bool, error) {
		found, err := s.describe(ctx, name)
		return err == nil && isOwn(found.Tags, owner), err
	}, func(ctx context.Context) error {
		out, err := s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String(value.Reveal())})
		if err == nil {
			arn = aws.ToString(out.ARN)
		}
		return wrong(secretsManager, "PutSecretValue", name, err)
	})
	return arn, err
}

// Read implements onboarding.Vault.
func (s *SecretsManager) Read(ctx context.Context, name string) (arn string, value idp.Secret, err error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", "", wrong(secretsManager, "GetSecretValue", name, err)
	}
	return aws.ToString(out.ARN), idp.Secret(aws.ToString(out.SecretString)), nil
}

// Delete implements onboarding.Vault. There is no recovery window: the secret's client goes too, and a server that is
// onboarded again needs the name.
func (s *SecretsManager) Delete(ctx context.Context, name, owner string) error {
	found, err := s.describe(ctx, name)
	if isMissing(err) || (err == nil && !isOwn(found.Tags, owner)) {
		return nil
	}
	if err == nil {
		_, err = s.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: aws.Bool(true)})
		err = wrong(secretsManager, "DeleteSecret", name, err)
	}
	if isMissing(err) {
		return nil
	}
	return err
}

func (s *SecretsManager) describe(ctx context.Context, name string) (*secretsmanager.DescribeSecretOutput, error) {
	out, err := s.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	return out, wrong(secretsManager, "DescribeSecret", name, err)
}

func isOwn(tags []types.Tag, owner string) bool {
	all := map[string]string{}
	for _, tag := range tags {
		all[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return owned(all, owner)
}
