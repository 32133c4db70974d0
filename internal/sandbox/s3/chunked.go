package s3

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

const (
	unsignedPayload         = "UNSIGNED-PAYLOAD"
	streamingSigned         = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingSignedTrailer  = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	streamingUnsignedTrail  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	longestChunkLine        = 4096
	mostTrailers            = 16
	trailerSignature        = "x-amz-trailer-signature"
	chunkSignatureExtension = "chunk-signature"
)

// chunkReader decodes an aws-chunked body and verifies the signatures of its chunks and trailers. Data are handed out
// before the signature at their chunk's end is known: whoever reads must keep nothing unless EOF was reached.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type chunkReader struct {
	in      *bufio.Reader
	signer  *chunkSigner // nil: the payload is unsigned
	trailed bool         // trailers may follow the last chunk

	left      int64  // bytes of the chunk at hand
	signature string // that the chunk at hand claims
	begun     bool
	err       error
	// trailers are the fields after the last chunk, by name in lower case. Complete at EOF.
	trailers map[string]string
}

func newChunkReader(body io.Reader, signed sigv4.Signed) *chunkReader {
	c := &chunkReader{in: bufio.NewReaderSize(body, 64<<10), trailers: map[string]string{}}
	switch signed.PayloadHash {
	case streamingSigned:
		c.signer = newChunkSigner(signed)
	case streamingSignedTrailer:
		c.signer, c.trailed = newChunkSigner(signed), true
	case streamingUnsignedTrail:
		c.trailed = true
	}
	return c
}

// Read implements io.Reader.
func (c *chunkReader) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.signer != nil {
		c.signer.data.Write(p[:n])
	}
	if err != nil {
		c.err = incomplete(err)
		return n, c.err
	}
	return n, nil
}

// next ends the chunk at hand and begins the next; io.EOF after the last.
func (c *chunkReader) next() error {
	if c.begun {
		if err := c.finishChunk(); err != nil {
			return err
		}
	}
	if err := c.header(); err != nil {
		return err
	}
	c.begun = true
	if c.left > 0 {
		return nil
	}
	if c.signer != nil {
		if err := c.signer.verify(c.signature); err != nil {
			return err
		}
	}
	if err := c.readTrailers(); err != nil {
		return err
	}
	return io.EOF
}

func (c *chunkReader) finishChunk() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return malformedChunk()
	}
	if c.signer != nil {
		return c.signer.verify(c.signature)
	}
	return nil
}

// header reads "SIZE" or "SIZE;chunk-signature=HEX".
func (c *chunkReader) header() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	// ParseUint takes no sign for base 16, and no underscore.
	n, err := strconv.ParseUint(size, 16, 62)
	if err != nil {
		return malformedChunk()
	}
	c.left, c.signature = int64(n), "" //nolint:gosec // 62 bits
	if c.signer != nil {
		name, value, _ := strings.Cut(extension, "=")
		if name != chunkSignatureExtension {
			return malformedChunk()
		}
		c.signature = value
	}
	return nil
}

// readTrailers reads what follows the last chunk: fields where the payload has trailers, and an empty line.
func (c *chunkReader) readTrailers() error {
	var canonical strings.Builder
	signature := ""
	for range mostTrailers + 2 {
		line, err := c.line()
		if errors.Is(err, errEnd) && len(c.trailers) == 0 && !c.trailed {
			return nil // some clients leave the last line out
		}
		if err != nil {
			return err
		}
		if line == "" {
			return c.verifyTrailers(canonical.String(), signature)
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || name == "" || !c.trailed {
			return malformedTrailer()
		}
		if name == trailerSignature {
			signature = value
			continue
		}
		if _, twice := c.trailers[name]; twice || signature != "" {
			return malformedTrailer()
		}
		c.trailers[name] = value
		canonical.WriteString(name + ":" + value + "\n")
	}
	return malformedTrailer()
}

func (c *chunkReader) verifyTrailers(canonical, signature string) error {
	if c.signer == nil || !c.trailed {
		return nil
	}
	return c.signer.verifyTrailers(canonical, signature)
}

var errEnd = &failure{
	status: http.StatusBadRequest, code: "IncompleteBody",
	message: "The request body terminated unexpectedly",
}

// line reads up to CRLF. A bare LF ends a line too: some clients send one after a trailer.
func (c *chunkReader) line() (string, error) {
	var line []byte
	for len(line) <= longestChunkLine {
		b, err := c.in.ReadByte()
		if err != nil {
			return "", incomplete(err)
		}
		if b == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b)
	}
	return "", malformedChunk()
}

// incomplete words the end of a body that should go on. Any error of reading a body is the client's going away.
func incomplete(error) error { return errEnd }

func malformedChunk() error {
	return invalid("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes, and every chunk has the form size;chunk-signature=signature")
}

func malformedTrailer() error {
	return invalid("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
}

// chunkSigner computes the signatures of the chunks, each of which covers the one before.
type chunkSigner struct {
	key      []byte
	scope    string // time, line feed, scope
	previous string
	data     hash.Hash
}

func newChunkSigner(signed sigv4.Signed) *chunkSigner {
	scope := strings.Join([]string{signed.Date, signed.Region, signed.Service, "aws4_request"}, "/")
	return &chunkSigner{
		key: signed.SigningKey, scope: signed.Time.UTC().Format("20060102T150405Z") + "\n" + scope,
		previous: signed.Signature, data: sha256.New(),
	}
}

// verify checks the signature of the chunk whose data were written, and begins the next.
func (s *chunkSigner) verify(signature string) error {
	empty := sha256.Sum256(nil)
	text := "AWS4-HMAC-SHA256-PAYLOAD\n" + s.scope + "\n" + s.previous + "\n" + hex.EncodeToString(empty[:]) + "\n" + hex.EncodeToString(s.data.Sum(nil))
	s.data.Reset()
	return s.compare(text, signature)
}

func (s *chunkSigner) verifyTrailers(canonical, signature string) error {
	sum := sha256.Sum256([]byte(canonical))
	return s.compare("AWS4-HMAC-SHA256-TRAILER\n"+s.scope+"\n"+s.previous+"\n"+hex.EncodeToString(sum[:]), signature)
}

func (s *chunkSigner) compare(text, signature string) error {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(text))
	want := hex.EncodeToString(h.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return fail(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	s.previous = want
	return nil
}
