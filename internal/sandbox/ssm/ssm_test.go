package ssm_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/ssm"
)

type world struct {
	*awsjsontest.Server

	service *ssm.Service
	client  *sdk.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Server = awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		w.service = ssm.New(ssm.Config{Now: time.Now, AccountID: awsjsontest.Account, Region: awsjsontest.Region, Partition: awsjsontest.Partition, Guard: guard})
		return w.service
	})
	w.client = sdk.NewFromConfig(w.Admin())
	return w
}

func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c, name := t.Context(), w.client, aws.String("/oidc-s3/dev/web-01/client_secret")
	in := &sdk.PutParameterInput{Name: name, Value: aws.String("first"), Type: types.ParameterTypeSecureString, Tags: []types.Tag{{Key: aws.String("Server"), Value: aws.String("web-01")}}}
	if out, err := c.PutParameter(ctx, in); err != nil || out.Version != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := c.PutParameter(ctx, in); awsjsontest.Code(err) != "ParameterAlreadyExists" {
		t.Errorf("twice: %v", err)
	}
	in.Overwrite = aws.Bool(true)
	if _, err := c.PutParameter(ctx, in); awsjsontest.Code(err) != "ValidationException" {
		t.Errorf("tags with overwrite: %v", err)
	}
	in.Tags, in.Value = nil, aws.String("second")
	if out, err := c.PutParameter(ctx, in); err != nil || out.Version != 2 {
		t.Errorf("overwrite: %+v, %v", out, err)
	}
	for _, decrypt := range []bool{true, false} {
		out, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: name, WithDecryption: &decrypt})
		if err != nil || (*out.Parameter.Value == "second") != decrypt || *out.Parameter.ARN != "arn:aws:ssm:eu-west-1:123456789012:parameter/oidc-s3/dev/web-01/client_secret" {
			t.Errorf("decrypt %t: %+v, %v", decrypt, out, err)
		}
	}
	several, err := c.GetParameters(ctx, &sdk.GetParametersInput{Names: []string{*name, "nowhere"}, WithDecryption: aws.Bool(true)})
	if err != nil || len(several.Parameters) != 1 || len(several.InvalidParameters) != 1 {
		t.Errorf("%+v, %v", several, err)
	}
	if _, err := c.AddTagsToResource(ctx, &sdk.AddTagsToResourceInput{ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}); err != nil {
		t.Error(err)
	}
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: name})
	if err != nil || len(tags.TagList) != 2 {
		t.Errorf("%+v, %v", tags, err)
	}
	if state := fmt.Sprint(w.service.State(ctx)); strings.Contains(state, "second") || !strings.Contains(state, *name) {
		t.Errorf("state %s", state)
	}
	if _, err := c.DeleteParameter(ctx, &sdk.DeleteParameterInput{Name: name}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteParameter(ctx, &sdk.DeleteParameterInput{Name: name}); awsjsontest.Code(err) != "ParameterNotFound" {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := c.GetParameter(ctx, &sdk.GetParameterInput{Name: name}); awsjsontest.Code(err) != "ParameterNotFound" {
		t.Errorf("read after: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.client.PutParameter(t.Context(), &sdk.PutParameterInput{Name: aws.String("plain"), Value: aws.String("v"), Type: types.ParameterTypeString}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   sdk.PutParameterInput
		code string
	}{
		{sdk.PutParameterInput{Name: aws.String("aws/x"), Value: aws.String("v"), Type: types.ParameterTypeString}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("a/b"), Value: aws.String("v"), Type: types.ParameterTypeString}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("a b"), Value: aws.String("v"), Type: types.ParameterTypeString}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("x"), Value: aws.String("v")}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("x"), Value: aws.String(strings.Repeat("v", 4097)), Type: types.ParameterTypeString}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("x"), Value: aws.String("v"), Type: types.ParameterTypeString, KeyId: aws.String("k")}, "ValidationException"},
		{sdk.PutParameterInput{Name: aws.String("plain"), Value: aws.String("v"), Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)}, "HierarchyTypeMismatchException"},
		{sdk.PutParameterInput{Name: aws.String("x"), Value: aws.String("v"), Type: types.ParameterTypeString, Policies: aws.String("[]")}, "ValidationException"},
	} {
		if _, err := w.client.PutParameter(t.Context(), &c.in); awsjsontest.Code(err) != c.code {
			t.Errorf("%s %s: %v, want %s", *c.in.Name, c.in.Type, err, c.code)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := sdk.NewFromConfig(w.User(t, "limited", `{"Effect":"Allow","Action":["ssm:PutParameter","ssm:GetParameter"],"Resource":"arn:aws:ssm:eu-west-1:123456789012:parameter/mine/*"}`))
	put := func(name string, tags ...types.Tag) string {
		_, err := c.PutParameter(t.Context(), &sdk.PutParameterInput{Name: &name, Value: aws.String("v"), Type: types.ParameterTypeString, Tags: tags})
		return awsjsontest.Code(err)
	}
	if got := put("/mine/a"); got != "" {
		t.Error(got)
	}
	if got := put("/other/a"); got != "AccessDeniedException" {
		t.Errorf("another path: %q", got)
	}
	if got := put("/mine/b", types.Tag{Key: aws.String("a"), Value: aws.String("b")}); got != "AccessDeniedException" {
		t.Errorf("tags need ssm:AddTagsToResource: %q", got)
	}
}
