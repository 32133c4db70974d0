package s3_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/s3"
)

const (
	wrongCRC32 = "y/U6HA==" // 4 bytes, of something else
	nineCRC32  = "y/Q5Jg==" // of "123456789", the check value of the CRC's catalogue
)

func (w *world) wantEmpty(t *testing.T) {
	t.Helper()
	if objects := w.service.State(t.Context()).(s3.State).Buckets[bucket].Objects; len(objects) != 0 {
		t.Errorf("stored %v", objects)
	}
}

// chunks signs a payload's chunks as the documentation says, apart from what the service does.
type chunks struct {
	key                []byte
	scope, time, chain string
}

func newChunks(r *http.Request, at time.Time) *chunks {
	c := &chunks{scope: at.Format("20060102") + "/" + region + "/s3/aws4_request", time: at.Format("20060102T150405Z")}
	c.key = []byte("AWS4admin-secret")
	for part := range strings.SplitSeq(c.scope, "/") {
		c.key = c.mac(part)
	}
	_, c.chain, _ = strings.Cut(r.Header.Get("Authorization"), "Signature=")
	return c
}

func (c *chunks) mac(text string) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (c *chunks) sign(kind string, hashes ...string) string {
	c.chain = hex.EncodeToString(c.mac(strings.Join(append([]string{"AWS4-HMAC-SHA256-" + kind, c.time, c.scope, c.chain}, hashes...), "\n")))
	return c.chain
}

func (c *chunks) chunk(data string) string {
	return fmt.Sprintf("%x;chunk-signature=%s\r\n%s\r\n", len(data), c.sign("PAYLOAD", hash(""), hash(data)), data)
}

func (c *chunks) last() string {
	return "0;chunk-signature=" + c.sign("PAYLOAD", hash(""), hash("")) + "\r\n"
}

func (c *chunks) trailer(line string) string {
	return line + "\r\nx-amz-trailer-signature:" + c.sign("TRAILER", hash(line+"\n")) + "\r\n\r\n"
}

func TestChunkedPayload(t *testing.T) {
	t.Parallel()
	const (
		plain, signed, trailed = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
		good, bad              = "x-amz-checksum-crc32:" + nineCRC32, "x-amz-checksum-crc32:" + wrongCRC32
	)
	for about, test := range map[string]struct {
		payload string
		trailer bool
		body    func(c *chunks) string
		code    string // "" means stored
	}{
		"unsigned":                  {plain, true, func(*chunks) string { return "5\r\n12345\r\n4\r\n6789\r\n0\r\n" + good + "\r\n\r\n" }, ""},
		"unsigned, no trailer":      {plain, false, func(*chunks) string { return "9\r\n123456789\r\n0\r\n\r\n" }, ""},
		"too few bytes":             {plain, false, func(*chunks) string { return "8\r\n12345678\r\n0\r\n\r\n" }, "IncompleteBody"},
		"too many bytes":            {plain, false, func(*chunks) string { return "a\r\n1234567890\r\n0\r\n\r\n" }, "IncompleteBody"},
		"cut in a chunk":            {plain, false, func(*chunks) string { return "9\r\n12345" }, "IncompleteBody"},
		"cut before the last chunk": {plain, false, func(*chunks) string { return "9\r\n123456789\r\n" }, "IncompleteBody"},
		"cut before the trailer":    {plain, true, func(*chunks) string { return "9\r\n123456789\r\n0\r\n" }, "IncompleteBody"},
		"cut in the trailer":        {plain, true, func(*chunks) string { return "9\r\n123456789\r\n0\r\n" + good }, "IncompleteBody"},
		"wrong trailer":             {plain, true, func(*chunks) string { return "9\r\n123456789\r\n0\r\n" + bad + "\r\n\r\n" }, "BadDigest"},
		"no trailer":                {plain, true, func(*chunks) string { return "9\r\n123456789\r\n0\r\n\r\n" }, "MalformedTrailerError"},
		"trailer twice":             {plain, true, func(*chunks) string { return "9\r\n123456789\r\n0\r\n" + bad + "\r\n" + good + "\r\n\r\n" }, "MalformedTrailerError"},
		"malformed size":            {plain, false, func(*chunks) string { return "-9\r\n123456789\r\n0\r\n\r\n" }, "InvalidChunkSizeError"},
		"longer than its size":      {plain, false, func(*chunks) string { return "8\r\n123456789\r\n0\r\n\r\n" }, "InvalidChunkSizeError"},
		"signed":                    {signed, false, func(c *chunks) string { return c.chunk("12345") + c.chunk("6789") + c.last() + "\r\n" }, ""},
		"signed, data changed": {signed, false, func(c *chunks) string {
			return strings.Replace(c.chunk("12345")+c.chunk("6789")+c.last()+"\r\n", "6789", "6780", 1)
		}, "SignatureDoesNotMatch"},
		"signed, chunks swapped":     {signed, false, func(c *chunks) string { a, b := c.chunk("1234"), c.chunk("56789"); return b + a + c.last() + "\r\n" }, "SignatureDoesNotMatch"},
		"signed, last chunk forged":  {signed, false, func(c *chunks) string { return c.chunk("123456789") + "0;chunk-signature=" + hash("") + "\r\n\r\n" }, "SignatureDoesNotMatch"},
		"signed, without signatures": {signed, false, func(*chunks) string { return "9\r\n123456789\r\n0\r\n\r\n" }, "InvalidChunkSizeError"},
		"signed trailer":             {trailed, true, func(c *chunks) string { return c.chunk("123456789") + c.last() + c.trailer(good) }, ""},
		"signed trailer, wrong":      {trailed, true, func(c *chunks) string { return c.chunk("123456789") + c.last() + c.trailer(bad) }, "BadDigest"},
		"signed trailer, changed": {trailed, true, func(c *chunks) string {
			return c.chunk("123456789") + c.last() + strings.Replace(c.trailer(bad), bad, good, 1)
		}, "SignatureDoesNotMatch"},
		"signed trailer, unsigned": {trailed, true, func(c *chunks) string { return c.chunk("123456789") + c.last() + good + "\r\n\r\n" }, "SignatureDoesNotMatch"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			status, code := w.send(t, test.payload, test.trailer, test.body)
			if code != test.code || (code == "") != (status == http.StatusOK) {
				t.Fatalf("got %d %s, want %q", status, code, test.code)
			}
			if code != "" {
				w.wantEmpty(t)
				return
			}
			if _, data := get(t, w.admin(), &awss3.GetObjectInput{Key: aws.String("x")}); string(data) != "123456789" {
				t.Errorf("stored %q", data)
			}
		})
	}
}

// send puts an object of 9 bytes with a body that the signature of the request does not cover.
func (w *world) send(t *testing.T, payload string, trailer bool, body func(*chunks) string) (int, string) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPut, w.server.URL+"/"+bucket+"/x", nil))
	r.Header.Set("X-Amz-Content-Sha256", payload)
	r.Header.Set("X-Amz-Decoded-Content-Length", "9")
	r.Header.Set("Content-Encoding", "aws-chunked")
	if trailer {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	}
	now := time.Now().UTC()
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}, r, payload, "s3", region, now); err != nil {
		t.Fatal(err)
	}
	text := body(newChunks(r, now))
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return answerOf(t, w, r)
}

func answerOf(t *testing.T, w *world, r *http.Request) (int, string) {
	t.Helper()
	response := must[*http.Response](t)(w.server.Client().Do(r))
	defer func() { _ = response.Body.Close() }()
	var body struct{ Code string }
	if err := xml.NewDecoder(response.Body).Decode(&body); err != nil && err != io.EOF { //nolint:errorlint // the decoder's own
		t.Fatal(err)
	}
	return response.StatusCode, body.Code
}

// TestTruncatedBody ends a request before its Content-Length.
func TestTruncatedBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader, writer := io.Pipe()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPut, w.server.URL+"/"+bucket+"/x", reader))
	r.ContentLength = 100
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}, r, "UNSIGNED-PAYLOAD", "s3", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = writer.Write([]byte(strconv.Itoa(12345))) // the request may be gone
		_ = writer.CloseWithError(io.ErrClosedPipe)
	}()
	if response, err := w.server.Client().Do(r); err == nil {
		_ = response.Body.Close()
		t.Fatalf("answered %s", response.Status)
	}
	w.server.Close() // waits for the handler
	w.wantEmpty(t)
}
