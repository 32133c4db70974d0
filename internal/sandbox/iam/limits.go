package iam

import (
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quotas of IAM. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	defaultRoleQuota  = 1000
	trustQuota        = 2048  // characters, white space not counted
	roleInlineQuota   = 10240 // in total
	userInlineQuota   = 2048  // in total
	managedQuota      = 6144
	tagQuota          = 50
	attachedQuota     = 10
	clientIDQuota     = 100
	thumbprintQuota   = 5
	versionQuota      = 5
	accessKeyQuota    = 2
	minSession        = 3600
	maxSession        = 43200
	maxDescription    = 1000
	maxProviderURL    = 255
	maxClientID       = 255
	defaultPageLength = 100
	maxPageLength     = 1000
)

var (
	nameForm = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathForm = regexp.MustCompile(`^(/|/[\x21-\x7E]+/)$`)
	tagForm  = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// checkName wants 1 to limit characters of [\w+=,.@-].
func checkName(parameter, value string, limit int) error {
	switch {
	case value == "":
		return validation("1 validation error detected: Value at '%s' failed to satisfy constraint: Member must not be null", parameter)
	case utf8.RuneCountInString(value) > limit:
		return validation("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", value, parameter, limit)
	case !nameForm.MatchString(value):
		return validation("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", parameter)
	}
	return nil
}

func checkPath(path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	if len(path) > 512 || !pathForm.MatchString(path) {
		return "", validation("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return path, nil
}

func checkTags(tags map[string]string) error {
	if len(tags) > tagQuota {
		return limitExceeded("Cannot exceed quota for TagsPerResource: %d", tagQuota)
	}
	seen := map[string]bool{}
	for key, value := range tags {
		lower := strings.ToLower(key)
		switch {
		case key == "" || utf8.RuneCountInString(key) > 128 || !tagForm.MatchString(key):
			return validation("1 validation error detected: Value '%s' at 'tags.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+ and have length less than or equal to 128", key)
		case utf8.RuneCountInString(value) > 256 || !tagForm.MatchString(value):
			return validation("1 validation error detected: Value at 'tags.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]* and have length less than or equal to 256")
		case strings.HasPrefix(lower, "aws:"):
			return invalidInput("aws: prefixed tag key names are not allowed for external use.")
		case seen[lower]:
			return invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[lower] = true
	}
	return nil
}

func checkSession(seconds int) error {
	switch {
	case seconds < minSession:
		return validation("1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to %d", seconds, minSession)
	case seconds > maxSession:
		return validation("1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to %d", seconds, maxSession)
	}
	return nil
}

// size counts a document as IAM does: characters, without white space.
func size(document string) int {
	n := 0
	for _, c := range document {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// NewID draws an identifier of AWS's form, length characters in all: a prefix that tells the kind, then upper-case base32.
func NewID(random io.Reader, prefix string, length int) (string, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, length-len(prefix))
	if _, err := io.ReadFull(random, b); err != nil {
		return "", err
	}
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return prefix + string(b), nil
}
