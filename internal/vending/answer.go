package vending

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Response is what either front sends.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}

// credentials is the container-credentials form that every AWS SDK reads.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
type credentials struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
	RoleARN         string `json:"RoleArn"`
}

func jsonResponse(status int, requestID string, body any) Response {
	text, err := json.Marshal(body)
	if err != nil { // unreachable: the types that are passed encode always
		status, text = http.StatusInternalServerError, []byte(`{"code":"InternalError","message":"internal error"}`)
	}
	return Response{Status: status, Body: text, Header: map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Request-Id": requestID,
	}}
}

// refusal is an answer other than credentials. message goes to the client; reason and err go to the audit line alone.
type refusal struct {
	status        int
	code, message string
	reason        string // a word for dashboards to count by; default: code
	retryAfter    time.Duration
	err           error
}

func (r *refusal) Error() string { return r.code + ": " + r.message }
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, code, message string) *refusal {
	return &refusal{status: status, code: code, message: message}
}

// badToken refuses a token. message says which check failed: who sent it holds the token, so it gives nothing away.
func badToken(reason, message string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: "InvalidToken", message: message, reason: reason}
}

func denied(reason, message string) *refusal {
	return &refusal{status: http.StatusForbidden, code: "AccessDenied", message: message, reason: reason}
}

func tooMany(wait time.Duration) *refusal {
	return &refusal{status: http.StatusTooManyRequests, code: "TooManyRequests", reason: "rate_limited", retryAfter: wait,
		message: "the client asks too often: keep credentials until shortly before they expire"}
}

// unavailable refuses for the sake of a service that did not answer as it should.
func unavailable(reason, message string, err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "ServiceUnavailable", message: message, reason: reason, retryAfter: 2 * time.Second, err: err}
}

func internal(err error) *refusal {
	return &refusal{status: http.StatusInternalServerError, code: "InternalError", message: "internal error", reason: "internal", err: err}
}

func (r *refusal) response(requestID string) Response {
	out := jsonResponse(r.status, requestID, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{r.code, r.message})
	switch {
	case r.status == http.StatusUnauthorized:
		out.Header["WWW-Authenticate"] = "Bearer"
	case r.status == http.StatusMethodNotAllowed:
		out.Header["Allow"] = "GET"
	case r.retryAfter > 0:
		out.Header["Retry-After"] = strconv.Itoa(int(math.Ceil(r.retryAfter.Seconds())))
	}
	return out
}
