package s3

import (
	"crypto/md5" // #nosec G501 -- S3's ETag
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const largestPut = 5 << 30 // bytes, of one PutObject or UploadPart

// received is a body that was checked in full and lies in a file.
type received struct {
	blob     *blob
	size     int64
	md5      []byte
	checksum checksum
	sum      []byte // the checksum's bytes
}

// expected is what a request says of its body's checksum.
type expected struct {
	algorithm algorithm // "" where the client asks for none
	value     string    // base64; "" where it comes in the trailer, or not at all
	trailer   string    // name of the trailer with it
}

// receive reads the body once, into a file, and checks all that the request says of it: nothing is kept of a body that
// fails. fallback is the checksum to compute where the client asks for none.
func (c *call) receive(fallback algorithm) (*received, error) {
	want, err := c.expectedChecksum()
	if err != nil {
		return nil, err
	}
	body, size, err := c.body(want)
	if err != nil {
		return nil, err
	}
	a := want.algorithm
	if a == "" {
		a = fallback
	}
	sum, digest := a.new(), md5.New() // #nosec G401 -- S3's ETag
	writers := []hash.Hash{sum, digest}
	var content hash.Hash
	if len(c.signed.PayloadHash) == hex.EncodedLen(sha256.Size) {
		content = sha256.New()
		writers = append(writers, content)
	}
	b, n, err := c.s.spill(body, size, writers...)
	if err != nil {
		return nil, err
	}
	got := &received{blob: b, size: n, md5: digest.Sum(nil), sum: sum.Sum(nil)}
	got.checksum = checksum{a, fullObject, encode(got.sum)}
	if content != nil && !strings.EqualFold(hex.EncodeToString(content.Sum(nil)), c.signed.PayloadHash) {
		return nil, invalid("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if err := c.checkMD5(got.md5); err != nil {
		return nil, err
	}
	return got, want.check(got, body)
}

// body returns the decoded body and its size.
func (c *call) body(want expected) (io.Reader, int64, error) {
	hashed := c.signed.PayloadHash
	size := c.r.ContentLength
	var body io.Reader = c.r.Body
	switch {
	case strings.HasPrefix(hashed, "STREAMING-"):
		if !slices.Contains([]string{streamingSigned, streamingSignedTrailer, streamingUnsignedTrail}, hashed) {
			return nil, 0, fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented: x-amz-content-sha256 "+hashed)
		}
		if strings.HasSuffix(hashed, "-TRAILER") && c.s.settings.refuseTrailers.Load() {
			return nil, 0, fail(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented: x-amz-content-sha256 "+hashed)
		}
		decoded, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || decoded < 0 {
			return nil, 0, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
		}
		size, body = decoded, newChunkReader(c.r.Body, c.signed)
	case hashed == unsignedPayload || hashed == "" || len(hashed) == hex.EncodedLen(sha256.Size):
		if want.trailer != "" {
			return nil, 0, invalid("InvalidRequest", "A trailer needs an aws-chunked payload.")
		}
	default:
		return nil, 0, invalid("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.")
	}
	if size < 0 {
		return nil, 0, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if size > largestPut {
		return nil, 0, invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	return body, size, nil
}

// expectedChecksum reads the checksum headers: at most one checksum, in a header or a trailer.
func (c *call) expectedChecksum() (expected, error) {
	var want expected
	for _, a := range algorithms {
		if value := c.r.Header.Get(a.header()); value != "" {
			if want.algorithm != "" {
				return want, invalid("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
			}
			want = expected{algorithm: a, value: value}
			if raw, err := base64.StdEncoding.DecodeString(value); err != nil || len(raw) != a.new().Size() {
				return want, invalid("InvalidRequest", "Value for "+a.header()+" header is invalid.")
			}
		}
	}
	trailer := strings.ToLower(strings.TrimSpace(c.r.Header.Get("X-Amz-Trailer")))
	if trailer != "" {
		a := algorithm(strings.ToUpper(strings.TrimPrefix(trailer, checksumPrefix)))
		if !strings.HasPrefix(trailer, checksumPrefix) || !a.known() {
			return want, invalid("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
		}
		if want.algorithm != "" {
			return want, invalid("InvalidRequest", "Expecting a single x-amz-checksum- header")
		}
		want = expected{algorithm: a, trailer: trailer}
	}
	return want, c.checkSDKAlgorithm(want)
}

func (c *call) checkSDKAlgorithm(want expected) error {
	named := algorithm(strings.ToUpper(c.r.Header.Get("X-Amz-Sdk-Checksum-Algorithm")))
	switch {
	case named == "":
		return nil
	case !named.known():
		return invalid("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case want.algorithm == "":
		return invalid("InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case want.algorithm != named:
		return invalid("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

func (e expected) check(got *received, body io.Reader) error {
	value := e.value
	if e.trailer != "" {
		chunks, ok := body.(*chunkReader)
		if !ok || len(chunks.trailers) != 1 || chunks.trailers[e.trailer] == "" {
			return malformedTrailer()
		}
		value = chunks.trailers[e.trailer]
	}
	if value != "" && value != got.checksum.value {
		return invalid("BadDigest", "The "+string(e.algorithm)+" you specified did not match the calculated checksum.")
	}
	return nil
}

func (c *call) checkMD5(sum []byte) error {
	header := c.r.Header.Get("Content-Md5")
	if header == "" {
		return nil
	}
	want, err := base64.StdEncoding.DecodeString(header)
	if err != nil || len(want) != md5.Size {
		return invalid("InvalidDigest", "The Content-MD5 you specified was invalid.")
	}
	if !slices.Equal(want, sum) {
		return invalid("BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	return nil
}

// document reads a small body, an XML document or a policy, checked as every body is.
func (c *call) document(limit int64) ([]byte, error) {
	if c.r.ContentLength > limit {
		return nil, invalid("MaxMessageLengthExceeded", "Your request was too big.")
	}
	got, err := c.receive(crc64NVME)
	if err != nil {
		return nil, err
	}
	if got.size > limit {
		return nil, invalid("MaxMessageLengthExceeded", "Your request was too big.")
	}
	r, err := open([]segment{{got.blob, 0, got.size}}, 0, got.size)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	return text, errors.Join(err, r.Close())
}
