// Command oidcs3-access reports who may do what where, and what about it needs a person. It changes nothing.
package main

import (
	"os"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Main(cli.Process{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Version: version}, os.Args[1:]))
}
