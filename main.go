// Command terraform-provider-oidcs3 serves the Terraform provider oidcs3.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"runtime/debug"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// version is set by the linker.
var version = "dev"

// gcPercent trades a little time for memory: a run over thousands of servers shares its machine with Terraform, whose own
// memory grows as fast. GOGC overrides it.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	var attachable bool
	flag.BoolVar(&attachable, "debug", false, "keep running for a debugger and print how Terraform attaches to this process")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/oidcs3/oidcs3",
		Debug:   attachable,
	})
	if err != nil {
		log.Fatal(err)
	}
}
