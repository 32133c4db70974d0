package secretstore

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const parameterStore = "ssm"

// ParameterStore keeps secrets as SecureString parameters, encrypted with the account's key aws/ssm. A secret's name gets a
// leading slash there, which a parameter's name with slashes must have.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
type ParameterStore struct{ client *ssm.Client }

// NewParameterStore returns a vault. It sends no request.
func NewParameterStore(client *ssm.Client) *ParameterStore { return &ParameterStore{client: client} }

func path(name string) *string { return aws.String("/" + name) }

// Put implements onboarding.Vault.
func (s *ParameterStore) Put(ctx context.Context, name, owner string, value idp.Secret) (string, error) {
	write := func(ctx context.Context, overwrite bool, tags []types.Tag) error {
		_, err := s.client.PutParameter(ctx, &ssm.PutParameterInput{
			Name: path(name), Description: aws.String(description), Value: aws.String(value.Reveal()), Type: types.ParameterTypeSecureString,
			Overwrite: &overwrite, Tags: tags, // not both: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
		})
		return wrong(parameterStore, "PutParameter", name, err)
	}
	err := put(ctx, parameterStore, "PutParameter", name, func(ctx context.Context) error {
		return write(ctx, false, []types.Tag{{Key: aws.String(ownerTag), Value: &owner}})
	}, func(ctx context.Context) (bool, error) {
		return s.isOwn(ctx, name, owner)
	}, func(ctx context.Context) error {
		return write(ctx, true, nil)
	})
	if err != nil {
		return "", err
	}
	arn, _, err := s.Read(ctx, name) // no answer to a change says it
	return arn, err
}

// Read implements onboarding.Vault.
func (s *ParameterStore) Read(ctx context.Context, name string) (arn string, value idp.Secret, err error) {
	out, err := s.client.GetParameter(ctx, &ssm.GetParameterInput{Name: path(name), WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", "", wrong(parameterStore, "GetParameter", name, err)
	}
	return aws.ToString(out.Parameter.ARN), idp.Secret(aws.ToString(out.Parameter.Value)), nil
}

// Delete implements onboarding.Vault.
func (s *ParameterStore) Delete(ctx context.Context, name, owner string) error {
	mine, err := s.isOwn(ctx, name, owner)
	if isMissing(err) || (err == nil && !mine) {
		return nil
	}
	if err == nil {
		_, err = s.client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: path(name)})
		err = wrong(parameterStore, "DeleteParameter", name, err)
	}
	if isMissing(err) {
		return nil
	}
	return err
}

func (s *ParameterStore) isOwn(ctx context.Context, name, owner string) (bool, error) {
	out, err := s.client.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: path(name)})
	if err != nil {
		return false, wrong(parameterStore, "ListTagsForResource", name, err)
	}
	all := map[string]string{}
	for _, tag := range out.TagList {
		all[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return owned(all, owner), nil
}
