// Package sigv4 verifies AWS Signature Version 4 on incoming requests, in its header form and in its query-string
// (presigned) form. It knows keys only through the function it is given and takes no decision about what a caller may
// do; that is authz. Chunk and trailer signatures of S3's aws-chunked bodies are checked by the S3 service with the
// signing key that Verify returns.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

const (
	algorithm      = "AWS4-HMAC-SHA256"
	timeFormat     = "20060102T150405Z"
	dateFormat     = "20060102"
	terminator     = "aws4_request"
	maxSkew        = 15 * time.Minute
	maxExpires     = 7 * 24 * time.Hour
	serviceS3      = "s3"
	unsigned       = "UNSIGNED-PAYLOAD"
	streamPrefix   = "STREAMING-"
	maxBufferBytes = 16 << 20 // the largest request of a service other than S3 (DynamoDB's BatchWriteItem)
)

// Signed is what a verified signature says.
type Signed struct {
	AccessKeyID, Date, Region, Service string // of the credential scope; Date is 20060102

	Time        time.Time
	SigningKey  []byte // kDate→kRegion→kService→kSigning, for chunk and trailer signatures
	Signature   string // hex: seed of chunk signatures
	PayloadHash string // x-amz-content-sha256 as signed: hex, UNSIGNED-PAYLOAD, STREAMING-…
	Presigned   bool
}

// Error is a refusal in the words of AWS. Code is the code of the service in the credential scope.
type Error struct{ Code, Message string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Verify checks the signature of r at the moment now. secretOf returns the secret of an access key id and, for
// temporary credentials, the session token that must come with it ("" for long-term keys). Every error is an *Error.
//
// S3 bodies are not read: the service checks them against Signed.PayloadHash (see CheckBody). The body of any other
// service is part of the signature, so it is read (at most 16 MiB), hashed and put back into r.
func Verify(r *http.Request, secretOf func(accessKeyID string) (secret, sessionToken string, ok bool), now time.Time) (Signed, error) {
	a, err := parse(r)
	if err != nil {
		return Signed{}, err
	}
	secret, token, ok := secretOf(a.accessKeyID)
	if !ok {
		return Signed{}, a.unknownKey()
	}
	if err := a.checkTime(now); err != nil {
		return Signed{}, err
	}
	if err := a.checkSignedHeaders(r); err != nil {
		return Signed{}, err
	}
	payload, err := a.payloadHash(r)
	if err != nil {
		return Signed{}, err
	}
	canonical, err := a.canonicalRequest(r, payload)
	if err != nil {
		return Signed{}, err
	}
	key := signingKey(secret, a.date, a.region, a.service)
	want := hex.EncodeToString(mac(key, a.stringToSign(canonical)))
	if subtle.ConstantTimeCompare([]byte(want), []byte(a.signature)) != 1 {
		return Signed{}, a.mismatch()
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(a.sessionToken)) != 1 {
		return Signed{}, a.wrongToken(a.sessionToken)
	}
	return Signed{
		AccessKeyID: a.accessKeyID, Date: a.date, Region: a.region, Service: a.service,
		Time: a.time, SigningKey: key, Signature: a.signature, PayloadHash: payload, Presigned: a.presigned,
	}, nil
}

// CheckBody checks a whole body against the payload hash that was signed. UNSIGNED-PAYLOAD accepts any body; a
// STREAMING-… payload is refused, for only its decoded chunks can be checked.
func CheckBody(body []byte, signed Signed) error {
	switch {
	case signed.PayloadHash == unsigned:
		return nil
	case strings.HasPrefix(signed.PayloadHash, streamPrefix):
		return &Error{"InvalidRequest", "an aws-chunked payload is checked chunk by chunk"}
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(signed.PayloadHash)) != 1 {
		return &Error{"XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return nil
}

func signingKey(secret, date, region, service string) []byte {
	key := mac([]byte("AWS4"+secret), date)
	key = mac(key, region)
	key = mac(key, service)
	return mac(key, terminator)
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data)) // a hash never returns an error
	return h.Sum(nil)
}

func hexHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
