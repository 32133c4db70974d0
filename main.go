// Command terraform-provider-oidcs3 serves the Terraform provider oidcs3.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// version is set by the linker.
var version = "dev"

func main() {
	var debug bool
	flag.BoolVar(&debug, "debug", false, "keep running for a debugger and print how Terraform attaches to this process")
	flag.Parse()
	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/oidcs3/oidcs3",
		Debug:   debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
