package sigv4

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authorization is what a request says about its own signature.
type authorization struct {
	accessKeyID, date, region, service string

	time          time.Time
	signedHeaders []string
	signature     string
	sessionToken  string
	presigned     bool
	expires       time.Duration // presigned only
}

func parse(r *http.Request) (*authorization, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &Error{"IncompleteSignature", "The query string is malformed."}
	}
	headers := r.Header.Values("Authorization")
	inQuery := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature") || query.Has("X-Amz-Credential")
	switch {
	case len(headers) > 0 && inQuery:
		return nil, &Error{"InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"}
	case inQuery:
		return parseQuery(query)
	case len(headers) == 1:
		return parseHeader(r, headers[0])
	case len(headers) > 1:
		return nil, &Error{"IncompleteSignature", "More than one Authorization header."}
	}
	return nil, &Error{"MissingAuthenticationToken", "Request is missing Authentication Token"}
}

func parseHeader(r *http.Request, header string) (*authorization, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if err := checkAlgorithm(scheme); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, &Error{"IncompleteSignature", "Authorization header is malformed: name=value pairs, each once, are expected."}
		}
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return nil, &Error{"IncompleteSignature", fmt.Sprintf("Authorization header requires '%s' parameter.", name)}
		}
	}
	a := &authorization{signature: fields["Signature"]}
	if err := a.setScope(fields["Credential"]); err != nil {
		return nil, err
	}
	if err := a.setSignedHeaders(fields["SignedHeaders"]); err != nil {
		return nil, err
	}
	date, err := single(r.Header, "X-Amz-Date")
	if err != nil {
		return nil, err
	}
	if date == "" {
		if date, err = single(r.Header, "Date"); err != nil {
			return nil, err
		}
	}
	if a.sessionToken, err = single(r.Header, "X-Amz-Security-Token"); err != nil {
		return nil, err
	}
	return a, a.setTime(date)
}

func parseQuery(query url.Values) (*authorization, error) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders"} {
		if len(query[name]) != 1 || query.Get(name) == "" {
			return nil, &Error{"AuthorizationQueryParametersError", "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."}
		}
	}
	if err := checkAlgorithm(query.Get("X-Amz-Algorithm")); err != nil {
		return nil, err
	}
	a := &authorization{presigned: true, signature: query.Get("X-Amz-Signature")}
	if err := a.setScope(query.Get("X-Amz-Credential")); err != nil {
		return nil, err
	}
	if err := a.setSignedHeaders(query.Get("X-Amz-SignedHeaders")); err != nil {
		return nil, err
	}
	if err := a.setExpires(query["X-Amz-Expires"]); err != nil {
		return nil, err
	}
	if tokens := query["X-Amz-Security-Token"]; len(tokens) > 1 {
		return nil, &Error{"AuthorizationQueryParametersError", "X-Amz-Security-Token is given more than once."}
	}
	a.sessionToken = query.Get("X-Amz-Security-Token")
	return a, a.setTime(query.Get("X-Amz-Date"))
}

func checkAlgorithm(name string) error {
	switch name {
	case algorithm:
		return nil
	case "AWS4-ECDSA-P256-SHA256":
		return &Error{"IncompleteSignature", "Multi-region signatures (SigV4A, AWS4-ECDSA-P256-SHA256) are not supported here: sign with AWS4-HMAC-SHA256."}
	}
	return &Error{"IncompleteSignature", "Unsupported authorization type: AWS4-HMAC-SHA256 is expected."}
}

func (a *authorization) setScope(credential string) error {
	// An access key id holds no slash, so the scope is the last four of exactly five parts.
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") || parts[4] != terminator {
		return &Error{"IncompleteSignature", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request."}
	}
	a.accessKeyID, a.date, a.region, a.service = parts[0], parts[1], parts[2], parts[3]
	if _, err := time.Parse(dateFormat, a.date); err != nil {
		return &Error{"IncompleteSignature", "The date of the credential scope must have the form YYYYMMDD."}
	}
	return nil
}

func (a *authorization) setSignedHeaders(list string) error {
	a.signedHeaders = strings.Split(list, ";")
	if !slices.IsSorted(a.signedHeaders) || list != strings.ToLower(list) || len(slices.Compact(slices.Clone(a.signedHeaders))) != len(a.signedHeaders) {
		return &Error{"IncompleteSignature", "SignedHeaders must be lower case, sorted and without repetition."}
	}
	return nil
}

func (a *authorization) setExpires(values []string) error {
	if len(values) == 0 && a.service != serviceS3 {
		a.expires = maxSkew // only S3 asks for the parameter
		return nil
	}
	if len(values) != 1 {
		return &Error{"AuthorizationQueryParametersError", "X-Amz-Expires must be given once."}
	}
	seconds, err := strconv.Atoi(values[0])
	switch {
	case err != nil:
		return &Error{"AuthorizationQueryParametersError", "X-Amz-Expires should be a number"}
	case seconds < 1:
		return &Error{"AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative"}
	case seconds > int(maxExpires/time.Second):
		return &Error{"AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"}
	}
	a.expires = time.Duration(seconds) * time.Second
	return nil
}

func (a *authorization) setTime(value string) error {
	t, err := time.Parse(timeFormat, value)
	if err != nil && !a.presigned {
		t, err = http.ParseTime(value)
	}
	if err != nil {
		return &Error{"IncompleteSignature", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header in ISO-8601 basic form."}
	}
	a.time = t.UTC()
	if day := a.time.Format(dateFormat); day != a.date {
		return a.fail("AuthorizationHeaderMalformed", "SignatureDoesNotMatch",
			fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", a.date, day, a.time.Format(timeFormat)))
	}
	return nil
}

func single(h http.Header, name string) (string, error) {
	if values := h.Values(name); len(values) > 1 {
		return "", &Error{"IncompleteSignature", name + " is given more than once."}
	}
	return h.Get(name), nil
}
