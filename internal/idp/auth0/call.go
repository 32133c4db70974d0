package auth0

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/attempt"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

const (
	service        = "auth0"
	attemptTimeout = time.Minute            // for one attempt of a request
	tokenTimeout   = 30 * time.Second       // for a management token
	reads          = 3                      // attempts of a GET
	readPause      = 300 * time.Millisecond // between two of them; doubles
	maxBody        = 16 << 20               // of an answer; a page of clients has about 300 KiB
	maxMessage     = 300                    // of an error, in bytes
)

// request is one call of the Management API.
type request struct {
	method    string
	operation string   // as the API's documentation names it
	path      []string // below /api/v2, not escaped
	query     url.Values
	body      any
	answer    any    // pointer to decode into; nil: the answer does not matter
	object    string // "client abc", for errors
	secret    bool   // the body holds a secret, which an error's message might quote
}

// call makes one call. Only reads are repeated.
func (p *Provider) call(ctx context.Context, r request) error {
	pause := readPause
	for try := 1; ; try++ {
		err := p.once(ctx, r)
		if err == nil || r.method != http.MethodGet || try == reads || !passing(err) {
			return err
		}
		if p.pause(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// passing reports whether a read that failed may well succeed at once.
func passing(err error) bool {
	return apierror.Is(err, apierror.Ambiguous) || apierror.Is(err, apierror.Unavailable)
}

// gone turns the absence of what is to be removed into success.
func (p *Provider) gone(err error) error {
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	return err
}

func (p *Provider) once(ctx context.Context, r request) error {
	fault := apierror.Error{Service: service, Operation: r.operation, Object: r.object}
	uri := p.api.URI(r.path...)
	if len(r.query) > 0 {
		uri += "?" + r.query.Encode()
	}
	ctx, watch := attempt.Follow(ctx)
	out, err := p.api.NewRequest(ctx, r.method, uri, r.body)
	if err != nil {
		fault.Kind, fault.Message = apierror.Invalid, "the request cannot be written"
		return &fault
	}
	response, err := p.api.Do(out)
	if err != nil {
		return unanswered(fault, err, watch.Unanswered())
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	fault.RequestID = response.Header.Get("X-Request-Id")
	if response.StatusCode >= http.StatusMultipleChoices {
		refused(&fault, response.StatusCode, body)
		if r.secret {
			fault.Message = http.StatusText(response.StatusCode)
		}
		return &fault
	}
	if err == nil && r.answer != nil {
		err = json.Unmarshal(body, r.answer)
	}
	if err != nil {
		// The status says that it worked; what it made is not known.
		fault.Kind, fault.Message = apierror.Ambiguous, fmt.Sprintf("status %d with an answer that cannot be read", response.StatusCode)
		return &fault
	}
	return nil
}

// refused fills in what an answer with an error status says. https://auth0.com/docs/api/management/v2
func refused(fault *apierror.Error, status int, body []byte) {
	var said struct {
		Message   string `json:"message"`
		ErrorCode string `json:"errorCode"`
	}
	if json.Unmarshal(body, &said) != nil {
		said.Message = http.StatusText(status)
	}
	fault.Code, fault.Message = said.ErrorCode, brief(said.Message)
	switch {
	case status == http.StatusUnauthorized:
		fault.Kind = apierror.Denied
		fault.Message = brief("the management token is not accepted: " + said.Message)
	case status == http.StatusForbidden:
		fault.Kind = apierror.Denied
		if _, scopes, ok := strings.Cut(said.Message, "expected any of:"); ok {
			fault.Message = brief("the management token lacks a scope; it needs one of: " + strings.TrimSpace(scopes))
		}
	case status == http.StatusNotFound:
		fault.Kind = apierror.NotFound
	case status == http.StatusConflict:
		fault.Kind = apierror.Exists
	case status == http.StatusTooManyRequests:
		fault.Kind = apierror.Throttled
	case status == http.StatusRequestTimeout || status >= http.StatusInternalServerError:
		fault.Kind = apierror.Ambiguous
	default:
		fault.Kind = apierror.Invalid
	}
	if fault.Message == "" {
		fault.Message = http.StatusText(status)
	}
}

// brief keeps a message on one line and short.
func brief(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}

// unanswered says what is known of a request that got no answer. sent is whether it was on its way: the SDK hides that
// where the context has ended.
func unanswered(fault apierror.Error, err error, sent bool) *apierror.Error {
	fault.Kind, fault.Err = apierror.Unavailable, err
	if sent {
		fault.Kind = apierror.Ambiguous
	}
	if token, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// Its own text quotes the answer's body.
		fault.Err, fault.Code = nil, token.ErrorCode
		fault.Message = brief("no management token: " + token.ErrorDescription)
		if token.Response != nil {
			if token.ErrorDescription == "" {
				fault.Message = "no management token: " + token.Response.Status
			}
			if status := token.Response.StatusCode; status < http.StatusInternalServerError && status != http.StatusTooManyRequests {
				fault.Kind = apierror.Denied
			}
		}
		return &fault
	}
	if waited, ok := errors.AsType[*ratelimit.Error](err); ok {
		if waited.Err == nil {
			fault.Kind = apierror.Throttled
		}
		fault.Err = waited
		return &fault
	}
	if lost, ok := errors.AsType[*attempt.Error](err); ok {
		fault.Err = lost
	}
	return &fault
}
