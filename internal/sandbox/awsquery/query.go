// Package awsquery speaks AWS's query protocol: a form in, XML out. IAM and STS share it; it knows neither.
//
// Source: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
package awsquery

import (
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

// maxForm bounds the body of a call. IAM's largest are policy documents of a few kilobytes, escaped.
const maxForm = 1 << 20

// Form returns the parameters of a call, from the query string and, for POST, from the body, which it leaves in place.
func Form(r *http.Request) (url.Values, error) {
	form, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &authz.Error{Code: "MalformedQueryString", Message: "The query string contains a syntax error.", Status: http.StatusNotFound}
	}
	if r.Method != http.MethodPost {
		return form, nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, &authz.Error{Code: "UnknownOperationException", Message: "The content type must be application/x-www-form-urlencoded.", Status: http.StatusNotFound}
	}
	body := edge.PeekBody(r, maxForm)
	if len(body) == maxForm {
		return nil, &authz.Error{Code: "RequestEntityTooLarge", Message: "The request is too large.", Status: http.StatusRequestEntityTooLarge}
	}
	inBody, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &authz.Error{Code: "MalformedInput", Message: "The form contains a syntax error.", Status: http.StatusBadRequest}
	}
	for name, values := range inBody {
		form[name] = append(form[name], values...)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, &authz.Error{Code: "MalformedInput", Message: "Parameter " + name + " is given more than once.", Status: http.StatusBadRequest}
		}
	}
	return form, nil
}

// Action returns the Action of a call, or "" where there is none.
func Action(r *http.Request) string {
	form, err := Form(r)
	if err != nil {
		return ""
	}
	return form.Get("Action")
}

// Members returns the list that the form holds as name.member.1, name.member.2, …
func Members(form url.Values, name string) []string {
	var values []string
	for i := 1; ; i++ {
		key := name + ".member." + strconv.Itoa(i)
		if !form.Has(key) {
			return values
		}
		values = append(values, form.Get(key))
	}
}

// Structs returns the list of structures that the form holds as name.member.1.Field, …; each is a form of its fields.
func Structs(form url.Values, name string) []url.Values {
	var structs []url.Values
	for i := 1; ; i++ {
		prefix := name + ".member." + strconv.Itoa(i) + "."
		fields := url.Values{}
		for key, values := range form {
			if field, ok := strings.CutPrefix(key, prefix); ok {
				fields[field] = values
			}
		}
		if len(fields) == 0 {
			return structs
		}
		structs = append(structs, fields)
	}
}

// Tag is a tag as the protocol writes it.
type Tag struct {
	Key   string
	Value string
}

// List is a list as the protocol writes it; an empty one is still an element, as boto3 expects.
type List[T any] struct {
	Member []T `xml:"member"`
}

// ListOf returns the list of values.
func ListOf[T any](values []T) List[T] { return List[T]{values} }

// Time writes a moment as the protocol does, to the second.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// NewRequestID draws a request id in AWS's form, a UUID.
func NewRequestID(random io.Reader) string {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "00000000-0000-0000-0000-000000000000" // an id for humans: not worth failing a call
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// Write answers a call. A nil result is an answer without one.
func Write(w http.ResponseWriter, namespace, action, requestID string, result any) {
	var out strings.Builder
	encoder := xml.NewEncoder(&out)
	if result != nil {
		if err := encoder.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}}); err != nil {
			WriteError(w, namespace, requestID, fmt.Errorf("encode the answer of %s: %w", action, err))
			return
		}
	}
	send(w, http.StatusOK, requestID, fmt.Sprintf("<%sResponse xmlns=%q>\n%s<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>\n</%sResponse>\n",
		action, namespace, out.String(), requestID, action))
}

// WriteError answers a call with an error: an *authz.Error as it is, any other as an internal failure.
func WriteError(w http.ResponseWriter, namespace, requestID string, err error) {
	var e *authz.Error
	if !errors.As(err, &e) {
		e = &authz.Error{Code: "ServiceFailure", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	kind := "Sender"
	if e.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	send(w, e.Status, requestID, fmt.Sprintf("<ErrorResponse xmlns=%q>\n<Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId>\n</ErrorResponse>\n",
		namespace, kind, escape(e.Code), escape(e.Message), requestID))
}

func send(w http.ResponseWriter, status int, requestID, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("X-Amzn-Requestid", requestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client has gone: nobody to tell
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}

// Throttled is the refusal of a call by its rate or by a fault: 429 means throttling, which IAM and STS answer as 400.
func Throttled(status int) *authz.Error {
	switch status {
	case http.StatusTooManyRequests:
		return &authz.Error{Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest}
	case http.StatusServiceUnavailable:
		return &authz.Error{Code: "ServiceUnavailable", Message: "The request has failed due to a temporary failure of the server.", Status: status}
	}
	return &authz.Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure.", Status: status}
}
