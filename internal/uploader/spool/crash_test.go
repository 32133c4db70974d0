//go:build unix

package spool_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/programs"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/hosttest"
)

func TestMain(m *testing.M) { os.Exit(programs.Main(m)) }

// TestKilled kills the real program at random moments while files are put into its spool. In the end S3 has each file,
// each was stored once, and the spool is empty. OIDCS3_SPOOL=full takes 10,000 files and 20 kills.
func TestKilled(t *testing.T) {
	t.Parallel()
	files, kills := 300, 5
	if os.Getenv("OIDCS3_SPOOL") == "full" {
		files, kills = 10_000, 20
	}
	host := hosttest.New(t)
	bin, dir := programs.For(t, programs.Upload), t.TempDir()
	env := host.Environ(map[string]string{"OIDCS3_CONFIG": host.Config, "HOME": dir, "OIDCS3_STATE_DIR": filepath.Join(dir, "state")})
	spool := filepath.Join(dir, "spool")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	start := func(more ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"watch", spool, "--client-secret-file", host.Secret, "--settle", "0", "--delete"}, more...)...) //nolint:gosec // the program under test
		cmd.Env = env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	host.Edge().Calls().Clear()
	put := 0
	for kill := range kills {
		cmd := start("--interval", "20ms")
		for target := files * (kill + 1) / kills; put < target; put++ {
			hidden, name := filepath.Join(spool, ".next"), filepath.Join(spool, fmt.Sprintf("file-%05d", put))
			if err := os.WriteFile(hidden, fmt.Appendf(nil, "content of %d", put), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(hidden, name); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(rand.N(600 * time.Millisecond)) //nolint:gosec // a moment like any other
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
	}
	if err := start("--once").Wait(); err != nil {
		t.Fatalf("the last run: %v", err)
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("%d files are left in the spool, %v", len(left), err)
	}
	stored := 0
	for _, c := range host.Edge().Calls().Calls() {
		if c.Operation == "PutObject" && c.Status == 200 {
			stored++
		}
	}
	list := exec.CommandContext(t.Context(), bin, "list", "--client-secret-file", host.Secret) //nolint:gosec // the program under test
	list.Env = env
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	if there := bytes.Count(out, []byte("\n")); there != files || stored != files {
		t.Errorf("%d files: %d objects, stored %d times", files, there, stored)
	}
}
