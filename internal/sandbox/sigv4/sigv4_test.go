package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

var (
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	creds = aws.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "token/+="}
)

func secretOf(id string) (string, string, bool) { return "secret", "token/+=", id == "ASIAEXAMPLE" }

func hash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// received turns a client's request into the one that a server reads.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// sdkSigned is a request as aws-sdk-go-v2 signs it, as the server receives it.
func sdkSigned(t testing.TB, method, target, service, body string, header map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	options := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }
	payload := hash(body)
	if declared := r.Header.Get("X-Amz-Content-Sha256"); declared != "" {
		payload = declared
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, payload, service, "eu-west-1", now, options); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

func s3Header(body string) map[string]string {
	return map[string]string{"X-Amz-Content-Sha256": hash(body), "X-Amz-Meta-Note": "  two   blanks  "}
}

func TestVerifySDK(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, method, target, service, body string }{
		{"s3 object", "PUT", "https://bucket.s3.example/web-01/a%20b%2Bc/%C3%A4.log?partNumber=1&uploadId=a%2Fb%3D", "s3", "data"},
		{"s3 key with dots and slashes", "GET", "https://s3.example/bucket/a//b/../c", "s3", ""},
		{"s3 key with every reserved character", "GET", "https://s3.example/b/%21%27%28%29%2A%3B%3A%40%26%3D%2B%24%2C%3F%23%5B%5D~", "s3", ""},
		{"s3 list", "GET", "https://s3.example/bucket?list-type=2&prefix=web-01%2F&delimiter=%2F&fetch-owner", "s3", ""},
		{"query protocol", "POST", "https://iam.example/", "iam", "Action=GetRole&Version=2010-05-08"},
		{"path of another service", "POST", "https://api.example/model/a%3Ab/invoke", "bedrock", "{}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			header := map[string]string{"Content-Type": "text/plain"}
			if test.service == "s3" {
				header = s3Header(test.body)
			}
			r := sdkSigned(t, test.method, test.target, test.service, test.body, header)
			signed, err := sigv4.Verify(r, secretOf, now.Add(14*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if signed.AccessKeyID != "ASIAEXAMPLE" || signed.Region != "eu-west-1" || signed.Service != test.service || signed.Date != "20260301" ||
				!signed.Time.Equal(now) || signed.PayloadHash != hash(test.body) || signed.Presigned || len(signed.SigningKey) != 32 {
				t.Errorf("signed %+v", signed)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || string(body) != test.body {
				t.Errorf("body %q, %v after verification", body, err)
			}
			if err := sigv4.CheckBody(body, signed); err != nil {
				t.Error(err)
			}
			if err := sigv4.CheckBody([]byte("other"), signed); err == nil {
				t.Error("another body passes")
			}
		})
	}
}

// TestTampering changes each part of a signed request in turn: none may pass.
func TestTampering(t *testing.T) {
	t.Parallel()
	authorization := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		}
	}
	for _, test := range []struct {
		name, s3, other string
		change          func(*http.Request)
	}{
		{"method", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Method = "DELETE" }},
		{"path", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.URL.Path += "x" }},
		{"query", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.URL.RawQuery += "&x=1" }},
		{"host", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Host = "evil.example" }},
		{"signed header", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Meta-Note", "three") }},
		{"signed header doubled", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Add("X-Amz-Meta-Note", "three") }},
		{"signed header gone", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Del("X-Amz-Meta-Note") }},
		{"unsigned x-amz header", "AccessDenied", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }},
		{"payload hash", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hash("other")) }},
		{"date", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260301T120001Z") }},
		{"day", "AuthorizationHeaderMalformed", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260302T000000Z") }},
		{"two dates", "IncompleteSignature", "IncompleteSignature", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20260301T120000Z") }},
		{"token", "SignatureDoesNotMatch", "SignatureDoesNotMatch", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }},
		{"token unsigned", "AccessDenied", "SignatureDoesNotMatch", authorization(";x-amz-security-token", "")},
		{"host unsigned", "AccessDenied", "SignatureDoesNotMatch", authorization("host;", "")},
		{"region", "SignatureDoesNotMatch", "SignatureDoesNotMatch", authorization("eu-west-1", "us-east-1")},
		{"key id", "InvalidAccessKeyId", "InvalidClientTokenId", authorization("ASIAEXAMPLE", "ASIAOTHER")},
		{"terminator", "IncompleteSignature", "IncompleteSignature", authorization("aws4_request", "aws5_request")},
		{"signature", "SignatureDoesNotMatch", "SignatureDoesNotMatch", authorization("Signature=", "Signature=0")},
		{"no signature", "IncompleteSignature", "IncompleteSignature", authorization("Signature=", "Nature=")},
		{"SigV4A", "IncompleteSignature", "IncompleteSignature", authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")},
		{"bearer", "IncompleteSignature", "IncompleteSignature", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }},
		{"anonymous", "MissingAuthenticationToken", "MissingAuthenticationToken", func(r *http.Request) { r.Header.Del("Authorization") }},
		{"both forms", "InvalidArgument", "InvalidArgument", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" }},
	} {
		for service, code := range map[string]string{"s3": test.s3, "iam": test.other} {
			t.Run(service+" "+test.name, func(t *testing.T) {
				t.Parallel()
				r := sdkSigned(t, "POST", "https://api.example/a/b?c=d", service, "body", s3Header("body"))
				test.change(r)
				_, err := sigv4.Verify(r, secretOf, now)
				wantCode(t, err, code)
			})
		}
	}
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		r := sdkSigned(t, "POST", "https://iam.example/", "iam", "body", nil)
		r.Body = io.NopCloser(strings.NewReader("other"))
		_, err := sigv4.Verify(r, secretOf, now)
		wantCode(t, err, "SignatureDoesNotMatch")
	})
	t.Run("another token than the key's", func(t *testing.T) {
		t.Parallel()
		other := func(string) (string, string, bool) { return "secret", "fresh", true }
		_, err := sigv4.Verify(sdkSigned(t, "GET", "https://s3.example/", "s3", "", s3Header("")), other, now)
		wantCode(t, err, "InvalidToken")
		_, err = sigv4.Verify(sdkSigned(t, "GET", "https://iam.example/", "iam", "", nil), other, now)
		wantCode(t, err, "InvalidClientTokenId")
	})
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		off       time.Duration
		s3, other string
	}{
		{-15 * time.Minute, "", ""},
		{15 * time.Minute, "", ""},
		{-15*time.Minute - time.Second, "RequestTimeTooSkewed", "SignatureDoesNotMatch"},
		{15*time.Minute + time.Second, "RequestTimeTooSkewed", "SignatureDoesNotMatch"},
	} {
		for service, code := range map[string]string{"s3": test.s3, "sts": test.other} {
			_, err := sigv4.Verify(sdkSigned(t, "GET", "https://api.example/", service, "", s3Header("")), secretOf, now.Add(test.off))
			wantCode(t, err, code)
		}
	}
	_, err := sigv4.Verify(sdkSigned(t, "GET", "https://api.example/", "sts", "", nil), secretOf, now.Add(time.Hour))
	want := "Signature expired: 20260301T120000Z is now earlier than 20260301T124500Z (20260301T130000Z - 15 min.)"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func presigned(t testing.TB, expires string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), "GET", "https://bucket.s3.example/web-01/a%20b?versionId=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	query := r.URL.Query()
	query.Set("X-Amz-Expires", expires)
	r.URL.RawQuery = query.Encode()
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), creds, r, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", now,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err != nil {
		t.Fatal(err)
	}
	return httptest.NewRequest("GET", signed, nil)
}

func TestPresigned(t *testing.T) {
	t.Parallel()
	signed, err := sigv4.Verify(presigned(t, "600"), secretOf, now.Add(10*time.Minute))
	if err != nil || !signed.Presigned || signed.PayloadHash != "UNSIGNED-PAYLOAD" {
		t.Fatalf("%+v, %v", signed, err)
	}
	edit := func(change func(url.Values)) *http.Request {
		r := presigned(t, "600")
		query := r.URL.Query()
		change(query)
		r.URL.RawQuery = query.Encode()
		return r
	}
	for _, test := range []struct {
		name, code string
		r          *http.Request
		at         time.Duration
	}{
		{"expired", "AccessDenied", presigned(t, "600"), 601 * time.Second},
		{"too early", "AccessDenied", presigned(t, "600"), -16 * time.Minute},
		{"over a week", "AuthorizationQueryParametersError", presigned(t, "604801"), 0},
		{"not a number", "AuthorizationQueryParametersError", presigned(t, "soon"), 0},
		{"longer than signed", "SignatureDoesNotMatch", edit(func(q url.Values) { q.Set("X-Amz-Expires", "601") }), 0},
		{"other parameter", "SignatureDoesNotMatch", edit(func(q url.Values) { q.Set("versionId", "2") }), 0},
		{"other token", "SignatureDoesNotMatch", edit(func(q url.Values) { q.Set("X-Amz-Security-Token", "x") }), 0},
		{"no token", "SignatureDoesNotMatch", edit(func(q url.Values) { q.Del("X-Amz-Security-Token") }), 0},
		{"no expiry", "AuthorizationQueryParametersError", edit(func(q url.Values) { q.Del("X-Amz-Expires") }), 0},
		{"two signatures", "AuthorizationQueryParametersError", edit(func(q url.Values) { q.Add("X-Amz-Signature", "x") }), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := sigv4.Verify(test.r, secretOf, now.Add(test.at))
			wantCode(t, err, test.code)
		})
	}
}

func TestPayloadHashes(t *testing.T) {
	t.Parallel()
	for declared, code := range map[string]string{
		"UNSIGNED-PAYLOAD":                         "",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":       "",
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER":       "",
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD": "InvalidArgument",
		"abc":                      "InvalidArgument",
		strings.ToUpper(hash("x")): "InvalidArgument",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":       "",
		"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER": "InvalidArgument",
	} {
		r := sdkSigned(t, "PUT", "https://s3.example/b/k", "s3", "x", map[string]string{"X-Amz-Content-Sha256": declared})
		signed, err := sigv4.Verify(r, secretOf, now)
		wantCode(t, err, code)
		if err == nil && strings.HasPrefix(declared, "STREAMING-") && sigv4.CheckBody([]byte("x"), signed) == nil {
			t.Errorf("%s: a streaming body passes as a whole", declared)
		}
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *sigv4.Error
	switch {
	case code == "" && err != nil:
		t.Errorf("refused: %v", err)
	case code != "" && (!errors.As(err, &e) || e.Code != code):
		t.Errorf("got %v, want %s", err, code)
	}
}

// FuzzVerify feeds anything as a signature: it must be refused, without a panic.
func FuzzVerify(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00", "20260301T120000Z", "a=b")
	f.Add("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e&X-Amz-Signature=x&X-Amz-Date=y&X-Amz-SignedHeaders=host")
	f.Add("AWS4-HMAC-SHA256 Credential=//,=", "x", "%zz")
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r := &http.Request{Method: "GET", Host: "s3.example", URL: &url.URL{Path: "/b/k", RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		r.Header.Set("X-Amz-Date", date)
		_, err := sigv4.Verify(r, secretOf, now)
		var e *sigv4.Error
		if !errors.As(err, &e) || e.Code == "" {
			t.Fatalf("got %v", err)
		}
	})
}
