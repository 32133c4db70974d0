package layers_test

import (
	"os/exec"
	"testing"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

func TestLayersAreFormatted(t *testing.T) {
	t.Parallel()
	program := layers.Program()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("neither terraform nor tofu is here")
	}
	if out, err := exec.CommandContext(t.Context(), program, "fmt", "-check", "-diff", "-recursive", root).CombinedOutput(); err != nil {
		t.Errorf("fmt: %v\n%s", err, out)
	}
}
