package iam

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

// The shapes of IAM's answers: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Types.html. Documents are
// percent-encoded.

type xmlPage struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

type xmlBoundary struct {
	PermissionsBoundaryType string
	PermissionsBoundaryArn  string
}

type xmlLastUsed struct {
	LastUsedDate string `xml:",omitempty"`
	Region       string `xml:",omitempty"`
}

type xmlRole struct {
	Path                     string
	RoleName                 string
	RoleId                   string //nolint:revive // the API's spelling
	Arn                      string
	CreateDate               string
	AssumeRolePolicyDocument string
	Description              string `xml:",omitempty"`
	MaxSessionDuration       int
	PermissionsBoundary      *xmlBoundary
	Tags                     *awsquery.List[awsquery.Tag]
	RoleLastUsed             *xmlLastUsed
}

type xmlRoleResult struct{ Role xmlRole }

type xmlRoles struct {
	Roles awsquery.List[xmlRole]
	xmlPage
}

type xmlInline struct {
	RoleName       string `xml:",omitempty"`
	UserName       string `xml:",omitempty"`
	PolicyName     string
	PolicyDocument string
}

type xmlPolicyNames struct {
	PolicyNames awsquery.List[string]
	xmlPage
}

type xmlAttachedPolicy struct {
	PolicyName string
	PolicyArn  string
}

type xmlAttachedPolicies struct {
	AttachedPolicies awsquery.List[xmlAttachedPolicy]
	xmlPage
}

type xmlTagPage struct {
	Tags awsquery.List[awsquery.Tag]
	xmlPage
}

type xmlInstanceProfiles struct {
	InstanceProfiles awsquery.List[string]
	xmlPage
}

func boundary(arn string) *xmlBoundary {
	if arn == "" {
		return nil
	}
	return &xmlBoundary{"Policy", arn}
}

// xmlRole shows a role; ListRoles shows neither tags, boundary nor last use.
func (s *Service) xmlRole(ctx context.Context, r role, whole bool) xmlRole {
	x := xmlRole{
		Path: r.Path, RoleName: r.Name, RoleId: r.ID, Arn: r.ARN, CreateDate: created(r.Created),
		AssumeRolePolicyDocument: escapeDocument(s.renderTrust(ctx, r)),
		Description:              r.Description, MaxSessionDuration: r.MaxSession,
	}
	if !whole {
		return x
	}
	x.PermissionsBoundary = boundary(r.Boundary)
	if len(r.Tags) > 0 {
		tags := xmlTags(r.Tags)
		x.Tags = &tags
	}
	x.RoleLastUsed = s.xmlLastUsed(ctx, r)
	return x
}

func (s *Service) xmlLastUsed(ctx context.Context, r role) *xmlLastUsed {
	used, ok := s.lastUsed.Get(ctx, r.Name)
	if !ok || used.Before(r.Created) {
		return &xmlLastUsed{}
	}
	return &xmlLastUsed{LastUsedDate: created(used), Region: "us-east-1"}
}
