// Package access holds the rules of a server's access to its prefix as pure functions: names, prefixes, and the trust
// and permission policies, in both directions (build and parse).
//
// Nothing here calls a cloud, reads a clock or knows Terraform. What a policy grants is decided here and nowhere else.
package access

import (
	"fmt"
	"strings"
)

// Permission is the level of access to a prefix.
type Permission string

// The levels. Each includes the one before.
const (
	Write     Permission = "write"      // put objects, and abort or resume one's own multipart uploads
	ReadWrite Permission = "read-write" // and get objects
	Full      Permission = "full"       // and delete and list objects
)

// ParsePermission returns the level of that name.
func ParsePermission(s string) (Permission, error) {
	switch p := Permission(s); p {
	case Write, ReadWrite, Full:
		return p, nil
	}
	return "", fmt.Errorf("unknown permission level %q: it is one of %q, %q and %q", s, Write, ReadWrite, Full)
}

// Mode is how AWS comes to trust the tokens of a client.
type Mode string

// The modes.
const (
	Plain   Mode = "plain"   // tokens name the API in aud
	AZP     Mode = "azp"     // tokens name the client in azp, which STS takes for the audience
	Vending Mode = "vending" // credential vending checks the token and assumes the role
)

// ShapeError is a policy that this package cannot express: it was not written by oidcs3, or was changed by hand.
type ShapeError struct {
	Where string // "trust policy", "inline policy s3-object-access, statement 2, Condition"
	What  string // what cannot be expressed
}

func (e *ShapeError) Error() string { return e.Where + ": " + e.What }

// shape makes a ShapeError.
func shape(where, format string, args ...any) *ShapeError {
	return &ShapeError{Where: where, What: fmt.Sprintf(format, args...)}
}

// quoted lists values for an error message.
func quoted(values []string) string {
	list := make([]string, len(values))
	for i, value := range values {
		list[i] = fmt.Sprintf("%q", value)
	}
	return strings.Join(list, ", ")
}
