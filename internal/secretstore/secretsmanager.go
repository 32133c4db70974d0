package secretstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	smithytime "github.com/aws/smithy-go/time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const secretsManager = "secretsmanager"

// What is being deleted keeps its name for a while, even where there is no recovery window: "use appropriate back off and
// retry logic". That long Put waits for a name.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
const (
	nameWait       = 2 * time.Minute
	firstNamePause = time.Second
	lastNamePause  = 15 * time.Second
)

// SecretsManager keeps secrets in AWS Secrets Manager, encrypted with the account's key aws/secretsmanager.
type SecretsManager struct {
	client *secretsmanager.Client
	sleep  func(context.Context, time.Duration) error
}

// SecretsManagerOption changes a SecretsManager.
type SecretsManagerOption func(*SecretsManager)

// WithSleep sets how pauses between attempts are waited for; the default is the real time.
func WithSleep(sleep func(context.Context, time.Duration) error) SecretsManagerOption {
	return func(s *SecretsManager) { s.sleep = sleep }
}

// NewSecretsManager returns a vault. It sends no request.
func NewSecretsManager(client *secretsmanager.Client, opts ...SecretsManagerOption) *SecretsManager {
	s := &SecretsManager{client: client, sleep: smithytime.SleepWithContext}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Put implements onboarding.Vault. The owner's secret that somebody deleted, and that can be recovered yet, is restored.
func (s *SecretsManager) Put(ctx context.Context, name, owner string, value idp.Secret) (arn string, err error) {
	replace := func(ctx context.Context) error {
		out, err := s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: &name, SecretString: aws.String(value.Reveal())})
		if err == nil {
			arn = aws.ToString(out.ARN)
		}
		return wrong(secretsManager, "PutSecretValue", name, err)
	}
	create := func(ctx context.Context) error {
		return put(ctx, secretsManager, "CreateSecret", name, func(ctx context.Context) error {
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
		}, replace)
	}
	waited := time.Duration(0)
	for pause := firstNamePause; ; pause = min(2*pause, lastNamePause) {
		if err = create(ctx); !isBeingDeleted(err) {
			return arn, err
		}
		restored, err := s.restore(ctx, name, owner)
		if err != nil {
			return "", err
		}
		if restored {
			err = replace(ctx)
			return arn, err
		}
		if waited >= nameWait {
			return "", deleted(name)
		}
		if err := s.sleep(ctx, pause); err != nil {
			return "", wrong(secretsManager, "CreateSecret", name, err)
		}
		waited += pause
	}
}

// restore cancels the deletion of the owner's secret. It reports false where that cannot be done: the secret is another
// owner's, or is deleted for good and only keeps its name yet, which no answer tells apart.
func (s *SecretsManager) restore(ctx context.Context, name, owner string) (bool, error) {
	found, err := s.describe(ctx, name)
	if isMissing(err) || isBeingDeleted(err) || (err == nil && !isOwn(found.Tags, owner)) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = s.client.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &name})
	err = wrong(secretsManager, "RestoreSecret", name, err)
	if isMissing(err) || isBeingDeleted(err) {
		return false, nil
	}
	return err == nil, err
}

// deleted is the failure of a Put where the name does not come free.
func deleted(name string) error {
	return &apierror.Error{Kind: apierror.Exists, Service: secretsManager, Operation: "CreateSecret", Object: "secret " + name,
		Message: "a secret of this name is scheduled for deletion and belongs to something else; delete it for good " +
			"(aws secretsmanager delete-secret --force-delete-without-recovery), or rename the server"}
}

// isBeingDeleted reports whether a call failed because somebody deleted the secret and its name is taken yet. Only the text
// tells: scheduled for deletion, marked for deletion or, where there is no way back, deleted.
// https://github.com/hashicorp/terraform-provider-aws/pull/8219
func isBeingDeleted(err error) bool {
	e, ok := errors.AsType[*apierror.Error](err)
	return ok && e.Code == "InvalidRequestException" && (strings.Contains(e.Message, "for deletion") || strings.Contains(e.Message, "was deleted"))
}

// Read implements onboarding.Vault. A secret that is scheduled for deletion is none.
func (s *SecretsManager) Read(ctx context.Context, name string) (arn string, value idp.Secret, err error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err = wrong(secretsManager, "GetSecretValue", name, err); isBeingDeleted(err) {
		return "", "", &apierror.Error{Kind: apierror.NotFound, Service: secretsManager, Operation: "GetSecretValue", Object: "secret " + name, Err: err}
	}
	if err != nil {
		return "", "", err
	}
	return aws.ToString(out.ARN), idp.Secret(aws.ToString(out.SecretString)), nil
}

// Delete implements onboarding.Vault. There is no recovery window: the secret's client goes too, and a server that is
// onboarded again needs the name.
func (s *SecretsManager) Delete(ctx context.Context, name, owner string) error {
	found, err := s.describe(ctx, name)
	if isMissing(err) || isBeingDeleted(err) || (err == nil && !isOwn(found.Tags, owner)) {
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
