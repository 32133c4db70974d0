package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// release is a directory with the files of one release.
type release struct {
	dir       string
	key       string   // the public key, armoured
	platforms []string // the only ones that were built, or nil for all

	version   string // without v, as in the files' names
	commit    string // of every binary; once known
	toolchain string // Go's version, of every binary; once known
	// uploads are the digests of the host binary by platform, once its archives were read: packages hold the same.
	uploads map[string][sha256.Size]byte
}

// program is one command of a release, in an archive a platform.
type program struct {
	name      string
	pkg       string // below the module's path
	platforms []string
	required  []string // what is in the archive beside the program
	optional  []string // directories that what else is in the archive lies in
}

const (
	module   = "github.com/oidcs3/terraform-provider-oidcs3"
	provider = "terraform-provider-oidcs3"
	upload   = "oidcs3-upload"
	vending  = "oidcs3-vending"
)

// everywhere are the platforms that servers and Terraform run on; most of the registry's recommendation:
// https://developer.hashicorp.com/terraform/registry/providers/os-arch
var everywhere = []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64", "freebsd_amd64"}

// programs are said here once more than in .goreleaser.yaml: what goes missing there is to be missed.
var programs = []program{
	{name: provider, platforms: everywhere}, // an archive of the registry's holds the provider alone
	{name: upload, pkg: "/cmd/oidcs3-upload", platforms: everywhere,
		required: []string{"LICENSE", "share/man/man1/oidcs3-upload.1.gz", "share/bash-completion/completions/oidcs3-upload", "systemd/oidcs3-serve.service"},
		optional: []string{"share/", "systemd/"}},
	{name: "oidcs3-access", pkg: "/cmd/oidcs3-access", required: []string{"LICENSE"},
		platforms: []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"}},
	{name: vending, pkg: "/cmd/oidcs3-vending", platforms: []string{"linux_amd64", "linux_arm64"}, required: []string{"LICENSE"}},
}

// built are the platforms of the program that this release should have.
func (r *release) built(of []string) []string {
	if r.platforms == nil {
		return of
	}
	return slices.DeleteFunc(slices.Clone(of), func(p string) bool { return !slices.Contains(r.platforms, p) })
}

// processors are those of Linux, which packages and AWS Lambda run on.
func (r *release) processors() []string {
	var arches []string
	for _, platform := range r.built([]string{"linux_amd64", "linux_arm64"}) {
		arches = append(arches, strings.TrimPrefix(platform, "linux_"))
	}
	return arches
}

func (r *release) archive(p program, platform string) string {
	suffix := ".tar.gz"
	if p.name == provider || strings.HasPrefix(platform, "windows_") {
		suffix = ".zip"
	}
	return p.name + "_" + r.version + "_" + platform + suffix
}

func (r *release) materials(p program, platform string) string {
	return p.name + "_" + r.version + "_" + platform + ".cdx.json"
}

func (r *release) pack(arch, packager string) string {
	return upload + "_" + r.version + "_" + arch + "." + packager
}

func bundle(arch string) string { return vending + "-lambda-" + arch + ".zip" }

func (r *release) sums() string      { return provider + "_" + r.version + "_SHA256SUMS" }
func (r *release) signature() string { return r.sums() + ".sig" }
func (r *release) manifest() string  { return provider + "_" + r.version + "_manifest.json" }

// files are the names of all that a release consists of, sorted.
func (r *release) files() []string {
	names := []string{r.sums(), r.signature(), r.manifest()}
	for _, p := range programs {
		for _, platform := range r.built(p.platforms) {
			names = append(names, r.archive(p, platform), r.materials(p, platform))
		}
	}
	for _, arch := range r.processors() {
		names = append(names, r.pack(arch, "deb"), r.pack(arch, "rpm"), bundle(arch))
	}
	slices.Sort(names)
	return names
}

func (r *release) path(name string) string { return filepath.Join(r.dir, name) }

func (r *release) read(name string) ([]byte, error) { return os.ReadFile(r.path(name)) }

// check is everything but terraform. It goes on after a mistake, so that one run shows all.
func (r *release) check(ctx context.Context) error {
	if err := r.findVersion(); err != nil {
		return err
	}
	r.uploads = map[string][sha256.Size]byte{}
	errs := []error{r.checkNames(), r.checkSums(), r.checkSignature(), r.checkManifest()}
	for _, p := range programs {
		for _, platform := range r.built(p.platforms) {
			errs = append(errs, named(r.archive(p, platform), r.checkProgram(ctx, p, platform)))
		}
	}
	for _, arch := range r.processors() {
		errs = append(errs,
			named(r.pack(arch, "deb"), r.checkDeb(arch)),
			named(r.pack(arch, "rpm"), r.checkRPM(arch)),
			named(bundle(arch), r.checkBundle(ctx, arch)))
	}
	return errors.Join(errs...)
}

// named says of which file the error is, or each of the errors that are joined in it.
func named(name string, err error) error {
	var joined interface{ Unwrap() []error }
	switch {
	case err == nil:
		return nil
	case errors.As(err, &joined):
		var errs []error
		for _, each := range joined.Unwrap() {
			errs = append(errs, named(name, each))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// semantic is what a tag has to be, without the v, and less: a build's metadata, after a plus sign, is in no file's name.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// findVersion takes the version from the name of the file with the sums.
func (r *release) findVersion() error {
	found, err := filepath.Glob(r.path(provider + "_*_SHA256SUMS"))
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d files %s_VERSION_SHA256SUMS in %s, want 1", len(found), provider, r.dir)
	}
	r.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), provider+"_"), "_SHA256SUMS")
	if !semantic.MatchString(r.version) {
		return fmt.Errorf("%q is no semantic version", r.version)
	}
	return nil
}

// checkNames wants every file of a release, and no other.
func (r *release) checkNames() error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	var errs []error
	want := r.files()
	for _, entry := range entries {
		at, known := slices.BinarySearch(want, entry.Name())
		if !known {
			errs = append(errs, fmt.Errorf("%s does not belong to a release", entry.Name()))
			continue
		}
		want = slices.Delete(want, at, at+1)
	}
	for _, name := range want {
		errs = append(errs, fmt.Errorf("%s is missing", name))
	}
	return errors.Join(errs...)
}

// checkManifest wants what the registry reads, and the protocol that the provider speaks.
func (r *release) checkManifest() error {
	protocols, err := r.protocols()
	if err == nil && !slices.Equal(protocols, []string{"6.0"}) {
		err = fmt.Errorf("protocol versions %v, want 6.0", protocols)
	}
	return named(r.manifest(), err)
}

// protocols are those that the manifest names.
// https://developer.hashicorp.com/terraform/registry/providers/publishing#terraform-registry-manifest-file
func (r *release) protocols() ([]string, error) {
	content, err := r.read(r.manifest())
	if err != nil {
		return nil, err
	}
	var manifest struct {
		Version  int `json:"version"`
		Metadata struct {
			ProtocolVersions []string `json:"protocol_versions"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, err
	}
	if manifest.Version != 1 {
		return nil, fmt.Errorf("manifest of version %d, want 1", manifest.Version)
	}
	return manifest.Metadata.ProtocolVersions, nil
}
