package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	// What the services log, the vending service's audit lines above all, would drown what the demo says.
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own
	s.process.Stderr = log
	stdout, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start the sandbox: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "ready" {
		said, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("the sandbox did not get ready: it said %q, %s", line, said), s.stop())
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

// state is what the clouds hold.
func (s *sandbox) state(ctx context.Context) (any, error) {
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.env["OIDCS3_SANDBOX_ADMIN"]+"/state", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the sandbox for its state: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the sandbox for its state: %s", resp.Status)
	}
	var state any
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		return nil, fmt.Errorf("read the sandbox's state: %w", err)
	}
	return state, nil
}

// traces lists the places at which a state names one of the values. What a cloud keeps among its deleted items is gone.
func traces(state any, path string, values ...string) []string {
	var found []string
	switch state := state.(type) {
	case map[string]any:
		if state["deleted_at"] != nil {
			return nil
		}
		for key, value := range state {
			found = append(found, traces(value, path+"/"+key, values...)...)
		}
	case []any:
		for i, value := range state {
			found = append(found, traces(value, fmt.Sprintf("%s/%d", path, i), values...)...)
		}
	case string:
		if slices.Contains(values, state) {
			found = append(found, path)
		}
	}
	return found
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
