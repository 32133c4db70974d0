// Package authz says who calls and what they may do: it authenticates a request by its signature and evaluates the
// policies that apply to the caller as AWS does. Every AWS service of the sandbox is given a Guard; none looks at
// policies itself.
//
// It holds the sessions of roles and reads users and roles through Directory. It must import no service.
package authz

import (
	"net/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

// Caller is who makes a request.
type Caller struct {
	AccountID, ARN, UserID, AccessKeyID string

	RoleName, SessionName string // set for assumed roles
	Admin                 bool   // the sandbox's own administrator
}

// Error is an AWS error as the service should answer it.
type Error struct {
	Code, Message string
	Status        int
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Guard is what every AWS service is given.
type Guard interface {
	// Authenticate checks the signature and session token of r for the service ("s3", "iam", "dynamodb", …). The error
	// is an *Error with the code and status of that service; MissingAuthenticationToken means an anonymous request.
	Authenticate(r *http.Request, service string) (Caller, sigv4.Signed, error)
	// Authorize evaluates the caller's identity policies, permissions boundary and session policies and the resource's
	// own policy document ("" where there is none). context holds the condition keys of the service, such as s3:prefix;
	// a key with no values is known and absent from the request. The guard adds the global keys that it knows. The error
	// is an *Error with AccessDenied in AWS's words.
	Authorize(r *http.Request, caller Caller, action, resource string, context map[string][]string, resourcePolicy string) error
}
