// Package policy parses IAM policy documents and decides what one document says about one request. It fails closed: an
// Allow that holds anything the sandbox does not know does not allow, a Deny that holds it denies, and the decision
// names what was unknown.
//
// How the documents of one caller combine (permissions boundary, session policies, resource policies) is authz's.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
package policy

import "fmt"

// Kind says where a document stands, and with that which elements it must and must not have.
type Kind int

// The kinds of document.
const (
	Identity Kind = iota // of a user, role or session: no principal, resources required
	Trust                // of a role: principal required, no resources, only sts actions
	Resource             // of a bucket, secret, key: principal and resources required
)

// Effects of a statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// MalformedError is what IAM answers with the code MalformedPolicyDocument; its text is IAM's message.
type MalformedError struct{ Message string }

func (e *MalformedError) Error() string { return e.Message }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

// Document is a parsed policy. It is immutable.
type Document struct {
	Version    string // 2012-10-17 or 2008-10-17, which is also the default and knows no variables
	ID         string
	Statements []Statement
}

// Statement is one statement of a document. Of each pair (Actions, NotActions), … exactly one is set.
type Statement struct {
	Sid    string
	Effect string // Allow or Deny

	Principal, NotPrincipal *Principals
	Actions, NotActions     []string
	Resources, NotResources []string
	Conditions              []Condition // all must hold
}

// Principals is the value of a Principal element. Everyone stands for "*" without a type.
type Principals struct {
	Everyone                               bool
	AWS, Federated, Service, CanonicalUser []string
}

// Condition is one operator applied to one key.
type Condition struct {
	Operator string // as written, for messages
	Key      string
	Values   []string // one must hold; for negated operators none may

	test     test
	quantor  quantor
	ifExists bool
	presence bool // Null: asks whether the key is there
}

// Principal is who makes a request, in the forms in which a document may name it.
type Principal struct {
	ARN       string // of the user or of the session; "" for an anonymous request
	RoleARN   string // of the session's role
	AccountID string
	Federated string // ARN of the OIDC provider that vouches for a web identity
}

// Request is what is asked. Context holds the condition keys; their names are not case-sensitive, and a key with no
// values is known to be absent.
type Request struct {
	Action, Resource string
	Principal        Principal
	Context          map[string][]string
}

// Decision is what one document says. Neither Allowed nor ExplicitDeny is an implicit deny.
type Decision struct {
	Allowed, ExplicitDeny bool
	// Grant is how the widest allowing statement names the principal.
	Grant Grant
	// Reasons names what was met and not understood.
	Reasons []string
}

// Grant is how an allowing statement names the principal. It decides which other policies still limit the caller.
type Grant int

// The ways to name a principal, from the weakest to the strongest.
const (
	GrantNone     Grant = iota // the document has no principals
	GrantAccount               // the account: its administrators still have to allow the caller
	GrantEveryone              // "*"
	GrantRole                  // the role of a session
	GrantExact                 // the user, the session or the federated identity itself
)
