// Package awsjson speaks AWS's JSON protocols 1.0 and 1.1: the operation in X-Amz-Target, JSON in and out. DynamoDB,
// Cognito, Secrets Manager and SSM share it; it knows none of them.
//
// Source: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
package awsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

// maxBody is DynamoDB's largest request, BatchWriteItem's.
const maxBody = 16 << 20

// API is one service's side of the protocol.
type API struct {
	Signing   string // name in the credential scope, and before the colon of IAM actions: "dynamodb", "cognito-idp"
	Target    string // before the dot of X-Amz-Target: "DynamoDB_20120810"
	Version   string // "1.0" or "1.1"
	ErrorType string // put before the code in __type: "com.amazonaws.dynamodb.v20120810#"
	Guard     authz.Guard
	Rand      io.Reader // of request ids
	// Operations are the calls that are known. Each has to call Call.Allow before it does or tells anything.
	Operations map[string]func(*Call) (any, error)
}

// Call is one request under way.
type Call struct {
	Context context.Context // sees a stale read where one was asked for
	Caller  authz.Caller

	api       *API
	request   *http.Request
	operation string
	body      []byte
}

// Detailed is an error with members beside code and message.
type Detailed struct {
	Cause   *authz.Error
	Members map[string]any
}

func (e *Detailed) Error() string { return e.Cause.Error() }

// Unwrap returns the plain error.
func (e *Detailed) Unwrap() error { return e.Cause }

// Refusal is an error of the client's, status 400.
func Refusal(code, format string, args ...any) *authz.Error {
	return &authz.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// Operation names the operation of a request to the API, or "".
func (a *API) Operation(r *http.Request) string {
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), a.Target+".")
	if _, known := a.Operations[name]; !known {
		return ""
	}
	return name
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, err := a.serve(r)
	if err != nil {
		a.WriteError(w, err)
		return
	}
	if result == nil {
		result = struct{}{}
	}
	body, err := json.Marshal(result)
	if err != nil {
		a.WriteError(w, fmt.Errorf("encode the answer: %w", err))
		return
	}
	a.send(w, http.StatusOK, body)
}

func (a *API) serve(r *http.Request) (any, error) {
	caller, signed, err := a.Guard.Authenticate(r, a.Signing)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-"+a.Version) {
		return nil, &authz.Error{Code: "UnknownOperationException", Status: http.StatusNotFound}
	}
	name := a.Operation(r)
	run, ok := a.Operations[name]
	if !ok {
		return nil, Refusal("UnknownOperationException", "")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, Refusal("SerializationException", "the body cannot be read")
	}
	if len(body) > maxBody {
		return nil, &authz.Error{Code: "RequestEntityTooLargeException", Status: http.StatusRequestEntityTooLarge}
	}
	if err := sigv4.CheckBody(body, signed); err != nil {
		return nil, Refusal("InvalidSignatureException", "%s", err)
	}
	return run(&Call{Context: r.Context(), Caller: caller, api: a, request: r, operation: name, body: body})
}

// Decode reads the input of a call into a struct. A member that the struct does not have is refused: either it does not
// exist, or the sandbox does not know it, and passing over it would be a lie.
func (c *Call) Decode(to any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	var plain *authz.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &plain):
		return plain
	case strings.Contains(err.Error(), "unknown field"):
		return Refusal("ValidationException", "the sandbox does not know this member of %s: %s", c.operation, strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
	return Refusal("SerializationException", "the body is not the JSON of a %s request", c.operation)
}

// Allow has the guard decide on the operation's own action. keys are the service's condition keys.
func (c *Call) Allow(resource string, keys map[string][]string) error {
	return c.AllowAction(c.operation, resource, keys)
}

// AllowAction has the guard decide on another action of the service.
func (c *Call) AllowAction(action, resource string, keys map[string][]string) error {
	return c.api.Guard.Authorize(c.request, c.Caller, c.api.Signing+":"+action, resource, keys, "")
}

// WriteError answers with an error: *Detailed and *authz.Error as they are, any other as an internal failure.
func (a *API) WriteError(w http.ResponseWriter, err error) {
	var plain *authz.Error
	if !errors.As(err, &plain) {
		plain = &authz.Error{Code: "InternalServerError", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	out := map[string]any{"__type": a.ErrorType + plain.Code, "message": plain.Message}
	var detailed *Detailed
	if errors.As(err, &detailed) {
		maps.Copy(out, detailed.Members)
	}
	if plain.Code == "AccessDenied" { // the JSON protocols have the long name
		out["__type"] = a.ErrorType + "AccessDeniedException"
	}
	status := plain.Status
	if status == http.StatusForbidden {
		status = http.StatusBadRequest // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
	}
	body, err := json.Marshal(out)
	if err != nil {
		body = []byte("{}")
	}
	a.send(w, status, body)
}

func (a *API) send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+a.Version)
	h.Set("X-Amzn-Requestid", awsquery.NewRequestID(a.Rand))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if a.Signing == "dynamodb" {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone: nobody to tell
}

// Names lists the operations, sorted.
func (a *API) Names() []string {
	names := make([]string, 0, len(a.Operations))
	for name := range a.Operations {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Time writes a moment as the protocol does: seconds since 1970, to the millisecond.
func Time(t time.Time) float64 { return math.Round(float64(t.UnixMilli())) / 1000 }
