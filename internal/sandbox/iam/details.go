package iam

import (
	"context"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

type xmlPolicyDetail struct {
	PolicyName     string
	PolicyDocument string
}

type xmlRoleDetail struct {
	Path                     string
	RoleName                 string
	RoleId                   string //nolint:revive // the API's spelling
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	InstanceProfileList      awsquery.List[string]
	RolePolicyList           awsquery.List[xmlPolicyDetail]
	AttachedManagedPolicies  awsquery.List[xmlAttachedPolicy]
	PermissionsBoundary      *xmlBoundary
	Tags                     awsquery.List[awsquery.Tag]
	RoleLastUsed             *xmlLastUsed
}

type xmlUserDetail struct {
	Path                    string
	UserName                string
	UserId                  string //nolint:revive // the API's spelling
	Arn                     string
	CreateDate              string
	UserPolicyList          awsquery.List[xmlPolicyDetail]
	GroupList               awsquery.List[string]
	AttachedManagedPolicies awsquery.List[xmlAttachedPolicy]
	PermissionsBoundary     *xmlBoundary
	Tags                    awsquery.List[awsquery.Tag]
}

type xmlManagedDetail struct {
	xmlPolicy

	PolicyVersionList awsquery.List[xmlPolicyVersion]
}

type xmlDetails struct {
	UserDetailList  awsquery.List[xmlUserDetail]
	GroupDetailList awsquery.List[string]
	RoleDetailList  awsquery.List[xmlRoleDetail]
	Policies        awsquery.List[xmlManagedDetail]
	xmlPage
}

// detail is one entity of GetAccountAuthorizationDetails: key orders users before roles before policies across pages.
type detail struct {
	key string
	add func(out *xmlDetails)
}

func (s *Service) accountDetails(c *call) (any, error) {
	filter := awsquery.Members(c.form, "Filter")
	for _, kind := range filter {
		if !slices.Contains([]string{"User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"}, kind) {
			return nil, validation("1 validation error detected: Value '%v' at 'filter' failed to satisfy constraint: Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]", filter)
		}
	}
	wants := func(kind string) bool { return len(filter) == 0 || slices.Contains(filter, kind) }
	var all []detail
	if wants("User") {
		all = append(all, s.userDetails(c.ctx)...)
	}
	if wants("Role") {
		all = append(all, s.roleDetails(c.ctx)...)
	}
	for _, p := range s.policies.Values(c.ctx) {
		if (p.AWS && wants("AWSManagedPolicy")) || (!p.AWS && wants("LocalManagedPolicy")) {
			all = append(all, s.policyDetail(c.ctx, p))
		}
	}
	page, err := cut(c, all, func(d detail) string { return d.key })
	if err != nil {
		return nil, err
	}
	out := xmlDetails{xmlPage: page.xml()}
	for _, d := range page.items {
		d.add(&out)
	}
	return out, nil
}

func (s *Service) userDetails(ctx context.Context) []detail {
	var all []detail
	for _, u := range s.users.Values(ctx) {
		all = append(all, detail{"1" + u.Name, func(out *xmlDetails) {
			out.UserDetailList.Member = append(out.UserDetailList.Member, xmlUserDetail{
				Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: u.ARN, CreateDate: created(u.Created),
				UserPolicyList: inlineDetails(u.holder), AttachedManagedPolicies: xmlAttached(u.Attached),
				PermissionsBoundary: boundary(u.Boundary), Tags: xmlTags(u.Tags),
			})
		}})
	}
	return all
}

func (s *Service) roleDetails(ctx context.Context) []detail {
	var all []detail
	for _, r := range s.roles.Values(ctx) {
		all = append(all, detail{"2" + r.Name, func(out *xmlDetails) {
			out.RoleDetailList.Member = append(out.RoleDetailList.Member, xmlRoleDetail{
				Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN, CreateDate: created(r.Created),
				AssumeRolePolicyDocument: escapeDocument(s.renderTrust(ctx, r)),
				RolePolicyList:           inlineDetails(r.holder), AttachedManagedPolicies: xmlAttached(r.Attached),
				PermissionsBoundary: boundary(r.Boundary), Tags: xmlTags(r.Tags), RoleLastUsed: s.xmlLastUsed(ctx, r),
			})
		}})
	}
	return all
}

func (s *Service) policyDetail(ctx context.Context, p managedPolicy) detail {
	return detail{"3" + p.ARN, func(out *xmlDetails) {
		x := xmlManagedDetail{xmlPolicy: s.xmlPolicy(ctx, p)}
		for _, v := range p.Versions {
			x.PolicyVersionList.Member = append(x.PolicyVersionList.Member, xmlVersion(p, v, true))
		}
		out.Policies.Member = append(out.Policies.Member, x)
	}}
}

func inlineDetails(h holder) awsquery.List[xmlPolicyDetail] {
	var out awsquery.List[xmlPolicyDetail]
	for _, name := range sortedKeys(h.Inline) {
		out.Member = append(out.Member, xmlPolicyDetail{name, escapeDocument(h.Inline[name])})
	}
	return out
}
