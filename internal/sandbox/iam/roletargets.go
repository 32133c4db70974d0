package iam

import (
	"maps"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

func (s *Service) listTarget(resource string) func(*call) (target, error) {
	if resource != "*" {
		resource = s.arn(resource + "*")
	}
	return func(*call) (target, error) { return target{resource: resource}, nil }
}

func (s *Service) newRoleTarget(c *call) (target, error) {
	name := c.form.Get("RoleName")
	if err := checkName("roleName", name, 64); err != nil {
		return target{}, err
	}
	path, err := checkPath(c.form.Get("Path"))
	if err != nil {
		return target{}, err
	}
	tags, err := c.tags()
	if err != nil {
		return target{}, err
	}
	t := target{resource: s.arn("role" + path + name), keys: requestTagKeys(tags)}
	t.keys["iam:PermissionsBoundary"] = optional(c.form.Get("PermissionsBoundary"))
	if len(tags) > 0 {
		t.also = []string{"TagRole"}
	}
	return t, nil
}

func optional(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// roleTarget is the role that the call names, whether it exists or not: who may not see it is not told.
func (s *Service) roleTarget(c *call) (target, error) {
	name := c.form.Get("RoleName")
	if err := checkName("roleName", name, 64); err != nil {
		return target{}, err
	}
	r, ok := s.role(s.latest(c.ctx), name)
	if !ok {
		return target{resource: s.arn("role/" + name), keys: map[string][]string{"iam:PermissionsBoundary": nil}}, nil
	}
	return target{resource: r.ARN, keys: r.keys()}, nil
}

func (s *Service) rolePolicyTarget(c *call) (target, error) {
	t, err := s.roleTarget(c)
	if err == nil {
		t.keys["iam:PolicyARN"] = optional(c.form.Get("PolicyArn"))
	}
	return t, err
}

func (s *Service) roleBoundaryTarget(c *call) (target, error) {
	t, err := s.roleTarget(c)
	if err == nil {
		t.keys["iam:PermissionsBoundary"] = optional(c.form.Get("PermissionsBoundary"))
	}
	return t, err
}

func (s *Service) roleTagTarget(c *call) (target, error) {
	t, err := s.roleTarget(c)
	if err != nil {
		return t, err
	}
	tags, err := c.tags()
	maps.Copy(t.keys, requestTagKeys(tags))
	return t, err
}

func (s *Service) roleUntagTarget(c *call) (target, error) {
	t, err := s.roleTarget(c)
	if err == nil {
		t.keys["aws:TagKeys"] = awsquery.Members(c.form, "TagKeys")
	}
	return t, err
}
