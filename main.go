// Command terraform-provider-oidcs3 serves the Terraform provider oidcs3.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
)

// version is set by the linker.
var version = "dev"

func main() {
	for name, value := range silence(os.Environ()) {
		if err := os.Setenv(name, value); err != nil {
			log.Fatal(err)
		}
	}
	var attachable bool
	flag.BoolVar(&attachable, "debug", false, "keep running for a debugger and print how Terraform attaches to this process")
	showVersion := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *showVersion {
		_, _ = fmt.Fprintln(os.Stdout, buildinfo.Line("terraform-provider-oidcs3", version))
		return
	}
	var options []tf6server.ServeOpt
	if attachable {
		options = append(options, tf6server.WithManagedDebug())
	}
	if err := tf6server.Serve("registry.terraform.io/oidcs3/oidcs3", provider.Server(version), options...); err != nil {
		log.Fatal(err)
	}
}

// silence is what turns the provider's logs off where Terraform would throw them away, which is where no TF_LOG variable
// is set. The plugin libraries log every step of every call, whoever reads it: a quarter of the CPU time of a plan, in the
// provider that writes them and in Terraform that takes them in.
// https://developer.hashicorp.com/terraform/plugin/log/managing
func silence(environ []string) map[string]string {
	for _, variable := range environ {
		if strings.HasPrefix(variable, "TF_LOG") {
			return nil
		}
	}
	return map[string]string{"TF_LOG_SDK": "OFF", "TF_LOG_PROVIDER": "OFF"}
}
