package iam

import (
	"context"
	"path"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

func policyName(c *call) (string, error) {
	name := c.form.Get("PolicyName")
	return name, checkName("policyName", name, 128)
}

func (s *Service) putRolePolicy(c *call) (any, error) {
	name, err := policyName(c)
	if err != nil {
		return nil, err
	}
	return nil, s.changeRole(c, func(_ context.Context, r *role) error {
		return r.putInline(roleKind, name, c.form.Get("PolicyDocument"))
	})
}

func (s *Service) getRolePolicy(c *call) (any, error) {
	name, err := policyName(c)
	if err != nil {
		return nil, err
	}
	r, err := s.namedRole(c)
	if err != nil {
		return nil, err
	}
	document, ok := r.Inline[name]
	if !ok {
		return nil, noSuchEntity("The role policy with name %s cannot be found.", name)
	}
	return xmlInline{RoleName: r.Name, PolicyName: name, PolicyDocument: escapeDocument(document)}, nil
}

func (s *Service) deleteRolePolicy(c *call) (any, error) {
	name, err := policyName(c)
	if err != nil {
		return nil, err
	}
	return nil, s.changeRole(c, func(_ context.Context, r *role) error { return r.deleteInline(roleKind, name) })
}

func (s *Service) listRolePolicies(c *call) (any, error) {
	r, err := s.namedRole(c)
	if err != nil {
		return nil, err
	}
	return inlineNames(c, r.holder)
}

func inlineNames(c *call, h holder) (any, error) {
	page, err := cut(c, sortedKeys(h.Inline), func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	return xmlPolicyNames{PolicyNames: awsquery.ListOf(page.items), xmlPage: page.xml()}, nil
}

func attachedPolicies(c *call, h holder) (any, error) {
	page, err := cut(c, h.Attached, func(arn string) string { return arn })
	if err != nil {
		return nil, err
	}
	return xmlAttachedPolicies{AttachedPolicies: xmlAttached(page.items), xmlPage: page.xml()}, nil
}

func xmlAttached(arns []string) awsquery.List[xmlAttachedPolicy] {
	var out awsquery.List[xmlAttachedPolicy]
	for _, arn := range arns {
		out.Member = append(out.Member, xmlAttachedPolicy{PolicyName: path.Base(arn), PolicyArn: arn})
	}
	return out
}

func (s *Service) attachRolePolicy(c *call) (any, error) {
	return nil, s.changeRole(c, func(ctx context.Context, r *role) error {
		return r.attach(ctx, s.Directory, roleKind, c.form.Get("PolicyArn"))
	})
}

func (s *Service) detachRolePolicy(c *call) (any, error) {
	return nil, s.changeRole(c, func(_ context.Context, r *role) error { return r.detach(c.form.Get("PolicyArn")) })
}

func (s *Service) listAttachedRolePolicies(c *call) (any, error) {
	r, err := s.namedRole(c)
	if err != nil {
		return nil, err
	}
	return attachedPolicies(c, r.holder)
}

func (s *Service) putRoleBoundary(c *call) (any, error) {
	return nil, s.changeRole(c, func(ctx context.Context, r *role) error {
		r.Boundary = c.form.Get("PermissionsBoundary")
		return s.checkBoundary(ctx, r.Boundary)
	})
}

func (s *Service) deleteRoleBoundary(c *call) (any, error) {
	return nil, s.changeRole(c, func(_ context.Context, r *role) error {
		if r.Boundary == "" {
			return noSuchEntity("Role with name %s does not have a permissions boundary.", r.Name)
		}
		r.Boundary = ""
		return nil
	})
}

func (s *Service) tagRole(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, s.changeRole(c, func(_ context.Context, r *role) (err error) {
		r.Tags, err = withTags(r.Tags, tags)
		return err
	})
}

func (s *Service) untagRole(c *call) (any, error) {
	return nil, s.changeRole(c, func(_ context.Context, r *role) error {
		for _, key := range awsquery.Members(c.form, "TagKeys") {
			delete(r.Tags, key)
		}
		return nil
	})
}

// withTags adds tags to a copy that the caller owns.
func withTags(have, add map[string]string) (map[string]string, error) {
	if have == nil {
		have = map[string]string{}
	}
	for key, value := range add {
		have[key] = value
	}
	return have, checkTags(have)
}

func (s *Service) listRoleTags(c *call) (any, error) {
	r, err := s.namedRole(c)
	if err != nil {
		return nil, err
	}
	return tagPage(c, r.Tags)
}

func tagPage(c *call, tags map[string]string) (any, error) {
	page, err := cut(c, xmlTags(tags).Member, func(t awsquery.Tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	return xmlTagPage{Tags: awsquery.ListOf(page.items), xmlPage: page.xml()}, nil
}

func (s *Service) listInstanceProfiles(c *call) (any, error) {
	if _, err := s.namedRole(c); err != nil {
		return nil, err
	}
	return xmlInstanceProfiles{}, nil
}
