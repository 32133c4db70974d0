// Package credentials turns an access token into temporary AWS credentials: through AWS STS, or through the credential
// vending API. It also keeps them in a private file for callers that start this program often.
//
// Credentials of the host itself (environment, shared files, instance metadata) are never used here.
package credentials

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// Tokens is where access tokens come from: a *token.Source.
type Tokens interface {
	Token(context.Context) (token.Token, error)
	Replace(ctx context.Context, old token.Token) (token.Token, error)
}

// The two services that give credentials for a token.
const (
	ServiceSTS     = "AWS STS"
	ServiceVending = "the credential vending API"
)

// Refused says that STS or the vending API understood the request and turned it down.
type Refused struct {
	Service   string // ServiceSTS or ServiceVending
	Host      string // of the vending API; empty for STS
	Role      string // ARN; empty for vending
	Status    int    // HTTP status
	Code      string // such as AccessDenied
	Message   string
	RequestID string
	Claims    *token.Claims // of the token that was refused; nil where it is opaque
}

func (e *Refused) Error() string {
	what := "get credentials from " + e.Host
	if e.Role != "" {
		what = "assume role " + e.Role
	}
	id := ""
	if e.RequestID != "" {
		id = " (request " + e.RequestID + ")"
	}
	return fmt.Sprintf("%s: refused by %s: %s: %s%s", what, e.Service, e.Code, e.Message, id)
}

// Unavailable says that STS or the vending API gave no answer, or none that makes sense.
type Unavailable struct {
	Service string
	Err     error
}

func (e *Unavailable) Error() string {
	return fmt.Sprintf("get credentials from %s: %v", e.Service, e.Err)
}

func (e *Unavailable) Unwrap() error { return e.Err }

func peek(t token.Token) *token.Claims {
	c, err := token.Peek(t)
	if err != nil {
		return nil
	}
	return &c
}

func logged(log *slog.Logger, service string, c aws.Credentials) aws.Credentials {
	log.Debug("got credentials", "service", service, "access key", c.AccessKeyID, "expire", c.Expires)
	return c
}
