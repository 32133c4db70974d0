package access

import (
	"fmt"
	"strings"
)

// maxRoleName is the longest role name that IAM takes, in characters.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxRoleName = 64

// Name is the name of a server's role and client: {project}-{environment}-{server}.
func Name(project, environment, server string) string {
	return project + "-" + environment + "-" + server
}

// ValidateProject checks the name of a project: 1 to 64 characters that role names and tags both take.
func ValidateProject(s string) error { return validateName("project", s, 1) }

// ValidateEnvironment checks the name of an environment: 1 to 64 characters that role names and tags both take. A "/"
// is never among them, since it separates environment and server in ids.
func ValidateEnvironment(s string) error { return validateName("environment", s, 1) }

// ValidateServerName checks the name of a server: 2 to 64 characters that role names, tags and role session names all
// take. Session names set the lower bound (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
func ValidateServerName(s string) error { return validateName("server name", s, 2) }

// ValidateName checks that the name of the role made of these parts, each valid by itself, is not too long for IAM.
func ValidateName(project, environment, server string) error {
	name := Name(project, environment, server)
	if excess := len(name) - maxRoleName; excess > 0 {
		return fmt.Errorf("role name %q has %d characters, %d more than the %d that IAM takes; shorten the project, the environment or the server name",
			name, len(name), excess, maxRoleName)
	}
	return nil
}

// ValidateParameterName checks that a secret of the role can be a parameter /{role}/… of the Parameter Store, which takes fewer
// names than IAM: ASCII letters, digits and _.- that do not begin with "aws" or "ssm" in any case, behind the slash neither.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
func ValidateParameterName(role string) error {
	for _, r := range role {
		if !isNameCharacter(r) || strings.ContainsRune("+=@", r) {
			return fmt.Errorf("role name %q contains %q, which the Parameter Store does not take", role, r)
		}
	}
	lower := strings.ToLower(role)
	for _, reserved := range []string{"aws", "ssm"} {
		if strings.HasPrefix(lower, reserved) {
			return fmt.Errorf("role name %q begins with %q, which the Parameter Store keeps for AWS", role, role[:len(reserved)])
		}
	}
	return nil
}

// validateName checks for the characters that role names ([\w+=,.@-], \w being ASCII) and the values of IAM tags
// (letters, digits, blank and _.:/=+-@) have in common.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html, API_Tag.html
func validateName(what, s string, minimum int) error {
	if s == "" {
		return fmt.Errorf("%s must not be empty", what)
	}
	for _, r := range s {
		if !isNameCharacter(r) {
			return fmt.Errorf("%s %q contains %q; it takes ASCII letters, digits and any of _ + = . @ -", what, s, r)
		}
	}
	if len(s) < minimum {
		return fmt.Errorf("%s %q has %d character; it takes at least %d", what, s, len(s), minimum)
	}
	if len(s) > maxRoleName {
		return fmt.Errorf("%s %q has %d characters; it takes at most %d", what, s, len(s), maxRoleName)
	}
	return nil
}

func isNameCharacter(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	}
	return strings.ContainsRune("_+=.@-", r)
}
