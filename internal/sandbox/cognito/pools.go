package cognito

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// pool is a user pool.
type pool struct {
	id, name string
	tags     map[string]string
	key      *rsa.PrivateKey
	keyID    string
	created  time.Time
}

var (
	poolNameForm = regexp.MustCompile(`^[\w\s+=,.@-]{1,128}$`)
	domainForm   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
)

func (s *Service) createUserPool(c *awsjson.Call) (any, error) {
	var in struct {
		PoolName     string
		UserPoolTags map[string]string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Allow("*", nil); err != nil {
		return nil, err
	}
	p, err := s.newPool(in.PoolName, in.UserPoolTags)
	if err != nil {
		return nil, err
	}
	return map[string]any{"UserPool": s.describePool(c.Context, p)}, nil
}

func (s *Service) newPool(name string, tags map[string]string) (*pool, error) {
	if !poolNameForm.MatchString(name) {
		return nil, invalidParameter("1 validation error detected: Value '%s' at 'poolName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w\\s+=,.@-]+", name)
	}
	suffix, err := s.draw(9, alphanumeric)
	if err != nil {
		return nil, err
	}
	keyID, err := s.draw(43, alphanumeric)
	if err != nil {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate the user pool's key: %w", err)
	}
	p := &pool{id: s.cfg.Region + "_" + suffix, name: name, tags: tags, key: key, keyID: keyID + "=", created: s.cfg.Now()}
	s.pools.Put(p.id, p)
	return p, nil
}

// CreatePool makes a user pool with a domain and resource servers (identifier → names of scopes), for the sandbox's
// foundation.
func (s *Service) CreatePool(_ context.Context, name, domain string, scopes map[string][]string) (poolID string, err error) {
	p, err := s.newPool(name, nil)
	if err != nil {
		return "", err
	}
	s.domains.Put(domain, p.id)
	for identifier, names := range scopes {
		server := resourceServer{UserPoolID: p.id, Identifier: identifier, Name: identifier}
		for _, name := range names {
			server.Scopes = append(server.Scopes, scope{name, name})
		}
		if err := s.addResourceServer(server); err != nil {
			return "", err
		}
	}
	return p.id, nil
}

// Issuer is the iss of a user pool's tokens.
func (s *Service) Issuer(poolID string) string { return "https://" + s.cfg.Host + "/" + poolID }

func (s *Service) describePool(ctx context.Context, p *pool) map[string]any {
	out := map[string]any{
		"Id": p.id, "Name": p.name, "Arn": s.arn(p.id), "CreationDate": awsjson.Time(p.created), "LastModifiedDate": awsjson.Time(p.created),
		"MfaConfiguration": "OFF", "EstimatedNumberOfUsers": 0, "UserPoolTier": "ESSENTIALS", "DeletionProtection": "INACTIVE",
	}
	if len(p.tags) > 0 {
		out["UserPoolTags"] = p.tags
	}
	if domain, ok := s.domainOf(ctx, p.id); ok {
		out["Domain"] = domain
	}
	return out
}

func (s *Service) domainOf(ctx context.Context, poolID string) (string, bool) {
	for _, domain := range s.domains.Keys(ctx) {
		if id, ok := s.domains.Get(ctx, domain); ok && id == poolID {
			return domain, true
		}
	}
	return "", false
}

type poolInput struct{ UserPoolID string }

// allowedPool finds a user pool once the guard allows the call there.
func (s *Service) allowedPool(c *awsjson.Call, id string) (*pool, error) {
	if err := c.Allow(s.arn(id), nil); err != nil {
		return nil, err
	}
	p, ok := s.pools.Get(c.Context, id)
	if !ok {
		return nil, noPool(id)
	}
	return p, nil
}

func (s *Service) describeUserPool(c *awsjson.Call) (any, error) {
	var in poolInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	p, err := s.allowedPool(c, in.UserPoolID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"UserPool": s.describePool(c.Context, p)}, nil
}

func (s *Service) deleteUserPool(c *awsjson.Call) (any, error) {
	var in poolInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	p, err := s.allowedPool(c, in.UserPoolID)
	if err != nil {
		return nil, err
	}
	ctx := s.latest(c.Context)
	if domain, ok := s.domainOf(ctx, p.id); ok {
		return nil, invalidParameter("User pool cannot be deleted. It has a domain configured that should be deleted first: %s", domain)
	}
	for _, one := range s.clients.Values(ctx) {
		if one.UserPoolID == p.id {
			s.clients.Delete(one.ClientID)
		}
	}
	for _, server := range s.servers.Values(ctx) {
		if server.UserPoolID == p.id {
			s.servers.Delete(server.key())
		}
	}
	if !s.pools.Delete(p.id) {
		return nil, noPool(p.id)
	}
	return nil, nil
}

func (s *Service) createUserPoolDomain(c *awsjson.Call) (any, error) {
	var in struct {
		UserPoolID, Domain  string
		ManagedLoginVersion *int
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	p, err := s.allowedPool(c, in.UserPoolID)
	if err != nil {
		return nil, err
	}
	if !domainForm.MatchString(in.Domain) {
		return nil, invalidParameter("1 validation error detected: Value '%s' at 'domain' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z0-9](?:[a-z0-9\\-]{0,61}[a-z0-9])?$", in.Domain)
	}
	for _, reserved := range []string{"aws", "amazon", "cognito"} {
		if strings.Contains(in.Domain, reserved) {
			return nil, invalidParameter("Domain cannot contain reserved word: %s", reserved)
		}
	}
	if domain, ok := s.domainOf(s.latest(c.Context), p.id); ok {
		return nil, invalidParameter("User pool already has a domain configured: %s", domain)
	}
	err = s.domains.Update(in.Domain, func(id string, exists bool) (string, bool, error) {
		if exists {
			return id, true, invalidParameter("Domain already associated with another user pool.")
		}
		return p.id, true, nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"ManagedLoginVersion": 1}, nil
}

func (s *Service) describeUserPoolDomain(c *awsjson.Call) (any, error) {
	var in struct{ Domain string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Allow("*", nil); err != nil {
		return nil, err
	}
	id, ok := s.domains.Get(c.Context, in.Domain)
	if !ok { // not an error: https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_DescribeUserPoolDomain.html
		return map[string]any{"DomainDescription": struct{}{}}, nil
	}
	return map[string]any{"DomainDescription": map[string]any{
		"AWSAccountId": s.cfg.AccountID, "Domain": in.Domain, "UserPoolId": id, "Status": "ACTIVE", "ManagedLoginVersion": 1, "CustomDomainConfig": struct{}{},
	}}, nil
}
