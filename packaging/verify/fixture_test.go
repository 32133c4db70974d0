package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	fixtureVersion  = "1.2.3-rc.1"
	fixturePlatform = "linux_amd64"
)

// fixture is a release of programs that say their version and no more, and of a provider without resources. They are built
// with the product's module path and dependencies, from a commit of their own.
type fixture struct {
	t        *testing.T
	dir      string
	signer   *openpgp.Entity
	key      string // the signer's public half, armoured
	commit   string
	platform string
	source   string // a checkout
	stage    string // what packages are made of
}

// What the programs are built from.
const (
	programSource = `package main

import (
	"fmt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
)

var version = "dev"

func main() { fmt.Println(buildinfo.Line(%q, version)) }
`
	providerSource = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
)

var version = "dev"

type empty struct{}

func (empty) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) { resp.TypeName = "oidcs3" }
func (empty) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse)                {}
func (empty) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse)       {}
func (empty) DataSources(context.Context) []func() datasource.DataSource                              { return nil }
func (empty) Resources(context.Context) []func() resource.Resource                                    { return nil }

func main() {
	if len(os.Args) > 1 {
		fmt.Println(buildinfo.Line("terraform-provider-oidcs3", version))
		return
	}
	if err := providerserver.Serve(context.Background(), func() provider.Provider { return empty{} },
		providerserver.ServeOpts{Address: "registry.terraform.io/oidcs3/oidcs3"}); err != nil {
		panic(err)
	}
}
`
)

func newFixture(t *testing.T) *fixture {
	t.Helper()
	for _, program := range []string{"git", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	f := &fixture{t: t, dir: t.TempDir(), platform: fixturePlatform}
	var err error
	// The registry takes RSA and DSA keys.
	f.signer, err = openpgp.NewEntity("fixture", "", "fixture@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
	if err != nil {
		t.Fatal(err)
	}
	f.key = armoured(t, f.signer)
	f.source, f.stage = t.TempDir(), t.TempDir()
	copied := map[string]string{"go.mod": "go.mod", "go.sum": "go.sum", "internal/buildinfo/buildinfo.go": "internal/buildinfo/buildinfo.go"}
	for to, from := range copied {
		text, err := os.ReadFile(filepath.Join("../..", from))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(f.source, to), text)
	}
	put(t, filepath.Join(f.source, "main.go"), []byte(providerSource))
	for _, p := range programs[1:] {
		put(t, filepath.Join(f.source, p.pkg, "main.go"), fmt.Appendf(nil, programSource, p.name))
	}
	f.command(f.source, "git", "init", "--quiet")
	f.command(f.source, "git", "add", ".")
	f.command(f.source, "git", "-c", "user.name=fixture", "-c", "user.email=fixture@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message=fixture")
	f.commit = strings.TrimSpace(f.command(f.source, "git", "rev-parse", "HEAD"))

	r := f.release()
	for _, p := range programs {
		binary := f.build(p, fixtureVersion)
		f.pack(r.archive(p, fixturePlatform), f.archived(p, binary))
		f.putJSON(r.materials(p, fixturePlatform), f.bill(binary))
	}
	for _, name := range []string{"man/man1/oidcs3-upload.1.gz", "bash-completion/completions/oidcs3-upload", "fish/vendor_completions.d/oidcs3-upload.fish",
		"zsh/vendor-completions/_oidcs3-upload"} {
		put(t, filepath.Join(f.stage, "share", name), []byte(name))
	}
	f.packages(fixtureVersion)
	f.pack(bundle("amd64"), map[string][]byte{"bootstrap": f.build(programs[3], fixtureVersion, "-tags", "lambda.norpc")})
	f.put(r.manifest(), []byte(`{"version": 1, "metadata": {"protocol_versions": ["6.0"]}}`))
	f.seal()
	return f
}

// release is the fixture as it is to be checked.
func (f *fixture) release() *release {
	return &release{dir: f.dir, key: f.key, commit: f.commit, platforms: []string{f.platform}, version: fixtureVersion}
}

// clone shares the files, until they are put anew.
func (f *fixture) clone(t *testing.T) *fixture {
	t.Helper()
	c := *f
	c.t, c.dir = t, t.TempDir()
	for _, name := range f.release().files() {
		if err := os.Link(filepath.Join(f.dir, name), filepath.Join(c.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return &c
}

func (f *fixture) command(dir, name string, args ...string) string {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// build leaves the program among what packages are made of, too.
func (f *fixture) build(p program, version string, flags ...string) []byte {
	f.t.Helper()
	file := filepath.Join(f.stage, "bin", p.name)
	args := append([]string{"build", "-buildvcs=true", "-trimpath", "-ldflags", "-s -w -X main.version=v" + version, "-o", file}, flags...)
	f.command(f.source, "go", append(args, "."+p.pkg)...)
	return f.readFile(file)
}

func (f *fixture) readFile(path string) []byte {
	f.t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // the test's own
	if err != nil {
		f.t.Fatal(err)
	}
	return content
}

// archived is what lies in the program's archive.
func (f *fixture) archived(p program, binary []byte) map[string][]byte {
	name := p.name
	if name == provider {
		name += "_v" + fixtureVersion
	}
	files := map[string][]byte{name: binary}
	for _, required := range p.required {
		files[required] = []byte(required)
	}
	return files
}

// packages are made as those of the product.
func (f *fixture) packages(version string) {
	f.t.Helper()
	for _, packager := range []string{"deb", "rpm"} {
		target := filepath.Join(f.dir, f.release().pack("amd64", packager))
		_ = os.Remove(target)                                                                                                                       // or there was none
		cmd := exec.CommandContext(f.t.Context(), "go", "tool", "-modfile=tools/nfpm/go.mod", "nfpm", "package", "--config", "packaging/nfpm.yaml", //nolint:gosec // our own
			"--packager", packager, "--target", target)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "STAGE="+f.stage, "ARCH=amd64", "VERSION="+version)
		if out, err := cmd.CombinedOutput(); err != nil {
			f.t.Fatalf("nfpm: %v\n%s", err, out)
		}
	}
}

// put writes a file of the release anew, so that no other clone sees it.
func (f *fixture) put(name string, content []byte) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	_ = os.Remove(path) // or there was none
	put(f.t, path, content)
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pack writes an archive, in which what is a program may be run.
func (f *fixture) pack(name string, files map[string][]byte) {
	f.t.Helper()
	var out bytes.Buffer
	var add func(name string, mode os.FileMode, content []byte) (io.Writer, error)
	var finish []io.Closer
	if strings.HasSuffix(name, ".zip") {
		w := zip.NewWriter(&out)
		finish = []io.Closer{w}
		add = func(name string, mode os.FileMode, _ []byte) (io.Writer, error) {
			header := &zip.FileHeader{Name: name, Method: zip.Store}
			header.SetMode(mode)
			return w.CreateHeader(header)
		}
	} else {
		packed, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		w := tar.NewWriter(packed)
		finish = []io.Closer{w, packed}
		add = func(name string, mode os.FileMode, content []byte) (io.Writer, error) {
			return w, w.WriteHeader(&tar.Header{Name: name, Mode: int64(mode), Size: int64(len(content))})
		}
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(files[file], []byte("\x7fELF")) {
			mode = 0o755
		}
		w, err := add(file, mode, files[file])
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := w.Write(files[file]); err != nil {
			f.t.Fatal(err)
		}
	}
	for _, w := range finish {
		if err := w.Close(); err != nil {
			f.t.Fatal(err)
		}
	}
	f.put(name, out.Bytes())
}

// bill is the bill of materials of the binary, in the shape in which cyclonedx-gomod writes it.
func (f *fixture) bill(binary []byte) materials {
	f.t.Helper()
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		f.t.Fatal(err)
	}
	parts := []component{{Name: "std", Version: info.GoVersion, URL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go") + "?type=module"}}
	for _, dependency := range info.Deps {
		parts = append(parts, component{dependency.Path, dependency.Version, "pkg:golang/" + dependency.Path + "@" + dependency.Version + "?type=module"})
	}
	bill := materials{BOMFormat: "CycloneDX", SpecVersion: "1.6", Components: parts}
	bill.Metadata.Component = component{Name: module, Version: "v" + fixtureVersion}
	return bill
}

func (f *fixture) putJSON(name string, content any) {
	f.t.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(name, text)
}

// seal writes the sums of what is there, and signs them.
func (f *fixture) seal() {
	f.t.Helper()
	r := f.release()
	var sums bytes.Buffer
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != r.sums() && name != r.signature() {
			_, _ = fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(f.readFile(filepath.Join(f.dir, name))), name)
		}
	}
	f.put(r.sums(), sums.Bytes())
	f.sign()
}

func (f *fixture) sign() {
	f.t.Helper()
	r := f.release()
	var signature bytes.Buffer
	if err := openpgp.DetachSign(&signature, f.signer, bytes.NewReader(f.readFile(r.path(r.sums()))), nil); err != nil {
		f.t.Fatal(err)
	}
	f.put(r.signature(), signature.Bytes())
}

func armoured(t *testing.T, signer *openpgp.Entity) string {
	t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
