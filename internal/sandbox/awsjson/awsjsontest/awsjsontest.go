// Package awsjsontest serves one AWS service of the sandbox to tests, behind a real guard, and makes configurations for
// real SDK clients of it. Only tests import it.
package awsjsontest

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// The account of every test.
const (
	Account   = "123456789012"
	Region    = "eu-west-1"
	Partition = "aws"
)

// Server is a service on loopback.
type Server struct {
	directory *iam.Directory
	server    *httptest.Server
	stale     time.Duration
}

// Serve starts the service that build makes of a guard.
func Serve(t testing.TB, build func(authz.Guard) http.Handler) *Server {
	t.Helper()
	s := &Server{directory: iam.NewDirectory(iam.DirectoryConfig{Now: time.Now, AccountID: Account, Partition: Partition})}
	handler := build(authz.New(authz.Config{Now: time.Now, AccountID: Account, Region: Region, Directory: s.directory}))
	s.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stale > 0 {
			r = r.WithContext(store.AsOf(r.Context(), time.Now().Add(-s.stale)))
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.server.Close)
	if _, err := s.directory.CreateUser(context.Background(), iam.UserSpec{Name: "admin", Admin: true, AccessKeyID: "AKIAADMIN", SecretAccessKey: "admin-secret"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// SetStale makes reads see what was that long ago. Not while calls are under way.
func (s *Server) SetStale(d time.Duration) { s.stale = d }

// Admin is the configuration of a client that may do everything.
func (s *Server) Admin() aws.Config { return s.config("AKIAADMIN", "admin-secret") }

// User is the configuration of a client of a new user with one policy statement, JSON.
func (s *Server) User(t testing.TB, name, statement string) aws.Config {
	t.Helper()
	spec := iam.UserSpec{Name: name, AccessKeyID: "AKIA" + name, SecretAccessKey: name + "-secret",
		InlinePolicies: map[string]string{"p": `{"Version":"2012-10-17","Statement":` + statement + `}`}}
	if _, err := s.directory.CreateUser(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	return s.config(spec.AccessKeyID, spec.SecretAccessKey)
}

func (s *Server) config(id, secret string) aws.Config {
	return aws.Config{Region: Region, BaseEndpoint: aws.String(s.server.URL), HTTPClient: s.server.Client(), RetryMaxAttempts: 1,
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
}

// Moto starts moto's server, where it is installed, as a second opinion on what AWS answers. Without it the test is
// skipped.
func Moto(t testing.TB) aws.Config {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not installed")
	}
	address := programs.Address()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), program, "-H", host, "-p", port) //nolint:gosec // a program of the machine's own
	cmd.Env = os.Environ()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("moto_server does not start: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	go func() { // it stops where nobody reads what it says
		for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		}
	}()
	for range 300 {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return aws.Config{Region: Region, BaseEndpoint: aws.String("http://" + address), RetryMaxAttempts: 1,
				APIOptions:  awsanswer.Options(),
				Credentials: credentials.NewStaticCredentialsProvider("testing", "testing", "")}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Skip("moto_server does not listen")
	return aws.Config{}
}

// Code is the code of an API's error, "" for none.
func Code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

// Message is the message of an API's error.
func Message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}
