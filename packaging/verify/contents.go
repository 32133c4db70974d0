package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// inPackage is what the host's packages have to hold, among other things.
var inPackage = []string{"usr/bin/oidcs3-upload", "usr/lib/systemd/system/oidcs3-serve.service", "usr/lib/sysusers.d/oidcs3-upload.conf",
	"usr/share/man/man1/oidcs3-upload.1.gz", "usr/share/bash-completion/completions/oidcs3-upload", "etc/oidcs3/environment"}

// checkProgram wants an archive of a program with what belongs to it, and its bill of materials.
func (r *release) checkProgram(ctx context.Context, p program, platform string) error {
	name := r.archive(p, platform)
	content, err := r.read(name)
	if err != nil {
		return err
	}
	found, err := open(name, content)
	if err != nil {
		return err
	}
	executable := p.name
	if p.name == provider {
		executable += "_v" + r.version // https://developer.hashicorp.com/terraform/registry/providers/publishing#manually-preparing-a-release
	}
	if strings.HasPrefix(platform, "windows_") {
		executable += ".exe"
	}
	binary, err := found.program(executable)
	if err != nil {
		return err
	}
	if p.name == upload {
		r.uploads[platform] = sha256.Sum256(binary)
	}
	errs := []error{found.holds(append([]string{executable}, p.required...), p.optional)}
	info, err := r.checkBinary(ctx, p, platform, binary)
	errs = append(errs, err)
	if info != nil {
		errs = append(errs, named(r.materials(p, platform), r.checkMaterials(p, platform, info)))
	}
	return errors.Join(errs...)
}

// checkDeb wants the host binary's Debian package, with the binary of the archive.
func (r *release) checkDeb(arch string) error {
	content, err := r.read(r.pack(arch, "deb"))
	if err != nil {
		return err
	}
	control, files, err := undeb(content)
	if err != nil {
		return err
	}
	fields := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(control)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ": "); ok && !strings.HasPrefix(key, " ") {
			fields[key] = value
		}
	}
	var errs []error
	for field, want := range map[string]string{"Package": upload, "Architecture": arch, "Version": packageVersion(r.version)} {
		if fields[field] != want {
			errs = append(errs, fmt.Errorf("%s is %q, want %q", field, fields[field], want))
		}
	}
	return errors.Join(append(errs, r.checkPackage(arch, files))...)
}

// checkRPM wants the host binary's RPM package, with the binary of the archive.
func (r *release) checkRPM(arch string) error {
	content, err := r.read(r.pack(arch, "rpm"))
	if err != nil {
		return err
	}
	about, files, err := unrpm(content)
	if err != nil {
		return err
	}
	processor := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch] // as RPM calls them
	got := about.Name + "-" + about.Version + "-" + about.Release + "." + about.Arch
	if want := upload + "-" + packageVersion(r.version) + "-1." + processor; got != want {
		err = fmt.Errorf("it is %s, want %s", got, want)
	}
	return errors.Join(err, r.checkPackage(arch, files))
}

// packageVersion is the version as packages have it: there, a tilde sorts before the end, and so before the release, as
// semantic versions want of what follows their hyphen. https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
func packageVersion(version string) string { return strings.Replace(version, "-", "~", 1) }

func (r *release) checkPackage(arch string, files entries) error {
	binary, err := files.program("usr/bin/" + upload)
	if err != nil {
		return err
	}
	if want, known := r.uploads["linux_"+arch]; known && sha256.Sum256(binary) != want {
		err = fmt.Errorf("%s is not the one of the archive for linux_%s", upload, arch)
	}
	return errors.Join(err, files.holds(inPackage, []string{"usr/share/", "usr/lib/systemd/system/"}))
}

// checkBundle wants a zip that AWS Lambda runs: https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html
func (r *release) checkBundle(ctx context.Context, arch string) error {
	content, err := r.read(bundle(arch))
	if err != nil {
		return err
	}
	found, err := unzip(content)
	if err != nil {
		return err
	}
	binary, err := found.program("bootstrap")
	if err != nil {
		return err
	}
	info, err := r.checkBinary(ctx, program{name: vending, pkg: "/cmd/oidcs3-vending"}, "linux_"+arch, binary)
	if info != nil && !slices.Contains(info.Settings, debug.BuildSetting{Key: "-tags", Value: "lambda.norpc"}) {
		err = errors.Join(err, errors.New("not built for AWS Lambda alone"))
	}
	return errors.Join(err, found.holds([]string{"bootstrap"}, nil))
}
