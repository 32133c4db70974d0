package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// trailer sends the checksum that a Body has of itself: behind the bytes over TLS, so that they are read once, and in a
// header otherwise. It stands in for the SDK's own middleware, which computes every checksum a second time, and
// CRC-64/NVME at a fraction of the speed.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type trailer struct{}

// addTrailer is an APIOption of the SDK's client.
func addTrailer(stack *middleware.Stack) error {
	if _, present := stack.Finalize.Get("ComputePayloadHash"); !present {
		return nil // an operation without a body that counts
	}
	return stack.Finalize.Insert(trailer{}, "ComputePayloadHash", middleware.After)
}

// ID implements middleware.FinalizeMiddleware.
func (trailer) ID() string { return "TrailingChecksum" }

// HandleFinalize implements middleware.FinalizeMiddleware.
func (trailer) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok {
		return next.HandleFinalize(ctx, in)
	}
	body, ok := req.GetStream().(Body)
	if !ok || body.Algorithm == None {
		return next.HandleFinalize(ctx, in)
	}
	req.Header.Set("X-Amz-Sdk-Checksum-Algorithm", string(body.Algorithm.sdk()))
	if !req.IsHTTPS() || body.Size == 0 {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("compute checksum: %w", err)
		}
		req.Header.Set(body.Algorithm.header(), encodeSum(body.Sum()))
		if err := req.RewindStream(); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("compute checksum: %w", err)
		}
		return next.HandleFinalize(ctx, in)
	}
	stream := newChunked(body)
	req, err := req.SetStream(stream)
	if err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("set body: %w", err)
	}
	req.ContentLength = stream.size
	req.Header.Set("Content-Encoding", "aws-chunked")
	req.Header.Set("X-Amz-Decoded-Content-Length", strconv.FormatInt(body.Size, 10))
	req.Header.Set("X-Amz-Trailer", body.Algorithm.header())
	in.Request = req
	return next.HandleFinalize(v4.SetPayloadHash(ctx, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), in)
}

func (a Algorithm) header() string { return "x-amz-checksum-" + string(a) }

// chunked is a body in one chunk of aws-chunked encoding, with its checksum behind it.
type chunked struct {
	body Body
	left int64  // bytes of the body
	text []byte // of the framing, to be read next
	done bool   // the trailer is in text, or read
	size int64  // of all together
}

func newChunked(body Body) *chunked {
	text := []byte(strconv.FormatInt(body.Size, 16) + "\r\n")
	return &chunked{body: body, left: body.Size, text: text,
		size: int64(len(text)) + body.Size + int64(len(trailing(body.Algorithm, make([]byte, body.Algorithm.size()))))}
}

func trailing(a Algorithm, sum []byte) []byte {
	return []byte("\r\n0\r\n" + a.header() + ":" + encodeSum(sum) + "\r\n\r\n")
}

// Read fills p as far as it can, so that a small object is one piece for the connection.
func (c *chunked) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(c.text) > 0 {
			copied := copy(p[n:], c.text)
			c.text, n = c.text[copied:], n+copied
			continue
		}
		if c.done {
			return n, io.EOF
		}
		if c.left == 0 {
			c.text, c.done = trailing(c.body.Algorithm, c.body.Sum()), true
			continue
		}
		read, err := c.body.Read(p[n:min(int64(len(p)), int64(n)+c.left)])
		n += read
		c.left -= int64(read)
		if c.left > 0 && (err != nil || read > 0) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	return n, nil
}
