package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type tokens struct{ asked, replaced int }

func (t *tokens) Token(context.Context) (token.Token, error) {
	t.asked++
	return token.Token{Value: "a.b.c"}, nil
}

func (t *tokens) Replace(context.Context, token.Token) (token.Token, error) {
	t.replaced++
	return token.Token{Value: "d.e.f"}, nil
}

// fakeSTS answers with the codes in turn, each with a message behind a colon or "no", and then with credentials.
type fakeSTS struct {
	codes []string
	asked int
}

func (f *fakeSTS) AssumeRoleWithWebIdentity(_ context.Context, in *sts.AssumeRoleWithWebIdentityInput, _ ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	f.asked++
	if len(f.codes) > 0 {
		code, message, told := strings.Cut(f.codes[0], ": ")
		if !told {
			message = "no"
		}
		f.codes = f.codes[1:]
		status := 400
		if code == "InternalFailure" {
			status = 500
		}
		return nil, &awshttp.ResponseError{RequestID: "r1", ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: message}}}
	}
	return &sts.AssumeRoleWithWebIdentityOutput{Credentials: &types.Credentials{AccessKeyId: in.RoleSessionName, SecretAccessKey: aws.String("s"),
		SessionToken: aws.String("t"), Expiration: aws.Time(start.Add(time.Hour))}}, nil
}

func TestSTS(t *testing.T) {
	t.Parallel()
	const keyless = CodeInvalidIdentityToken + ": Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"
	for name, tc := range map[string]struct {
		codes            []string
		asked, replaced  int
		refused, faraway bool
	}{
		"at once":           {nil, 1, 0, false, false},
		"keys rotate":       {[]string{CodeIDPCommunication, CodeIDPRejectedClaim}, 3, 0, false, false},
		"keys stay unknown": {[]string{CodeIDPRejectedClaim, CodeIDPRejectedClaim, CodeIDPRejectedClaim, CodeIDPRejectedClaim, ""}, 4, 0, true, false},
		"expired":           {[]string{CodeExpiredToken}, 2, 1, false, false},
		"expired twice":     {[]string{CodeExpiredToken, CodeExpiredToken}, 2, 1, true, false},
		"denied":            {[]string{CodeAccessDenied, ""}, 1, 0, true, false},
		"broken":            {[]string{"InternalFailure"}, 1, 0, false, true},
		"idp away":          {slices.Repeat([]string{CodeIDPCommunication}, 4), 4, 0, false, true},
		"keys away":         {slices.Repeat([]string{keyless}, 4), 4, 0, false, true},
		"keys away a while": {[]string{keyless, keyless}, 3, 0, false, false},
		"wrong token":       {[]string{CodeInvalidIdentityToken + ": Incorrect token audience", ""}, 1, 0, true, false},
		"throttled":         {[]string{"Throttling"}, 1, 0, false, true},
		"throttled too":     {[]string{"ThrottlingException"}, 1, 0, false, true},
		"slow request":      {[]string{"RequestTimeout"}, 1, 0, false, true},
	} {
		source, client := &tokens{}, &fakeSTS{codes: tc.codes}
		policy := retry.Policy{Attempts: 4, Base: 1, Cap: 1, Jitter: func(time.Duration) time.Duration { return 0 }, Sleep: func(context.Context, time.Duration) error { return nil }}
		p := &STS{Client: client, Tokens: source, Role: "arn:aws:iam::123456789012:role/r", Session: "web-01", Policy: policy, Log: slog.New(slog.DiscardHandler)}
		c, err := p.Retrieve(t.Context())
		var refused *Refused
		var away *Unavailable
		if errors.As(err, &refused) != tc.refused || errors.As(err, &away) != tc.faraway || client.asked != tc.asked || source.replaced != tc.replaced {
			t.Errorf("%s: %v after %d calls and %d new tokens", name, err, client.asked, source.replaced)
		}
		if err == nil && (c.AccessKeyID != "web-01" || !c.CanExpire || !c.Expires.Equal(start.Add(time.Hour))) {
			t.Errorf("%s: wrong credentials", name)
		}
		if text := fmt.Sprint(err); strings.Contains(text, "a.b.c") || (tc.refused && !strings.Contains(text, "(request r1)")) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestVending: what the API says of the client is a refusal, and what it says of its own state is none.
func TestVending(t *testing.T) {
	t.Parallel()
	for status, tc := range map[int]struct {
		asked, replaced int
		refused         bool
	}{
		http.StatusUnauthorized:        {2, 1, true},
		http.StatusForbidden:           {1, 0, true},
		http.StatusRequestTimeout:      {4, 0, false},
		http.StatusTooManyRequests:     {4, 0, false},
		http.StatusInternalServerError: {4, 0, false},
		http.StatusBadGateway:          {4, 0, false},
		http.StatusServiceUnavailable:  {4, 0, false},
	} {
		asked := 0
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, `{"code":"Some","message":"no"}`)
		}))
		source := &tokens{}
		policy := retry.Policy{Attempts: 4, Base: 1, Cap: 1, Jitter: func(time.Duration) time.Duration { return 0 }, Sleep: func(context.Context, time.Duration) error { return nil }}
		v := &Vending{URL: api.URL, Client: api.Client(), Tokens: source, Policy: policy, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		_, err := v.Retrieve(t.Context())
		api.Close()
		var refused *Refused
		var away *Unavailable
		if errors.As(err, &refused) != tc.refused || errors.As(err, &away) == tc.refused || asked != tc.asked || source.replaced != tc.replaced {
			t.Errorf("%d: %v after %d calls and %d new tokens", status, err, asked, source.replaced)
		}
	}
}

// source gives credentials for an hour, or fails.
type source struct {
	mu    sync.Mutex
	asked int
	now   func() time.Time
	err   error
}

func (s *source) Retrieve(context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return aws.Credentials{}, s.err
	}
	return aws.Credentials{AccessKeyID: fmt.Sprint(s.asked), SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: s.now().Add(time.Hour)}, nil
}

func TestFileCacheOverTime(t *testing.T) {
	t.Parallel()
	now := start
	src := &source{now: func() time.Time { return now }}
	var warnings []string
	c := &FileCache{Dir: filepath.Join(t.TempDir(), "cache"), Name: "c", Now: src.now, Jitter: func(time.Duration) time.Duration { return 0 },
		Warn: func(w string) { warnings = append(warnings, w) }, Source: src}
	away := &token.Unavailable{Host: "idp", Err: errors.New("down")}
	for i, step := range []struct {
		minute int
		err    error
		key    string // "" means an error
		warns  bool
	}{
		{0, nil, "1", false}, {44, nil, "1", false}, // fresh until a quarter of an hour before the end
		{46, away, "1", true},                        // the identity provider is down: the old ones are good yet
		{47, &token.Refused{Host: "idp"}, "", false}, // it says no: they are not shown again
		{50, nil, "4", false}, {94, nil, "4", false},
		{109, away, "", false}, // less than a minute and a half is left, then none
		{111, away, "", false},
	} {
		now, src.err, warnings = start.Add(time.Duration(step.minute)*time.Minute+30*time.Second), step.err, nil
		if step.minute == 109 {
			now = now.Add(10 * time.Second) // 50 minutes 30 + 60 minutes is the end
		}
		creds, err := c.Retrieve(t.Context())
		if creds.AccessKeyID != step.key || (err == nil) != (step.key != "") || (len(warnings) > 0) != step.warns {
			t.Errorf("step %d: key %q, %v, warnings %q", i, creds.AccessKeyID, err, warnings)
		}
	}
	info, err := os.Stat(filepath.Join(c.Dir, "c.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("cache file: %v, %v", info, err)
	}
	if dir, err := os.Stat(c.Dir); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("cache directory: %v, %v", dir, err)
	}
}

func TestFileCacheTakesTurns(t *testing.T) {
	t.Parallel()
	src := &source{now: time.Now}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			c := &FileCache{Dir: dir, Name: "c", Now: time.Now, Jitter: retry.FullJitter, Warn: func(w string) { t.Error(w) }, Source: src}
			if creds, err := c.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "1" {
				t.Errorf("key %q, %v", creds.AccessKeyID, err)
			}
		})
	}
	all.Wait()
}

func TestWithoutDirectory(t *testing.T) {
	t.Parallel()
	src := &source{now: time.Now}
	warned := ""
	c := &FileCache{Now: time.Now, Jitter: retry.FullJitter, Warn: func(w string) { warned = w }, Source: src}
	if creds, err := c.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "1" || !strings.Contains(warned, "OIDCS3_CACHE_DIR") {
		t.Errorf("key %q, %v, warning %q", creds.AccessKeyID, err, warned)
	}
}
