package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// hosts are the servers' machines: each a directory with the host's configuration file, its secret and its data.
type hosts struct {
	bin, dir string
	trust    map[string]string // what makes the host trust and find the sandbox
}

// s3Refused is the exit code of oidcs3-upload for "S3 refused or failed".
const s3Refused = 5

func newHosts(bin, dir string, clouds *sandbox) *hosts {
	return &hosts{bin: bin, dir: dir, trust: map[string]string{
		"SSL_CERT_FILE":    clouds.env["SSL_CERT_FILE"],
		"AWS_CA_BUNDLE":    clouds.env["AWS_CA_BUNDLE"],
		"AWS_ENDPOINT_URL": clouds.env["AWS_ENDPOINT_URL"],
	}}
}

// configure writes what the platform team hands out: config.json and the secret.
func (h *hosts) configure(name string, s server) error {
	dir := filepath.Join(h.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	config, err := json.MarshalIndent(s.Configuration, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600),
		os.WriteFile(filepath.Join(dir, "client_secret"), []byte(s.Secret), 0o600))
}

// prepare configures a host and makes a file to upload; it returns the file's digest.
func (h *hosts) prepare(name string, s server, size int64) ([]byte, error) {
	if err := h.configure(name, s); err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(h.dir, name, "payload.bin"))
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, digest), rand.Reader, size)
	return digest.Sum(nil), errors.Join(err, file.Close())
}

// same checks a file's bytes against a digest.
func (h *hosts) same(name, file string, sum []byte) error {
	f, err := os.Open(filepath.Join(h.dir, name, file))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return err
	}
	if !bytes.Equal(digest.Sum(nil), sum) {
		return fmt.Errorf("%s of server %s has other bytes than were uploaded", file, name)
	}
	return nil
}

// run runs the host binary on a host. Nothing but its configuration file and secret file tells it who it is.
func (h *hosts) run(ctx context.Context, name string, extra map[string]string, args ...string) (string, error) {
	args = append([]string{args[0], "--config", "config.json", "--client-secret-file", "client_secret"}, args[1:]...)
	fmt.Printf("   $ oidcs3-upload %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(h.bin, "oidcs3-upload"), args...)
	cmd.Dir, cmd.Env = filepath.Join(h.dir, name), environment(h.trust, extra)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("oidcs3-upload %s as %s: %w\n%s", args[0], name, err, out)
	}
	return string(out), err
}

// allowed runs the host binary and expects success.
func (h *hosts) allowed(ctx context.Context, name string, extra map[string]string, args ...string) error {
	_, err := h.run(ctx, name, extra, args...)
	return err
}

// refused runs the host binary and expects S3 to refuse it.
func (h *hosts) refused(ctx context.Context, name string, extra map[string]string, args ...string) error {
	out, err := h.run(ctx, name, extra, args...)
	if err == nil {
		return fmt.Errorf("oidcs3-upload %s as %s was not refused:\n%s", args[0], name, out)
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	// S3 answers a HEAD without a body, and so without its code.
	denied := strings.Contains(out, "AccessDenied") || strings.Contains(out, "Forbidden")
	if !ok || exit.ExitCode() != s3Refused || !denied {
		return fmt.Errorf("oidcs3-upload %s as %s failed otherwise than by S3's refusal: %w", args[0], name, err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	fmt.Println("     " + first)
	return nil
}
