package cognito

import (
	"context"
	"regexp"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

type scope struct {
	ScopeName        string
	ScopeDescription string
}

// resourceServer is an API whose scopes clients may be allowed. Its members are those of the API.
type resourceServer struct {
	UserPoolID string `json:"UserPoolId"`
	Identifier string
	Name       string
	Scopes     []scope
}

func (r resourceServer) key() string { return r.UserPoolID + "\x00" + r.Identifier }

// scopeNames are the scopes as clients and tokens have them.
func (r resourceServer) scopeNames() []string {
	out := []string{}
	for _, one := range r.Scopes {
		out = append(out, r.Identifier+"/"+one.ScopeName)
	}
	return out
}

var (
	identifierForm = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]{1,256}$`)
	scopeForm      = regexp.MustCompile(`^[\x21\x23-\x2E\x30-\x5B\x5D-\x7E]{1,256}$`)
)

const maxScopes = 100 // of a resource server

func (s *Service) createResourceServer(c *awsjson.Call) (any, error) {
	var in resourceServer
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	if err := s.addResourceServer(in); err != nil {
		return nil, err
	}
	return map[string]any{"ResourceServer": in}, nil
}

func (s *Service) addResourceServer(r resourceServer) error {
	switch {
	case !identifierForm.MatchString(r.Identifier):
		return invalidParameter("1 validation error detected: Value '%s' at 'identifier' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\x21\\x23-\\x5B\\x5D-\\x7E]+", r.Identifier)
	case !poolNameForm.MatchString(r.Name) && r.Name != r.Identifier:
		return invalidParameter("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w\\s+=,.@-]+", r.Name)
	case len(r.Scopes) > maxScopes:
		return invalidParameter("1 validation error detected: Value at 'scopes' failed to satisfy constraint: Member must have length less than or equal to %d", maxScopes)
	}
	for _, one := range r.Scopes {
		if !scopeForm.MatchString(one.ScopeName) || one.ScopeDescription == "" {
			return invalidParameter("1 validation error detected: Value '%s' at 'scopes.1.member.scopeName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\x21\\x23-\\x2E\\x30-\\x5B\\x5D-\\x7E]+", one.ScopeName)
		}
	}
	return s.servers.Update(r.key(), func(old resourceServer, exists bool) (resourceServer, bool, error) {
		if exists {
			return old, true, invalidParameter("%s already exists in user pool %s.", r.Identifier, r.UserPoolID)
		}
		return r, true, nil
	})
}

type serverInput struct{ UserPoolID, Identifier string }

func (s *Service) describeResourceServer(c *awsjson.Call) (any, error) {
	var in serverInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	found, ok := s.servers.Get(c.Context, resourceServer{UserPoolID: in.UserPoolID, Identifier: in.Identifier}.key())
	if !ok {
		return nil, awsjson.Refusal("ResourceNotFoundException", "Resource server not found.")
	}
	return map[string]any{"ResourceServer": found}, nil
}

func (s *Service) deleteResourceServer(c *awsjson.Call) (any, error) {
	var in serverInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	if !s.servers.Delete(resourceServer{UserPoolID: in.UserPoolID, Identifier: in.Identifier}.key()) {
		return nil, awsjson.Refusal("ResourceNotFoundException", "Resource server not found.")
	}
	return nil, nil
}

func (s *Service) listResourceServers(c *awsjson.Call) (any, error) {
	var in struct {
		UserPoolID string
		MaxResults *int
		NextToken  string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(s.servers.Values(c.Context), func(r resourceServer) bool { return r.UserPoolID != in.UserPoolID })
	part, next, err := page(all, resourceServer.key, in.MaxResults, in.NextToken, 50)
	if err != nil {
		return nil, err
	}
	out := map[string]any{"ResourceServers": part}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

// poolScopes are the custom scopes that exist in a user pool.
func (s *Service) poolScopes(ctx context.Context, poolID string) []string {
	var out []string
	for _, server := range s.servers.Values(ctx) {
		if server.UserPoolID == poolID {
			out = append(out, server.scopeNames()...)
		}
	}
	return out
}
