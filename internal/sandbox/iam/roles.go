package iam

import (
	"context"
	"strings"
	"unicode/utf8"
)

// RoleSpec is what a role is made of.
type RoleSpec struct {
	Name, Path, Description, TrustPolicy, PermissionsBoundary string

	MaxSessionDuration int // seconds; 0 means 3600
	Tags               map[string]string
	InlinePolicies     map[string]string // name → document
}

// CreateRole makes a role, refusing what IAM refuses, and returns its ARN. Errors are *authz.Error.
func (d *Directory) CreateRole(ctx context.Context, spec RoleSpec) (arn string, err error) {
	r, err := d.makeRole(ctx, spec)
	return r.ARN, err
}

func (d *Directory) makeRole(ctx context.Context, spec RoleSpec) (role, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx = d.latest(ctx)
	r, err := d.checkRole(ctx, spec)
	if err != nil {
		return role{}, err
	}
	if _, exists := d.roles.Get(ctx, strings.ToLower(spec.Name)); exists {
		return role{}, alreadyExists("Role with name %s already exists.", spec.Name)
	}
	if quota := d.roleQuota.Load(); int64(len(d.roles.Keys(ctx))) >= quota {
		return role{}, limitExceeded("Cannot exceed quota for RolesPerAccount: %d", quota)
	}
	if r.ID, err = NewID(d.cfg.Rand, "AROA", 21); err != nil {
		return role{}, err
	}
	for _, name := range sortedKeys(spec.InlinePolicies) {
		if err := r.putInline(roleKind, name, spec.InlinePolicies[name]); err != nil {
			return role{}, err
		}
	}
	d.roles.Put(strings.ToLower(spec.Name), r)
	return r, nil
}

func (d *Directory) checkRole(ctx context.Context, spec RoleSpec) (role, error) {
	if err := checkName("roleName", spec.Name, 64); err != nil {
		return role{}, err
	}
	path, err := checkPath(spec.Path)
	if err != nil {
		return role{}, err
	}
	if spec.MaxSessionDuration == 0 {
		spec.MaxSessionDuration = minSession
	}
	if err := checkSession(spec.MaxSessionDuration); err != nil {
		return role{}, err
	}
	if err := checkDescription(spec.Description); err != nil {
		return role{}, err
	}
	if err := checkTags(spec.Tags); err != nil {
		return role{}, err
	}
	principals, err := d.checkTrust(ctx, spec.TrustPolicy)
	if err != nil {
		return role{}, err
	}
	if spec.PermissionsBoundary != "" {
		if err := d.checkBoundary(ctx, spec.PermissionsBoundary); err != nil {
			return role{}, err
		}
	}
	return role{
		holder: holder{
			Name: spec.Name, Path: path, ARN: d.arn("role" + path + spec.Name), Created: d.cfg.Now(),
			Tags: spec.Tags, Boundary: spec.PermissionsBoundary,
		},
		Description: spec.Description, MaxSession: spec.MaxSessionDuration,
		Trust: spec.TrustPolicy, principals: principals,
	}, nil
}

func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > maxDescription {
		return validation("1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to %d", maxDescription)
	}
	return nil
}

// changeRole changes the latest state of the role that the call names.
func (s *Service) changeRole(c *call, change func(ctx context.Context, r *role) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	name := c.form.Get("RoleName")
	r, ok := s.role(ctx, name)
	if !ok {
		return noSuchEntity("The role with name %s cannot be found.", name)
	}
	r.holder = r.clone()
	if err := change(ctx, &r); err != nil {
		return err
	}
	s.roles.Put(strings.ToLower(name), r)
	return nil
}

// namedRole returns the role that the call names, as a read sees it.
func (s *Service) namedRole(c *call) (role, error) {
	name := c.form.Get("RoleName")
	r, ok := s.role(c.ctx, name)
	if !ok {
		return role{}, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return r, nil
}

func (s *Service) createRole(c *call) (any, error) {
	duration, err := c.number("MaxSessionDuration", minSession)
	if err != nil {
		return nil, err
	}
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	if duration == 0 { // said, not left out
		return nil, checkSession(duration)
	}
	r, err := s.makeRole(c.ctx, RoleSpec{
		Name: c.form.Get("RoleName"), Path: c.form.Get("Path"), Description: c.form.Get("Description"),
		TrustPolicy: c.form.Get("AssumeRolePolicyDocument"), PermissionsBoundary: c.form.Get("PermissionsBoundary"),
		MaxSessionDuration: duration, Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return xmlRoleResult{s.xmlRole(c.ctx, r, true)}, nil
}

func (s *Service) getRole(c *call) (any, error) {
	r, err := s.namedRole(c)
	if err != nil {
		return nil, err
	}
	return xmlRoleResult{s.xmlRole(c.ctx, r, true)}, nil
}

func (s *Service) listRoles(c *call) (any, error) {
	var found []role
	prefix := c.form.Get("PathPrefix")
	for _, r := range s.roles.Values(c.ctx) {
		if strings.HasPrefix(r.Path, prefix) {
			found = append(found, r)
		}
	}
	page, err := cut(c, found, func(r role) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out := xmlRoles{xmlPage: page.xml()}
	for _, r := range page.items {
		out.Roles.Member = append(out.Roles.Member, s.xmlRole(c.ctx, r, false))
	}
	return out, nil
}

func (s *Service) updateRole(c *call) (any, error) {
	duration, err := c.number("MaxSessionDuration", -1)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.changeRole(c, func(_ context.Context, r *role) error {
		if c.form.Has("MaxSessionDuration") {
			if err := checkSession(duration); err != nil {
				return err
			}
			r.MaxSession = duration
		}
		if c.form.Has("Description") {
			r.Description = c.form.Get("Description")
		}
		return checkDescription(r.Description)
	})
}

func (s *Service) updateRoleDescription(c *call) (any, error) {
	var changed role
	err := s.changeRole(c, func(_ context.Context, r *role) error {
		r.Description = c.form.Get("Description")
		changed = *r
		return checkDescription(r.Description)
	})
	if err != nil {
		return nil, err
	}
	return xmlRoleResult{s.xmlRole(c.ctx, changed, true)}, nil
}

func (s *Service) updateAssumeRolePolicy(c *call) (any, error) {
	return nil, s.changeRole(c, func(ctx context.Context, r *role) error {
		document := c.form.Get("PolicyDocument")
		principals, err := s.checkTrust(ctx, document)
		r.Trust, r.principals = document, principals
		return err
	})
}

func (s *Service) deleteRole(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := c.form.Get("RoleName")
	r, ok := s.role(s.latest(c.ctx), name)
	if !ok {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	if err := r.deletable(); err != nil {
		return nil, err
	}
	s.roles.Delete(strings.ToLower(name))
	s.lastUsed.Delete(name)
	return nil, nil
}
