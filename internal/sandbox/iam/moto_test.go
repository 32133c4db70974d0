package iam_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
)

// question is one call of the table that the sandbox and moto both answer. Questions are asked in their order.
type question struct {
	name string
	ask  func(ctx context.Context, c *awsiam.Client) (string, error)
	want string // of ask, or the error's code
	// moto is moto's own answer where it differs; because names the documentation that decides.
	moto, because string
}

func questions() []question {
	const (
		api    = "https://docs.aws.amazon.com/IAM/latest/APIReference/"
		role   = "web-01"
		issuer = "https://tenant.example.com/"
	)
	provider := "arn:aws:iam::" + account + ":oidc-provider/tenant.example.com/"
	name := aws.String(role)
	create := func(change func(*awsiam.CreateRoleInput)) func(context.Context, *awsiam.Client) (string, error) {
		return func(ctx context.Context, c *awsiam.Client) (string, error) {
			in := &awsiam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(denyAll), Tags: []types.Tag{{Key: aws.String("Team"), Value: aws.String("a")}}}
			change(in)
			out, err := c.CreateRole(ctx, in)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s duration=%d tags=%d", *out.Role.Arn, aws.ToInt32(out.Role.MaxSessionDuration), len(out.Role.Tags)), nil
		}
	}
	done := func(do func(context.Context, *awsiam.Client) error) func(context.Context, *awsiam.Client) (string, error) {
		return func(ctx context.Context, c *awsiam.Client) (string, error) { return "done", do(ctx, c) }
	}
	return []question{
		{name: "role that does not exist", want: "NoSuchEntity", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})
			return err
		})},
		{name: "new role", ask: create(func(*awsiam.CreateRoleInput) {}), want: "arn:aws:iam::" + account + ":role/web-01 duration=3600 tags=1"},
		{name: "role of a taken name", ask: create(func(*awsiam.CreateRoleInput) {}), want: "EntityAlreadyExists"},
		{name: "name of another case", ask: create(func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String("WEB-01") }), want: "EntityAlreadyExists",
			moto: "arn:aws:iam::" + account + ":role/WEB-01 duration=3600 tags=1", because: api + `API_CreateRole.html ("Names are not distinguished by case")`},
		{name: "name with a slash", ask: create(func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String("a/b") }), want: "ValidationError",
			moto: "arn:aws:iam::" + account + ":role/a/b duration=3600 tags=1", because: api + "API_CreateRole.html#API_CreateRole_RequestParameters (pattern of RoleName)"},
		{name: "name that is too long", ask: create(func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String(strings.Repeat("x", 65)) }), want: "ValidationError",
			moto: "arn:aws:iam::" + account + ":role/" + strings.Repeat("x", 65) + " duration=3600 tags=1", because: api + "API_CreateRole.html#API_CreateRole_RequestParameters (length of RoleName)"},
		{name: "trust policy that is no policy", ask: create(func(in *awsiam.CreateRoleInput) {
			in.RoleName, in.AssumeRolePolicyDocument = aws.String("other"), aws.String(`{"Version":"2012-10-17"}`)
		}), want: "MalformedPolicyDocument",
			moto: "arn:aws:iam::" + account + ":role/other duration=3600 tags=1", because: api + "API_CreateRole.html#API_CreateRole_Errors (MalformedPolicyDocument)"},
		{name: "session of half an hour", ask: create(func(in *awsiam.CreateRoleInput) {
			in.RoleName, in.MaxSessionDuration = aws.String("short"), aws.Int32(1800)
		}), want: "ValidationError",
			moto: "arn:aws:iam::" + account + ":role/short duration=1800 tags=1", because: api + "API_CreateRole.html#API_CreateRole_RequestParameters (MaxSessionDuration, 3600 to 43200)"},
		{name: "tags that differ in case alone", ask: create(func(in *awsiam.CreateRoleInput) {
			in.RoleName, in.Tags = aws.String("tagged"), []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("A"), Value: aws.String("2")}}
		}), want: "InvalidInput"},
		{name: "role by its name", want: "Team=a", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			out, err := c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})
			if err != nil {
				return "", err
			}
			return tagText(out.Role.Tags), nil
		}},
		{name: "more tags", want: "Owner=b Team=c", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			_, err := c.TagRole(ctx, &awsiam.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: aws.String("Owner"), Value: aws.String("b")}, {Key: aws.String("Team"), Value: aws.String("c")}}})
			if err != nil {
				return "", err
			}
			out, err := c.ListRoleTags(ctx, &awsiam.ListRoleTagsInput{RoleName: name})
			if err != nil {
				return "", err
			}
			return tagText(out.Tags), nil
		}},
		{name: "tag that is not there", want: "done", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.UntagRole(ctx, &awsiam.UntagRoleInput{RoleName: name, TagKeys: []string{"Nobody"}})
			return err
		})},
		{name: "inline policy", want: allowGet, ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			if _, err := c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("p"), PolicyDocument: aws.String(allowGet)}); err != nil {
				return "", err
			}
			out, err := c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("p")})
			if err != nil {
				return "", err
			}
			return unescaped(*out.PolicyDocument), nil
		}},
		{name: "policy of a role that does not exist", want: "NoSuchEntity", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("nobody"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allowGet)})
			return err
		})},
		{name: "policy that is no policy", want: "MalformedPolicyDocument", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("q"), PolicyDocument: aws.String(`{"Statement":[{"Effect":"Perhaps"}]}`)})
			return err
		})},
		{name: "names of policies", want: "[p]", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			out, err := c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: name})
			if err != nil {
				return "", err
			}
			return fmt.Sprint(out.PolicyNames), nil
		}},
		{name: "trust policy that is no policy, later", want: "MalformedPolicyDocument", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(`[]`)})
			return err
		})},
		{name: "longer sessions", want: "7200", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			if _, err := c.UpdateRole(ctx, &awsiam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200)}); err != nil {
				return "", err
			}
			out, err := c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: name})
			if err != nil {
				return "", err
			}
			return fmt.Sprint(aws.ToInt32(out.Role.MaxSessionDuration)), nil
		}},
		{name: "deletion with a policy left", want: "DeleteConflict", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
			return err
		})},
		{name: "all details", want: "web-01 policies=[p] tags=2", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			pages := awsiam.NewGetAccountAuthorizationDetailsPaginator(c, &awsiam.GetAccountAuthorizationDetailsInput{Filter: []types.EntityType{types.EntityTypeRole}})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return "", err
				}
				for _, r := range page.RoleDetailList {
					if *r.RoleName == role {
						return fmt.Sprintf("%s policies=[%s] tags=%d", role, *r.RolePolicyList[0].PolicyName, len(r.Tags)), nil
					}
				}
			}
			return "not there", nil
		}},
		{name: "policy that is not there", want: "NoSuchEntity", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("q")})
			return err
		})},
		{name: "deletion", want: "done", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			if _, err := c.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("p")}); err != nil {
				return err
			}
			_, err := c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
			return err
		})},
		{name: "deletion again", want: "NoSuchEntity", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
			return err
		})},
		{name: "OIDC provider", want: provider, ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			out, err := c.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ClientIDList: []string{"aud"},
				ThumbprintList: []string{strings.Repeat("a", 40)}})
			if err != nil {
				return "", err
			}
			return *out.OpenIDConnectProviderArn, nil
		}},
		{name: "OIDC provider twice", want: "EntityAlreadyExists", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.CreateOpenIDConnectProvider(ctx, &awsiam.CreateOpenIDConnectProviderInput{Url: aws.String(issuer), ThumbprintList: []string{strings.Repeat("a", 40)}})
			return err
		})},
		{name: "client ID twice", want: "[aud web-01]", ask: func(ctx context.Context, c *awsiam.Client) (string, error) {
			for range 2 {
				if _, err := c.AddClientIDToOpenIDConnectProvider(ctx, &awsiam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &provider, ClientID: name}); err != nil {
					return "", err
				}
			}
			out, err := c.GetOpenIDConnectProvider(ctx, &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &provider})
			if err != nil {
				return "", err
			}
			return fmt.Sprint(slices.Sorted(slices.Values(out.ClientIDList))), nil
		}, moto: "status 500", because: api + `API_AddClientIDToOpenIDConnectProvider.html ("This operation is idempotent"); moto fails on either operation`},
		{name: "client ID that is not there", want: "done", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.RemoveClientIDFromOpenIDConnectProvider(ctx, &awsiam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &provider, ClientID: aws.String("nobody")})
			return err
		}), moto: "status 500", because: api + `API_RemoveClientIDFromOpenIDConnectProvider.html ("This operation is idempotent; it does not fail or return an error if you try to remove a client ID that does not exist")`},
		{name: "OIDC provider that does not exist", want: "NoSuchEntity", ask: done(func(ctx context.Context, c *awsiam.Client) error {
			_, err := c.GetOpenIDConnectProvider(ctx, &awsiam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(provider + "x")})
			return err
		})},
	}
}

func tagText(tags []types.Tag) string {
	all := map[string]string{}
	for _, tag := range tags {
		all[*tag.Key] = *tag.Value
	}
	var text []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		text = append(text, key+"="+all[key])
	}
	return strings.Join(text, " ")
}

func answer(q question, c *awsiam.Client) string {
	got, err := q.ask(context.Background(), c)
	var response *smithyhttp.ResponseError
	var known smithy.APIError
	switch {
	case err == nil:
		return got
	case errors.As(err, &known):
		return known.ErrorCode()
	case errors.As(err, &response):
		return fmt.Sprintf("status %d", response.HTTPStatusCode())
	}
	return err.Error()
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	c := newWorld(t).admin()
	for _, q := range questions() {
		if got := answer(q, c); got != q.want {
			t.Errorf("%s:\ngot  %s\nwant %s", q.name, got, q.want)
		}
	}
}

// TestQuestionsAgainstMoto asks moto the same. Where it answers otherwise, the question says why the sandbox does not.
func TestQuestionsAgainstMoto(t *testing.T) {
	t.Parallel()
	c := awsiam.NewFromConfig(awsjsontest.Moto(t))
	for _, q := range questions() {
		want := q.want
		if q.because != "" {
			want = q.moto
		}
		if got := answer(q, c); got != want {
			t.Errorf("%s:\nmoto %s\nwant %s", q.name, got, want)
		}
	}
}

// unescaped is a policy document as it was written; IAM answers with it URL-encoded (RFC 3986).
func unescaped(document string) string {
	text, err := url.PathUnescape(document)
	if err != nil {
		return err.Error()
	}
	return text
}
