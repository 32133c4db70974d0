package authz

import "net/http"

// refuse words a failed authentication as the service does: S3, the query protocol (IAM, STS) and the JSON protocols
// each have codes and statuses of their own.
func refuse(service, code, message string) *Error {
	switch service {
	case "s3":
		return &Error{s3Code(code), message, s3Status(s3Code(code))}
	case "iam", "sts":
		return &Error{code, message, queryStatus(code)}
	}
	return &Error{jsonCode(code), message, http.StatusBadRequest}
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func s3Code(code string) string {
	switch code {
	case "IncompleteSignature":
		return "AuthorizationHeaderMalformed"
	case "InvalidClientTokenId": // the scope named another service than S3
		return "InvalidAccessKeyId"
	}
	return code
}

func s3Status(code string) int {
	switch code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "MissingAuthenticationToken":
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
func queryStatus(code string) int {
	switch code {
	case "IncompleteSignature", "IncompleteBody", "InvalidArgument", "AuthorizationQueryParametersError":
		return http.StatusBadRequest
	case "RequestEntityTooLarge":
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusForbidden
}

// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
func jsonCode(code string) string {
	switch code {
	case "InvalidClientTokenId":
		return "UnrecognizedClientException"
	case "SignatureDoesNotMatch":
		return "InvalidSignatureException"
	case "MissingAuthenticationToken", "IncompleteSignature", "ExpiredToken":
		return code + "Exception"
	}
	return code
}

func expiredMessage(service string) string {
	if service == "s3" {
		return "The provided token has expired."
	}
	return "The security token included in the request is expired"
}
