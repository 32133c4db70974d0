package iam

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// Read asks IAM for a role, never a shared read. It takes 3 calls and one more for each inline policy: GetRole (trust,
// tags, boundary, session duration), ListRolePolicies, GetRolePolicy each, ListAttachedRolePolicies. A server's role
// has one or two inline policies, so 4 or 5 calls; no smaller set shows what others have attached.
func (r *Roles) Read(ctx context.Context, name string) (Role, error) {
	out, err := call(ctx, "GetRole", roleObject(name), &awsiam.GetRoleInput{RoleName: &name}, r.api.GetRole)
	if err != nil {
		return Role{}, err
	}
	if out.Role == nil {
		return Role{}, unreadable("GetRole", roleObject(name), errors.New("the answer holds no role"))
	}
	role, err := fromRole(*out.Role)
	if err != nil {
		return Role{}, unreadable("GetRole", roleObject(name), err)
	}
	if role.InlinePolicies, err = r.inlinePolicies(ctx, name); err != nil {
		return Role{}, err
	}
	if role.AttachedPolicies, err = r.attachedPolicies(ctx, name); err != nil {
		return Role{}, err
	}
	return role, nil
}

func (r *Roles) inlinePolicies(ctx context.Context, name string) (map[string]string, error) {
	policies := map[string]string{}
	input := &awsiam.ListRolePoliciesInput{RoleName: &name, MaxItems: aws.Int32(pageSize)}
	for {
		page, err := call(ctx, "ListRolePolicies", roleObject(name), input, r.api.ListRolePolicies)
		if err != nil {
			return nil, err
		}
		for _, policy := range page.PolicyNames {
			document, err := r.inlinePolicy(ctx, name, policy)
			if apierror.Is(err, apierror.NotFound) {
				continue // deleted since it was listed
			}
			if err != nil {
				return nil, err
			}
			policies[policy] = document
		}
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			return policies, nil
		}
		input.Marker = page.Marker
	}
}

func (r *Roles) inlinePolicy(ctx context.Context, name, policy string) (string, error) {
	input := &awsiam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy}
	out, err := call(ctx, "GetRolePolicy", policyObject(name, policy), input, r.api.GetRolePolicy)
	if err != nil {
		return "", err
	}
	document, err := decoded(out.PolicyDocument)
	if err != nil {
		return "", unreadable("GetRolePolicy", policyObject(name, policy), err)
	}
	return document, nil
}

func (r *Roles) attachedPolicies(ctx context.Context, name string) ([]string, error) {
	var arns []string
	input := &awsiam.ListAttachedRolePoliciesInput{RoleName: &name, MaxItems: aws.Int32(pageSize)}
	for {
		page, err := call(ctx, "ListAttachedRolePolicies", roleObject(name), input, r.api.ListAttachedRolePolicies)
		if err != nil {
			return nil, err
		}
		arns = append(arns, policyARNs(page.AttachedPolicies)...)
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			return arns, nil
		}
		input.Marker = page.Marker
	}
}

// pageSize is the most that IAM puts into a page.
const pageSize = 1000

// fromRole converts what GetRole answers; policies come from other calls.
func fromRole(in types.Role) (Role, error) {
	trust, err := decoded(in.AssumeRolePolicyDocument)
	if err != nil {
		return Role{}, fmt.Errorf("trust policy: %w", err)
	}
	role := Role{
		Name:               aws.ToString(in.RoleName),
		ARN:                aws.ToString(in.Arn),
		TrustPolicy:        trust,
		Tags:               tagMap(in.Tags),
		MaxSessionDuration: time.Duration(aws.ToInt32(in.MaxSessionDuration)) * time.Second,
		Description:        aws.ToString(in.Description),
		Created:            aws.ToTime(in.CreateDate),
	}
	if in.PermissionsBoundary != nil {
		role.PermissionsBoundary = aws.ToString(in.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if in.RoleLastUsed != nil {
		role.LastUsed = aws.ToTime(in.RoleLastUsed.LastUsedDate)
	}
	return role, nil
}

// decoded undoes the URL encoding (RFC 3986) in which IAM returns policy documents.
func decoded(document *string) (string, error) {
	text, err := url.PathUnescape(aws.ToString(document))
	if err != nil {
		return "", fmt.Errorf("the policy document is not URL-encoded: %w", err)
	}
	return text, nil
}

func tagMap(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, tag := range tags {
		m[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return m
}

func policyARNs(policies []types.AttachedPolicy) []string {
	var arns []string
	for _, policy := range policies {
		arns = append(arns, aws.ToString(policy.PolicyArn))
	}
	return arns
}

// unreadable is an answer that came but makes no sense.
func unreadable(operation, object string, err error) error {
	return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: operation, Object: object, Err: err}
}
