package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
)

// Limits of STS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	minSession         = 15 * time.Minute
	maxSession         = 12 * time.Hour
	maxSessionPolicy   = 2048 // characters
	maxSessionPolicies = 10
	maxExternalID      = 1224
)

var (
	sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDForm  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	accountIDForm   = regexp.MustCompile(`^\d{12}$`)
	// Policies of AWS itself have "aws" for their account.
	policyARNForm = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(aws|\d{12}):policy/[\w+=,.@/-]+$`)
)

// formed accepts texts of a form.
func formed(form *regexp.Regexp, rule string) func(string) error {
	return func(s string) error {
		if !form.MatchString(s) {
			return fmt.Errorf("%q does not have the form that AWS asks for: %s", s, rule)
		}
		return nil
	}
}

// sessionName accepts names of sessions and source identities.
func sessionName(what string) validator.String {
	return accepted(what, formed(sessionNameForm, "2 to 64 letters, digits and characters of _+=,.@-"))
}

var (
	externalID = accepted("external id", func(s string) error {
		if len(s) > maxExternalID {
			return fmt.Errorf("an external id has at most %d characters, and this one has %d", maxExternalID, len(s))
		}
		return formed(externalIDForm, "2 or more letters, digits and characters of _+=,.@:/-")(s)
	})
	accountID = accepted("account id", formed(accountIDForm, "12 digits"))
	policyARN = accepted("policy ARN", formed(policyARNForm, "arn:PARTITION:iam::ACCOUNT:policy/NAME"))

	sessionDuration = accepted("session duration", func(s string) error {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			return fmt.Errorf("%q is no duration: a number with its unit is wanted, such as 1h or 45m", s)
		case d < minSession, d > maxSession:
			return fmt.Errorf("%s is not within the 15 minutes to 12 hours that AWS gives a session", s)
		}
		return nil
	})

	sessionPolicy = accepted("session policy", func(s string) error {
		if n := utf8.RuneCountInString(s); n > maxSessionPolicy {
			return fmt.Errorf("a session policy has at most %d characters, and this one has %d", maxSessionPolicy, n)
		}
		var document map[string]any
		if json.Unmarshal([]byte(s), &document) != nil {
			return errors.New("a session policy is an object in JSON")
		}
		return nil
	})
)
