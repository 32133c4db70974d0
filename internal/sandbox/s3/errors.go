package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

// failure is an error in the words of S3.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type failure struct {
	status        int
	code, message string

	bucket, key string
	condition   string // the precondition that failed
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(status int, code, message string) *failure {
	return &failure{status: status, code: code, message: message}
}

func invalid(code, message string) *failure { return fail(http.StatusBadRequest, code, message) }

func noSuchBucket(name string) *failure {
	return &failure{status: http.StatusNotFound, code: "NoSuchBucket", message: "The specified bucket does not exist", bucket: name}
}

func noSuchKey(key string) *failure {
	return &failure{status: http.StatusNotFound, code: "NoSuchKey", message: "The specified key does not exist.", key: key}
}

func noSuchUpload() *failure {
	return fail(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
}

func preconditionFailed(condition string) *failure {
	return &failure{
		status: http.StatusPreconditionFailed, code: "PreconditionFailed",
		message: "At least one of the pre-conditions you specified did not hold", condition: condition,
	}
}

type errorBody struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	BucketName string `xml:",omitempty"`
	Key        string `xml:",omitempty"`
	Condition  string `xml:",omitempty"`
	Resource   string `xml:",omitempty"`
	RequestID  string `xml:"RequestId"`
	HostID     string `xml:"HostId"`
}

// answerError answers in S3's form of an error. HEAD has no body, and 304 neither.
func (s *Service) answerError(w http.ResponseWriter, r *http.Request, err error) {
	f := asFailure(err)
	h := w.Header()
	if h.Get("X-Amz-Request-Id") == "" {
		h.Set("X-Amz-Request-Id", s.requestID())
		h.Set("X-Amz-Id-2", s.hostID())
	}
	h.Del("Content-Length")
	h.Del("Content-Encoding") // of the object that is not sent
	if r.Method == http.MethodHead || f.status == http.StatusNotModified {
		w.WriteHeader(f.status)
		return
	}
	body, err := xml.Marshal(errorBody{
		Code: f.code, Message: f.message, BucketName: f.bucket, Key: f.key, Condition: f.condition,
		Resource: r.URL.Path, RequestID: h.Get("X-Amz-Request-Id"), HostID: h.Get("X-Amz-Id-2"),
	})
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(len(xml.Header)+len(body)))
	w.WriteHeader(f.status)
	_, _ = w.Write(append([]byte(xml.Header), body...))
}

func asFailure(err error) *failure {
	var f *failure
	var a *authz.Error
	var v *sigv4.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &a):
		return fail(a.Status, a.Code, a.Message)
	case errors.As(err, &v):
		return invalid(v.Code, v.Message)
	}
	return fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
}

// answer writes an XML document.
func (c *call) answer(document any) error {
	body, err := xml.Marshal(document)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(body)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(append([]byte(xml.Header), body...)) // a client that is gone needs no answer
	return nil
}

// done answers without a body.
func (c *call) done(status int) error {
	c.w.WriteHeader(status)
	return nil
}
