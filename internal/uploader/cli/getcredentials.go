package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
)

func (a *app) getCredentialsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get-credentials",
		Short: "Print temporary AWS credentials for credential_process",
		Long: "Print temporary AWS credentials in the form that credential_process in an AWS configuration file wants. They come\n" +
			"from a private cache while they are fresh: $OIDCS3_CACHE_DIR, $CACHE_DIRECTORY, or the user's cache directory.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.getCredentials(cmd.Context()) },
	}
}

// processCredentials is the form that SDKs read.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
type processCredentials struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

func (a *app) getCredentials(ctx context.Context) error {
	cfg, err := a.configuration(config.NeedCredentials)
	if err != nil {
		return err
	}
	cache := &credentials.FileCache{Dir: a.cacheDir(), Name: cacheName(cfg, a.Getenv), Now: a.Now, Jitter: retry.FullJitter, Warn: a.warn,
		Source: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			provider, _, err := a.provider(cfg) // the secret is read only where it is needed
			if err != nil {
				return aws.Credentials{}, err
			}
			return provider.Retrieve(ctx)
		})}
	c, err := cache.Retrieve(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(processCredentials{1, c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires.UTC().Format(time.RFC3339)}) // #nosec G117 -- handing credentials over is what the command is for
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.Stdout, string(text)); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// cacheDir is empty where no directory can be named.
func (a *app) cacheDir() string {
	if dir := a.Getenv("OIDCS3_CACHE_DIR"); dir != "" {
		return dir
	}
	if dirs := filepath.SplitList(a.Getenv("CACHE_DIRECTORY")); len(dirs) > 0 { // systemd
		return dirs[0]
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "oidcs3")
}

// cacheName differs with all that decides on whose credentials these are and where they are good.
func cacheName(cfg config.Config, getenv func(string) string) string {
	cfg.S3Bucket, cfg.S3PathPrefix = "", ""
	text, err := json.Marshal([]any{cfg, getenv("AWS_ENDPOINT_URL"), getenv("AWS_ENDPOINT_URL_STS")})
	if err != nil { // strings always marshal
		return "credentials"
	}
	sum := sha256.Sum256(text)
	return "credentials-" + hex.EncodeToString(sum[:12])
}
