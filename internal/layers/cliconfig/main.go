// Command cliconfig writes the CLI configuration that makes terraform use the provider in a directory, and prints the
// export that makes terraform read it. `make install` is its caller.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/layers"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the built provider; the configuration goes there too")
	flag.Parse()
	rc, err := layers.CLIConfig(*bin, filepath.Join(*bin, "terraform-provider-oidcs3"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintf(os.Stdout, "export TF_CLI_CONFIG_FILE=%q\n", rc)
}
