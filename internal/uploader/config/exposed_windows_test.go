package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestExposed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		grant string
		want  bool
	}{
		"the system alone": {"*S-1-5-18:F", false},
		"every user":       {"*S-1-1-0:R", true},
		"may take it":      {"*S-1-5-11:(WDAC)", true},
		"may only delete":  {"*S-1-5-11:(D)", false},
	} {
		file := filepath.Join(t.TempDir(), "client_secret")
		if err := os.WriteFile(file, []byte("hush"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "icacls", file, "/inheritance:r", "/grant:r", tc.grant).CombinedOutput(); err != nil {
			t.Fatalf("icacls: %v: %s", err, out)
		}
		if _, got := exposed(file); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
