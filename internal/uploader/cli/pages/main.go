// Command pages writes the manual pages and shell completions of oidcs3-upload, from the commands themselves.
//
//	go run ./internal/uploader/cli/pages -version v1.2.3 -o dist/share
//
// leaves the tree that packages install below /usr/share. The same commands and version give the same files, byte by
// byte. Nothing here is kept by hand: what is wrong on a page is wrong in the command.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

func main() {
	version := flag.String("version", "dev", "version in the pages' footer")
	out := flag.String("o", "", "`directory` to write to")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(cli.Commands(*version), *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func write(root *cobra.Command, version, dir string) error {
	return errors.Join(completions(root, dir), manual(root, version, filepath.Join(dir, "man", "man1")))
}

// manual writes one page a command, and one for the program.
func manual(cmd *cobra.Command, version, dir string) error {
	cmd.DisableAutoGenTag = true
	// The date would be the day of the build: a page has none.
	header := &doc.GenManHeader{Section: "1", Source: "oidcs3 " + version, Manual: "oidcs3", Date: &time.Time{}}
	var page bytes.Buffer
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return fmt.Errorf("manual page of %s: %w", cmd.CommandPath(), err)
	}
	name := pageName(cmd) + ".1.gz"
	packed, err := pack(undated(page.Bytes()))
	if err != nil {
		return err
	}
	if err := put(filepath.Join(dir, name), packed); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := manual(c, version, dir); err != nil {
			return err
		}
	}
	return nil
}

// pageName is what man(1) is asked for: oidcs3-upload-credential-daemon.
func pageName(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return pageName(cmd.Parent()) + "-" + cmd.Name()
	}
	return cmd.Name()
}

// undated empties the date in the .TH line.
func undated(page []byte) []byte {
	return bytes.Replace(page, []byte(`"Jan 0001"`), []byte(`""`), 1)
}

// pack compresses without a name or time, so that the same page gives the same file.
func pack(page []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(page)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// completions are where bash-completion, zsh and fish look for those of a package.
func completions(root *cobra.Command, dir string) error {
	for _, shell := range []struct {
		file  string
		write func(*bytes.Buffer) error
	}{
		{"bash-completion/completions/" + root.Name(), func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) }},
		{"zsh/vendor-completions/_" + root.Name(), func(b *bytes.Buffer) error { return root.GenZshCompletion(b) }},
		{"fish/vendor_completions.d/" + root.Name() + ".fish", func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) }},
	} {
		var script bytes.Buffer
		if err := shell.write(&script); err != nil {
			return fmt.Errorf("completion %s: %w", shell.file, err)
		}
		if err := put(filepath.Join(dir, filepath.FromSlash(shell.file)), script.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func put(name string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // a build's output
		return err
	}
	return os.WriteFile(name, content, 0o644) //nolint:gosec // a build's output
}
