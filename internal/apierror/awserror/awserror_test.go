package awserror_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
)

func operation(err error) error {
	return &smithy.OperationError{ServiceID: "IAM", OperationName: "CreateRole", Err: err}
}

func sent(err error) error { return operation(&smithyhttp.RequestSendError{Err: err}) }

func response(status int, err error) error {
	return operation(&awshttp.ResponseError{
		RequestID:     "req-1",
		ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err},
	})
}

func code(status int, code string) error {
	return response(status, &smithy.GenericAPIError{Code: code, Message: "message of IAM"})
}

func TestFrom(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for name, c := range map[string]struct {
		err  error
		kind apierror.Kind
	}{
		"refused":              {sent(dial), apierror.Unavailable},
		"dial through a proxy": {sent(&net.OpError{Op: "proxyconnect", Err: io.EOF}), apierror.Unavailable},
		"no such host":         {sent(&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}), apierror.Unavailable},
		"untrusted":            {sent(&tls.CertificateVerificationError{Err: errors.New("unknown authority")}), apierror.Unavailable},
		"reset":                {sent(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), apierror.Ambiguous},
		"EOF":                  {sent(io.ErrUnexpectedEOF), apierror.Ambiguous},
		"time-out":             {sent(context.DeadlineExceeded), apierror.Ambiguous},
		"cancelled":            {operation(&smithy.CanceledError{Err: context.Canceled}), apierror.Ambiguous},
		"success, unreadable":  {response(200, &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}), apierror.Ambiguous},
		"500":                  {code(500, "ServiceFailure"), apierror.Ambiguous},
		"503":                  {code(503, "Unknown"), apierror.Ambiguous},
		"503, slow down":       {code(503, "SlowDown"), apierror.Throttled},
		"408":                  {code(408, "Unknown"), apierror.Ambiguous},
		"429":                  {code(429, "Unknown"), apierror.Throttled},
		"throttled":            {code(400, "Throttling"), apierror.Throttled},
		"at the same time":     {code(409, "ConcurrentModification"), apierror.Throttled},
		"at once, modelled":    {code(409, "ConcurrentModificationException"), apierror.Throttled},
		"conflict":             {code(409, "Unknown"), apierror.Conflict},
		"denied":               {code(403, "AccessDenied"), apierror.Denied},
		"expired":              {code(400, "ExpiredTokenException"), apierror.Denied},
		"403":                  {code(403, "Unknown"), apierror.Denied},
		"gone":                 {code(404, "NoSuchEntity"), apierror.NotFound},
		"exists":               {code(409, "EntityAlreadyExists"), apierror.Exists},
		"in use":               {code(409, "DeleteConflict"), apierror.Conflict},
		"quota":                {code(409, "LimitExceeded"), apierror.Invalid},
		"malformed":            {code(400, "MalformedPolicyDocument"), apierror.Invalid},
		"not sent":             {operation(&smithy.SerializationError{Err: errors.New("a field is missing")}), apierror.Invalid},
		"credentials denied":   {operation(fmt.Errorf("get identity: %w", code(403, "AccessDenied"))), apierror.Denied},
		"credentials 500":      {operation(fmt.Errorf("get identity: %w", code(500, "InternalFailure"))), apierror.Denied},
	} {
		err := awserror.From("iam", "CreateRole", "role x", c.err)
		if !apierror.Is(err, c.kind) {
			t.Errorf("%s: %v of kind %v, want %v", name, err, apierror.KindOf(err), c.kind)
		}
		if !strings.HasPrefix(err.Error(), "iam CreateRole (role x): ") || strings.Count(err.Error(), "CreateRole") > 1 && !strings.HasPrefix(name, "credentials") {
			t.Errorf("%s: text %q", name, err)
		}
		if !errors.Is(err, errors.Unwrap(err)) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
	if awserror.From("iam", "CreateRole", "role x", nil) != nil {
		t.Error("nil is an error")
	}
	err := awserror.From("iam", "CreateRole", "role x", code(404, "NoSuchEntity"))
	if want := "iam CreateRole (role x): NoSuchEntity: message of IAM (request id req-1)"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if again := awserror.From("dynamodb", "GetItem", "row", err); again != err { //nolint:errorlint // identity is meant
		t.Errorf("described twice: %v", again)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	ambiguous, denied := sent(io.ErrUnexpectedEOF), code(403, "AccessDenied")
	for name, c := range map[string]struct {
		earlier error
		last    error
		kind    apierror.Kind
	}{
		"one attempt":       {nil, denied, apierror.Denied},
		"throttled before":  {code(400, "Throttling"), denied, apierror.Denied},
		"no answer before":  {ambiguous, denied, apierror.Ambiguous},
		"no answer, gone":   {ambiguous, code(404, "NoSuchEntity"), apierror.NotFound},
		"no answer, exists": {ambiguous, code(409, "EntityAlreadyExists"), apierror.Exists},
	} {
		for _, r := range []aws.Retryer{retry.NewStandard(), aws.NopRetryer{}} {
			var attempts awserror.Attempts
			watched := attempts.Watch(r)
			if c.earlier != nil && watched.IsErrorRetryable(c.earlier) != r.IsErrorRetryable(c.earlier) {
				t.Errorf("%s: watching changes the decision", name)
			}
			if err := attempts.From("iam", "PutRolePolicy", "role x", c.last); !apierror.Is(err, c.kind) {
				t.Errorf("%s: %v of kind %v, want %v", name, err, apierror.KindOf(err), c.kind)
			}
		}
	}
}

// TestPatient has a call refused over and over: for its rate, or for a change at the same time, for minutes; for anything else
// as often as the SDK would.
func TestPatient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err           error
		least, most   int
		shortest, max time.Duration
	}{
		"throttled":   {code(400, "Throttling"), 20, 40, 2 * time.Minute, 8 * time.Minute},
		"concurrent":  {code(409, "ConcurrentModification"), 20, 40, 2 * time.Minute, 8 * time.Minute},
		"unavailable": {code(503, "ServiceUnavailable"), 4, 4, 0, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := awserror.Patient(retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 4 }))
			if !r.IsErrorRetryable(c.err) || r.MaxAttempts() != 0 {
				t.Fatalf("retryable %t, at most %d attempts", r.IsErrorRetryable(c.err), r.MaxAttempts())
			}
			attempts, waited := 0, time.Duration(0)
			for {
				attempts++
				d, err := r.RetryDelay(attempts, c.err)
				if err != nil {
					if !errors.Is(err, c.err) {
						t.Errorf("it ends with %v", err)
					}
					break
				}
				waited += d
			}
			if attempts < c.least || attempts > c.most || waited < c.shortest || waited > c.max {
				t.Errorf("%d attempts in %v", attempts, waited)
			}
		})
	}
}

// TestWhileThrottled: a create that IAM refused since others change the same object is made again, and once it is through, once.
func TestWhileThrottled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusal error
		calls   int
	}{
		"rate":       {code(400, "Throttling"), 3},
		"concurrent": {code(409, "ConcurrentModification"), 3},
		"in use":     {code(409, "DeleteConflict"), 1},
	} {
		calls := 0
		err := awserror.WhileThrottled(t.Context(), func(context.Context, time.Duration) error { return nil }, func() error {
			if calls++; calls < 3 {
				return awserror.From("iam", "CreateRole", "role x", c.refusal)
			}
			return nil
		})
		if calls != c.calls || (err == nil) != (c.calls == 3) {
			t.Errorf("%s: %d calls, %v", name, calls, err)
		}
	}
}
