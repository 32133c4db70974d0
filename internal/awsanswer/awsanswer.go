// Package awsanswer keeps the AWS SDK from losing answers.
package awsanswer

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Options are the APIOptions that every client has, unless it has others besides: then it has Keep among them.
func Options() []func(*middleware.Stack) error { return []func(*middleware.Stack) error{Keep} }

// Keep lets net/http read the body of a request, and hides its WriteTo. smithy-go closes the body as soon as the head of the
// answer is there, and what it closed answers WriteTo with io.EOF, which is an error there, other than from Read. net/http may
// still be asking by WriteTo whether more follows than was announced; it takes the io.EOF for a failed write and closes the
// connection under the answer: "use of closed network connection", for a call that has had its effect
// (https://github.com/aws/aws-sdk-go-v2/issues/2737).
func Keep(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("KeepAnswer",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				request, err := readOnly(request)
				if err != nil {
					return middleware.DeserializeOutput{}, middleware.Metadata{}, fmt.Errorf("prepare the body of the request: %w", err)
				}
				in.Request = request
			}
			return next.HandleDeserialize(ctx, in)
		}), middleware.After)
}

// readOnly hides WriteTo of a request's body.
func readOnly(request *smithyhttp.Request) (*smithyhttp.Request, error) {
	body := request.GetStream()
	if _, ok := body.(io.WriterTo); !ok {
		return request, nil
	}
	if body, ok := body.(io.ReadSeeker); ok {
		return request.SetStream(struct{ io.ReadSeeker }{body})
	}
	return request.SetStream(struct{ io.Reader }{body})
}
