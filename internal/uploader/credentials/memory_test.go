package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

// slow is an identity provider that takes its time.
type slow struct {
	takes time.Duration
	life  time.Duration
	asked atomic.Int64
	err   atomic.Pointer[error]
}

func (s *slow) fail(err error) { s.err.Store(&err) }

func (s *slow) Retrieve(ctx context.Context) (aws.Credentials, error) {
	n := s.asked.Add(1)
	if !sleep(ctx, s.takes) {
		return aws.Credentials{}, ctx.Err()
	}
	if err := s.err.Load(); err != nil && *err != nil {
		return aws.Credentials{}, *err
	}
	return aws.Credentials{AccessKeyID: string(rune('A' + n - 1)), SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: time.Now().Add(s.life)}, nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func memory(s *slow) *Memory {
	return &Memory{Source: s, Now: time.Now, Jitter: func(time.Duration) time.Duration { return 0 }, Log: slog.New(slog.DiscardHandler)}
}

// TestMemoryOverTime follows one process for hours, with the identity provider down at times.
func TestMemoryOverTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		src := &slow{life: time.Hour, takes: time.Second}
		m := memory(src)
		away := &token.Unavailable{Host: "idp", Err: errors.New("down")}
		for _, step := range []struct {
			at   time.Duration
			err  error
			key  string // empty: an error
			asks int64  // in all, once the renewal is over
		}{
			{0, nil, "A", 1},
			{45 * time.Minute, nil, "A", 1},
			{45*time.Minute + 2*time.Second, nil, "A", 2},   // renewed behind the caller's back
			{46 * time.Minute, nil, "B", 2},                 // whose end is 1:45:03
			{91 * time.Minute, away, "B", 3},                // down: the old ones go on
			{91*time.Minute + 15*time.Second, away, "B", 3}, // and nobody asks for half a minute
			{92 * time.Minute, away, "B", 4},
			{104 * time.Minute, away, "B", 5},
			{104*time.Minute + 10*time.Second, away, "", 6}, // of no use any more
			{105 * time.Minute, nil, "G", 7},
			{151 * time.Minute, &token.Refused{Host: "idp"}, "G", 8}, // says no while the caller goes on
			{151*time.Minute + 10*time.Second, &token.Refused{Host: "idp"}, "", 9},
			{152 * time.Minute, nil, "J", 10},
		} {
			src.fail(step.err)
			time.Sleep(step.at - time.Since(begin))
			c, err := m.Retrieve(t.Context())
			time.Sleep(2 * time.Second)
			if c.AccessKeyID != step.key || (err == nil) != (step.key != "") || src.asked.Load() != step.asks {
				t.Errorf("after %v: key %q, %v, %d requests in all, want key %q, %d", step.at, c.AccessKeyID, err, src.asked.Load(), step.key, step.asks)
			}
		}
	})
}

// TestMemoryAsksOnce has fifty callers at once, of which the first loses its patience.
func TestMemoryAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &slow{life: time.Hour, takes: time.Second}
		m := memory(src)
		hasty, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := m.Retrieve(hasty); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who has no patience gets %v", err)
			}
		})
		synctest.Wait()
		for range 49 {
			all.Go(func() {
				if c, err := m.Retrieve(t.Context()); err != nil || c.AccessKeyID != "A" {
					t.Errorf("key %q, %v", c.AccessKeyID, err)
				}
			})
		}
		all.Wait()
		if n := src.asked.Load(); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestMemoryInvalidate has eight requests meet the end of one key, the last of them long after it was replaced.
func TestMemoryInvalidate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &slow{life: time.Hour}
		m := memory(src)
		for _, over := range []string{"", "A", "A", "A", "A", "A", "A", "A", "A", "B"} {
			m.Invalidate(over)
			want := "B"
			switch over {
			case "":
				want = "A"
			case "B":
				want = "C"
			}
			if c, err := m.Retrieve(t.Context()); err != nil || c.AccessKeyID != want {
				t.Errorf("after %q: key %q, want %q, %v", over, c.AccessKeyID, want, err)
			}
		}
	})
}

// TestMemoryWatch has S3 find the first key expired, and say something else of later requests.
func TestMemoryWatch(t *testing.T) {
	t.Parallel()
	s3d := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := "AccessDenied"
		if strings.Contains(r.Header.Get("Authorization"), "Credential=A/") {
			code = "ExpiredToken"
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	}))
	t.Cleanup(s3d.Close)
	src := &slow{life: time.Hour}
	m := memory(src)
	client := s3.New(s3.Options{Region: "eu-west-1", BaseEndpoint: aws.String(s3d.URL), UsePathStyle: true, Credentials: m,
		APIOptions: []func(*middleware.Stack) error{m.Watch}})
	for _, want := range []string{"ExpiredToken", "AccessDenied", "AccessDenied"} {
		_, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		if !hasCode(err, want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if n := src.asked.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// TestMemoryPauses has no credentials, and callers that never rest: the source is asked ever more rarely.
func TestMemoryPauses(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"down": &token.Unavailable{Host: "idp", Err: errors.New("down")}, "refused": &Refused{Code: CodeAccessDenied}} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			src := &slow{life: time.Hour}
			src.fail(failure)
			m := memory(src)
			m.Jitter = func(d time.Duration) time.Duration { return d }
			var asked []time.Duration
			for time.Since(begin) <= 2*time.Minute {
				before := src.asked.Load()
				if _, err := m.Retrieve(t.Context()); !errors.Is(err, failure) {
					t.Errorf("%s: %v", name, err)
				}
				if src.asked.Load() != before {
					asked = append(asked, time.Since(begin))
				}
				time.Sleep(100 * time.Millisecond)
			}
			want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}
			for i := range want {
				want[i] *= time.Second
			}
			if !slices.Equal(asked, want) {
				t.Errorf("%s: asked at %v, want %v", name, asked, want)
			}
			src.fail(nil)
			time.Sleep(30 * time.Second)
			c, err := m.Retrieve(t.Context())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			m.Invalidate(c.AccessKeyID)
			if _, err := m.Retrieve(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			m.Invalidate("someone else's")
			src.fail(failure)
			time.Sleep(time.Hour)
			before := src.asked.Load()
			for range 22 {
				_, _ = m.Retrieve(t.Context())
			}
			if n := src.asked.Load() - before; n != 1 {
				t.Errorf("%s: 22 callers in one moment make %d requests", name, n)
			}
			time.Sleep(time.Second)
			if _, _ = m.Retrieve(t.Context()); src.asked.Load() != before+2 {
				t.Errorf("%s: the pause does not begin anew after a success", name)
			}
		})
	}
}

// TestMemoryShortLife has a source whose credentials are over as soon as they come: no caller waits for better ones.
func TestMemoryShortLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := &slow{life: 10 * time.Second}
		m := memory(src)
		if c, err := m.Retrieve(t.Context()); err != nil || c.AccessKeyID != "A" || src.asked.Load() != 1 {
			t.Errorf("key %q, %v, %d requests", c.AccessKeyID, err, src.asked.Load())
		}
	})
}

// TestRenewalsSpread has fifty processes that got their credentials in one moment.
func TestRenewalsSpread(t *testing.T) {
	t.Parallel()
	n := time.Duration(0)
	seconds := map[int64]bool{}
	for range 50 {
		at := renewal(start, start.Add(time.Hour), func(most time.Duration) time.Duration {
			n++
			return most * n / 50
		})
		if left := start.Add(time.Hour).Sub(at); left < 10*time.Minute || left > 15*time.Minute {
			t.Errorf("renewed %v before the end", left)
		}
		seconds[at.Unix()] = true
	}
	if len(seconds) != 50 {
		t.Errorf("%d different seconds", len(seconds))
	}
	if at := renewal(start, start.Add(-time.Minute), func(time.Duration) time.Duration { return 0 }); !at.Equal(start.Add(-time.Minute)) {
		t.Errorf("what is over is renewed at %v", at)
	}
}

// TestFileCacheWhileRenewed has one process renew, slowly, while others ask: they have the old credentials at once.
func TestFileCacheWhileRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/cache"
	now := time.Now()
	cache := func(src aws.CredentialsProvider) *FileCache {
		return &FileCache{Dir: dir, Name: "c", Now: func() time.Time { return now }, Jitter: func(time.Duration) time.Duration { return 0 },
			Warn: func(w string) { t.Error(w) }, Source: src}
	}
	if _, err := cache(&slow{life: time.Hour}).Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(50 * time.Minute)
	asked, answer := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		c, err := cache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			close(asked)
			<-answer
			return aws.Credentials{AccessKeyID: "new", SecretAccessKey: "s", CanExpire: true, Expires: now.Add(time.Hour)}, nil
		})).Retrieve(context.Background())
		if err != nil || c.AccessKeyID != "new" {
			t.Errorf("key %q, %v", c.AccessKeyID, err)
		}
	})
	<-asked
	nobody := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		t.Error("asked a second time")
		return aws.Credentials{}, errors.New("no")
	})
	for range 50 {
		if c, err := cache(nobody).Retrieve(t.Context()); err != nil || c.AccessKeyID != "A" {
			t.Errorf("key %q, %v", c.AccessKeyID, err)
		}
	}
	close(answer)
	first.Wait()
	if c, err := cache(nobody).Retrieve(t.Context()); err != nil || c.AccessKeyID != "new" {
		t.Errorf("key %q, %v", c.AccessKeyID, err)
	}
}

// TestFileCachePauses has the identity provider down: who asks within half a minute does not ask it again.
func TestFileCachePauses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/cache"
	now, src := time.Now(), &slow{life: time.Hour}
	c := &FileCache{Dir: dir, Name: "c", Now: func() time.Time { return now }, Jitter: func(time.Duration) time.Duration { return 0 }, Warn: func(string) {}, Source: src}
	if _, err := c.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	src.fail(&token.Unavailable{Host: "idp", Err: errors.New("down")})
	for _, step := range []struct {
		after time.Duration
		asks  int64
	}{{50 * time.Minute, 2}, {29 * time.Second, 2}, {time.Second, 3}} {
		now = now.Add(step.after)
		if got, err := c.Retrieve(t.Context()); err != nil || got.AccessKeyID != "A" || src.asked.Load() != step.asks {
			t.Errorf("after %v: key %q, %v, %d requests", step.after, got.AccessKeyID, err, src.asked.Load())
		}
	}
}
