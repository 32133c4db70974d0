package cli

import (
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer/wire"
)

// session is what the commands that talk to S3 work with.
type session struct {
	config config.Config
	engine *transfer.Engine
	scope  string // of journals: where the bucket is, and its name
}

// storage makes the engine for one bucket.
func (a *app) storage(cfg config.Config, provider aws.CredentialsProvider, sdk aws.Config, o transfer.Options, checksumMode string) (session, error) {
	if checksumMode == "" && sdk.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired {
		checksumMode = whenRequired
	}
	if checksumMode == whenRequired {
		sdk.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.Algorithm = transfer.None
	}
	cached := a.shared(provider)
	if client, ok := sdk.HTTPClient.(*http.Client); ok {
		sdk.HTTPClient = wire.Client(client)
	}
	client := a.s3(sdk, cached)
	s := session{config: cfg, scope: scope(client, cfg)}
	o.Log, o.Warn, o.Now, o.Scope = a.log, a.warn, a.Now, s.scope
	o.Renew = func() {} // the client has dropped what expired, see Memory.Watch: the request is worth another attempt
	o.Retry = retry.Policy{Attempts: transfer.DefaultAttempts, Base: 500 * time.Millisecond, Cap: 20 * time.Second, Sleep: retry.Sleep, Jitter: retry.FullJitter}
	if most := client.Options().Retryer.MaxAttempts(); a.Getenv("AWS_MAX_ATTEMPTS") != "" && most > 0 {
		o.Retry.Attempts = most
	}
	var err error
	if s.engine, err = transfer.New(transfer.NewS3(client, cfg.S3Bucket), o); err != nil {
		return session{}, &usageError{err: err}
	}
	return s, nil
}

// s3 makes the SDK's client.
func (a *app) s3(sdk aws.Config, cached *credentials.Memory) *s3.Client {
	sdk.Credentials = cached
	return s3.NewFromConfig(sdk, func(so *s3.Options) {
		so.APIOptions = append(so.APIOptions, cached.Watch)
		// Servers other than AWS rarely have a name for each bucket.
		so.UsePathStyle = a.Getenv("AWS_ENDPOINT_URL") != "" || a.Getenv("AWS_ENDPOINT_URL_S3") != ""
		so.DisableLogOutputChecksumValidationSkipped = true
	})
}

// scope tells buckets of one name on different servers apart.
func scope(client *s3.Client, cfg config.Config) string {
	if endpoint := aws.ToString(client.Options().BaseEndpoint); endpoint != "" {
		if u, err := url.Parse(endpoint); err == nil {
			return u.Host + "/" + cfg.S3Bucket
		}
	}
	return cfg.S3Bucket
}

// journal is where this user's unfinished uploads are noted.
func (a *app) journal() (*journal.Store, error) {
	dir, err := journal.StateDir(a.Getenv)
	if err != nil {
		return nil, &config.Error{Where: "state", Err: err}
	}
	return &journal.Store{Dir: filepath.Join(dir, "uploads"), Warn: a.warn}, nil
}
