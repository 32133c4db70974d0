// Command oidcs3-sandbox runs Auth0, Entra ID, Cognito, IAM, STS, DynamoDB and S3 in one process on loopback, over TLS, for the demo, for tests, and
// for whoever wants to try oidcs3 without an account.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox"
)

// version is set by the linker.
var version = "dev"

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("oidcs3-sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "directory for env, endpoints.json and ca.pem (made where it is missing)")
	listen := flags.String("listen", "127.0.0.1", "address to listen on")
	host := flags.String("host", "", "name by which clients reach it (default: the address)")
	names := flags.String("tls-san", "", "further names and addresses for the certificate, with commas between them")
	vending := flags.String("vending-binary", "", "oidcs3-vending to run as the credential vending service (default: the one beside this program)")
	showVersion := flags.Bool("version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if *showVersion {
		_, _ = fmt.Fprintln(stdout, buildinfo.Line("oidcs3-sandbox", version))
		return 0
	}
	if *dir == "" || flags.NArg() > 0 {
		_, _ = fmt.Fprintln(stderr, "error: usage: oidcs3-sandbox --dir DIR [--listen ADDRESS] [--host NAME] [--tls-san HOST,…]")
		return exitUsage
	}
	options := sandbox.Options{Dir: *dir, Listen: *listen, Host: *host, Log: stderr, VendingBinary: *vending}
	if options.VendingBinary == "" {
		options.VendingBinary = beside("oidcs3-vending")
	}
	if options.VendingBinary == "" {
		_, _ = fmt.Fprintln(stderr, "warning: there is no oidcs3-vending beside this program: no credential vending")
	}
	if *names != "" {
		options.TLSSANs = strings.Split(*names, ",")
	}
	if err := serve(ctx, options, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "error: %v\n", err)
		return exitFailed
	}
	return 0
}

// beside finds a program in the directory of this one; empty where there is none.
func beside(name string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	path := filepath.Join(filepath.Dir(self), name)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}

// serve runs the sandbox until the context ends.
func serve(ctx context.Context, options sandbox.Options, stdout io.Writer) error {
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return err
	}
	clouds, err := sandbox.Start(ctx, options)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "ready"); err != nil {
		return errors.Join(err, clouds.Close())
	}
	<-ctx.Done()
	return clouds.Close()
}
