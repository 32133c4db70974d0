// Command terraform-provider-oidcs3 serves the Terraform provider oidcs3.
package main

import (
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// version is set by the linker.
var version = "dev"

func main() {
	var attachable bool
	flag.BoolVar(&attachable, "debug", false, "keep running for a debugger and print how Terraform attaches to this process")
	flag.Parse()
	var options []tf6server.ServeOpt
	if attachable {
		options = append(options, tf6server.WithManagedDebug())
	}
	if err := tf6server.Serve("registry.terraform.io/oidcs3/oidcs3", provider.Server(version), options...); err != nil {
		log.Fatal(err)
	}
}
