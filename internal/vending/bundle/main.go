// Command bundle builds oidcs3-vending for AWS Lambda and packs it: a zip with one file, bootstrap, for the runtime
// provided.al2023. The same commit and Go version give the same zip, byte by byte, on any machine.
//
//	go run ./internal/vending/bundle -arch arm64 -version v1.2.3 -o dist/oidcs3-vending-lambda-arm64.zip
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const command = "github.com/oidcs3/terraform-provider-oidcs3/cmd/oidcs3-vending"

// moment is every zip's: the earliest that the format knows, so that no clock is in it.
var moment = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	arch := flag.String("arch", "arm64", "processor: arm64 or amd64 (Lambda's x86_64)")
	version := flag.String("version", "dev", "version that --version prints")
	out := flag.String("o", "", "zip `file` to write")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 || *arch != "arm64" && *arch != "amd64" {
		flag.Usage()
		os.Exit(2)
	}
	if err := bundle(context.Background(), *arch, *version, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// bundle writes the zip, and its digest to stdout.
func bundle(ctx context.Context, arch, version, out string, stdout io.Writer) error {
	binary, err := build(ctx, arch, version)
	if err != nil {
		return err
	}
	packed, err := pack(binary)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil { //nolint:gosec // a build's output
		return err
	}
	if err := os.WriteFile(out, packed, 0o644); err != nil { //nolint:gosec // a build's output
		return err
	}
	_, err = fmt.Fprintf(stdout, "%x  %s\n", sha256.Sum256(packed), out)
	return err
}

func build(ctx context.Context, arch, version string) (binary []byte, err error) {
	dir, err := os.MkdirTemp("", "oidcs3-vending-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "bootstrap")
	// -trimpath and an empty build id take the machine out of the binary; lambda.norpc leaves out the old runtime go1.x.
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-tags", "lambda.norpc", //nolint:gosec // flags of our own
		"-ldflags", "-s -w -buildid= -X main.version="+version, "-o", file, command)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0", "GOARM64=v8.0", "GOAMD64=v1", "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build for %s: %w", arch, err)
	}
	return os.ReadFile(file) //nolint:gosec // just built
}

func pack(binary []byte) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(to io.Writer) (io.WriteCloser, error) { return flate.NewWriter(to, flate.BestCompression) })
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: moment}
	header.SetMode(0o755) // Lambda has to run it
	file, err := w.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	if _, err := file.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
