package secretsmanager_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/secretsmanager"
)

type world struct {
	*awsjsontest.Server

	service *secretsmanager.Service
	client  *sdk.Client
	mu      sync.Mutex
	ahead   time.Duration
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Server = awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		w.service = secretsmanager.New(secretsmanager.Config{Now: w.now, AccountID: awsjsontest.Account, Region: awsjsontest.Region, Partition: awsjsontest.Partition, Guard: guard})
		return w.service
	})
	w.client = sdk.NewFromConfig(w.Admin())
	return w
}

func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c, name := t.Context(), w.client, aws.String("oidc-s3/dev/web-01")
	made, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("first"), Tags: []types.Tag{{Key: aws.String("Server"), Value: aws.String("web-01")}}})
	if err != nil || !strings.HasPrefix(*made.ARN, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:oidc-s3/dev/web-01-") {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("x")}); awsjsontest.Code(err) != "ResourceExistsException" {
		t.Errorf("twice: %v", err)
	}
	second, err := c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: made.ARN, SecretString: aws.String("second")})
	if err != nil || !slices.Equal(second.VersionStages, []string{"AWSCURRENT"}) {
		t.Fatalf("%+v, %v", second, err)
	}
	for _, g := range []struct {
		in   sdk.GetSecretValueInput
		want string
	}{
		{sdk.GetSecretValueInput{SecretId: name}, "second"},
		{sdk.GetSecretValueInput{SecretId: made.ARN}, "second"},
		{sdk.GetSecretValueInput{SecretId: name, VersionStage: aws.String("AWSPREVIOUS")}, "first"},
		{sdk.GetSecretValueInput{SecretId: name, VersionId: made.VersionId}, "first"},
		{sdk.GetSecretValueInput{SecretId: name, VersionId: made.VersionId, VersionStage: aws.String("AWSCURRENT")}, "ResourceNotFoundException"},
		{sdk.GetSecretValueInput{SecretId: name, VersionStage: aws.String("other")}, "ResourceNotFoundException"},
		{sdk.GetSecretValueInput{SecretId: aws.String("nowhere")}, "ResourceNotFoundException"},
	} {
		out, err := c.GetSecretValue(ctx, &g.in)
		got := awsjsontest.Code(err)
		if err == nil {
			got = *out.SecretString
		}
		if got != g.want {
			t.Errorf("%+v: got %s, want %s", g.in, got, g.want)
		}
	}
	same := &sdk.PutSecretValueInput{SecretId: name, SecretString: aws.String("second"), ClientRequestToken: second.VersionId}
	if again, err := c.PutSecretValue(ctx, same); err != nil || *again.VersionId != *second.VersionId {
		t.Errorf("the same put again: %v", err)
	}
	same.SecretString = aws.String("other")
	if _, err := c.PutSecretValue(ctx, same); awsjsontest.Code(err) != "ResourceExistsException" {
		t.Errorf("another value for the same token: %v", err)
	}
	if _, err := c.TagResource(ctx, &sdk.TagResourceInput{SecretId: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}); err != nil {
		t.Error(err)
	}
	out, err := c.DescribeSecret(ctx, &sdk.DescribeSecretInput{SecretId: name})
	if err != nil || len(out.Tags) != 2 || !slices.Equal(out.VersionIdsToStages[*made.VersionId], []string{"AWSPREVIOUS"}) {
		t.Errorf("%+v, %v", out, err)
	}
	if state := fmt.Sprint(w.service.State(ctx)); strings.Contains(state, "second") || !strings.Contains(state, *name) {
		t.Errorf("state %s", state)
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c, name := t.Context(), w.client, aws.String("s")
	create := func() error {
		_, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("v")})
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name, RecoveryWindowInDays: aws.Int64(6)}); awsjsontest.Code(err) != "InvalidParameterException" {
		t.Errorf("6 days: %v", err)
	}
	if _, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name}); awsjsontest.Code(err) != "InvalidRequestException" {
		t.Errorf("read of a deleted secret: %v", err)
	}
	if err := create(); awsjsontest.Code(err) != "InvalidRequestException" {
		t.Errorf("create in the recovery window: %v", err)
	}
	if _, err := c.RestoreSecret(ctx, &sdk.RestoreSecretInput{SecretId: name}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name}); err != nil {
		t.Errorf("restored: %v", err)
	}
	if _, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Errorf("force: %v", err)
	}
	if err := create(); err != nil {
		t.Errorf("create after a forced deletion: %v", err)
	}
}

// TestErasing: the name of what is deleted for good comes free a while later.
func TestErasing(t *testing.T) {
	t.Parallel()
	w := &world{}
	server := awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		return secretsmanager.New(secretsmanager.Config{Now: w.now, Erasing: time.Minute, AccountID: awsjsontest.Account, Region: awsjsontest.Region,
			Partition: awsjsontest.Partition, Guard: guard})
	})
	ctx, c, name := t.Context(), sdk.NewFromConfig(server.Admin()), aws.String("s")
	create := func() error {
		_, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("v")})
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if err := create(); awsjsontest.Code(err) != "InvalidRequestException" {
		t.Errorf("create at once: %v", err)
	}
	if _, err := c.RestoreSecret(ctx, &sdk.RestoreSecretInput{SecretId: name}); awsjsontest.Code(err) != "InvalidRequestException" {
		t.Errorf("restore of what is deleted for good: %v", err)
	}
	w.mu.Lock()
	w.ahead = time.Minute
	w.mu.Unlock()
	if err := create(); err != nil {
		t.Errorf("create a minute later: %v", err)
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"mine", "other"} {
		if _, err := w.client.CreateSecret(t.Context(), &sdk.CreateSecretInput{Name: &name, SecretString: aws.String("v")}); err != nil {
			t.Fatal(err)
		}
	}
	c := sdk.NewFromConfig(w.User(t, "limited", `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:mine-??????"}`))
	if _, err := c.GetSecretValue(t.Context(), &sdk.GetSecretValueInput{SecretId: aws.String("mine")}); err != nil {
		t.Error(err)
	}
	if _, err := c.GetSecretValue(t.Context(), &sdk.GetSecretValueInput{SecretId: aws.String("other")}); awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("another secret: %v", err)
	}
	if _, err := c.DescribeSecret(t.Context(), &sdk.DescribeSecretInput{SecretId: aws.String("mine")}); awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("another action: %v", err)
	}
}
