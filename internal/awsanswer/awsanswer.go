// Package awsanswer keeps the AWS SDK from losing answers.
package awsanswer

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Keep belongs among the APIOptions of every client. smithy-go closes the body of a request as soon
// as the head of its answer is there, and what it closed answers WriteTo with io.EOF, which is no error of a reader but one of
// WriteTo. net/http may still be asking by WriteTo whether more follows than was announced; it takes the io.EOF for a failed
// write and closes the connection under the answer: "use of closed network connection", for a call that has had its effect
// (https://github.com/aws/aws-sdk-go-v2/issues/2737). Read, which is what it asks by here, may say io.EOF.
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
