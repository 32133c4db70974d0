package access

import "time"

// RevocationPolicy is the inline policy that ends sessions: all of them while a server is disabled, and those that are
// older than its access once it is enabled again. IAM looks at it at every call, so it works at once on sessions that
// were given out before.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
const RevocationPolicy = "revoked-sessions"

// RevokeAll denies everything to every session of the role.
func RevokeAll() string {
	return encode(statement{Effect: "Deny", Action: values{"*"}, Resource: values{"*"}})
}

// RevokeBefore denies everything to the sessions that were given out before a time, which counts in whole seconds.
func RevokeBefore(t time.Time) string {
	return encode(statement{Effect: "Deny", Action: values{"*"}, Resource: values{"*"},
		Condition: condition{"DateLessThan": {"aws:TokenIssueTime": {t.UTC().Format(time.RFC3339)}}}})
}
