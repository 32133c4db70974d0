package packaging_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a real systemd in namespaces of its own, on an overlay over this machine's root. Its files are root's.
type machine struct {
	root
	pid int // of its systemd
}

// nested names the directory of the packages, in the process that is the test inside the namespaces.
const nested = "OIDCS3_TEST_PACKAGES"

// tools are what boot.sh and the test call.
var tools = []string{"sh", "mount", "umount", "pivot_root", "unshare", "nsenter", "setpriv", "dpkg", "systemctl", "journalctl", "systemd-analyze"}

// needMachine skips where no machine can be booted, and says why.
func needMachine(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can boot systemd in namespaces")
	}
	if testing.Short() {
		t.Skip("boots systemd")
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		t.Skip("systemd is not installed")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	if _, err := os.Stat("/usr/bin/oidcs3-upload"); err == nil {
		t.Skip("this machine has the package installed, and its own services")
	}
	probe := `mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t cgroup2 cgroup2 /mnt/r && umount /mnt/r &&
		mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r && test -x /mnt/r/lib/systemd/systemd`
	out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "--ipc", "--uts", "--cgroup", "--pid", "--fork", "sh", "-c", probe).CombinedOutput()
	if err != nil {
		t.Skipf("namespaces, cgroup v2 or an overlay over the root cannot be had here: %v: %s", err, bytes.TrimSpace(out))
	}
}

// inNamespaces runs the test that calls it once more, in namespaces for mounts and the network: the clouds of the sandbox
// and the services then share a loopback that nobody else uses. Everything in there ends with that process.
func inNamespaces(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // the child dies with its parent's thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=20m") //nolint:gosec // this program
	cmd.Env = append(os.Environ(), nested+"="+packages)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// boot starts the machine. It ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	cgroup := cgroup(t, dir)
	script, err := filepath.Abs("testdata/boot.sh")
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var log bytes.Buffer
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", script, dir, cgroup) //nolint:gosec // a script of ours
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the first process of a PID namespace takes all others with it
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("systemd said:\n%s", log.String())
		}
	})
	m := &machine{root{t, fmt.Sprintf("/proc/%d/root", cmd.Process.Pid)}, cmd.Process.Pid}
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, _ := m.try("systemctl", "is-system-running")
		if state := strings.TrimSpace(out); state == "running" || state == "degraded" { // degraded: a unit of this machine's distribution
			return m
		}
		if time.Now().After(deadline) || syscall.Kill(m.pid, 0) != nil {
			t.Fatalf("systemd does not get up: %s", out)
		}
	}
}

// cgroup makes a cgroup for the machine, and takes it and all below it away in the end.
func cgroup(t *testing.T, dir string) string {
	t.Helper()
	all := filepath.Join(dir, "cgroup")
	if err := os.Mkdir(all, 0o755); err != nil { //nolint:gosec // a mount point
		t.Fatal(err)
	}
	if err := syscall.Mount("cgroup2", all, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	own, err := os.MkdirTemp(all, "oidcs3-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if removeCgroup(own) == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("the cgroup %s is left over", own)
				break
			}
		}
		for _, mounted := range []string{all, dir} {
			if err := syscall.Unmount(mounted, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	})
	return own
}

// removeCgroup removes a cgroup from the leaves up: its files are the kernel's.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeCgroup(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(err, os.Remove(dir))
}

// within is a command in all namespaces of a process of the machine.
func (m *machine) within(pid int, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", fmt.Sprint(pid), "--mount", "--pid", "--cgroup", "--"}, args...)...) //nolint:gosec // a test's
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive",
		"SSL_CERT_FILE=/etc/oidcs3/ca.pem", "AWS_CA_BUNDLE=/etc/oidcs3/ca.pem"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (m *machine) try(args ...string) (string, error) { return m.within(m.pid, args...) }

func (m *machine) run(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, m.journal())
	}
	return strings.TrimSpace(out)
}

// journal is what the services logged lately.
func (m *machine) journal() string {
	out, _ := m.try("sh", "-c", "journalctl --no-pager --output=short-monotonic | grep -Ev 'goroutine|0x[0-9a-f]+$|[+]0x|[(].*[)]$' | tail -n 40") // not the stacks
	return "\njournal:\n" + out
}

// eventually waits for something that systemd or a service does by itself.
func (m *machine) eventually(what string, is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: not within two minutes%s", what, m.journal())
		}
	}
}
