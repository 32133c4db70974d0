// Package apierror is how every adapter of a cloud reports a failed call: what was called, on what, and what is known
// of its effect. The controller decides on the Kind alone; people read the text.
package apierror

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind says what a failed call left behind.
type Kind int

// The kinds, from most to least certain about the effect of the call.
const (
	Invalid     Kind = iota + 1 // refused for its arguments: nothing happened, and repeating it is pointless
	Denied                      // refused for lack of permission or a bad credential: nothing happened
	NotFound                    // the object (or its parent) does not exist
	Exists                      // an object of that unique name or key exists already
	Conflict                    // refused for the state the object is in: nothing happened
	Throttled                   // refused for its rate or for others' calls, after the adapter's own retries: nothing happened
	Unavailable                 // never reached the service: nothing happened
	Ambiguous                   // sent, and no answer that settles it (time-out, reset, 5xx): it may have taken effect
)

func (k Kind) String() string {
	names := map[Kind]string{Invalid: "invalid", Denied: "denied", NotFound: "not found", Exists: "exists",
		Conflict: "conflict", Throttled: "throttled", Unavailable: "unavailable", Ambiguous: "ambiguous"}
	if name, ok := names[k]; ok {
		return name
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Error is one failed call. No field ever holds a secret, a token or a request body.
type Error struct {
	Kind      Kind
	Service   string // "iam", "auth0", "dynamodb", …
	Operation string // the API's own name: "CreateRole", "POST /api/v2/clients"
	Object    string // what it was about: "role oidc-s3-dev-web-01"
	Code      string // the service's error code, where it gave one
	Message   string // the service's message, where it gave one
	RequestID string // for the vendor's support
	Err       error  // the cause, for errors.Is and As; its text is used only where Message is empty
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Service, e.Operation)
	if e.Object != "" {
		fmt.Fprintf(&b, " (%s)", e.Object)
	}
	b.WriteString(": ")
	switch {
	case e.Code != "" && e.Message != "":
		fmt.Fprintf(&b, "%s: %s", e.Code, e.Message)
	case e.Message != "":
		b.WriteString(e.Message)
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	case e.Code != "":
		b.WriteString(e.Code)
	default:
		b.WriteString(e.Kind.String())
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request id %s)", e.RequestID)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first Error in err's chain. A bare context error counts as Ambiguous, since the call
// may have been on its way; any other error counts as Invalid.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Ambiguous
	}
	return Invalid
}

// GaveUp returns what a shared read came to for one of its callers. An error that is not the service's is the caller's own
// context, which ended while it waited: Unavailable.
func GaveUp(err error, service, operation, object string) error {
	if _, ok := errors.AsType[*Error](err); ok || err == nil {
		return err
	}
	return &Error{Kind: Unavailable, Service: service, Operation: operation, Object: object, Err: err}
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }
