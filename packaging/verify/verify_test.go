package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

// TestVerify takes a release that is as it should be, and then one that is not, for each thing that is checked.
func TestVerify(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds programs and packages")
	}
	good := newFixture(t)
	names := good.release()
	zipped := names.archive(programs[0], fixturePlatform)
	hosts := names.archive(programs[1], fixturePlatform)
	hostsBill := names.materials(programs[1], fixturePlatform)

	t.Run("good", func(t *testing.T) {
		t.Parallel()
		keyFile := filepath.Join(t.TempDir(), "key.asc")
		put(t, keyFile, []byte(good.key))
		terraform := layers.Program()
		if _, err := exec.LookPath(terraform); err != nil {
			terraform = "none"
		}
		var out bytes.Buffer
		if err := run(t.Context(), []string{"-key", keyFile, "-platforms", fixturePlatform, "-terraform", terraform, good.dir}, &out); err != nil {
			t.Fatal(err)
		}
		want := []string{"14 files of version " + fixtureVersion + ", commit " + good.commit}
		if terraform != "none" {
			want = append(want, terraform+" installs oidcs3/oidcs3")
		}
		for _, line := range want {
			if !strings.Contains(out.String(), line) {
				t.Errorf("it says %q, without %q", out.String(), line)
			}
		}
	})

	// Other builds are made before the table's tests run side by side: they share the checkout.
	another := good.build(programs[1], "9.9.9")
	put(t, filepath.Join(good.source, "uncommitted.txt"), nil)
	changed := good.build(programs[1], fixtureVersion)
	otherPackages := good.clone(t)
	otherPackages.packages("9.9.9")

	stranger, err := openpgp.NewEntity("stranger", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoRSA, RSABits: 2048})
	if err != nil {
		t.Fatal(err)
	}
	repack := func(name string, change func(files map[string][]byte)) func(*fixture) {
		return func(f *fixture) {
			found, err := open(name, f.readFile(filepath.Join(f.dir, name)))
			if err != nil {
				f.t.Fatal(err)
			}
			files := map[string][]byte{}
			for name, entry := range found {
				files[name] = entry.content
			}
			change(files)
			f.pack(name, files)
			f.seal()
		}
	}
	rebill := func(change func(*materials)) func(*fixture) {
		return func(f *fixture) {
			var bill materials
			if err := json.Unmarshal(f.readFile(filepath.Join(f.dir, hostsBill)), &bill); err != nil {
				f.t.Fatal(err)
			}
			change(&bill)
			f.putJSON(hostsBill, bill)
			f.seal()
		}
	}
	resum := func(change func(sums string) string) func(*fixture) {
		return func(f *fixture) {
			f.put(names.sums(), []byte(change(string(f.readFile(filepath.Join(f.dir, names.sums()))))))
			f.sign()
		}
	}
	lineOf := func(sums, name string) string {
		for line := range strings.Lines(sums) {
			if strings.HasSuffix(line, "  "+name+"\n") {
				return line
			}
		}
		t.Errorf("no line of %s", name)
		return ""
	}

	for name, test := range map[string]struct {
		spoil func(*fixture)
		want  string
	}{
		"an archive is missing": {func(f *fixture) {
			_ = os.Remove(filepath.Join(f.dir, hosts))
			f.seal()
		}, hosts + " is missing"},
		"a bill is missing": {func(f *fixture) {
			_ = os.Remove(filepath.Join(f.dir, hostsBill))
			f.seal()
		}, hostsBill + " is missing"},
		"a file too many": {func(f *fixture) {
			f.put("notes.txt", nil)
			f.seal()
		}, "notes.txt does not belong to a release"},
		"no sums": {func(f *fixture) { _ = os.Remove(filepath.Join(f.dir, names.sums())) }, "0 files terraform-provider-oidcs3_VERSION_SHA256SUMS"},
		"a file changed later": {func(f *fixture) {
			f.put(names.manifest(), []byte(`{"version":1,"metadata":{"protocol_versions":["6.0"]}}`))
		}, names.manifest() + ": the sum is"},
		"no sum of the manifest":     {resum(func(sums string) string { return strings.Replace(sums, lineOf(sums, names.manifest()), "", 1) }), "no sum of " + names.manifest()},
		"a sum of a stranger":        {resum(func(sums string) string { return sums + strings.Repeat("0", 64) + "  stranger.zip\n" }), "sum of stranger.zip, which does not belong"},
		"two sums of one":            {resum(func(sums string) string { return sums + lineOf(sums, hosts) }), "two sums of " + hosts},
		"sums in another form":       {resum(func(sums string) string { return strings.ReplaceAll(sums, "  ", " *") }), "line "},
		"sums changed after signing": {func(f *fixture) { f.put(names.sums(), append(f.readFile(filepath.Join(f.dir, names.sums())), '\n')) }, "SHA256SUMS"},
		"signed by a stranger": {func(f *fixture) {
			f.signer = stranger
			f.sign()
		}, names.signature() + ": "},
		"signature in text": {func(f *fixture) {
			var text bytes.Buffer
			if err := openpgp.ArmoredDetachSign(&text, f.signer, bytes.NewReader(f.readFile(filepath.Join(f.dir, names.sums()))), nil); err != nil {
				f.t.Fatal(err)
			}
			f.put(names.signature(), text.Bytes())
		}, names.signature() + ": "},
		"another protocol": {func(f *fixture) {
			f.put(names.manifest(), []byte(`{"version":1,"metadata":{"protocol_versions":["5.0"]}}`))
			f.seal()
		}, "protocol versions [5.0]"},
		"another manifest": {func(f *fixture) {
			f.put(names.manifest(), []byte(`{"version":2}`))
			f.seal()
		}, "manifest of version 2"},
		"a file beside the provider": {repack(zipped, func(files map[string][]byte) { files["LICENSE"] = nil }), zipped + ": LICENSE does not belong into it"},
		"a provider without its version": {repack(zipped, func(files map[string][]byte) {
			files[provider] = files[provider+"_v"+fixtureVersion]
			delete(files, provider+"_v"+fixtureVersion)
		}), "no terraform-provider-oidcs3_v1.2.3-rc.1 in it"},
		"a program that may not be run": {repack(hosts, func(files map[string][]byte) { files[upload] = []byte("text") }), upload + " has mode 0644"},
		"no manual page":                {repack(hosts, func(files map[string][]byte) { delete(files, "share/man/man1/oidcs3-upload.1.gz") }), "no share/man/man1/oidcs3-upload.1.gz in it"},
		"a path that leads out":         {repack(hosts, func(files map[string][]byte) { files["../evil"] = nil }), `path "../evil"`},
		"another program": {repack(names.archive(programs[2], fixturePlatform), func(files map[string][]byte) { files["oidcs3-access"] = another }),
			`program is "github.com/oidcs3/terraform-provider-oidcs3/cmd/oidcs3-upload"`},
		"another version": {repack(hosts, func(files map[string][]byte) { files[upload] = another }), `--version is "oidcs3-upload v9.9.9`},
		"changed sources": {repack(hosts, func(files map[string][]byte) { files[upload] = changed }), "built with changes that are in no commit"},
		"another commit":  {func(f *fixture) { f.commit = strings.Repeat("0", 40) }, `want "` + strings.Repeat("0", 40) + `"`},
		"another version of what does not run here": {func(f *fixture) {
			repack(hosts, func(files map[string][]byte) { files[upload] = another })(f)
			f.rename("arm64")
		}, "version v1.2.3-rc.1 is not in it"},
		"another platform": {func(f *fixture) { f.rename("arm64") }, `processor is "amd64", want "arm64"`},
		"a bill lacks a module": {rebill(func(b *materials) { b.Components = slices.Delete(b.Components, 0, 1) }),
			"is in the binary and not on the bill"},
		"a bill has a module too many": {rebill(func(b *materials) {
			b.Components = append(b.Components, component{"example.com/stranger", "v1.0.0", "pkg:golang/example.com/stranger@v1.0.0"})
		}), "example.com/stranger@v1.0.0 is not in the binary"},
		"a bill of another version": {rebill(func(b *materials) { b.Metadata.Component.Version = "v9.9.9" }), "v9.9.9, want github.com/oidcs3/terraform-provider-oidcs3 v1.2.3-rc.1"},
		"a bill with a time":        {rebill(func(b *materials) { b.Metadata.Timestamp = "2026-01-01T00:00:00Z" }), "a serial number or a time is in it"},
		"a bill in another format":  {rebill(func(b *materials) { b.BOMFormat = "SPDX" }), "want CycloneDX"},
		"a bill that is none": {func(f *fixture) {
			f.put(hostsBill, []byte("text"))
			f.seal()
		}, hostsBill + ": invalid character"},
		"a deb of another version": {func(f *fixture) { f.take(otherPackages, "deb") }, `Version is "9.9.9", want "1.2.3~rc.1"`},
		"an rpm of another version": {func(f *fixture) { f.take(otherPackages, "rpm") },
			"it is oidcs3-upload-9.9.9-1.x86_64, want oidcs3-upload-1.2.3~rc.1-1.x86_64"},
		"a package with another binary": {func(f *fixture) { f.take(otherPackages, "rpm") }, "oidcs3-upload is not the one of the archive for linux_amd64"},
		"a deb that is an rpm": {func(f *fixture) {
			f.put(names.pack("amd64", "deb"), f.readFile(filepath.Join(f.dir, names.pack("amd64", "rpm"))))
			f.seal()
		}, names.pack("amd64", "deb") + ": "},
		"an rpm that is a deb": {func(f *fixture) {
			f.put(names.pack("amd64", "rpm"), f.readFile(filepath.Join(f.dir, names.pack("amd64", "deb"))))
			f.seal()
		}, names.pack("amd64", "rpm") + ": "},
		"a bundle that is no bootstrap": {repack(bundle("amd64"), func(files map[string][]byte) {
			files[vending] = files["bootstrap"]
			delete(files, "bootstrap")
		}), "no bootstrap in it"},
		"a bundle of the server": {func(f *fixture) {
			name := names.archive(programs[3], fixturePlatform)
			found, err := open(name, f.readFile(filepath.Join(f.dir, name)))
			if err != nil {
				f.t.Fatal(err)
			}
			f.pack(bundle("amd64"), map[string][]byte{"bootstrap": found[vending].content})
			f.seal()
		}, "not built for AWS Lambda alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := good.clone(t)
			test.spoil(f)
			r := f.release()
			r.version = ""
			if err := r.check(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}

	t.Run("terraform refuses a stranger's signature", func(t *testing.T) {
		t.Parallel()
		if _, err := exec.LookPath(layers.Program()); err != nil {
			t.Skip("terraform is not installed")
		}
		r := good.release()
		r.key = armoured(t, stranger)
		if err := r.install(t.Context(), layers.Program()); err == nil || !strings.Contains(err.Error(), "signature") {
			t.Errorf("error %v", err)
		}
	})
}

// take puts the other's package in.
func (f *fixture) take(other *fixture, packager string) {
	f.t.Helper()
	name := f.release().pack("amd64", packager)
	f.put(name, f.readFile(filepath.Join(other.dir, name)))
	f.seal()
}

// rename says of everything that it is for another processor.
func (f *fixture) rename(arch string) {
	f.t.Helper()
	for _, name := range f.release().files() {
		if renamed := strings.ReplaceAll(name, "amd64", arch); renamed != name {
			if err := os.Rename(filepath.Join(f.dir, name), filepath.Join(f.dir, renamed)); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	f.platform = "linux_" + arch
	f.seal()
}

// TestFiles holds the names that the registry and the documentation know.
func TestFiles(t *testing.T) {
	t.Parallel()
	r := &release{version: "1.2.3"}
	files := r.files()
	for _, name := range []string{
		"terraform-provider-oidcs3_1.2.3_SHA256SUMS", "terraform-provider-oidcs3_1.2.3_SHA256SUMS.sig", "terraform-provider-oidcs3_1.2.3_manifest.json",
		"terraform-provider-oidcs3_1.2.3_darwin_arm64.zip", "terraform-provider-oidcs3_1.2.3_darwin_arm64.cdx.json",
		"oidcs3-upload_1.2.3_linux_amd64.tar.gz", "oidcs3-upload_1.2.3_windows_amd64.zip", "oidcs3-upload_1.2.3_amd64.deb", "oidcs3-upload_1.2.3_arm64.rpm",
		"oidcs3-access_1.2.3_darwin_arm64.tar.gz", "oidcs3-vending_1.2.3_linux_arm64.tar.gz", "oidcs3-vending-lambda-arm64.zip",
	} {
		if !slices.Contains(files, name) {
			t.Errorf("no %s among %v", name, files)
		}
	}
	if len(files) != 3+2*(7+7+5+2)+6 {
		t.Errorf("%d files", len(files))
	}
}
