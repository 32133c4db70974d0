package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/daemon"
)

func (a *app) credentialDaemonCommand() *cobra.Command {
	var keep keepFlags
	var profile string
	cmd := &cobra.Command{
		Use:   "credential-daemon",
		Short: "Keep a profile of an AWS shared credentials file fresh",
		Long: "Write temporary AWS credentials into one profile of an AWS shared credentials file, and renew them ahead of their end.\n" +
			"Other profiles in the file stay as they are. SIGHUP reads configuration and secret again. Programs that read the\n" +
			"file once must be told to read it again: where they can, let them use get-credentials or serve instead.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep.file == "" {
				keep.file = a.sharedCredentialsFile()
			}
			return a.credentialDaemon(cmd.Context(), keep, profile)
		},
	}
	keep.add(cmd, "credentials file (default $AWS_SHARED_CREDENTIALS_FILE, then ~/.aws/credentials)")
	cmd.Flags().StringVar(&profile, "profile", "default", "profile in the file")
	return cmd
}

// sharedCredentialsFile is empty where no directory can be named.
func (a *app) sharedCredentialsFile() string {
	if name := a.Getenv("AWS_SHARED_CREDENTIALS_FILE"); name != "" {
		return name
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".aws", "credentials")
}

func (a *app) credentialDaemon(ctx context.Context, keep keepFlags, profile string) error {
	if err := daemon.CheckProfile(profile); err != nil {
		return &usageError{err: err}
	}
	file, err := keep.target()
	if err != nil {
		return err
	}
	target := daemon.Profile{File: file, Name: profile}
	return a.keep(ctx, keep, "credentials", func() (daemon.Renew, error) {
		cfg, err := a.configuration(config.NeedCredentials)
		if err != nil {
			return nil, err
		}
		provider, _, err := a.provider(cfg)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (time.Time, error) {
			c, err := provider.Retrieve(ctx)
			if err != nil {
				return time.Time{}, err
			}
			return c.Expires, target.Write(c)
		}, nil
	})
}
