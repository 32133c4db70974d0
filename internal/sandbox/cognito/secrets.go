package cognito

import (
	"crypto/subtle"
	"fmt"
	"regexp"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// maxSecrets may be active at once.
// https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_AddUserPoolClientSecret.html
const maxSecrets = 2

// secret is one of a client's.
type secret struct {
	ID      string  `json:"ClientSecretId"`
	Created float64 `json:"ClientSecretCreateDate"`
	Value   string  `json:"ClientSecretValue,omitempty"` // only in the answer that makes it

	value string
}

var secretForm = regexp.MustCompile(`^[\w+]{24,64}$`)

// newSecret makes a secret of the given value, or of a drawn one where that is "".
func (s *Service) newSecret(clientID, value string) (secret, error) {
	if value != "" && !secretForm.MatchString(value) {
		return secret{}, invalidParameter("1 validation error detected: Value at 'clientSecret' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+]+ and have length between 24 and 64")
	}
	if value == "" {
		var err error
		if value, err = s.draw(52, lowerAlphanumeric); err != nil {
			return secret{}, err
		}
	}
	suffix, err := s.draw(8, lowerAlphanumeric)
	if err != nil {
		return secret{}, err
	}
	now := s.cfg.Now()
	return secret{ID: fmt.Sprintf("%s--%d--%s", clientID, now.UnixMilli(), suffix), Created: awsjson.Time(now), value: value}, nil
}

// hasSecret compares with every active secret.
func (c client) hasSecret(value string) bool {
	return slices.ContainsFunc(c.secrets, func(one secret) bool { return subtle.ConstantTimeCompare([]byte(one.value), []byte(value)) == 1 })
}

func (s *Service) addUserPoolClientSecret(c *awsjson.Call) (any, error) {
	var in struct{ UserPoolID, ClientID, ClientSecret string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	made, err := s.newSecret(in.ClientID, in.ClientSecret)
	if err != nil {
		return nil, err
	}
	err = s.change(in.UserPoolID, in.ClientID, func(old client) (client, bool, error) {
		switch {
		case len(old.secrets) == 0:
			return old, true, invalidParameter("Client secrets can only be added to a confidential client.")
		case len(old.secrets) >= maxSecrets:
			return old, true, awsjson.Refusal("LimitExceededException", "The client has the maximum number of client secrets.")
		}
		old.secrets = append(slices.Clone(old.secrets), made)
		return old, true, nil
	})
	if err != nil {
		return nil, err
	}
	if in.ClientSecret == "" { // a value that the caller chose is not repeated
		made.Value = made.value
	}
	return map[string]any{"ClientSecretDescriptor": made}, nil
}

func (s *Service) listUserPoolClientSecrets(c *awsjson.Call) (any, error) {
	var in struct{ UserPoolID, ClientID, NextToken string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowedClient(c, in.UserPoolID, in.ClientID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ClientSecrets": append([]secret{}, found.secrets...)}, nil
}

func (s *Service) deleteUserPoolClientSecret(c *awsjson.Call) (any, error) {
	var in struct{ UserPoolID, ClientID, ClientSecretID string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := s.allowedPool(c, in.UserPoolID); err != nil {
		return nil, err
	}
	return nil, s.change(in.UserPoolID, in.ClientID, func(old client) (client, bool, error) {
		at := slices.IndexFunc(old.secrets, func(one secret) bool { return one.ID == in.ClientSecretID })
		switch {
		case at < 0:
			return old, true, awsjson.Refusal("ResourceNotFoundException", "Client secret %s does not exist.", in.ClientSecretID)
		case len(old.secrets) == 1:
			return old, true, invalidParameter("The last client secret of a client cannot be deleted.")
		}
		old.secrets = slices.Delete(slices.Clone(old.secrets), at, at+1)
		return old, true, nil
	})
}
