package awsanswer_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
)

// late is a transport that looks for the end of a request's body when the answer is read, as net/http does where the
// answer outruns it.
type late struct{ sent, end error }

func (l *late) RoundTrip(request *http.Request) (*http.Response, error) {
	_, l.sent = io.Copy(io.Discard, io.LimitReader(request.Body, request.ContentLength))
	answer := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`
	read := readerFunc(func(p []byte) (int, error) {
		if answer != "" {
			_, l.end = io.Copy(io.Discard, request.Body)
		}
		n := copy(p, answer)
		answer = answer[n:]
		if n == 0 {
			return 0, io.EOF
		}
		return n, nil
	})
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1,
		Body: io.NopCloser(read), Request: request}, nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestKeep looks for the end of a body that the SDK has closed: it has come to its end, and that is no error.
func TestKeep(t *testing.T) {
	transport := &late{}
	client := sts.New(sts.Options{
		Region: "eu-central-1", HTTPClient: &http.Client{Transport: transport}, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", ""),
	}, sts.WithAPIOptions(awsanswer.Keep))
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(out.Account) != "123456789012" {
		t.Fatalf("%v, %+v", err, out)
	}
	if transport.sent != nil || transport.end != nil {
		t.Errorf("sending the body: %v; looking for its end once it is closed: %v", transport.sent, transport.end)
	}
}

// TestKeep_again sends the same body, whole, with the second attempt.
func TestKeep_again(t *testing.T) {
	var bodies []string
	client := sts.New(sts.Options{
		Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "SECRET", ""), RetryMaxAttempts: 2,
		HTTPClient: &http.Client{Transport: transportFunc(func(request *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(request.Body)
			if err != nil || int64(len(body)) != request.ContentLength {
				t.Errorf("%d of %d bytes: %v", len(body), request.ContentLength, err)
			}
			bodies = append(bodies, string(body))
			return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(&bytes.Buffer{}), Request: request}, nil
		})},
	}, sts.WithAPIOptions(awsanswer.Keep))
	_, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err == nil || len(bodies) != 2 || bodies[0] != bodies[1] || !strings.Contains(bodies[0], "Action=GetCallerIdentity") {
		t.Errorf("%v; sent: %q", err, bodies)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
