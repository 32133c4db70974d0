// Package awserror turns failures of the AWS SDK into *apierror.Error. What a failed call may have left behind is
// decided here for all AWS adapters; what to do about it is not.
package awserror

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// From describes the failure of a call; nil for nil. Service is in lower case ("iam"), operation the API's name of it
// ("CreateRole"), object what it was about ("role oidc-s3-dev-web-01").
//
// It speaks of the attempt that err is about. Where the SDK may have made several, use Attempts.
func From(service, operation, object string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*apierror.Error](err); ok {
		return err
	}
	e := &apierror.Error{Kind: kind(err), Service: service, Operation: operation, Object: object, Err: err}
	if outer, ok := errors.AsType[*smithy.OperationError](err); ok {
		e.Err = outer.Err // service and operation are in the text already
	}
	if inner := credentialsCall(err); inner != nil {
		e.Message = "no AWS credentials: " + inner.Error()
		return e
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()
	}
	if r, ok := errors.AsType[interface {
		error
		ServiceRequestID() string
	}](err); ok {
		e.RequestID = r.ServiceRequestID()
	}
	return e
}

// kinds of error codes that AWS services share, and of those of IAM, DynamoDB, Cognito, Secrets Manager and SSM whose
// HTTP status (mostly 400) says too little.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var kinds = map[string]apierror.Kind{
	"Throttling":                             apierror.Throttled,
	"ThrottlingException":                    apierror.Throttled,
	"ThrottledException":                     apierror.Throttled,
	"RequestThrottled":                       apierror.Throttled,
	"RequestThrottledException":              apierror.Throttled,
	"RequestLimitExceeded":                   apierror.Throttled,
	"TooManyRequestsException":               apierror.Throttled,
	"ProvisionedThroughputExceededException": apierror.Throttled,
	"SlowDown":                               apierror.Throttled,

	// Somebody else changes the object at the same moment: "Wait a few minutes and submit your request again", as with a rate.
	// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors
	"ConcurrentModification":          apierror.Throttled,
	"ConcurrentModificationException": apierror.Throttled,

	"AccessDenied":                   apierror.Denied,
	"AccessDeniedException":          apierror.Denied,
	"UnauthorizedOperation":          apierror.Denied,
	"NotAuthorized":                  apierror.Denied,
	"NotAuthorizedException":         apierror.Denied,
	"InvalidClientTokenId":           apierror.Denied,
	"UnrecognizedClientException":    apierror.Denied,
	"ExpiredToken":                   apierror.Denied,
	"ExpiredTokenException":          apierror.Denied,
	"RequestExpired":                 apierror.Denied,
	"SignatureDoesNotMatch":          apierror.Denied,
	"InvalidSignatureException":      apierror.Denied,
	"IncompleteSignature":            apierror.Denied,
	"IncompleteSignatureException":   apierror.Denied,
	"MissingAuthenticationToken":     apierror.Denied,
	"MissingAuthenticationException": apierror.Denied,
	"OptInRequired":                  apierror.Denied,

	"NoSuchEntity":              apierror.NotFound,
	"ResourceNotFoundException": apierror.NotFound,
	"ParameterNotFound":         apierror.NotFound,
	"InvalidResourceId":         apierror.NotFound, // the tags of a parameter that is gone

	"EntityAlreadyExists":     apierror.Exists,
	"ResourceExistsException": apierror.Exists,
	"ParameterAlreadyExists":  apierror.Exists,

	"DeleteConflict":                  apierror.Conflict,
	"EntityTemporarilyUnmodifiable":   apierror.Conflict,
	"UnmodifiableEntity":              apierror.Conflict,
	"ConditionalCheckFailedException": apierror.Conflict,
	"ResourceInUseException":          apierror.Conflict,
	"TransactionConflictException":    apierror.Conflict,

	"LimitExceeded":          apierror.Invalid, // a quota: waiting does not help
	"LimitExceededException": apierror.Invalid,

	"RequestTimeout":          apierror.Ambiguous,
	"RequestTimeoutException": apierror.Ambiguous,
	"InternalFailure":         apierror.Ambiguous,
	"InternalServerError":     apierror.Ambiguous,
	"ServiceUnavailable":      apierror.Ambiguous,
}

func kind(err error) apierror.Kind {
	if credentialsCall(err) != nil {
		return apierror.Denied
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		if k, ok := kinds[api.ErrorCode()]; ok {
			return k
		}
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.HTTPStatusCode() != 0 {
		return kindOfStatus(response.HTTPStatusCode())
	}
	return kindOfTransport(err)
}

// kindOfStatus goes by the HTTP status alone. A success that could not be read is ambiguous too.
func kindOfStatus(status int) apierror.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return apierror.Throttled
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return apierror.Denied
	case status == http.StatusNotFound:
		return apierror.NotFound
	case status == http.StatusConflict:
		return apierror.Conflict
	case status == http.StatusRequestTimeout:
		return apierror.Ambiguous
	case status >= 400 && status < 500:
		return apierror.Invalid
	}
	return apierror.Ambiguous
}

// kindOfTransport judges an attempt without an answer. Only what is sure to have failed before the request was written
// counts as Unavailable.
func kindOfTransport(err error) apierror.Kind {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return apierror.Unavailable
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return apierror.Unavailable
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return apierror.Unavailable
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return apierror.Ambiguous
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return apierror.Ambiguous
	}
	return apierror.KindOf(err) // cancelled: ambiguous; else it was refused before it was sent
}

// credentialsCall returns the failed call for credentials (STS, SSO, instance metadata) that kept the SDK from signing
// the request: an operation inside the operation.
func credentialsCall(err error) *smithy.OperationError {
	outer, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return nil
	}
	inner, _ := errors.AsType[*smithy.OperationError](outer.Err)
	return inner
}
