package transfer

import (
	"errors"
	"fmt"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// S3Error is a call to S3 that was refused or got no answer.
type S3Error struct {
	Doing string // "put object"
	Key   string // or a prefix
	Err   error  // the SDK's
}

// Error gives the code, message and request id, or the network's error, without the SDK's own layers.
func (e *S3Error) Error() string {
	what := e.Doing + " " + e.Key + ": "
	var api smithy.APIError
	if errors.As(e.Err, &api) {
		id := ""
		var resp *awshttp.ResponseError
		if errors.As(e.Err, &resp) && resp.ServiceRequestID() != "" {
			id = " (request " + resp.ServiceRequestID() + ")"
		}
		return what + api.ErrorCode() + ": " + api.ErrorMessage() + id
	}
	var network *url.Error
	if errors.As(e.Err, &network) {
		return fmt.Sprintf("%s%v", what, network.Err)
	}
	return what + e.Err.Error()
}

func (e *S3Error) Unwrap() error { return e.Err }
