package packaging_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

// takesNewSecretAtRestart holds what the guide says of a new secret: systemd hands a copy over at the start, so that a
// restart brings it; and what was written stays in place meanwhile.
func (m *machine) takesNewSecretAtRestart(secret string) {
	m.t.Helper()
	l := &live{machine: m, unit: "oidcs3-token-daemon.service"}
	l.run("systemctl", "start", l.unit)
	l.runs()
	m.write("etc/oidcs3/client_secret", secret+"\n", 0o600) // for the identity provider the same, for a copy not
	gaps, done := make(chan int), make(chan struct{})
	go func() {
		n := 0
		for {
			select {
			case <-done:
				gaps <- n
				return
			default:
				if _, err := os.Stat(m.path("run/oidcs3/token-daemon/token")); err != nil {
					n++
				}
				time.Sleep(time.Millisecond)
			}
		}
	}()
	l.run("systemctl", "restart", l.unit)
	close(done)
	if n := <-gaps; n > 0 {
		l.t.Errorf("during the restart there was no token %d times", n)
	}
	l.runs()
	if out, err := l.inside("oidcs3", "cat /run/credentials/"+l.unit+"/client_secret"); err != nil || out != secret+"\n" {
		l.t.Errorf("after the restart the service has the old secret (%v)", err)
	}
	l.run("systemctl", "stop", l.unit)
}

// waitsForNothing wants a unit without configuration to fail at once and for good.
func (m *machine) waitsForNothing() {
	m.t.Helper()
	config := m.path("etc/oidcs3/config.json")
	if err := os.Rename(config, config+".away"); err != nil {
		m.t.Fatal(err)
	}
	defer func() {
		if err := os.Rename(config+".away", config); err != nil {
			m.t.Error(err)
		}
	}()
	for _, unit := range []string{"oidcs3-serve", "oidcs3-credential-daemon", m.watch()} {
		l := &live{machine: m, unit: unit + ".service"}
		if _, err := l.try("systemctl", "start", l.unit); err == nil {
			l.t.Errorf("%s starts without a configuration", unit)
		}
		time.Sleep(300 * time.Millisecond) // longer than RestartSec
		for property, want := range map[string]string{"ActiveState": "failed", "ExecMainStatus": "2", "NRestarts": "0"} {
			if got := l.show(property); got != want {
				l.t.Errorf("%s without a configuration has %s=%s%s", unit, property, got, l.journal())
			}
		}
		l.run("systemctl", "reset-failed", l.unit)
	}
}

// goesAsItCame upgrades what runs, removes it, purges it, and looks for what is left.
func (m *machine) goesAsItCame(before []string) {
	m.t.Helper()
	enabled := []*live{{machine: m, unit: "oidcs3-serve.service"}, {machine: m, unit: m.watch() + ".service"}}
	for _, l := range enabled {
		l.run("systemctl", "enable", "--now", l.unit)
		l.runs()
	}
	m.install()
	for _, l := range enabled {
		if old := l.pid; l.show("MainPID") == old {
			l.t.Errorf("the upgrade left %s on the old binary", l.unit)
		}
		l.runs()
	}

	m.run("dpkg", "--no-triggers", "--remove", "oidcs3-upload")
	m.removed()

	m.run("dpkg", "--no-triggers", "--purge", "oidcs3-upload")
	var left []string
	for _, name := range m.traces() {
		// The administrator's own stays: drop-ins, which end in .d, and what lies beside the configuration.
		if !slices.Contains(before, name) && !strings.HasSuffix(name, ".service.d") && name != "/etc/oidcs3" {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		m.t.Errorf("the purge leaves %v", left)
	}
	if own, err := filepath.Glob(m.path("etc/oidcs3/*")); err != nil || len(own) != 1 || filepath.Base(own[0]) != "ca.pem" {
		m.t.Errorf("the purge leaves %v", own)
	}
}

// removed wants nothing to run, and nothing to be there but what the administrator made.
func (m *machine) removed() {
	m.t.Helper()
	if left := m.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "oidcs3*.service"); left != "" {
		m.t.Errorf("after the removal systemd still knows %s", left)
	}
	if out, err := m.try("pgrep", "--uid", "oidcs3"); err == nil {
		m.t.Errorf("after the removal there are processes of oidcs3: %s", out)
	}
	for name, stays := range map[string]bool{"etc/oidcs3/client_secret": true, "etc/oidcs3/config.json": true, "var/lib/oidcs3/watch": true,
		"usr/bin/oidcs3-upload": false, "run/oidcs3": false, "etc/systemd/system/multi-user.target.wants/oidcs3-serve.service": false} {
		if _, err := os.Lstat(m.path(name)); (err == nil) != stays {
			m.t.Errorf("after the removal: %s, should it be there %t", name, stays)
		}
	}
}

// takesTheRPM installs the other package, with its scripts, puts it over itself and removes it. rpm runs beside dpkg, which
// owns what the package depends on.
func (m *machine) takesTheRPM(host *hosttest.Host) {
	m.t.Helper()
	if _, err := m.try("rpm", "--version"); err != nil {
		m.t.Skip("rpm is not installed")
	}
	rpm := func(args ...string) string {
		return m.run(append([]string{"rpm", "--dbpath=/var/lib/oidcs3-test-rpm"}, args...)...)
	}
	file := m.bring("rpm")
	rpm("--nodeps", "--install", file)
	rpm("--nodeps", "--verify", "oidcs3-upload") // modes, owners and contents
	for name, want := range map[string]string{"/usr/bin/oidcs3-upload": "root:root 755", "/etc/oidcs3": "root:root 755", "/etc/oidcs3/environment": "root:root 644",
		"/usr/lib/systemd/system/oidcs3-watch@.service": "root:root 644", "/usr/share/zsh/site-functions/_oidcs3-upload": "root:root 644"} {
		if got := m.run("stat", "--format=%U:%G %a", name); got != want {
			m.t.Errorf("%s is of %s, want %s", name, got, want)
		}
	}
	m.run("id", "oidcs3")
	m.configure(host)
	mine := m.read("etc/oidcs3/environment")
	enabled := []*live{{machine: m, unit: "oidcs3-serve.service"}, {machine: m, unit: m.watch() + ".service"}}
	for _, l := range enabled {
		l.run("systemctl", "enable", "--now", l.unit)
		l.runs()
	}

	rpm("--nodeps", "--upgrade", "--replacepkgs", file)
	if m.read("etc/oidcs3/environment") != mine {
		m.t.Error("the package overwrites the environment file")
	}
	for _, l := range enabled {
		if old := l.pid; l.show("MainPID") == old {
			l.t.Errorf("the upgrade left %s on the old binary", l.unit)
		}
		l.runs()
	}

	rpm("--nodeps", "--erase", "oidcs3-upload")
	m.removed()
	if m.read("etc/oidcs3/environment.rpmsave") != mine {
		m.t.Error("the removal does not keep the environment file")
	}
}

// traces are the files of the machine whose names tell of the product.
func (m *machine) traces() []string {
	m.t.Helper()
	return strings.Fields(m.run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-name", "*oidcs3*"))
}
