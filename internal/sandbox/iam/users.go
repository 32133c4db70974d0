package iam

import (
	"context"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

// UserSpec is what a user is made of.
type UserSpec struct {
	Name, Path, PermissionsBoundary string

	Tags           map[string]string
	InlinePolicies map[string]string // name → document
	Admin          bool              // may do everything, whatever its policies: the sandbox's own administrator
	// AccessKeyID and SecretAccessKey, where set, are its first access key.
	AccessKeyID, SecretAccessKey string
}

// CreateUser makes a user, refusing what IAM refuses, and returns its ARN. Errors are *authz.Error.
func (d *Directory) CreateUser(ctx context.Context, spec UserSpec) (arn string, err error) {
	u, err := d.makeUser(ctx, spec)
	return u.ARN, err
}

func (d *Directory) makeUser(ctx context.Context, spec UserSpec) (user, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx = d.latest(ctx)
	if err := checkName("userName", spec.Name, 64); err != nil {
		return user{}, err
	}
	path, err := checkPath(spec.Path)
	if err != nil {
		return user{}, err
	}
	if err := checkTags(spec.Tags); err != nil {
		return user{}, err
	}
	if spec.PermissionsBoundary != "" {
		if err := d.checkBoundary(ctx, spec.PermissionsBoundary); err != nil {
			return user{}, err
		}
	}
	if _, exists := d.users.Get(ctx, strings.ToLower(spec.Name)); exists {
		return user{}, alreadyExists("User with name %s already exists.", spec.Name)
	}
	id, err := NewID(d.cfg.Rand, "AIDA", 21)
	if err != nil {
		return user{}, err
	}
	u := user{
		holder: holder{
			Name: spec.Name, Path: path, ARN: d.arn("user" + path + spec.Name), ID: id, Created: d.cfg.Now(),
			Tags: spec.Tags, Boundary: spec.PermissionsBoundary,
		},
		Admin: spec.Admin,
	}
	for _, name := range sortedKeys(spec.InlinePolicies) {
		if err := u.putInline(userKind, name, spec.InlinePolicies[name]); err != nil {
			return user{}, err
		}
	}
	d.users.Put(strings.ToLower(spec.Name), u)
	if spec.AccessKeyID != "" {
		d.keys.Put(spec.AccessKeyID, accessKey{ID: spec.AccessKeyID, UserName: spec.Name, Active: true, Created: d.cfg.Now(), secret: spec.SecretAccessKey})
	}
	return u, nil
}

func (s *Service) newUserTarget(c *call) (target, error) {
	name := c.form.Get("UserName")
	if err := checkName("userName", name, 64); err != nil {
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
	t := target{resource: s.arn("user" + path + name), keys: requestTagKeys(tags)}
	t.keys["iam:PermissionsBoundary"] = optional(c.form.Get("PermissionsBoundary"))
	if len(tags) > 0 {
		t.also = []string{"TagUser"}
	}
	return t, nil
}

// userTarget is the user that the call names; without a name it is the caller.
func (s *Service) userTarget(c *call) (target, error) {
	if !c.form.Has("UserName") {
		const mark = ":user/"
		i := strings.Index(c.caller.ARN, mark)
		if i < 0 {
			return target{}, validation("Must specify userName when calling with non-User credentials")
		}
		c.form.Set("UserName", c.caller.ARN[strings.LastIndex(c.caller.ARN, "/")+1:])
	}
	name := c.form.Get("UserName")
	if err := checkName("userName", name, 64); err != nil {
		return target{}, err
	}
	u, ok := s.user(s.latest(c.ctx), name)
	if !ok {
		return target{resource: s.arn("user/" + name), keys: map[string][]string{"iam:PermissionsBoundary": nil}}, nil
	}
	return target{resource: u.ARN, keys: u.keys()}, nil
}

func (s *Service) userPolicyTarget(c *call) (target, error) {
	t, err := s.userTarget(c)
	if err == nil {
		t.keys["iam:PolicyARN"] = optional(c.form.Get("PolicyArn"))
	}
	return t, err
}

func (s *Service) userBoundaryTarget(c *call) (target, error) {
	t, err := s.userTarget(c)
	if err == nil {
		t.keys["iam:PermissionsBoundary"] = optional(c.form.Get("PermissionsBoundary"))
	}
	return t, err
}

func userNotFound(name string) error {
	return noSuchEntity("The user with name %s cannot be found.", name)
}

func (s *Service) namedUser(c *call) (user, error) {
	name := c.form.Get("UserName")
	u, ok := s.user(c.ctx, name)
	if !ok {
		return user{}, userNotFound(name)
	}
	return u, nil
}

func (s *Service) changeUser(c *call, change func(ctx context.Context, u *user) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	name := c.form.Get("UserName")
	u, ok := s.user(ctx, name)
	if !ok {
		return userNotFound(name)
	}
	u.holder = u.clone()
	if err := change(ctx, &u); err != nil {
		return err
	}
	s.users.Put(strings.ToLower(name), u)
	return nil
}

func (s *Service) createUser(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	u, err := s.makeUser(c.ctx, UserSpec{
		Name: c.form.Get("UserName"), Path: c.form.Get("Path"), Tags: tags, PermissionsBoundary: c.form.Get("PermissionsBoundary"),
	})
	if err != nil {
		return nil, err
	}
	return xmlUserResult{newXMLUser(u)}, nil
}

func (s *Service) getUser(c *call) (any, error) {
	u, err := s.namedUser(c)
	if err != nil {
		return nil, err
	}
	return xmlUserResult{newXMLUser(u)}, nil
}

func (s *Service) listUsers(c *call) (any, error) {
	var found []user
	for _, u := range s.users.Values(c.ctx) {
		if strings.HasPrefix(u.Path, c.form.Get("PathPrefix")) {
			found = append(found, u)
		}
	}
	page, err := cut(c, found, func(u user) string { return u.Name })
	if err != nil {
		return nil, err
	}
	out := xmlUsers{xmlPage: page.xml()}
	for _, u := range page.items {
		out.Users.Member = append(out.Users.Member, newXMLUser(u))
	}
	return out, nil
}

func (s *Service) deleteUser(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	name := c.form.Get("UserName")
	u, ok := s.user(ctx, name)
	if !ok {
		return nil, userNotFound(name)
	}
	if err := u.deletable(); err != nil {
		return nil, err
	}
	if len(s.keysOf(ctx, name)) > 0 {
		return nil, deleteConflict("Cannot delete entity, must delete access keys first.")
	}
	s.users.Delete(strings.ToLower(name))
	return nil, nil
}

func (s *Service) putUserPolicy(c *call) (any, error) {
	name, err := policyName(c)
	if err != nil {
		return nil, err
	}
	return nil, s.changeUser(c, func(_ context.Context, u *user) error {
		return u.putInline(userKind, name, c.form.Get("PolicyDocument"))
	})
}

func (s *Service) getUserPolicy(c *call) (any, error) {
	u, err := s.namedUser(c)
	if err != nil {
		return nil, err
	}
	name := c.form.Get("PolicyName")
	document, ok := u.Inline[name]
	if !ok {
		return nil, noSuchEntity("The user policy with name %s cannot be found.", name)
	}
	return xmlInline{UserName: u.Name, PolicyName: name, PolicyDocument: escapeDocument(document)}, nil
}

func (s *Service) deleteUserPolicy(c *call) (any, error) {
	return nil, s.changeUser(c, func(_ context.Context, u *user) error {
		return u.deleteInline(userKind, c.form.Get("PolicyName"))
	})
}

func (s *Service) listUserPolicies(c *call) (any, error) {
	u, err := s.namedUser(c)
	if err != nil {
		return nil, err
	}
	return inlineNames(c, u.holder)
}

func (s *Service) attachUserPolicy(c *call) (any, error) {
	return nil, s.changeUser(c, func(ctx context.Context, u *user) error {
		return u.attach(ctx, s.Directory, userKind, c.form.Get("PolicyArn"))
	})
}

func (s *Service) detachUserPolicy(c *call) (any, error) {
	return nil, s.changeUser(c, func(_ context.Context, u *user) error { return u.detach(c.form.Get("PolicyArn")) })
}

func (s *Service) listAttachedUserPolicies(c *call) (any, error) {
	u, err := s.namedUser(c)
	if err != nil {
		return nil, err
	}
	return attachedPolicies(c, u.holder)
}

func (s *Service) putUserBoundary(c *call) (any, error) {
	return nil, s.changeUser(c, func(ctx context.Context, u *user) error {
		u.Boundary = c.form.Get("PermissionsBoundary")
		return s.checkBoundary(ctx, u.Boundary)
	})
}

func (s *Service) deleteUserBoundary(c *call) (any, error) {
	return nil, s.changeUser(c, func(_ context.Context, u *user) error {
		if u.Boundary == "" {
			return noSuchEntity("User with name %s does not have a permissions boundary.", u.Name)
		}
		u.Boundary = ""
		return nil
	})
}

type xmlUser struct {
	Path                string
	UserName            string
	UserId              string //nolint:revive // the API's spelling
	Arn                 string
	CreateDate          string
	PermissionsBoundary *xmlBoundary
	Tags                awsquery.List[awsquery.Tag]
}

type xmlUserResult struct{ User xmlUser }

type xmlUsers struct {
	Users awsquery.List[xmlUser]
	xmlPage
}

func newXMLUser(u user) xmlUser {
	return xmlUser{
		Path: u.Path, UserName: u.Name, UserId: u.ID, Arn: u.ARN, CreateDate: created(u.Created),
		PermissionsBoundary: boundary(u.Boundary), Tags: xmlTags(u.Tags),
	}
}
