// Command oidcs3-upload moves files to and from one server's prefix of an S3 bucket, as that server.
package main

import (
	"os"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Main(cli.Process{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now, Version: version,
	}, os.Args[1:]))
}
