package entra

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/attempt"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

const (
	service    = "entra"
	reads      = 3                      // attempts of a read
	readPause  = 300 * time.Millisecond // between two of them; doubles
	maxMessage = 300                    // of an error, in bytes
)

// exchange is what the transport saw of a call, since the SDK drops some of it.
type exchange struct {
	mu        sync.Mutex
	status    int
	requestID string
}

type exchangeKey struct{}

// witness notes status and request id for the caller that asked, and makes bodies such that they can be sent again after a
// refusal for the rate, which the SDK leaves out. They are small.
type witness struct{ base http.RoundTripper }

func (w witness) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody && request.GetBody == nil {
		data, err := io.ReadAll(request.Body)
		_ = request.Body.Close()
		if err != nil {
			return nil, err
		}
		request = request.Clone(request.Context())
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		request.Body, _ = request.GetBody()
	}
	response, err := w.base.RoundTrip(request)
	if ex, ok := request.Context().Value(exchangeKey{}).(*exchange); ok && err == nil {
		ex.mu.Lock()
		ex.status, ex.requestID = response.StatusCode, response.Header.Get("Request-Id")
		ex.mu.Unlock()
	}
	return response, err
}

// read makes a call that changes nothing, again where it failed in passing.
func (g *graph) read(ctx context.Context, operation, object string, do func(context.Context) error) error {
	pause := readPause
	for try := 1; ; try++ {
		err := g.write(ctx, operation, object, do)
		passing := apierror.Is(err, apierror.Ambiguous) || apierror.Is(err, apierror.Unavailable)
		if err == nil || !passing || try == reads || g.pause(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// write makes a call once.
func (g *graph) write(ctx context.Context, operation, object string, do func(context.Context) error) error {
	ex := &exchange{}
	err := do(context.WithValue(ctx, exchangeKey{}, ex))
	if err == nil {
		return nil
	}
	ex.mu.Lock()
	defer ex.mu.Unlock()
	fault := &apierror.Error{Service: service, Operation: operation, Object: object, RequestID: ex.requestID}
	if said, ok := errors.AsType[*odataerrors.ODataError](err); ok && said.GetErrorEscaped() != nil {
		fault.Code, fault.Message = text(said.GetErrorEscaped().GetCode()), brief(text(said.GetErrorEscaped().GetMessage()))
		ex.status = said.GetStatusCode()
	} else if bare, ok := errors.AsType[*abstractions.ApiError](err); ok && bare.ResponseStatusCode != 0 {
		ex.status = bare.ResponseStatusCode
	}
	if ex.status == 0 {
		unanswered(fault, err)
		return fault
	}
	if fault.Message == "" {
		fault.Message = http.StatusText(ex.status)
	}
	fault.Kind = kindOf(ex.status, fault.Code)
	return fault
}

// kindOf classifies an answer. https://learn.microsoft.com/graph/errors
func kindOf(status int, code string) apierror.Kind {
	switch {
	case code == "Request_MultipleObjectsWithSameKeyValue" || status == http.StatusConflict:
		return apierror.Exists
	case status < http.StatusBadRequest:
		return apierror.Ambiguous // it worked, but what it answered cannot be read
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return apierror.Denied
	case status == http.StatusNotFound:
		return apierror.NotFound
	case status == http.StatusTooManyRequests:
		return apierror.Throttled
	case status == http.StatusPreconditionFailed:
		return apierror.Conflict
	case status == http.StatusNotImplemented:
		return apierror.Invalid
	case status == http.StatusRequestTimeout || status >= http.StatusInternalServerError:
		return apierror.Ambiguous
	default:
		return apierror.Invalid
	}
}

// tokenError is a token that could not be had. Its cause's text quotes the answer's body and is not shown.
type tokenError struct{ err error }

var loginCode = regexp.MustCompile(`AADSTS[0-9]+`)

func (e *tokenError) Error() string {
	if code := loginCode.FindString(e.err.Error()); code != "" {
		return "no token for Microsoft Graph: " + code
	}
	if lost, ok := errors.AsType[*attempt.Error](e.err); ok {
		return "no token for Microsoft Graph: " + lost.Error()
	}
	return "no token for Microsoft Graph"
}

// unanswered says what is known of a call without an answer.
func unanswered(fault *apierror.Error, err error) {
	fault.Kind, fault.Err = apierror.Unavailable, err
	if token, ok := errors.AsType[*tokenError](err); ok {
		fault.Err = token
		fault.Code = loginCode.FindString(token.Error())
		if fault.Code != "" {
			fault.Kind = apierror.Denied
		}
		return
	}
	if waited, ok := errors.AsType[*ratelimit.Error](err); ok {
		if fault.Err = waited; waited.Err == nil {
			fault.Kind = apierror.Throttled
		}
		return
	}
	if lost, ok := errors.AsType[*attempt.Error](err); ok {
		if fault.Err = lost; lost.Sent {
			fault.Kind = apierror.Ambiguous
		}
	}
}

// gone turns the absence of what is to be removed into success.
func gone(err error) error {
	if apierror.Is(err, apierror.NotFound) {
		return nil
	}
	return err
}

// brief keeps a message on one line and short.
func brief(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
