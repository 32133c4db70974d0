package cli_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oidcs3-upload": func() {
			os.Exit(cli.Main(cli.Process{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Version: "test"}, os.Args[1:]))
		},
	})
}

// TestScript runs the sessions in testdata/script, each against a cloud of its own.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			c := newCloud()
			env.Defer(c.close)
			env.Values["cloud"] = c
			ca := filepath.Join(env.WorkDir, "ca.pem")
			if err := os.WriteFile(ca, c.certificate(), 0o600); err != nil {
				return err
			}
			host := strings.TrimPrefix(c.server.URL, "https://")
			config := fmt.Sprintf(`{"identity_provider":"auth0","auth0_domain":%q,"auth0_client_id":"web-01","auth0_audience":"urn:uploads",`+
				`"aws_role_arn":"arn:aws:iam::123456789012:role/oidc-s3-dev-web-01","aws_region":"eu-west-1","s3_bucket":"files","s3_path_prefix":"web-01/","server_name":"web-01"}`, host)
			if err := os.WriteFile(filepath.Join(env.WorkDir, "config.json"), []byte(config), 0o600); err != nil {
				return err
			}
			for k, v := range map[string]string{
				"HOST": host, "SSL_CERT_FILE": ca, "AWS_CA_BUNDLE": ca, "AWS_ENDPOINT_URL": c.server.URL,
				"OIDCS3_CONFIG": filepath.Join(env.WorkDir, "config.json"), "OIDCS3_CLIENT_SECRET": "correct horse", "MISSING": missing(),
				"OIDCS3_CACHE_DIR": filepath.Join(env.WorkDir, "cache"), "HOME": env.WorkDir,
			} {
				env.Setenv(k, v)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "random": random, "calls": calls, "uploads": uploads, "object": object, "fault": fault, "wait-part": waitPart, "only": only,
			"wait-parts": waitParts, "serve-cut": serveCut, "header": header,
		},
		RequireExplicitExec: true,
	})
}

// missing is how this system says that a file is not there.
func missing() string {
	_, err := os.Open("absent")
	var path *os.PathError
	if !errors.As(err, &path) {
		return "nothing"
	}
	return path.Err.Error()
}

// exits CODE COMMAND… runs the command and wants that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		if _, e := fmt.Sscanf(err.Error(), "exit status %d", &got); e != nil {
			ts.Fatalf("%v", err)
		}
	}
	if want, _ := strconv.Atoi(args[0]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// random FILE MIB makes a file of pseudo-random bytes.
func random(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = io.CopyN(f, &xorshift{state: 88172645463325252}, size<<20)
	ts.Check(err)
	ts.Check(f.Close())
}

type xorshift struct{ state uint64 }

func (x *xorshift) Read(p []byte) (int, error) {
	for i := range p {
		x.state ^= x.state << 13
		x.state ^= x.state >> 7
		x.state ^= x.state << 17
		p[i] = byte(x.state)
	}
	return len(p), nil
}

func cloudOf(ts *testscript.TestScript) *cloud { return ts.Value("cloud").(*cloud) }

// calls OPERATION COUNT wants that many calls since the start or the last calls -reset.
func calls(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	if args[0] == "-reset" {
		c.calls = map[string]int{}
		return
	}
	if want, _ := strconv.Atoi(args[1]); c.calls[args[0]] != want {
		ts.Fatalf("%d calls of %s, want %d: %v", c.calls[args[0]], args[0], want, c.calls)
	}
}

// uploads COUNT wants that many unfinished multipart uploads.
func uploads(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	if want, _ := strconv.Atoi(args[0]); len(c.uploads) != want {
		ts.Fatalf("%d unfinished uploads, want %d", len(c.uploads), want)
	}
}

// object KEY FILE wants the object to hold what the file holds; ! object KEY wants none.
func object(ts *testscript.TestScript, neg bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	o, there := c.objects[args[0]]
	if there == neg {
		ts.Fatalf("object %s: there is %t", args[0], there)
	}
	if !neg && string(o.content) != ts.ReadFile(args[1]) {
		ts.Fatalf("object %s differs from %s", args[0], args[1])
	}
}

// fault OPERATION COUNT STATUS makes the next COUNT calls fail.
func fault(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	c.faults[args[0]] = &cloudFault{left: n, status: status}
}

// wait-part waits until a part is on its way, of an upload that has not ended.
func waitPart(ts *testscript.TestScript, _ bool, _ []string) {
	c := cloudOf(ts)
	for late := time.After(time.Minute); ; {
		select {
		case id := <-c.partStarted:
			c.mu.Lock()
			_, open := c.uploads[id]
			c.mu.Unlock()
			if open {
				return
			}
		case <-late:
			ts.Fatalf("no part was sent")
		}
	}
}

// only DIR NAME… wants these files in the directory and no others.
func only(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != strings.Join(args[1:], " ") {
		ts.Fatalf("%s holds %q", args[0], got)
	}
}

// wait-parts COUNT waits until so many parts have begun.
func waitParts(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		waitPart(ts, false, nil)
	}
}

// serve-cut lets the bucket "cut" take all parts of an upload; with -again two, and no more.
func serveCut(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	c.whole = len(args) == 0
	c.mu.Unlock()
	for len(c.partStarted) > 0 {
		<-c.partStarted
	}
}

// header KEY NAME VALUE wants the object to have been put with that header.
func header(ts *testscript.TestScript, _ bool, args []string) {
	c := cloudOf(ts)
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.objects[args[0]].header.Get(args[1]); got != args[2] {
		ts.Fatalf("%s of %s is %q, want %q", args[1], args[0], got, args[2])
	}
}
