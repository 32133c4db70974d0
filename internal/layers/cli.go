package layers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// mirrored is the version under which the built provider stands in the mirror. Only terraform init looks at it.
const mirrored = "0.1.0"

// registries are where terraform and tofu look for a provider whose source names no host.
var registries = []string{"registry.terraform.io", "registry.opentofu.org"}

// CLIConfig writes below dir a CLI configuration that makes terraform use the provider binary, and returns its path.
// The override serves plans and applies; the mirror serves init, which takes no override and would ask the registry.
func CLIConfig(dir, binary string) (string, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return "", err
	}
	mirror := filepath.Join(dir, "mirror")
	var overrides string
	var addresses []string
	for _, registry := range registries {
		address := registry + "/oidcs3/oidcs3"
		overrides += fmt.Sprintf("    %q = %q\n", address, filepath.Dir(binary))
		addresses = append(addresses, strconv.Quote(address))
		home := filepath.Join(mirror, filepath.FromSlash(address), mirrored, runtime.GOOS+"_"+runtime.GOARCH)
		if err := os.MkdirAll(home, 0o700); err != nil {
			return "", err
		}
		if err := linkOrCopy(binary, filepath.Join(home, "terraform-provider-oidcs3_v"+mirrored)); err != nil {
			return "", fmt.Errorf("mirror the provider: %w", err)
		}
	}
	rc := filepath.Join(dir, "terraformrc")
	ours := strings.Join(addresses, ", ")
	text := fmt.Sprintf("provider_installation {\n  dev_overrides {\n%s  }\n  filesystem_mirror {\n    path    = %q\n    include = [%s]\n  }\n"+
		"  direct {\n    exclude = [%s]\n  }\n}\n", overrides, mirror, ours, ours)
	return rc, os.WriteFile(rc, []byte(text), 0o600)
}

// linkOrCopy makes a hard link where the file system has them across the two places, and a copy elsewhere.
func linkOrCopy(from, to string) error {
	// What an earlier run left may be the same file as from: it must not be written through.
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from) //nolint:gosec // the caller's own binary
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()                                      // only read from
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700) //nolint:gosec // below the caller's directory
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// ProgramVariable names the CLI to run, as it does for HashiCorp's testing framework.
const ProgramVariable = "TF_ACC_TERRAFORM_PATH"

// Program is the CLI at hand: what ProgramVariable names, or else terraform, or else tofu.
func Program() string {
	if named := os.Getenv(ProgramVariable); named != "" {
		return named
	}
	if _, err := exec.LookPath("terraform"); err == nil {
		return "terraform"
	}
	return "tofu"
}

// CopyLayer copies the files of a layer, tests included, to a directory, which is made. What terraform writes beside them
// then never lands in the repository.
func CopyLayer(from, to string) error {
	var files []string
	for _, pattern := range []string{"*.tf", "*.tftest.hcl"} {
		found, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("no Terraform configuration in %s", from)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // a file of the repository
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o600); err != nil { //nolint:gosec // the base name of a file of the repository
			return err
		}
	}
	return nil
}
