package packaging_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

// spoolDir has what directories have that people watch: a dash and a blank, which systemd's names of instances escape.
const spoolDir = "/var/spool/web-01 logs"

// patience is the watchdog's in this test; the units' own is longer than a test.
const patience = 10 * time.Second

// live is a unit that the machine's systemd runs.
type live struct {
	*machine
	unit   string
	secret string
	pid    string // of its main process, as the machine numbers it
}

// TestUnitsUnderSystemd boots a real systemd, installs the package there, and holds every unit to what the guide says: it
// starts under all its hardening, has its secret by LoadCredential alone, does its work, is watched, reloads, comes back
// when it is killed, and ends cleanly; and the package goes as it came.
func TestUnitsUnderSystemd(t *testing.T) {
	if os.Getenv(nested) == "" {
		t.Parallel()
		needMachine(t)
		built(t, "deb")
		inNamespaces(t)
		return
	}
	m := boot(t)
	host := hosttest.New(t) // after the boot: systemd has brought the loopback up
	before := m.traces()
	m.install()
	secret := m.configure(host)

	t.Run("units", func(t *testing.T) {
		for unit, work := range map[string]func(*live){
			"oidcs3-credential-daemon": func(l *live) { l.keeps("credential-daemon/credentials", "[default]") },
			"oidcs3-token-daemon":      func(l *live) { l.keeps("token-daemon/token", "eyJ") },
			"oidcs3-serve":             (*live).serves,
			m.watch():                  (*live).uploads,
		} {
			t.Run(strings.Split(unit, "@")[0], func(t *testing.T) {
				t.Parallel()
				l := &live{machine: m.with(t), unit: unit + ".service", secret: secret}
				l.run("systemctl", "start", l.unit)
				l.runs()
				l.confined()
				l.loadsItsSecret()
				work(l)
				l.isWatched()
				l.isKilled()
				work(l)
				l.stops()
			})
		}
	})
	t.Run("move", func(t *testing.T) { m.with(t).moves() })
	t.Run("new secret", func(t *testing.T) { m.with(t).takesNewSecretAtRestart(secret) })
	t.Run("no configuration", func(t *testing.T) { m.with(t).waitsForNothing() })
	t.Run("upgrade and removal", func(t *testing.T) { m.with(t).goesAsItCame(before) })
	t.Run("rpm", func(t *testing.T) { m.with(t).takesTheRPM(host) })
}

func (m *machine) with(t *testing.T) *machine { return &machine{root{t, m.dir}, m.pid} }

func (m *machine) watch() string {
	m.t.Helper()
	return "oidcs3-watch@" + m.run("systemd-escape", "--path", spoolDir)
}

// bring puts the package of a format into the machine.
func (m *machine) bring(format string) (path string) {
	m.t.Helper()
	content, err := os.ReadFile(built(m.t, format))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("root/oidcs3."+format, string(content), 0o600)
	return "/root/oidcs3." + format
}

func (m *machine) install() {
	m.t.Helper()
	m.run("dpkg", "--force-depends", "--no-triggers", "--install", m.bring("deb"))
}

// configure does what the guide tells an administrator to do, and shortens the times that a test would wait for.
func (m *machine) configure(host *hosttest.Host) (secret string) {
	m.t.Helper()
	text := map[string]string{}
	for _, name := range []string{host.CA, host.Config, host.Secret} {
		content, err := os.ReadFile(name) //nolint:gosec // a test's file
		if err != nil {
			m.t.Fatal(err)
		}
		text[name] = string(content)
	}
	m.write("etc/oidcs3/ca.pem", text[host.CA], 0o644)
	m.write("etc/oidcs3/config.json", text[host.Config], 0o644)
	m.write("etc/oidcs3/client_secret", text[host.Secret], 0o600)
	m.write("etc/oidcs3/environment", "SSL_CERT_FILE=/etc/oidcs3/ca.pem\nAWS_CA_BUNDLE=/etc/oidcs3/ca.pem\nAWS_ENDPOINT_URL="+host.Trust["AWS_ENDPOINT_URL"]+"\n", 0o644)
	m.write("etc/oidcs3/watch"+spoolDir+"/environment", "WATCH_OPTIONS=--delete --settle 0\n", 0o644)
	m.run("install", "--directory", "--owner=oidcs3", "--group=oidcs3", "--mode=0755", spoolDir)

	m.write("etc/systemd/system/oidcs3-.service.d/test.conf", "[Service]\nRestartSec=100ms\n", 0o644)
	for _, name := range units(m.t) {
		if u := readUnit(m.t, name); u["WatchdogSec"] != nil {
			m.write("etc/systemd/system/"+strings.TrimPrefix(name, "systemd/")+".d/watchdog.conf", fmt.Sprintf("[Service]\nWatchdogSec=%s\n", patience), 0o644)
		}
	}
	m.run("systemctl", "daemon-reload")
	return text[host.Secret]
}

func (l *live) show(property string) string {
	l.t.Helper()
	return l.run("systemctl", "show", "--value", "--property="+property, l.unit)
}

// runs wants the unit active, which for Type=notify it is once the service said so, and remembers its process.
func (l *live) runs() {
	l.t.Helper()
	if state := l.show("ActiveState"); state != "active" {
		l.t.Fatalf("%s is %s%s", l.unit, state, l.journal())
	}
	l.pid = l.show("MainPID")
}

// inside runs a shell in the service's mount namespace, as root where user is empty.
func (l *live) inside(user, script string) (string, error) {
	args := []string{"nsenter", "--target", l.pid, "--mount", "--"}
	if user != "" {
		args = append(args, "setpriv", "--reuid="+user, "--regid="+user, "--clear-groups", "--")
	}
	return l.try(append(args, "sh", "-c", script)...)
}

// confined looks at the process and at what it sees: settings that systemd could not apply would be missing here.
func (l *live) confined() {
	l.t.Helper()
	uid := l.run("id", "-u", "oidcs3")
	status := l.read("proc/" + l.pid + "/status")
	for _, want := range []string{"Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid, "NoNewPrivs:\t1", "Seccomp:\t2",
		"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000"} {
		if !strings.Contains(status, "\n"+want+"\n") {
			l.t.Errorf("%s runs without %q", l.unit, want)
		}
	}
	for _, dir := range []string{"/etc", "/usr", "/var/lib", "/run", "/sys/fs/cgroup"} { // root could write there, but for the mounts
		if out, err := l.inside("", "touch "+dir+"/oidcs3-test"); err == nil || !strings.Contains(out, "Read-only file system") {
			l.t.Errorf("%s can write to %s (%v %s)", l.unit, dir, err, out)
		}
	}
	l.run("touch", "/tmp/of-the-machine", "/root/of-the-machine", "/dev/of-the-machine")
	for what, script := range map[string]string{
		"the machine's /tmp":     "test -e /tmp/of-the-machine",
		"home directories":       "test -e /root/of-the-machine",
		"devices":                "test -e /dev/of-the-machine",
		"the machine's settings": "test -e /proc/sys || test -e /proc/kallsyms",
	} {
		if _, err := l.inside("", script); err == nil {
			l.t.Errorf("%s sees %s", l.unit, what)
		}
	}
	if _, err := l.inside("oidcs3", "test -e /proc/1/status"); err == nil {
		l.t.Errorf("%s sees the processes of others", l.unit)
	}
	if limit, err := os.ReadFile(l.path("sys/fs/cgroup" + l.show("ControlGroup") + "/memory.max")); err != nil { //nolint:gosec // the machine's
		l.t.Log("memory limits are not looked at: cgroup v2 does not control memory here")
	} else if strings.TrimSpace(string(limit)) != strconv.Itoa(256<<20) {
		l.t.Errorf("memory.max is %s", limit)
	}
}

// loadsItsSecret wants the secret where LoadCredential= puts it, and nowhere else in reach.
func (l *live) loadsItsSecret() {
	l.t.Helper()
	environ := strings.Split(l.read("proc/"+l.pid+"/environ"), "\x00")
	dir := "/run/credentials/" + l.unit
	if !slices.Contains(environ, "CREDENTIALS_DIRECTORY="+dir) || slices.ContainsFunc(environ, func(v string) bool { return strings.Contains(v, l.secret) }) {
		l.t.Errorf("the environment of %s lacks CREDENTIALS_DIRECTORY, or holds the secret", l.unit)
	}
	// The name holds backslashes where the directory has a dash.
	if out, err := l.inside("oidcs3", "cat '"+dir+"/client_secret'"); err != nil || out != l.secret {
		l.t.Errorf("%s does not have its secret: %v", l.unit, err)
	}
	for _, file := range []string{"/etc/oidcs3/client_secret", "/proc/1/environ"} {
		if _, err := l.inside("oidcs3", "cat "+file); err == nil {
			l.t.Errorf("%s can read %s", l.unit, file)
		}
	}
	if out, err := l.try("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat", dir+"/client_secret"); err == nil {
		l.t.Errorf("anybody can read the secret of %s: %d bytes", l.unit, len(out))
	}
}

// keeps wants a file below /run/oidcs3, for the group alone, and a newer one after a reload.
func (l *live) keeps(file, holds string) {
	l.t.Helper()
	path := "run/oidcs3/" + file
	for name, want := range map[string]string{"/" + path: "oidcs3:oidcs3 640", "/" + path[:strings.LastIndex(path, "/")]: "oidcs3:oidcs3 750"} {
		if got := l.run("stat", "--format=%U:%G %a", name); got != want {
			l.t.Errorf("%s is of %s, want %s", name, got, want)
		}
	}
	if !strings.Contains(l.read(path), holds) {
		l.t.Errorf("%s does not hold what it should", path)
	}
	l.onlyForGroup(path)
	old := l.run("stat", "--format=%i %y", "/"+path)
	l.reloads()
	l.eventually("a new "+path, func() bool { return l.run("stat", "--format=%i %y", "/"+path) != old })
}

// onlyForGroup lets two strangers read, one of whom is a member.
func (l *live) onlyForGroup(path string) {
	l.t.Helper()
	stranger := []string{"setpriv", "--reuid=nobody", "--regid=nogroup"}
	if _, err := l.try(append(stranger, "--clear-groups", "cat", "/"+path)...); err == nil {
		l.t.Errorf("anybody can read %s", path)
	}
	if out, err := l.try(append(stranger, "--groups=oidcs3", "cat", "/"+path)...); err != nil {
		l.t.Errorf("members of the group cannot read %s: %v %s", path, err, out)
	}
}

// reloads is no restart.
func (l *live) reloads() {
	l.t.Helper()
	l.run("systemctl", "reload", l.unit)
	if pid := l.show("MainPID"); pid != l.pid || l.show("ActiveState") != "active" {
		l.t.Errorf("the reload of %s left it %s, process %s of before %s", l.unit, l.show("ActiveState"), pid, l.pid)
	}
}

// serves wants credentials for whoever can read the token, and for nobody else.
func (l *live) serves() {
	l.t.Helper()
	l.onlyForGroup("run/oidcs3/serve/token")
	get := func(token string) (status int, body string) {
		req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://127.0.0.1:9911/credentials", nil)
		if err != nil {
			l.t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			l.t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			l.t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if status, body := get(l.read("run/oidcs3/serve/token")); status != http.StatusOK || !strings.Contains(body, `"AccessKeyId":"ASIA`) {
		l.t.Errorf("with the token: status %d", status)
	}
	if status, _ := get("guessed"); status == http.StatusOK {
		l.t.Error("credentials without the token")
	}
}

// uploads puts a file into the spool and wants it in the bucket, and gone from the spool as WATCH_OPTIONS say.
func (l *live) uploads() {
	l.t.Helper()
	name := "file " + l.pid
	l.run("sh", "-c", `echo "of process $1" >"$2/.$3" && mv "$2/.$3" "$2/$3"`, "sh", l.pid, spoolDir, name)
	l.eventually("the upload of "+name, func() bool {
		_, err := os.Stat(l.path(spoolDir + "/" + name))
		return os.IsNotExist(err)
	})
	get := ". /etc/oidcs3/environment; export AWS_ENDPOINT_URL; oidcs3-upload download --client-secret-file /etc/oidcs3/client_secret --no-progress \"$1\" -"
	if got := l.run("sh", "-c", get, "sh", name); got != "of process "+l.pid {
		l.t.Errorf("the object holds %q", got)
	}
	if ledgers := l.run("sh", "-c", "find /var/lib/oidcs3/watch -name '*.db'"); len(strings.Split(ledgers, "\n")) != 1 || ledgers == "" {
		l.t.Errorf("ledgers in the state directory: %q", ledgers)
	}
	l.reloads()
}

// moves wants uploaded files in another directory, with the drop-in that the guide names.
func (m *machine) moves() {
	m.t.Helper()
	l := &live{machine: m, unit: m.watch() + ".service"}
	m.run("install", "--directory", "--owner=oidcs3", "--group=oidcs3", "/var/spool/sent")
	m.write("etc/oidcs3/watch"+spoolDir+"/environment", "WATCH_OPTIONS=--move-to /var/spool/sent --settle 0\n", 0o644)
	m.write("etc/systemd/system/"+l.unit+".d/move.conf", "[Service]\nReadWritePaths=/var/spool\n", 0o644)
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "start", l.unit)
	m.run("sh", "-c", `echo moved >"$1/.new" && mv "$1/.new" "$1/moved"`, "sh", spoolDir)
	m.eventually("the move of an uploaded file", func() bool {
		_, err := os.Stat(m.path("var/spool/sent/moved"))
		return err == nil
	})
	m.run("systemctl", "stop", l.unit)
}

// isWatched wants signs of life often enough, and a restart of what gives none.
func (l *live) isWatched() {
	l.t.Helper()
	if l.show("WatchdogUSec") == "0" {
		return
	}
	l.eventually("signs of life of "+l.unit, func() bool {
		since, err := strconv.Atoi(l.show("ActiveEnterTimestampMonotonic"))
		if err != nil {
			l.t.Fatal(err)
		}
		last, err := strconv.Atoi(l.show("WatchdogTimestampMonotonic"))
		return err == nil && time.Duration(last-since)*time.Microsecond > 2*patience
	})
	if n := l.show("NRestarts"); n != "0" {
		l.t.Errorf("%s was restarted %s times without a reason%s", l.unit, n, l.journal())
	}
	l.run("kill", "-STOP", l.pid)
	l.comesBack("a process that hangs")
}

func (l *live) isKilled() {
	l.t.Helper()
	l.run("kill", "-KILL", l.pid)
	l.comesBack("kill -9")
}

func (l *live) comesBack(after string) {
	l.t.Helper()
	l.eventually(l.unit+" after "+after, func() bool {
		pid := l.show("MainPID")
		return pid != l.pid && pid != "0" && l.show("ActiveState") == "active"
	})
	l.pid = l.show("MainPID")
}

// stops is a clean end that takes with it what systemd made for the service.
func (l *live) stops() {
	l.t.Helper()
	l.run("systemctl", "stop", l.unit)
	if state := l.show("ActiveState"); state != "inactive" {
		l.t.Errorf("%s is %s at the end", l.unit, state)
	}
	// What systemd logs of a unit that ended well, SD_MESSAGE_UNIT_SUCCESS of sd-messages.h.
	if l.run("journalctl", "--quiet", "--no-pager", "--unit="+l.unit, "MESSAGE_ID=7ad2d189f7e94e70a38c781354912448") == "" {
		l.t.Errorf("%s does not end well%s", l.unit, l.journal())
	}
	for _, dir := range []string{"run/credentials/" + l.unit, "run/" + l.show("RuntimeDirectory")} {
		if _, err := os.Stat(l.path(dir)); dir != "run/" && err == nil {
			l.t.Errorf("%s leaves %s", l.unit, dir)
		}
	}
	log := l.run("journalctl", "--no-pager", "--output=cat", "--unit="+l.unit, "_COMM=oidcs3-upload")
	for _, bad := range []string{"error:", "warning:", "level=ERROR", "eyJ", l.secret} {
		if strings.Contains(log, bad) {
			l.t.Errorf("%s logs %q:\n%s", l.unit, bad, log)
		}
	}
	exposure := l.run("systemd-analyze", "security", "--no-pager", "--threshold=15", l.unit) // 1.5 of 10
	l.t.Log(strings.TrimSpace(exposure[strings.LastIndex(exposure, "\n")+1:]))
}
