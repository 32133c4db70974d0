package sigv4

import (
	"bytes"
	"crypto/subtle"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// checkSignedHeaders wants the host and every x-amz-* header under the signature: what is not signed could have been
// added on the way. A session token in the query is part of the canonical query and so always signed.
func (a *authorization) checkSignedHeaders(r *http.Request) error {
	if !slices.Contains(a.signedHeaders, "host") {
		return a.fail("AccessDenied", "SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(a.signedHeaders, lower) {
			return a.fail("AccessDenied", "SignatureDoesNotMatch", "There were headers present in the request which were not signed: "+lower)
		}
	}
	return nil
}

// payloadHash returns the hash that the canonical request ends with.
func (a *authorization) payloadHash(r *http.Request) (string, error) {
	declared, err := single(r.Header, "X-Amz-Content-Sha256")
	if err != nil {
		return "", err
	}
	if a.service == serviceS3 {
		return a.declaredHash(r, declared)
	}
	body, err := buffer(r)
	if err != nil {
		return "", err
	}
	computed := hexHash(body)
	if declared != "" && subtle.ConstantTimeCompare([]byte(declared), []byte(computed)) != 1 {
		return "", a.mismatch()
	}
	return computed, nil
}

func (a *authorization) declaredHash(r *http.Request, declared string) (string, error) {
	if declared == "" && a.presigned {
		if declared = r.URL.Query().Get("X-Amz-Content-Sha256"); declared == "" {
			return unsigned, nil
		}
	}
	switch declared {
	case "":
		return "", &Error{"InvalidRequest", "Missing required header for this request: x-amz-content-sha256"}
	case unsigned, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return declared, nil
	}
	if len(declared) != 64 || strings.Trim(declared, "0123456789abcdef") != "" {
		return "", &Error{"InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER or a valid sha256 value."}
	}
	return declared, nil
}

// buffer reads the body and puts it back.
func buffer(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBufferBytes+1))
	if err != nil {
		return nil, &Error{"IncompleteBody", "The request body could not be read."}
	}
	if len(body) > maxBufferBytes {
		return nil, &Error{"RequestEntityTooLarge", "The request body is larger than 16 MiB."}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), r.Body}
	return body, nil
}

func (a *authorization) stringToSign(canonical string) string {
	scope := strings.Join([]string{a.date, a.region, a.service, terminator}, "/")
	return strings.Join([]string{algorithm, a.time.Format(timeFormat), scope, hexHash([]byte(canonical))}, "\n")
}

func (a *authorization) canonicalRequest(r *http.Request, payloadHash string) (string, error) {
	query, err := a.canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var headers strings.Builder
	for _, name := range a.signedHeaders {
		value, ok := headerValue(r, name)
		if !ok {
			return "", a.mismatch()
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	return strings.Join([]string{
		r.Method, a.canonicalPath(r.URL), query, headers.String(), strings.Join(a.signedHeaders, ";"), payloadHash,
	}, "\n"), nil
}

// canonicalPath encodes S3's path once and leaves its dots and slashes alone, for they are part of a key. The path of
// any other service is normalised, and what was sent on the wire is encoded a second time.
func (a *authorization) canonicalPath(u *url.URL) string {
	if a.service == serviceS3 {
		if u.Path == "" {
			return "/"
		}
		return encode(u.Path, true)
	}
	sent := u.EscapedPath()
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" {
		clean += "/"
	}
	return encode(clean, true)
}

func (a *authorization) canonicalQuery(raw string) (string, error) {
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return "", a.mismatch()
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return "", a.mismatch()
		}
		if a.presigned && name == "X-Amz-Signature" {
			continue
		}
		// Names sort before values: a byte lower than any that encode leaves stands between the two.
		pairs = append(pairs, encode(name, false)+"\x00"+encode(value, false))
	}
	slices.Sort(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "="), nil
}

func headerValue(r *http.Request, name string) (string, bool) {
	var values []string
	switch name {
	case "host":
		values = []string{r.Host}
	case "content-length":
		values = []string{strconv.FormatInt(max(r.ContentLength, 0), 10)}
	case "transfer-encoding": // net/http takes it out of the headers
		values = r.TransferEncoding
	default:
		values = r.Header.Values(name)
	}
	trimmed := make([]string, len(values))
	for i, value := range values {
		trimmed[i] = strings.Join(strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == '\t' }), " ")
	}
	return strings.Join(trimmed, ","), len(values) > 0
}

// encode is AWS's UriEncode: everything but A-Z a-z 0-9 - . _ ~ is escaped, with upper-case digits.
func encode(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
