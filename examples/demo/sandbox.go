package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// sandbox is the running clouds.
type sandbox struct {
	dir     string
	process *exec.Cmd
	env     map[string]string // what its env file exports
}

func startSandbox(ctx context.Context, bin, dir string) (*sandbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &sandbox{dir: dir, process: exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "oidcs3-sandbox"), "--dir", dir)}
	s.process.Stderr = os.Stderr
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "ready" {
		return nil, errors.Join(fmt.Errorf("the sandbox did not get ready: it said %q", line), s.stop())
	}
	if s.env, err = sourced(ctx, filepath.Join(dir, "env")); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	checked("the sandbox listens at %s", s.env["AWS_ENDPOINT_URL"])
	return s, nil
}

// sourced is what a shell that sources the file exports.
func sourced(ctx context.Context, file string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", `. "$1" && env -0`, "sh", file)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", file, err)
	}
	env := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if name, value, ok := strings.Cut(pair, "="); ok && name != "PWD" && name != "_" && name != "SHLVL" {
			env[name] = value
		}
	}
	return env, nil
}

// state is what the clouds hold, as text.
func (s *sandbox) state(ctx context.Context) (string, error) {
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.env["OIDCS3_SANDBOX_ADMIN"]+"/state", nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the sandbox for its state: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("ask the sandbox for its state: %s", resp.Status)
	}
	return string(body), err
}

func (s *sandbox) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the sandbox: %w", err)
	}
	if err := s.process.Wait(); err != nil {
		return fmt.Errorf("stop the sandbox: %w", err)
	}
	return nil
}

// environment is a process environment of the given variables and PATH and HOME.
func environment(groups ...map[string]string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for _, group := range groups {
		for name, value := range group {
			if name != "PATH" && name != "HOME" {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}
