package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// checkBinary wants the program, built from the release's commit for the platform, with nothing of the machine in it. What
// runs here is asked for its version; in what does not, the version has to be found.
func (r *release) checkBinary(ctx context.Context, p program, platform string, content []byte) (*debug.BuildInfo, error) {
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	var errs []error
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	want := func(what, got, want string) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s is %q, want %q", what, got, want))
		}
	}
	system, arch, _ := strings.Cut(platform, "_")
	want("program", info.Path, module+p.pkg)
	want("operating system", settings["GOOS"], system)
	want("processor", settings["GOARCH"], arch)
	want("CGO_ENABLED", settings["CGO_ENABLED"], "0")
	want("-trimpath", settings["-trimpath"], "true")
	commit := settings["vcs.revision"]
	switch {
	case commit == "":
		errs = append(errs, errors.New("no commit in it"))
	case r.commit == "":
		r.commit = commit
	default:
		want("commit", commit, r.commit)
	}
	if r.toolchain == "" {
		r.toolchain = info.GoVersion
	}
	want("Go's version", info.GoVersion, r.toolchain)
	if settings["vcs.modified"] == "true" {
		commit += "-dirty"
		if !strings.Contains(r.version, "-snapshot") {
			errs = append(errs, errors.New("built with changes that are in no commit"))
		}
	}
	if platform == runtime.GOOS+"_"+runtime.GOARCH {
		line, err := versionLine(ctx, p.name, content)
		if err != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		want("--version", line, p.name+" v"+r.version+" (commit "+commit+")")
	} else if !bytes.Contains(content, []byte("v"+r.version)) {
		errs = append(errs, fmt.Errorf("version v%s is not in it", r.version))
	}
	return info, errors.Join(errs...)
}

// versionLine is what the program says with --version.
func versionLine(ctx context.Context, name string, content []byte) (string, error) {
	dir, err := os.MkdirTemp("", "oidcs3-verify-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, content, 0o700); err != nil { //nolint:gosec // to be run
		return "", err
	}
	out, err := exec.CommandContext(ctx, file, "--version").CombinedOutput() //nolint:gosec // the release's own
	if err != nil {
		return "", fmt.Errorf("%s --version: %w: %s", name, err, out)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
