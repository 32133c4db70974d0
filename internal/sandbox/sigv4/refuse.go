package sigv4

import (
	"fmt"
	"time"
)

// fail words a refusal with S3's own code or with that of the other services.
func (a *authorization) fail(s3Code, code, message string) *Error {
	if a.service == serviceS3 {
		code = s3Code
	}
	return &Error{code, message}
}

func (a *authorization) unknownKey() *Error {
	if a.service == serviceS3 {
		return &Error{"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}
	}
	return &Error{"InvalidClientTokenId", "The security token included in the request is invalid."}
}

func (a *authorization) wrongToken(given string) *Error {
	if a.service == serviceS3 && given == "" {
		return a.unknownKey() // S3 does not know a temporary key without its token
	}
	if a.service == serviceS3 {
		return &Error{"InvalidToken", "The provided token is malformed or otherwise invalid."}
	}
	return &Error{"InvalidClientTokenId", "The security token included in the request is invalid"}
}

func (a *authorization) mismatch() *Error {
	if a.service == serviceS3 {
		return &Error{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	return &Error{"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
}

// checkTime allows a clock 15 minutes off either way. A presigned request is valid for its own time instead, and may
// be early by no more than that skew.
func (a *authorization) checkTime(now time.Time) error {
	now = now.UTC()
	early, late := now.Add(-maxSkew), now.Add(maxSkew)
	if a.presigned {
		early = now.Add(-a.expires)
	}
	switch {
	case a.time.Before(early):
		message := fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %d min.)",
			a.time.Format(timeFormat), early.Format(timeFormat), now.Format(timeFormat), int(now.Sub(early)/time.Minute))
		return a.offTime("Request has expired", message)
	case a.time.After(late):
		message := fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 15 min.)",
			a.time.Format(timeFormat), late.Format(timeFormat), now.Format(timeFormat))
		return a.offTime("Request is not yet valid", message)
	}
	return nil
}

func (a *authorization) offTime(presigned, message string) *Error {
	switch {
	case a.service == serviceS3 && a.presigned:
		return &Error{"AccessDenied", presigned}
	case a.service == serviceS3:
		return &Error{"RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}
	}
	return &Error{"SignatureDoesNotMatch", message}
}
