package iam

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// Create creates a role. The SDK never repeats it: after apierror.Ambiguous the role may exist. A taken name is
// apierror.Exists.
func (r *Roles) Create(ctx context.Context, spec RoleSpec) (Role, error) {
	r.touch(spec.Name)
	input := &awsiam.CreateRoleInput{
		RoleName:                 &spec.Name,
		AssumeRolePolicyDocument: &spec.TrustPolicy,
		MaxSessionDuration:       seconds(spec.MaxSessionDuration),
		Tags:                     tagList(spec.Tags),
	}
	if spec.Description != "" {
		input.Description = &spec.Description
	}
	if spec.PermissionsBoundary != "" {
		input.PermissionsBoundary = &spec.PermissionsBoundary
	}
	out, err := untilPrincipalKnown(ctx, r.clock, func() (*awsiam.CreateRoleOutput, error) {
		return callOnce(ctx, r.clock, "CreateRole", roleObject(spec.Name), input, r.api.CreateRole)
	})
	if err != nil {
		return Role{}, explainQuota(err, "the account has as many roles as its quota allows; ask AWS to raise \"Roles per account\"")
	}
	// IAM answers with what was sent; what it leaves out of an answer is no news.
	role := Role{
		Name: spec.Name, TrustPolicy: spec.TrustPolicy, InlinePolicies: map[string]string{}, Tags: maps.Clone(spec.Tags),
		MaxSessionDuration: spec.MaxSessionDuration, PermissionsBoundary: spec.PermissionsBoundary, Description: spec.Description,
	}
	if out.Role != nil {
		role.ARN, role.Created = aws.ToString(out.Role.Arn), aws.ToTime(out.Role.CreateDate)
	}
	if role.Tags == nil {
		role.Tags = map[string]string{}
	}
	return role, nil
}

// SetTrust replaces the trust policy. A principal that IAM does not know yet is waited for, up to two minutes.
func (r *Roles) SetTrust(ctx context.Context, name, document string) error {
	r.touch(name)
	input := &awsiam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &document}
	_, err := untilPrincipalKnown(ctx, r.clock, func() (*awsiam.UpdateAssumeRolePolicyOutput, error) {
		return call(ctx, "UpdateAssumeRolePolicy", roleObject(name), input, r.api.UpdateAssumeRolePolicy)
	})
	return err
}

// SetMaxSessionDuration sets how long sessions of the role may last, 1 to 12 hours. The call sets the description too,
// since one that is left out may be reset.
func (r *Roles) SetMaxSessionDuration(ctx context.Context, name string, d time.Duration, description string) error {
	r.touch(name)
	input := &awsiam.UpdateRoleInput{RoleName: &name, MaxSessionDuration: seconds(d), Description: &description}
	_, err := call(ctx, "UpdateRole", roleObject(name), input, r.api.UpdateRole)
	return err
}

// SetPermissionsBoundary sets the permissions boundary, or removes it where arn is empty.
func (r *Roles) SetPermissionsBoundary(ctx context.Context, name, arn string) error {
	r.touch(name)
	if arn == "" {
		input := &awsiam.DeleteRolePermissionsBoundaryInput{RoleName: &name}
		_, err := call(ctx, "DeleteRolePermissionsBoundary", roleObject(name), input, r.api.DeleteRolePermissionsBoundary)
		return ignoreGone(err)
	}
	input := &awsiam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: &arn}
	_, err := call(ctx, "PutRolePermissionsBoundary", roleObject(name), input, r.api.PutRolePermissionsBoundary)
	return err
}

// PutPolicy writes an inline policy, over what there is of that name.
func (r *Roles) PutPolicy(ctx context.Context, name, policy, document string) error {
	r.touch(name)
	input := &awsiam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: &document}
	_, err := call(ctx, "PutRolePolicy", policyObject(name, policy), input, r.api.PutRolePolicy)
	return explainQuota(err, "the inline policies of the role are larger than the 10,240 characters that IAM takes")
}

// DeletePolicy deletes an inline policy; one that is gone already is no error.
func (r *Roles) DeletePolicy(ctx context.Context, name, policy string) error {
	r.touch(name)
	input := &awsiam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy}
	_, err := call(ctx, "DeleteRolePolicy", policyObject(name, policy), input, r.api.DeleteRolePolicy)
	return ignoreGone(err)
}

// Tag sets tags and leaves others alone.
func (r *Roles) Tag(ctx context.Context, name string, tags map[string]string) error {
	if len(tags) == 0 {
		return nil
	}
	r.touch(name)
	input := &awsiam.TagRoleInput{RoleName: &name, Tags: tagList(tags)}
	_, err := call(ctx, "TagRole", roleObject(name), input, r.api.TagRole)
	return explainQuota(err, "the role would have more than the 50 tags that IAM takes")
}

// Untag removes tags; those that are gone already are no error.
func (r *Roles) Untag(ctx context.Context, name string, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	r.touch(name)
	input := &awsiam.UntagRoleInput{RoleName: &name, TagKeys: keys}
	_, err := call(ctx, "UntagRole", roleObject(name), input, r.api.UntagRole)
	return err
}

// Delete deletes a role; one that is gone already is no error. While it has policies or instance profiles it fails with
// apierror.Conflict.
func (r *Roles) Delete(ctx context.Context, name string) error {
	r.touch(name)
	input := &awsiam.DeleteRoleInput{RoleName: &name}
	_, err := call(ctx, "DeleteRole", roleObject(name), input, r.api.DeleteRole)
	return ignoreGone(err)
}

func policyObject(role, policy string) string { return "policy " + policy + " of role " + role }

func ignoreGone(err error) error {
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	return err
}

// explainQuota says in words which quota is meant by LimitExceeded, beside IAM's own message.
func explainQuota(err error, words string) error {
	if e, ok := errors.AsType[*apierror.Error](err); ok && e.Code == "LimitExceeded" {
		e.Message = strings.TrimSuffix(strings.TrimSpace(e.Message), ".") + ": " + words
	}
	return err
}

// How long a principal that IAM does not know yet is waited for. The AWS provider waits as long for the same answer.
const (
	principalWait  = 2 * time.Minute
	principalPause = 3 * time.Second
)

// untilPrincipalKnown repeats a call that IAM refuses because a principal of the policy, just created, has not spread
// yet. The refusal is certain, so repeating is safe.
func untilPrincipalKnown[Out any](ctx context.Context, clock Clock, try func() (Out, error)) (Out, error) {
	deadline := clock.Now().Add(principalWait)
	for {
		out, err := try()
		e, ok := errors.AsType[*apierror.Error](err)
		if !ok || e.Kind != apierror.Invalid || e.Code != "MalformedPolicyDocument" || !strings.Contains(e.Message, "Invalid principal in policy") {
			return out, err
		}
		if clock.Now().Add(principalPause).After(deadline) || clock.Sleep(ctx, principalPause) != nil {
			return out, err
		}
	}
}

// seconds converts a session duration; IAM judges its range.
func seconds(d time.Duration) *int32 {
	if d == 0 {
		return nil
	}
	return aws.Int32(int32(min(max(d/time.Second, 0), 1<<30))) //nolint:gosec // bounded just here
}

// tagList is sorted, so that the same tags make the same request.
func tagList(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	return list
}
