package transfer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

// S3Error is a call to S3 that was refused or got no answer.
type S3Error struct {
	Doing string // "put object"
	Key   string // or a prefix
	Err   error  // the SDK's

	Permission string // that the call takes, such as s3:PutObject; empty where the error is not S3's
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
		if resp != nil && wordless(api, resp.HTTPStatusCode()) {
			return fmt.Sprintf("%s%d %s; S3 gives no reason in its answer to HEAD%s", what, resp.HTTPStatusCode(), http.StatusText(resp.HTTPStatusCode()), id)
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

// wordless recognizes an answer without a body, as every answer to HEAD is: the SDK makes code and message of the status.
func wordless(api smithy.APIError, status int) bool {
	word := strings.ReplaceAll(http.StatusText(status), " ", "")
	return word != "" && api.ErrorCode() == word && api.ErrorMessage() == word
}

// verdict says what an error of one attempt means for the next.
type verdict struct {
	again     bool          // the same request may succeed later
	throttled bool          // S3 wants fewer requests
	expired   bool          // the credentials are over
	after     time.Duration // how long S3 asks to wait; 0: it does not say
}

var retryable = awsretry.IsErrorRetryables(awsretry.DefaultRetryables)

func judge(err error) verdict {
	var file *LocalError
	var changed *ChangedError
	var stall *StallError
	switch {
	case errors.As(err, &file), errors.As(err, &changed):
		return verdict{}
	case errors.As(err, &stall), errors.Is(err, io.ErrUnexpectedEOF):
		return verdict{again: true}
	}
	v := verdict{again: retryable.IsErrorRetryable(err) == aws.TrueTernary}
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		v.after = retry.After(resp.Response.Header, time.Now())
		v.throttled = resp.HTTPStatusCode() == 503 || resp.HTTPStatusCode() == 429
	}
	switch code := errorCode(err); code {
	case "":
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired":
		v.expired = true
	case "InternalError", "BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody": // broken, or damaged on their way
		v.again = true
	default:
		if _, known := awsretry.DefaultThrottleErrorCodes[code]; known {
			v.again, v.throttled = true, true
		}
	}
	return v
}

// The codes that say what became of an upload.
const (
	codeNoSuchUpload       = "NoSuchUpload"
	codePreconditionFailed = "PreconditionFailed"
)

// unanswered reports whether a request may have taken effect although it failed: no answer came, or one that S3 was broken.
func unanswered(err error) bool {
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		return resp.HTTPStatusCode() >= http.StatusInternalServerError
	}
	return errorCode(err) == ""
}

// errorCode is S3's code for an error; empty where S3 gave none.
func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Denied reports whether S3 refuses a call to this role, or does not know it at all.
func Denied(err error) bool {
	code := errorCode(err)
	return code == "AccessDenied" || code == "Forbidden" || code == "NotImplemented" || code == "MethodNotAllowed"
}
