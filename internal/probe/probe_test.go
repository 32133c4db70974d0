package probe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// stsAfter refuses the first calls.
type stsAfter struct{ refusals, calls int }

func (s *stsAfter) AssumeRoleWithWebIdentity(context.Context, *sts.AssumeRoleWithWebIdentityInput, ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	s.calls++
	if s.calls <= s.refusals {
		response := &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}}
		return nil, &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{Response: response,
			Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "Not authorized to perform sts:AssumeRoleWithWebIdentity"}}}
	}
	return &sts.AssumeRoleWithWebIdentityOutput{Credentials: &types.Credentials{AccessKeyId: aws.String("ASIA"), SecretAccessKey: aws.String("s"),
		SessionToken: aws.String("t"), Expiration: aws.Time(time.Now().Add(time.Hour))}}, nil
}

// world is a token endpoint that refuses the first requests, and a clock that sleeping moves on.
type world struct {
	tokens  *httptest.Server
	refused int
	asked   int
	slept   time.Duration
}

func newWorld(t *testing.T, refused int) *world {
	t.Helper()
	w := &world{refused: refused}
	w.tokens = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.asked++
		if w.asked <= w.refused {
			rw.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(rw, `{"error":"invalid_client"}`)
			return
		}
		_, _ = io.WriteString(rw, `{"access_token":"opaque","expires_in":3600,"token_type":"Bearer"}`)
	}))
	t.Cleanup(w.tokens.Close)
	return w
}

func (w *world) probe(s *stsAfter) *Probe {
	p := New(s, w.tokens.Client())
	p.sleep = func(_ context.Context, d time.Duration) error {
		if w.slept += d; w.slept > Patience {
			return context.DeadlineExceeded
		}
		return nil
	}
	return p
}

func (w *world) configuration() string {
	return `{"identity_provider":"auth0","auth0_domain":"` + strings.TrimPrefix(w.tokens.URL, "https://") + `","auth0_client_id":"id","auth0_audience":"aud",` +
		`"aws_role_arn":"arn:aws:iam::123456789012:role/r","aws_region":"eu-west-1","server_name":"web-01"}`
}

func TestWait(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		noClient, noTrust int // refusals of the token endpoint, of STS
		asked, calls      int
		notYet            string
	}{
		"at once":                  {asked: 1, calls: 1},
		"the client lags":          {noClient: 3, asked: 4, calls: 1},
		"the trust lags":           {noTrust: 4, asked: 1, calls: 5}, // with one token
		"both lag":                 {noClient: 1, noTrust: 1, asked: 2, calls: 2},
		"the trust never comes":    {noTrust: 1000, asked: 1, calls: 27, notYet: "AccessDenied"},
		"the client is never good": {noClient: 1000, asked: 27, notYet: "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, s := newWorld(t, test.noClient), &stsAfter{refusals: test.noTrust}
			err := w.probe(s).Wait(t.Context(), w.configuration(), "a secret")
			if notYet, ok := errors.AsType[*NotYet](err); (test.notYet == "") != (err == nil) || (err != nil && (!ok || !strings.Contains(notYet.Error(), test.notYet))) {
				t.Errorf("error %v, want one with %q", err, test.notYet)
			}
			if w.asked != test.asked || s.calls != test.calls {
				t.Errorf("%d requests for tokens and %d calls of STS, want %d and %d", w.asked, s.calls, test.asked, test.calls)
			}
		})
	}
}

func TestWaitUnreachable(t *testing.T) {
	t.Parallel()
	w, s := newWorld(t, 0), &stsAfter{}
	p := w.probe(s)
	configuration := w.configuration()
	w.tokens.Close()
	if _, ok := errors.AsType[*Unreachable](p.Wait(t.Context(), configuration, "a secret")); !ok {
		t.Error("a token endpoint that does not listen is not called unreachable")
	}
	if w.slept > 5*time.Second {
		t.Errorf("it took %v to find out", w.slept)
	}
}

func TestWaitKeepsSecrets(t *testing.T) {
	t.Parallel()
	const secret = idp.Secret("do-not-show-me")
	w := newWorld(t, 1000)
	err := w.probe(&stsAfter{}).Wait(t.Context(), w.configuration(), secret)
	if err == nil || strings.Contains(err.Error(), secret.Reveal()) {
		t.Errorf("error %v", err)
	}
	if err := w.probe(&stsAfter{}).Wait(t.Context(), `{"identity_provider":"auth0"}`, secret); err == nil || strings.Contains(err.Error(), secret.Reveal()) {
		t.Errorf("error of a bad configuration: %v", err)
	}
}
