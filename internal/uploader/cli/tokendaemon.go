package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/daemon"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

func (a *app) tokenDaemonCommand() *cobra.Command {
	var keep keepFlags
	cmd := &cobra.Command{
		Use:   "token-daemon",
		Short: "Keep the access token in AWS_WEB_IDENTITY_TOKEN_FILE fresh",
		Long: "Write the identity provider's access token into a file, and renew it ahead of its end. An AWS SDK that finds the file\n" +
			"in AWS_WEB_IDENTITY_TOKEN_FILE and the role in AWS_ROLE_ARN assumes the role by itself, and reads the file again each\n" +
			"time. SIGHUP reads configuration and secret again. This does not serve servers behind credential vending.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep.file == "" {
				keep.file = a.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
			}
			return a.tokenDaemon(cmd.Context(), keep)
		},
	}
	keep.add(cmd, "token file (default $AWS_WEB_IDENTITY_TOKEN_FILE)")
	return cmd
}

func (a *app) tokenDaemon(ctx context.Context, keep keepFlags) error {
	file, err := keep.target()
	if err != nil {
		return err
	}
	return a.keep(ctx, keep, "token", func() (daemon.Renew, error) {
		cfg, err := a.configuration(config.NeedCredentials)
		if err != nil {
			return nil, err
		}
		source, _, _, err := a.tokens(cfg)
		if err != nil {
			return nil, err
		}
		var last token.Token
		return func(ctx context.Context) (time.Time, error) {
			t, err := source.Replace(ctx, last)
			if err != nil {
				return time.Time{}, err
			}
			last = t
			return t.Expires, file.Write([]byte(t.Value.Reveal()))
		}, nil
	})
}
