package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

// unit is a unit file: the values of each setting in the order in which they stand.
type unit map[string][]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(name) //nolint:gosec // a file of this package
	if err != nil {
		t.Fatal(err)
	}
	u := unit{}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

func units(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("systemd/*.service")
	if err != nil || len(names) != 4 {
		t.Fatalf("units %v, %v", names, err)
	}
	return names
}

// TestUnitsRunCommandsThatExist checks the command lines against the command table.
func TestUnitsRunCommandsThatExist(t *testing.T) {
	t.Parallel()
	for _, name := range units(t) {
		u := readUnit(t, name)
		words := strings.Fields(u["ExecStart"][0])
		if words[0] != "/usr/bin/oidcs3-upload" {
			t.Errorf("%s runs %s", name, words[0])
		}
		cmd, _, err := cli.Commands("test").Find(words[1:2])
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range words[2:] {
			if flag, is := strings.CutPrefix(word, "--"); is && cmd.Flags().Lookup(flag) == nil {
				t.Errorf("%s: %s has no flag %s", name, cmd.Name(), word)
			}
		}
	}
}

// TestUnitsAreHardened holds what every unit must have, whatever systemd's own score says.
func TestUnitsAreHardened(t *testing.T) {
	t.Parallel()
	for _, name := range units(t) {
		u := readUnit(t, name)
		for setting, want := range map[string]string{
			"User": "oidcs3", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
			"CapabilityBoundingSet": "", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "UMask": "0077", "Type": "notify",
		} {
			if got, there := u[setting]; !there || got[len(got)-1] != want {
				t.Errorf("%s: %s=%v, want %q", name, setting, got, want)
			}
		}
		for _, credential := range []string{"client_secret:/etc/oidcs3/client_secret", "private_key:/etc/oidcs3/private_key.pem"} {
			if !slices.Contains(u["LoadCredential"], credential) {
				t.Errorf("%s does not load %s", name, credential)
			}
		}
	}
}

// TestUnitsPassSystemd lets systemd read the units, where it is installed: no line may be unknown to it, and none of
// them may be more exposed than 2.0 of 10.
func TestUnitsPassSystemd(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, name := range units(t) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", name).CombinedOutput() //nolint:gosec // a unit of ours
		if err != nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			t.Errorf("%s: %v: %s", name, err, lines[len(lines)-1])
		}
		out, _ = exec.CommandContext(t.Context(), "systemd-analyze", "verify", name).CombinedOutput() //nolint:gosec // a unit of ours
		for line := range strings.Lines(string(out)) {
			// This machine need not have the binary and its pages.
			if !strings.Contains(line, "Command /usr/bin/oidcs3-upload is not executable") && !strings.Contains(line, "Command 'man oidcs3-upload-") {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}
