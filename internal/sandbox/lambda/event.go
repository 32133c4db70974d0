package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

const (
	defaultStage = "$default"
	maxPayload   = 6 << 20  // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxHeaders   = 10 << 10 // of an HTTP API: request line and header values
)

// event is a request in payload format 2.0.
type event struct {
	Version        string            `json:"version"`
	RouteKey       string            `json:"routeKey"`
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies,omitempty"`
	Headers        map[string]string `json:"headers"`
	Query          map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext requestContext    `json:"requestContext"`
	Body           string            `json:"body,omitempty"`
	Base64         bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// answer is a function's in payload format 2.0.
type answer struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Cookies    []string          `json:"cookies"`
	Body       string            `json:"body"`
	Base64     bool              `json:"isBase64Encoded"`
}

// ServeHTTP implements http.Handler: it is the HTTP API.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := awsquery.NewRequestID(f.cfg.Rand)
	if headerSize(r) > maxHeaders {
		f.refuse(w, id, http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	payload, err := f.eventOf(r, id)
	if err != nil {
		f.refuse(w, id, http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxIntegration)
	defer cancel()
	result, err := f.invoke(ctx, payload)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.refuse(w, id, http.StatusServiceUnavailable)
		return
	case err != nil:
		f.refuse(w, id, http.StatusInternalServerError)
		return
	}
	f.send(w, id, result)
}

func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.URL.RequestURI()) + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

func (f *Function) eventOf(r *http.Request, id string) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		return nil, err
	}
	if len(body) == maxPayload {
		return nil, errors.New("the body is too large")
	}
	path := r.URL.Path
	if f.cfg.Stage != defaultStage {
		path = "/" + f.cfg.Stage + path
	}
	now := f.cfg.Now()
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	e := event{
		Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host},
		RequestContext: requestContext{
			AccountID: f.cfg.AccountID, APIID: "sandbox", DomainName: r.Host, DomainPrefix: "sandbox", RequestID: id,
			RouteKey: "$default", Stage: f.cfg.Stage, Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: httpContext{r.Method, path, r.Proto, host, r.UserAgent()},
		},
	}
	for name, values := range r.Header { // the API joins the values of a header, and keeps cookies apart
		if name == "Cookie" {
			e.Cookies = values
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	for name, values := range r.URL.Query() {
		if e.Query == nil {
			e.Query = map[string]string{}
		}
		e.Query[name] = strings.Join(values, ",")
	}
	if e.Body = string(body); !utf8.Valid(body) {
		e.Body, e.Base64 = base64.StdEncoding.EncodeToString(body), true
	}
	return json.Marshal(e)
}

// send makes the HTTP response of a function's result. A result without statusCode is a body by itself.
func (f *Function) send(w http.ResponseWriter, id string, result []byte) {
	var a answer
	if err := json.Unmarshal(result, &a); err != nil || a.StatusCode == 0 {
		a = answer{StatusCode: http.StatusOK, Headers: map[string]string{"content-type": "application/json"}, Body: string(result)}
	}
	body := []byte(a.Body)
	if a.Base64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			f.refuse(w, id, http.StatusInternalServerError)
			return
		}
	}
	if a.StatusCode < 200 || a.StatusCode > 599 {
		f.refuse(w, id, http.StatusInternalServerError)
		return
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range a.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.Header().Set("Apigw-Requestid", id)
	w.WriteHeader(a.StatusCode)
	_, _ = w.Write(body) // the client has gone: nobody to tell
}
