//go:build unix

package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// stateBucket is the one that terraform/environments/dev names.
const stateBucket = "oidc-s3-dev-terraform-state"

// session is one page's run.
type session struct {
	page    page
	used    map[string]bool
	ports   map[string]string // those that the page says, and the free ones in their place
	running []*exec.Cmd
}

// TestSessions runs the commands of the pages, each page's against clouds of its own: terraform/ is there as a clone has it,
// with the state that a foundation leaves, and the programs are on the PATH. Absolute paths lie below $ROOT.
func TestSessions(t *testing.T) {
	t.Parallel()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("TF_ACC is not set")
	}
	for _, program := range []string{"terraform", "make", "jq", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	bin := filepath.Join(t.TempDir(), "bin")
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	// The flags of a release would have everything compiled anew.
	build := exec.CommandContext(t.Context(), "make", "-s", "-C", repository, "install", "BIN="+bin, "GOFLAGS_BUILD=")
	build.Env = append(os.Environ(), "CGO_ENABLED="+goEnv(t, "CGO_ENABLED")) // as the tests are compiled
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			p, err := scripted(filepath.Base(env.WorkDir))
			if err != nil {
				return err
			}
			s := &session{page: p, used: map[string]bool{}, ports: map[string]string{}}
			env.Values["session"] = s
			tb := env.T().(testing.TB)
			env.Defer(func() {
				s.stop()
				if !tb.Failed() && !tb.Skipped() {
					s.complete(tb)
				}
			})
			return s.set(tb, env, bin, repository)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"block": runBlocks, "service": startBlock, "until": until,
		},
		RequireExplicitExec: true,
	})
}

// scripted is the page of a session, whose directory bears the script's name.
func scripted(workDir string) (page, error) {
	all, err := pages()
	if err != nil {
		return page{}, err
	}
	name := strings.TrimPrefix(workDir, "script-")
	for _, p := range all {
		if strings.TrimSuffix(filepath.Base(p.script()), ".txtar") == name {
			return p, nil
		}
	}
	return page{}, fmt.Errorf("no page is called %s", name)
}

// rooted are paths that a test cannot have, and spoken ports.
var (
	rooted = regexp.MustCompile(`(^|[\s=:"'@])(/(?:etc|var|run|tmp|usr/bin)/)`)
	spoken = regexp.MustCompile(`:(\d{4})\b`)
)

// set lays out what a person has who follows the page.
func (s *session) set(tb testing.TB, env *testscript.Env, bin, repository string) error {
	work := env.WorkDir
	for _, dir := range []string{".clouds", "blocks", "wrapped", "root/etc/oidcs3", "root/var/backups", "root/run/oidcs3", "root/tmp"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o700); err != nil {
			return err
		}
	}
	vending := filepath.Join(bin, "oidcs3-vending")
	clouds, err := sandbox.Start(tb.Context(), sandbox.Options{Dir: filepath.Join(work, ".clouds"), VendingBinary: vending})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = clouds.Close() })
	if err := layers.LeaveStates(tb.Context(), clouds.Env(), stateBucket); err != nil {
		return err
	}
	rc, err := layers.CLIConfig(filepath.Join(work, ".terraform.d"), filepath.Join(bin, "terraform-provider-oidcs3"))
	if err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(work, "terraform"), os.DirFS(filepath.Join(repository, "terraform"))); err != nil {
		return err
	}
	// make works in the repository, and leaves nothing there.
	wrapper := fmt.Sprintf("#!/bin/sh\nexec make -C %q BIN=%q GOFLAGS_BUILD= \"$@\"\n", repository, bin)
	wrapper = strings.Replace(wrapper, "exec make", "PATH="+shellQuoted(os.Getenv("PATH"))+" exec make", 1)
	if err := os.WriteFile(filepath.Join(work, "wrapped", "make"), []byte(wrapper), 0o700); err != nil { //nolint:gosec // a program
		return err
	}
	for _, b := range s.page.blocks {
		if err := os.WriteFile(filepath.Join(work, "blocks", b.name), []byte(s.placed(b.text)), 0o600); err != nil {
			return err
		}
	}
	values := clouds.Env()
	for name, value := range map[string]string{
		"PATH": filepath.Join(work, "wrapped") + ":" + bin + ":" + os.Getenv("PATH"), "HOME": work, "ROOT": filepath.Join(work, "root"),
		"OIDCS3_CACHE_DIR": filepath.Join(work, "cache"), "OIDCS3_STATE_DIR": filepath.Join(work, "state"),
		"TF_CLI_CONFIG_FILE": rc, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1",
		"TF_CLI_ARGS": "-no-color", "TF_CLI_ARGS_apply": "-auto-approve", "TF_CLI_ARGS_destroy": "-auto-approve",
	} {
		values[name] = value
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "CGO_ENABLED"} { // of make, which has another home now
		values[name] = goEnv(tb, name)
	}
	for name, value := range values {
		env.Setenv(name, value)
	}
	return nil
}

func goEnv(tb testing.TB, name string) string {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "env", name).Output()
	if err != nil {
		tb.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// placed leads absolute paths below $ROOT, and ports that a page names to free ones: other tests run at the same time.
func (s *session) placed(text string) string {
	text = rooted.ReplaceAllString(text, "$1$$ROOT$2")
	return spoken.ReplaceAllStringFunc(text, func(port string) string {
		if s.ports[port] == "" {
			_, free, _ := strings.Cut(programs.Address(), ":")
			s.ports[port] = ":" + free
		}
		return s.ports[port]
	})
}

func sessionOf(ts *testscript.TestScript) *session { return ts.Value("session").(*session) }

// use marks a block as run.
func (s *session) use(ts *testscript.TestScript, name string) string {
	for _, b := range s.page.blocks {
		if b.name == name {
			if len(b.needs) > 0 {
				ts.Fatalf("block %s runs here, and is marked as one that does not", name)
			}
			s.used[name] = true
			return filepath.Join(ts.Getenv("WORK"), "blocks", name)
		}
	}
	ts.Fatalf("%s has no block %s", s.page.path, name)
	return ""
}

// runBlocks runs blocks of commands, by their names, in one shell after each other: "block a.sh b.sh".
func runBlocks(ts *testscript.TestScript, neg bool, args []string) {
	s := sessionOf(ts)
	var script string
	for _, name := range args {
		script += ". " + shellQuoted(s.use(ts, name)) + "\n"
	}
	if err := ts.Exec("sh", "-eu", "-c", script); (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args, ", "), err)
	}
}

// startBlock starts a block whose command does not end by itself; it ends with the session.
func startBlock(ts *testscript.TestScript, _ bool, args []string) {
	s := sessionOf(ts)
	cmd := exec.Command("sh", "-eu", s.use(ts, args[0])) //nolint:gosec // the page's own
	cmd.Dir, cmd.SysProcAttr = ts.MkAbs("."), &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(ts.MkAbs(args[0] + ".log"))
	ts.Check(err)
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment(ts)
	ts.Check(cmd.Start())
	s.running = append(s.running, cmd)
}

// environment is that of the script's programs.
func environment(ts *testscript.TestScript) []string {
	if err := ts.Exec("env", "-0"); err != nil {
		ts.Fatalf("%v", err)
	}
	return strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\x00"), "\x00")
}

// until runs a shell command again and again until it succeeds: "until 'test -e file'".
func until(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if ts.Exec("sh", "-eu", "-c", args[0]) == nil {
			return
		}
	}
	ts.Fatalf("it never came to: %s", args[0])
}

// complete wants every block of commands that has no mark to have run.
func (s *session) complete(tb testing.TB) {
	tb.Helper()
	for _, b := range s.page.blocks {
		if b.isShell() && len(b.needs) == 0 && !s.used[b.name] {
			tb.Errorf("%s:%d: block %s was not run", s.page.path, b.line, b.name)
		}
	}
}

// stop ends what runs in the background.
func (s *session) stop() {
	for _, cmd := range s.running {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	}
}
