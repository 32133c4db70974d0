package packaging_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

// Where no systemd can be booted, a service runs as near to its unit as can be without: the installed binary, in a chroot
// of the root, as user oidcs3, with the unit's command line, environment, credentials, runtime directory, umask,
// NoNewPrivileges, notification socket and watchdog. Where strace is installed, every system call is held against the
// unit's SystemCallFilter. What this cannot try, such as the mount namespace, TestUnitsUnderSystemd does.

// service is one that runs.
type service struct {
	root
	unit   unit
	env    map[string]string
	uid    int
	notify *net.UnixConn
	cmd    *exec.Cmd
	stderr string // file
	trace  string // file of strace; empty: not traced
}

func runServices(r root) {
	host := hosttest.New(r.t)
	ca, err := os.ReadFile(host.CA)
	if err != nil {
		r.t.Fatal(err)
	}
	config, err := os.ReadFile(host.Config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("etc/oidcs3/ca.pem", string(ca), 0o644)
	r.write("etc/oidcs3/config.json", string(config), 0o644)
	r.write("etc/oidcs3/environment", "# of the test\nSSL_CERT_FILE=/etc/oidcs3/ca.pem\nAWS_CA_BUNDLE=/etc/oidcs3/ca.pem\nAWS_ENDPOINT_URL="+
		host.Trust["AWS_ENDPOINT_URL"]+"\nOIDCS3_LISTEN=127.0.0.1:0\n", 0o644)
	defer func() {
		for _, name := range []string{"etc/oidcs3/ca.pem", "run"} {
			if err := os.RemoveAll(r.path(name)); err != nil {
				r.t.Error(err)
			}
		}
	}()
	for name, check := range map[string]func(*service){
		"oidcs3-credential-daemon": func(s *service) {
			s.keeps("credentials", "[default]")
		},
		"oidcs3-token-daemon": func(s *service) { s.keeps("token", "eyJ") },
		"oidcs3-serve":        (*service).serves,
	} {
		r.t.Run(name, func(t *testing.T) {
			s := startService(root{t, r.dir}, name, host.Secret)
			s.heard("READY=1")
			check(s)
			s.stop()
		})
	}
}

func startService(r root, name, secret string) *service {
	r.t.Helper()
	s := &service{root: r, unit: readUnit(r.t, "systemd/"+name+".service"), env: map[string]string{}, uid: -1}
	for line := range strings.Lines(r.read("etc/passwd")) {
		if f := strings.Split(line, ":"); f[0] == "oidcs3" {
			s.uid, _ = strconv.Atoi(f[2])
		}
	}
	if s.uid < 1 {
		r.t.Fatal("there is no user oidcs3")
	}
	s.surround(name, secret)
	s.launch()
	return s
}

// surround makes what systemd makes for a service before it starts it.
func (s *service) surround(name, secret string) {
	s.t.Helper()
	for _, v := range s.unit["Environment"] {
		k, value, _ := strings.Cut(v, "=")
		s.env[k] = value
	}
	for line := range strings.Lines(s.read("etc/oidcs3/environment")) {
		if k, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(k, "#") {
			s.env[k] = value
		}
	}
	text, err := os.ReadFile(secret) //nolint:gosec // a test's file
	if err != nil {
		s.t.Fatal(err)
	}
	s.env["RUNTIME_DIRECTORY"] = "/run/" + s.unit["RuntimeDirectory"][0]
	mode, err := strconv.ParseUint(s.unit["RuntimeDirectoryMode"][0], 8, 12)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(s.path(s.env["RUNTIME_DIRECTORY"]), 0o755); err != nil { //nolint:gosec // as systemd
		s.t.Fatal(err)
	}
	s.own(s.env["RUNTIME_DIRECTORY"], os.FileMode(mode))
	// LoadCredential= finds a secret and no key, for which SetCredential= has a blank one.
	s.env["CREDENTIALS_DIRECTORY"] = "/run/credentials/" + name
	for file, text := range map[string]string{"client_secret": string(text), "private_key": "\n"} {
		file = s.env["CREDENTIALS_DIRECTORY"] + "/" + file
		s.write(file, text, 0o400)
		s.own(file, 0o400)
	}
	s.own(s.env["CREDENTIALS_DIRECTORY"], 0o500)
	s.env["NOTIFY_SOCKET"] = "/run/" + name + ".notify"
	s.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path(s.env["NOTIFY_SOCKET"]), Net: "unixgram"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = s.notify.Close() })
	s.own(s.env["NOTIFY_SOCKET"], 0o600)
	if _, watched := s.unit["WatchdogSec"]; watched {
		s.env["WATCHDOG_USEC"] = "1500000" // the unit's is longer than a test
	}
}

func (s *service) own(name string, mode os.FileMode) {
	s.t.Helper()
	if err := os.Chown(s.path(name), s.uid, s.uid); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(s.path(name), mode); err != nil {
		s.t.Fatal(err)
	}
}

func (s *service) launch() {
	s.t.Helper()
	args := []string{"-c", `umask ` + s.unit["UMask"][0] + `; exec "$@"`, "sh"}
	if _, err := exec.LookPath("setpriv"); err == nil {
		args = append(args, "setpriv", "--no-new-privs")
	}
	if traces(s.t) {
		s.trace = filepath.Join(s.t.TempDir(), "trace")
		args = append(args, "strace", "-D", "-f", "-qq", "-o", s.trace)
	}
	ids := strconv.Itoa(s.uid)
	args = append(args, "chroot", "--userspec="+ids+":"+ids, "--groups=", s.dir)
	for _, word := range strings.Fields(s.unit["ExecStart"][0]) {
		args = append(args, os.Expand(word, func(name string) string { return s.env[name] }))
	}
	// Not the test's context: it would kill what stop asks to end.
	s.cmd = exec.CommandContext(context.WithoutCancel(s.t.Context()), "sh", args...) //nolint:gosec // the unit's command line
	for k, v := range s.env {
		s.cmd.Env = append(s.cmd.Env, k+"="+v)
	}
	s.cmd.Env = append(s.cmd.Env, "PATH="+os.Getenv("PATH"))
	s.cmd.Dir = "/"
	log, err := os.Create(filepath.Join(s.t.TempDir(), "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.stderr, s.cmd.Stderr = log.Name(), log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	_ = log.Close()
	s.t.Cleanup(func() { _ = s.cmd.Process.Kill() })
}

// heard waits until the service tells systemd so.
func (s *service) heard(line string) {
	s.t.Helper()
	if err := s.notify.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	for message := make([]byte, 4096); ; {
		n, err := s.notify.Read(message)
		if err != nil {
			log, _ := os.ReadFile(s.stderr)
			s.t.Fatalf("no %s: %v\n%s", line, err, log)
		}
		if slices.Contains(strings.Split(string(message[:n]), "\n"), line) {
			return
		}
	}
}

// keeps wants the file, for the group alone, signs of life, and a reload that the unit's ExecReload asks for.
func (s *service) keeps(file, holds string) {
	s.t.Helper()
	path := s.path(s.env["RUNTIME_DIRECTORY"] + "/" + file)
	info, err := os.Stat(path)
	if err != nil {
		s.t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != 0o640 || int(owner.Uid) != s.uid || int(owner.Gid) != s.uid {
		s.t.Errorf("%s has mode %v and owner %d:%d", file, info.Mode(), owner.Uid, owner.Gid)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), holds) { //nolint:gosec // a test's file
		s.t.Errorf("%s is not what it should be (%v)", file, err)
	}
	s.heard("WATCHDOG=1")
	if s.unit["ExecReload"][0] != "/bin/kill -HUP $MAINPID" {
		s.t.Errorf("ExecReload=%s", s.unit["ExecReload"])
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	s.heard("RELOADING=1")
	s.heard("READY=1")
}

// serves wants credentials for whoever can read the token.
func (s *service) serves() {
	s.t.Helper()
	read := func(name string) string { return strings.TrimSpace(s.read(s.env["RUNTIME_DIRECTORY"] + "/" + name)) }
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, read("uri"), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", read("token"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"AccessKeyId":"ASIA`) {
		s.t.Errorf("status %d, %v", resp.StatusCode, err)
	}
}

func (s *service) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	s.heard("STOPPING=1")
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the end: %v", err)
	}
	log, err := os.ReadFile(s.stderr)
	if err != nil {
		s.t.Fatal(err)
	}
	if strings.Contains(string(log), "eyJ") {
		s.t.Error("a token is in the log")
	}
	if strings.Contains(string(log), "warning:") || strings.Contains(string(log), "level=ERROR") {
		s.t.Errorf("it complains:\n%s", log)
	}
	if s.trace != "" {
		s.filtered()
	}
}
