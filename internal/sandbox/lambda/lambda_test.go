package lambda_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awslambda "github.com/aws/aws-lambda-go/lambda"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/lambda"
)

// TestMain is the bootstrap, too: the test binary runs itself as the function.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		awslambda.Start(bootstrap)
	}
	os.Exit(m.Run())
}

func bootstrap(_ context.Context, e events.APIGatewayV2HTTPRequest) (any, error) {
	switch e.RawPath {
	case "/echo":
		text, err := json.Marshal(e)
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusCreated, Headers: map[string]string{"X-Answer": "yes"}, Cookies: []string{"a=1", "b=2"}, Body: string(text)}, err
	case "/plain":
		return map[string]string{"made": "by the function"}, nil
	case "/fail":
		return nil, fmt.Errorf("it failed")
	case "/exit":
		os.Exit(3)
	case "/slow":
		time.Sleep(200 * time.Millisecond)
	case "/forever":
		time.Sleep(time.Minute)
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusNoContent}, nil
}

func start(t *testing.T, cfg lambda.Config) *httptest.Server {
	t.Helper()
	var err error
	if cfg.Binary, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	cfg.AccountID, cfg.Region, cfg.Partition = "123456789012", "eu-west-1", "aws"
	f, err := lambda.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewTLSServer(f)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *httptest.Server, path string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Asked", "one")
	r.Header.Add("X-Asked", "two")
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := start(t, lambda.Config{Env: map[string]string{"ONLY": "this"}})
	status, body, header := get(t, s, "/echo?q=1&q=2")
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusCreated || header.Get("X-Answer") != "yes" || len(header["Set-Cookie"]) != 2 || header.Get("Apigw-Requestid") == "" {
		t.Errorf("%d %v", status, header)
	}
	if e.Version != "2.0" || e.Headers["x-asked"] != "one,two" || e.QueryStringParameters["q"] != "1,2" || e.RequestContext.HTTP.Method != http.MethodGet ||
		e.RequestContext.RequestID != header.Get("Apigw-Requestid") || e.RequestContext.HTTP.SourceIP != "127.0.0.1" {
		t.Errorf("event %+v", e)
	}
	if status, body, _ = get(t, s, "/plain"); status != http.StatusOK || body != `{"made":"by the function"}` {
		t.Errorf("a result without statusCode: %d %s", status, body)
	}
	if status, body, _ = get(t, s, "/fail"); status != http.StatusInternalServerError || body != `{"message":"Internal Server Error"}` {
		t.Errorf("a function that failed: %d %s", status, body)
	}
}

func TestStage(t *testing.T) {
	t.Parallel()
	s := start(t, lambda.Config{Stage: "prod"})
	if status, _, _ := get(t, s, "/echo"); status != http.StatusNoContent { // the function sees /prod/echo
		t.Errorf("%d", status)
	}
}

// TestCrash: what was under way fails, and the next invocation finds a new process.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := start(t, lambda.Config{})
	if status, _, _ := get(t, s, "/exit"); status != http.StatusInternalServerError {
		t.Errorf("a process that ended: %d", status)
	}
	if status, _, _ := get(t, s, "/plain"); status != http.StatusOK {
		t.Errorf("after it: %d", status)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, lambda.Config{Timeout: 5 * time.Second})
	if status, _, _ := get(t, s, "/forever"); status != http.StatusInternalServerError {
		t.Errorf("%d", status)
	}
	if status, _, _ := get(t, s, "/plain"); status != http.StatusOK {
		t.Errorf("after it, in a new process: %d", status)
	}
}

// TestInstances: as many invocations at once as there are instances, the others wait.
func TestInstances(t *testing.T) {
	t.Parallel()
	s := start(t, lambda.Config{Instances: 2})
	began := time.Now()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if status, _, _ := get(t, s, "/slow"); status != http.StatusNoContent {
				t.Errorf("%d", status)
			}
		})
	}
	group.Wait()
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("four calls of 200 ms on two instances took %s", took)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	_, err := lambda.Start(t.Context(), lambda.Config{Binary: "does-not-exist"})
	if err == nil || !strings.Contains(err.Error(), "run the bootstrap") {
		t.Errorf("no such binary: %v", err)
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip("there is no program that ends at once")
	}
	if _, err = lambda.Start(t.Context(), lambda.Config{Binary: program}); err == nil || !strings.Contains(err.Error(), "ended before it asked for an event") {
		t.Errorf("a binary that ends: %v", err)
	}
}
