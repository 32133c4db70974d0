package cognito

import (
	"context"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// settings are the members of an app client that the API takes, returns, and on update resets where they are not sent.
// Those that are about users are kept, and mean nothing here.
type settings struct {
	AccessTokenValidity             *int            `json:",omitempty"` // in the unit, default hours
	AllowedOAuthFlows               []string        `json:",omitempty"`
	AllowedOAuthFlowsUserPoolClient bool            //
	AllowedOAuthScopes              []string        `json:",omitempty"`
	AuthSessionValidity             *int            `json:",omitempty"`
	CallbackURLs                    []string        `json:",omitempty"`
	DefaultRedirectURI              string          `json:",omitempty"`
	EnableTokenRevocation           *bool           `json:",omitempty"`
	EnablePropagate                 *bool           `json:"EnablePropagateAdditionalUserContextData,omitempty"`
	ExplicitAuthFlows               []string        `json:",omitempty"`
	IDTokenValidity                 *int            `json:"IdTokenValidity,omitempty"`
	LogoutURLs                      []string        `json:",omitempty"`
	PreventUserExistenceErrors      string          `json:",omitempty"`
	ReadAttributes                  []string        `json:",omitempty"`
	RefreshTokenValidity            *int            `json:",omitempty"`
	SupportedIdentityProviders      []string        `json:",omitempty"`
	TokenValidityUnits              *validityUnits  `json:",omitempty"`
	WriteAttributes                 []string        `json:",omitempty"`
	RefreshTokenRotation            *map[string]any `json:",omitempty"`
}

type validityUnits struct {
	AccessToken  string `json:",omitempty"`
	IDToken      string `json:"IdToken,omitempty"`
	RefreshToken string `json:",omitempty"`
}

// client is an app client.
type client struct {
	settings

	ClientID         string `json:"ClientId"`
	ClientName       string
	UserPoolID       string `json:"UserPoolId"`
	ClientSecret     string `json:",omitempty"` // the oldest
	CreationDate     float64
	LastModifiedDate float64

	secrets []secret // oldest first; none: a public client
}

func noClient(id string) error {
	return awsjson.Refusal("ResourceNotFoundException", "User pool client %s does not exist.", id)
}

func (s *Service) createUserPoolClient(c *awsjson.Call) (any, error) {
	var in struct {
		settings

		UserPoolID     string
		ClientName     string
		GenerateSecret bool
		ClientSecret   string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	made := client{settings: in.settings, ClientName: in.ClientName, UserPoolID: in.UserPoolID, CreationDate: awsjson.Time(now), LastModifiedDate: awsjson.Time(now)}
	var err error
	if made.ClientID, err = s.draw(26, lowerAlphanumeric); err != nil {
		return nil, err
	}
	switch {
	case in.GenerateSecret && in.ClientSecret != "":
		return nil, invalidParameter("GenerateSecret and ClientSecret cannot both be specified.")
	case in.GenerateSecret, in.ClientSecret != "":
		first, err := s.newSecret(made.ClientID, in.ClientSecret)
		if err != nil {
			return nil, err
		}
		made.secrets = []secret{first}
	}
	if err := s.check(c.Context, &made); err != nil {
		return nil, err
	}
	s.clients.Put(made.ClientID, made)
	return map[string]any{"UserPoolClient": made.described()}, nil
}

// described is the client as the API shows it, its secret included: DescribeUserPoolClient returns it, too.
func (c client) described() client {
	if len(c.secrets) > 0 {
		c.ClientSecret = c.secrets[0].value
	}
	return c
}

// check fills in the defaults and refuses what the API refuses.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
func (s *Service) check(ctx context.Context, c *client) error {
	if !poolNameForm.MatchString(c.ClientName) {
		return invalidParameter("1 validation error detected: Value '%s' at 'clientName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w\\s+=,.@-]+", c.ClientName)
	}
	if c.EnableTokenRevocation == nil {
		c.EnableTokenRevocation = ref(true)
	}
	if c.EnablePropagate == nil {
		c.EnablePropagate = ref(false)
	}
	if c.RefreshTokenValidity == nil || *c.RefreshTokenValidity == 0 {
		c.RefreshTokenValidity = ref(30)
	}
	if c.AuthSessionValidity == nil {
		c.AuthSessionValidity = ref(3)
	}
	if lifetime, err := c.lifetime(); err != nil {
		return err
	} else if lifetime < 5*time.Minute || lifetime > 24*time.Hour {
		return invalidParameter("Invalid range for token validity.")
	}
	if err := c.checkFlows(); err != nil {
		return err
	}
	known := append(s.poolScopes(s.latest(ctx), c.UserPoolID), standardScopes...)
	for _, scope := range c.AllowedOAuthScopes {
		if !slices.Contains(known, scope) {
			return awsjson.Refusal("ScopeDoesNotExistException", "Invalid scope requested: %s", scope)
		}
	}
	return nil
}

// standardScopes are about users.
var standardScopes = []string{"phone", "email", "openid", "profile", "aws.cognito.signin.user.admin"}

func ref[T any](v T) *T { return &v }

func (c *client) checkFlows() error {
	for _, flow := range c.AllowedOAuthFlows {
		if flow != "code" && flow != "implicit" && flow != "client_credentials" {
			return invalidParameter("1 validation error detected: Value '[%s]' at 'allowedOAuthFlows' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [implicit, client_credentials, code]]", flow)
		}
	}
	machine := slices.Contains(c.AllowedOAuthFlows, "client_credentials")
	switch {
	case machine && len(c.AllowedOAuthFlows) > 1:
		return awsjson.Refusal("InvalidOAuthFlowException", "client_credentials flow can not be selected along with code flow or implicit flow.")
	case machine && len(c.secrets) == 0:
		return awsjson.Refusal("InvalidOAuthFlowException", "client_credentials flow can not be selected if client does not have a client secret.")
	case machine && slices.ContainsFunc(c.AllowedOAuthScopes, func(scope string) bool { return slices.Contains(standardScopes, scope) }):
		return awsjson.Refusal("InvalidOAuthFlowException", "client_credentials flow can not be selected along with the scopes of users.")
	case c.AllowedOAuthFlowsUserPoolClient && (len(c.AllowedOAuthFlows) == 0 || len(c.AllowedOAuthScopes) == 0):
		return invalidParameter("AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.")
	}
	return nil
}

// lifetime is that of access tokens, by default an hour.
func (c *client) lifetime() (time.Duration, error) {
	if c.AccessTokenValidity == nil || *c.AccessTokenValidity == 0 {
		return time.Hour, nil
	}
	unit := time.Hour
	if c.TokenValidityUnits != nil && c.TokenValidityUnits.AccessToken != "" {
		var ok bool
		unit, ok = map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}[c.TokenValidityUnits.AccessToken]
		if !ok {
			return 0, invalidParameter("1 validation error detected: Value '%s' at 'tokenValidityUnits.accessToken' failed to satisfy constraint: Member must satisfy enum value set: [seconds, minutes, hours, days]", c.TokenValidityUnits.AccessToken)
		}
	}
	if *c.AccessTokenValidity < 0 || *c.AccessTokenValidity > 86400 {
		return 0, invalidParameter("Invalid range for token validity.")
	}
	return time.Duration(*c.AccessTokenValidity) * unit, nil
}

type clientInput struct{ UserPoolID, ClientID string }

// allowedClient finds an app client once the guard allows the call in its pool.
func (s *Service) allowedClient(c *awsjson.Call, poolID, clientID string) (client, error) {
	if _, err := s.allowedPool(c, poolID); err != nil {
		return client{}, err
	}
	found, ok := s.clients.Get(c.Context, clientID)
	if !ok || found.UserPoolID != poolID {
		return client{}, noClient(clientID)
	}
	return found, nil
}

func (s *Service) describeUserPoolClient(c *awsjson.Call) (any, error) {
	var in clientInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowedClient(c, in.UserPoolID, in.ClientID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"UserPoolClient": found.described()}, nil
}

func (s *Service) deleteUserPoolClient(c *awsjson.Call) (any, error) {
	var in clientInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	return nil, s.change(in.UserPoolID, in.ClientID, func(old client) (client, bool, error) { return old, false, nil })
}

// change changes or removes a client in one step.
func (s *Service) change(poolID, clientID string, with func(old client) (client, bool, error)) error {
	return s.clients.Update(clientID, func(old client, exists bool) (client, bool, error) {
		if !exists || old.UserPoolID != poolID {
			return old, exists, noClient(clientID)
		}
		return with(old)
	})
}

// updateUserPoolClient puts the settings in the place of the old ones: what is not sent goes back to its default. Name and
// secrets stay.
func (s *Service) updateUserPoolClient(c *awsjson.Call) (any, error) {
	var in struct {
		settings

		UserPoolID, ClientID string
		ClientName           string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	var changed client
	err := s.change(in.UserPoolID, in.ClientID, func(old client) (client, bool, error) {
		changed = old
		changed.settings = in.settings
		if in.ClientName != "" {
			changed.ClientName = in.ClientName
		}
		changed.LastModifiedDate = awsjson.Time(s.cfg.Now())
		if err := s.check(c.Context, &changed); err != nil {
			return old, true, err
		}
		return changed, true, nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"UserPoolClient": changed.described()}, nil
}

func (s *Service) listUserPoolClients(c *awsjson.Call) (any, error) {
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
	all := slices.DeleteFunc(s.clients.Values(c.Context), func(one client) bool { return one.UserPoolID != in.UserPoolID })
	part, next, err := page(all, func(one client) string { return one.ClientID }, in.MaxResults, in.NextToken, 60)
	if err != nil {
		return nil, err
	}
	shown := []map[string]string{}
	for _, one := range part {
		shown = append(shown, map[string]string{"ClientId": one.ClientID, "ClientName": one.ClientName, "UserPoolId": one.UserPoolID})
	}
	out := map[string]any{"UserPoolClients": shown}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}
