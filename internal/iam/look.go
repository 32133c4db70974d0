package iam

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
)

// Look returns a role from one read of all roles, which the callers of a run share. A role that is not in it is asked
// for by Read before it counts as gone, and so is one that was written to through this adapter. Where IAM does not
// allow lists, Look is Read.
func (r *Roles) Look(ctx context.Context, name string) (Role, error) {
	if r.touched(name) {
		return r.Read(ctx, name)
	}
	all, err := r.all.Get(ctx, r.readAll)
	if err != nil {
		return Role{}, awserror.From(service, "GetAccountAuthorizationDetails", roleObject(name), err)
	}
	role, ok := all[name]
	if !ok || r.touched(name) { // written to while it was read
		return r.Read(ctx, name)
	}
	return role.clone(), nil
}

// All returns all roles of the account by name, from one read that the callers of a run share, and that Look shares with
// them. The roles lack session duration and description, and must not be changed. It fails with apierror.Denied where IAM
// does not allow lists.
func (r *Roles) All(ctx context.Context) (map[string]Role, error) {
	all, err := r.details.Get(ctx, r.readDetails)
	if err != nil {
		return nil, awserror.From(service, "GetAccountAuthorizationDetails", allRoles, err)
	}
	return all, nil
}

// List returns all roles, ordered by name, from a read of its own. It fails with apierror.Denied where IAM does not allow
// lists: there is no other way.
func (r *Roles) List(ctx context.Context) ([]Role, error) {
	all, err := r.readDetails(ctx)
	if err == nil {
		all, err = r.withSettings(ctx, all)
	}
	if err != nil {
		return nil, err
	}
	roles := make([]Role, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		roles = append(roles, all[name])
	}
	return roles, nil
}

func (r *Roles) touch(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[name] = true
}

func (r *Roles) touched(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed[name]
}

// readAll reads all roles in pages of 1,000 with two lists. GetAccountAuthorizationDetails has policies, tags and
// boundary, but neither session duration nor description (RoleDetail); ListRoles has those two, but not the rest. A
// role that only one of them shows was created or deleted in between, and is left to Read.
//
// A refusal is kept as an empty answer, so that it costs one call a run.
func (r *Roles) readAll(ctx context.Context) (map[string]Role, error) {
	all, err := r.details.Get(ctx, r.readDetails)
	if err == nil {
		all, err = r.withSettings(ctx, all)
	}
	if apierror.Is(err, apierror.Denied) {
		r.denied.Do(func() {
			r.notify(fmt.Sprintf("Reading roles one by one, which takes about five calls each: listing all of them was refused (%v). "+
				"Allow iam:GetAccountAuthorizationDetails and iam:ListRoles to read them in pages of 1,000.", err))
		})
		return map[string]Role{}, nil
	}
	return all, err
}

const allRoles = "all roles"

func (r *Roles) readDetails(ctx context.Context) (map[string]Role, error) {
	all := map[string]Role{}
	input := &awsiam.GetAccountAuthorizationDetailsInput{
		Filter: []types.EntityType{types.EntityTypeRole}, MaxItems: aws.Int32(pageSize),
	}
	for {
		page, err := call(ctx, "GetAccountAuthorizationDetails", allRoles, input, r.api.GetAccountAuthorizationDetails)
		if err != nil {
			return nil, err
		}
		for _, detail := range page.RoleDetailList {
			role, err := fromDetail(detail)
			if err != nil {
				return nil, unreadable("GetAccountAuthorizationDetails", roleObject(aws.ToString(detail.RoleName)), err)
			}
			all[role.Name] = role
		}
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			return all, nil
		}
		input.Marker = page.Marker
	}
}

// withSettings returns those of the roles that it finds, with what the details lack.
func (r *Roles) withSettings(ctx context.Context, details map[string]Role) (map[string]Role, error) {
	all := make(map[string]Role, len(details))
	input := &awsiam.ListRolesInput{MaxItems: aws.Int32(pageSize)}
	for {
		page, err := call(ctx, "ListRoles", allRoles, input, r.api.ListRoles)
		if err != nil {
			return nil, err
		}
		for _, listed := range page.Roles {
			name := aws.ToString(listed.RoleName)
			role, ok := details[name]
			if !ok || listed.MaxSessionDuration == nil {
				continue
			}
			role.MaxSessionDuration = time.Duration(*listed.MaxSessionDuration) * time.Second
			role.Description = aws.ToString(listed.Description)
			all[name] = role
		}
		if !page.IsTruncated || aws.ToString(page.Marker) == "" {
			return all, nil
		}
		input.Marker = page.Marker
	}
}

func fromDetail(in types.RoleDetail) (Role, error) {
	trust, err := decoded(in.AssumeRolePolicyDocument)
	if err != nil {
		return Role{}, fmt.Errorf("trust policy: %w", err)
	}
	role := Role{
		Name:             aws.ToString(in.RoleName),
		ARN:              aws.ToString(in.Arn),
		TrustPolicy:      trust,
		InlinePolicies:   map[string]string{},
		AttachedPolicies: policyARNs(in.AttachedManagedPolicies),
		Tags:             tagMap(in.Tags),
		Created:          aws.ToTime(in.CreateDate),
	}
	for _, policy := range in.RolePolicyList {
		document, err := decoded(policy.PolicyDocument)
		if err != nil {
			return Role{}, fmt.Errorf("policy %s: %w", aws.ToString(policy.PolicyName), err)
		}
		role.InlinePolicies[aws.ToString(policy.PolicyName)] = document
	}
	if in.PermissionsBoundary != nil {
		role.PermissionsBoundary = aws.ToString(in.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if in.RoleLastUsed != nil {
		role.LastUsed = aws.ToTime(in.RoleLastUsed.LastUsedDate)
	}
	return role, nil
}

// clone keeps callers from changing what others share.
func (r Role) clone() Role {
	r.InlinePolicies, r.Tags = maps.Clone(r.InlinePolicies), maps.Clone(r.Tags)
	r.AttachedPolicies = slices.Clone(r.AttachedPolicies)
	return r
}
