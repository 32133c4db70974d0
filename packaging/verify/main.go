// Command verify checks a release before it is published, and as anybody can who downloads it: that every file is there and
// no other, sums and signature, what is in the archives, packages and bills of materials, version and commit of every
// binary, and that terraform installs the provider and starts it.
//
//	go run ./packaging/verify -key key.asc dist/release
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

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	key := flags.String("key", "", "`file` with the public key, armoured, that the sums have to be signed with")
	commit := flags.String("commit", "", "`hash` that every binary has to name (default: all have to name the same)")
	platforms := flags.String("platforms", "", "comma-separated `list` of the only platforms that were built, such as linux_amd64")
	terraform := flags.String("terraform", layers.Program(), "terraform or tofu that installs the provider; none for none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *key == "" || flags.NArg() != 1 {
		flags.Usage()
		return flag.ErrHelp
	}
	armoured, err := os.ReadFile(*key)
	if err != nil {
		return err
	}
	r := &release{dir: flags.Arg(0), key: string(armoured), commit: *commit}
	if *platforms != "" {
		r.platforms = strings.Split(*platforms, ",")
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%d files of version %s, commit %s, built with %s: as they should be\n", len(r.files()), r.version, r.commit, r.toolchain)
	if *terraform == "none" {
		return nil
	}
	if err := r.install(ctx, *terraform); err != nil {
		return fmt.Errorf("install with %s: %w", *terraform, err)
	}
	_, _ = fmt.Fprintf(stdout, "%s installs %s from a registry with these files, and starts it\n", filepath.Base(*terraform), address)
	return nil
}
