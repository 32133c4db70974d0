package credentials

import (
	"context"
	"strings"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Watch is an API option for an SDK client that signs with these credentials: those that the service finds expired are
// dropped, and no others.
func (m *Memory) Watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("oidcs3Expired",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
			if r, ok := in.Request.(*smithyhttp.Request); ok && hasCode(err, "ExpiredToken", CodeExpiredToken, "RequestExpired", "TokenRefreshRequired") {
				m.Invalidate(signer(r.Header.Get("Authorization")))
			}
			return out, metadata, err
		}), middleware.Before)
}

// signer is the access key that a request was signed with.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
func signer(authorization string) string {
	_, scope, _ := strings.Cut(authorization, "Credential=")
	key, _, _ := strings.Cut(scope, "/")
	return key
}
