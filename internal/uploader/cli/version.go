package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/buildinfo"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version and commit",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.result(map[string]string{"version": a.Version, "commit": buildinfo.Commit(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH},
				buildinfo.Line("oidcs3-upload", a.Version))
		},
	}
}
