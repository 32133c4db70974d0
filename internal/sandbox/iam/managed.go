package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// awsPolicies are those of AWS's own managed policies that tests and examples attach.
var awsPolicies = map[string]string{
	"AdministratorAccess":                      `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	"AmazonS3FullAccess":                       `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","s3-object-lambda:*"],"Resource":"*"}]}`,
	"AmazonS3ReadOnlyAccess":                   `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"],"Resource":"*"}]}`,
	"service-role/AWSLambdaBasicExecutionRole": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
}

func (d *Directory) seedManagedPolicies() {
	now := d.cfg.Now()
	for _, name := range sortedKeys(awsPolicies) {
		base, path := name, "/"
		if i := strings.LastIndex(name, "/"); i >= 0 {
			base, path = name[i+1:], "/"+name[:i+1]
		}
		arn := "arn:" + d.cfg.Partition + ":iam::aws:policy" + path + base
		d.policies.Put(arn, managedPolicy{
			Name: base, Path: path, ARN: arn, ID: "ANPA" + strings.ToUpper(base), Created: now, Updated: now,
			Default: "v1", Versions: []policyVersion{{"v1", awsPolicies[name], now}}, AWS: true, next: 2,
		})
	}
}

func (s *Service) newPolicyTarget(c *call) (target, error) {
	name, err := policyName(c)
	if err != nil {
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
	t := target{resource: s.arn("policy" + path + name), keys: requestTagKeys(tags)}
	if len(tags) > 0 {
		t.also = []string{"TagPolicy"}
	}
	return t, nil
}

func (s *Service) policyTarget(c *call) (target, error) {
	arn := c.form.Get("PolicyArn")
	if !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":policy/") {
		return target{}, invalidInput("ARN %s is not valid.", arn)
	}
	keys := map[string][]string{}
	if p, ok := s.policies.Get(s.latest(c.ctx), arn); ok {
		addResourceTagKeys(keys, p.Tags)
	}
	return target{resource: arn, keys: keys}, nil
}

func checkManaged(document string) error {
	if _, err := parsed(document, policy.Identity); err != nil {
		return err
	}
	if size(document) > managedQuota {
		return limitExceeded("Cannot exceed quota for PolicySize: %d", managedQuota)
	}
	return nil
}

func (s *Service) createPolicy(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, path := c.form.Get("PolicyName"), c.form.Get("Path")
	if path == "" {
		path = "/"
	}
	document := c.form.Get("PolicyDocument")
	if err := checkManaged(document); err != nil {
		return nil, err
	}
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	arn := s.arn("policy" + path + name)
	if _, exists := s.policies.Get(s.latest(c.ctx), arn); exists {
		return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", name)
	}
	id, err := NewID(s.cfg.Rand, "ANPA", 21)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	p := managedPolicy{
		Name: name, Path: path, ARN: arn, ID: id, Description: c.form.Get("Description"), Created: now, Updated: now,
		Default: "v1", Versions: []policyVersion{{"v1", document, now}}, Tags: tags, next: 2,
	}
	s.policies.Put(arn, p)
	return xmlPolicyResult{s.xmlPolicy(c.ctx, p)}, nil
}

func (s *Service) namedPolicy(c *call) (managedPolicy, error) {
	arn := c.form.Get("PolicyArn")
	p, ok := s.policies.Get(c.ctx, arn)
	if !ok {
		return p, noSuchEntity("Policy %s was not found.", arn)
	}
	return p, nil
}

func (s *Service) getPolicy(c *call) (any, error) {
	p, err := s.namedPolicy(c)
	if err != nil {
		return nil, err
	}
	return xmlPolicyResult{s.xmlPolicy(c.ctx, p)}, nil
}

func (s *Service) getPolicyVersion(c *call) (any, error) {
	p, err := s.namedPolicy(c)
	if err != nil {
		return nil, err
	}
	v := p.version(c.form.Get("VersionId"))
	if v.ID == "" {
		return nil, noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.ARN, c.form.Get("VersionId"))
	}
	return xmlVersionResult{xmlVersion(p, v, true)}, nil
}

func (s *Service) listPolicyVersions(c *call) (any, error) {
	p, err := s.namedPolicy(c)
	if err != nil {
		return nil, err
	}
	var out xmlVersions
	for _, v := range slices.Backward(p.Versions) {
		out.Versions.Member = append(out.Versions.Member, xmlVersion(p, v, false))
	}
	return out, nil
}

// changePolicy changes the latest state of the customer managed policy that the call names.
func (s *Service) changePolicy(c *call, change func(ctx context.Context, p *managedPolicy) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	p, ok := s.policies.Get(ctx, c.form.Get("PolicyArn"))
	if !ok {
		return noSuchEntity("Policy %s was not found.", c.form.Get("PolicyArn"))
	}
	if p.AWS {
		return invalidInput("AWS managed policies cannot be changed.")
	}
	p.Versions = slices.Clone(p.Versions)
	if err := change(ctx, &p); err != nil {
		return err
	}
	s.policies.Put(p.ARN, p)
	return nil
}

func (s *Service) createPolicyVersion(c *call) (any, error) {
	var out xmlVersionResult
	err := s.changePolicy(c, func(_ context.Context, p *managedPolicy) error {
		document := c.form.Get("PolicyDocument")
		if err := checkManaged(document); err != nil {
			return err
		}
		if len(p.Versions) >= versionQuota {
			return limitExceeded("A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", versionQuota)
		}
		v := policyVersion{"v" + strconv.Itoa(p.next), document, s.cfg.Now()}
		p.next++
		p.Versions = append(p.Versions, v)
		p.Updated = v.Created
		if c.form.Get("SetAsDefault") == "true" {
			p.Default = v.ID
		}
		out = xmlVersionResult{xmlVersion(*p, v, false)}
		return nil
	})
	return out, err
}

func (s *Service) deletePolicyVersion(c *call) (any, error) {
	return nil, s.changePolicy(c, func(_ context.Context, p *managedPolicy) error {
		id := c.form.Get("VersionId")
		if id == p.Default {
			return deleteConflict("Cannot delete the default version of a policy.")
		}
		i := slices.IndexFunc(p.Versions, func(v policyVersion) bool { return v.ID == id })
		if i < 0 {
			return noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.ARN, id)
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}

func (s *Service) listPolicies(c *call) (any, error) {
	var found []managedPolicy
	for _, p := range s.policies.Values(c.ctx) {
		scope := c.form.Get("Scope")
		if strings.HasPrefix(p.Path, c.form.Get("PathPrefix")) && (scope != "Local" || !p.AWS) && (scope != "AWS" || p.AWS) {
			found = append(found, p)
		}
	}
	page, err := cut(c, found, func(p managedPolicy) string { return p.ARN })
	if err != nil {
		return nil, err
	}
	out := xmlPolicies{xmlPage: page.xml()}
	for _, p := range page.items {
		out.Policies.Member = append(out.Policies.Member, s.xmlPolicy(c.ctx, p))
	}
	return out, nil
}

func (s *Service) deletePolicy(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	arn := c.form.Get("PolicyArn")
	p, ok := s.policies.Get(ctx, arn)
	attached, boundaries := s.uses(ctx, arn)
	switch {
	case !ok:
		return nil, noSuchEntity("Policy %s was not found.", arn)
	case p.AWS:
		return nil, invalidInput("AWS managed policies cannot be deleted.")
	case attached+boundaries > 0:
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return nil, deleteConflict("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	s.policies.Delete(arn)
	return nil, nil
}

// uses counts the users and roles that a managed policy is attached to, and those that it bounds.
func (s *Service) uses(ctx context.Context, arn string) (attached, boundaries int) {
	count := func(h holder) {
		if slices.Contains(h.Attached, arn) {
			attached++
		}
		if h.Boundary == arn {
			boundaries++
		}
	}
	for _, r := range s.roles.Values(ctx) {
		count(r.holder)
	}
	for _, u := range s.users.Values(ctx) {
		count(u.holder)
	}
	return attached, boundaries
}

type xmlPolicy struct {
	PolicyName                    string
	PolicyId                      string //nolint:revive // the API's spelling
	Arn                           string
	Path                          string
	DefaultVersionId              string //nolint:revive // the API's spelling
	AttachmentCount               int
	PermissionsBoundaryUsageCount int
	IsAttachable                  bool
	Description                   string `xml:",omitempty"`
	CreateDate, UpdateDate        string
	Tags                          awsquery.List[awsquery.Tag]
}

type xmlPolicyResult struct{ Policy xmlPolicy }

type xmlPolicies struct {
	Policies awsquery.List[xmlPolicy]
	xmlPage
}

type xmlPolicyVersion struct {
	Document         string `xml:",omitempty"`
	VersionId        string //nolint:revive // the API's spelling
	IsDefaultVersion bool
	CreateDate       string
}

type xmlVersionResult struct{ PolicyVersion xmlPolicyVersion }

type xmlVersions struct {
	Versions awsquery.List[xmlPolicyVersion]
	xmlPage
}

func (s *Service) xmlPolicy(ctx context.Context, p managedPolicy) xmlPolicy {
	attached, boundaries := s.uses(ctx, p.ARN)
	return xmlPolicy{
		PolicyName: p.Name, PolicyId: p.ID, Arn: p.ARN, Path: p.Path, DefaultVersionId: p.Default,
		AttachmentCount: attached, PermissionsBoundaryUsageCount: boundaries, IsAttachable: true,
		Description: p.Description, CreateDate: created(p.Created), UpdateDate: created(p.Updated), Tags: xmlTags(p.Tags),
	}
}

func xmlVersion(p managedPolicy, v policyVersion, whole bool) xmlPolicyVersion {
	x := xmlPolicyVersion{VersionId: v.ID, IsDefaultVersion: v.ID == p.Default, CreateDate: created(v.Created)}
	if whole {
		x.Document = escapeDocument(v.Document)
	}
	return x
}
