package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/doctor"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what keeps this server from uploading, and how to mend it",
		Long: "Walk from the configuration over files, network, clock, token, claims and credentials to S3, and one step beyond the\n" +
			"server's prefix, which must be refused. Each line says how a step went; a line \"mend: …\" says what to do. Nothing secret\n" +
			"is shown. The object .oidcs3-doctor is put below the prefix, and stays where the server may not delete.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *app) doctor(ctx context.Context) error {
	var broken error // standard output
	d := doctor.Doctor{Configure: a.examined, Connect: a.clouds, Now: a.Now, Retry: retry.Default(),
		Report: func(f doctor.Finding) { broken = errors.Join(broken, a.result(f, finding(f))) }}
	v, err := d.Run(ctx)
	switch {
	case err != nil:
		return err
	case broken != nil:
		return broken
	case v.Failed > 0:
		return &unhealthy{v}
	}
	return nil
}

// unhealthy ends a doctor's run that found failures. Each of them has been told.
type unhealthy struct{ verdict doctor.Verdict }

func (e *unhealthy) Error() string {
	if e.verdict.Failed == 1 {
		return "1 check failed"
	}
	return fmt.Sprintf("%d checks failed", e.verdict.Failed)
}

// Explain implements explain.Self: the first failure decides, for the others may follow from it.
func (e *unhealthy) Explain() explain.Explanation {
	return explain.Explanation{Code: e.verdict.Code, Message: e.Error()}
}

// finding is a finding as people read it.
func finding(f doctor.Finding) string {
	text := fmt.Sprintf("%-7s  %-14s  %s", f.Status, f.Step, f.Message)
	if f.Hint != "" {
		text += fmt.Sprintf("\n%-7s  %-14s  mend: %s", "", "", f.Hint)
	}
	return text
}

// examined is the configuration, and the files that it and the secret come from.
func (a *app) examined() (config.Config, []doctor.File, error) {
	var files []doctor.File
	name, optional := a.source().FileName()
	if _, err := os.Stat(name); !optional || !errors.Is(err, fs.ErrNotExist) {
		files = append(files, doctor.File{Path: name, What: "configuration"})
	}
	cfg, err := a.configuration(config.NeedBucket)
	at, missing := a.secrets(nil).Locate(cfg.IdentityProvider)
	if missing == nil && at.File != "" {
		what := "client secret"
		if at.Key {
			what = "private key"
		}
		files = append(files, doctor.File{Path: at.File, What: what, Secret: true})
	}
	return cfg, files, err
}

// clouds makes the clients that the other commands would have.
func (a *app) clouds(cfg config.Config) (doctor.Clouds, error) {
	tokens, client, sdk, err := a.tokensWith(cfg, a.secrets(nil))
	if err != nil {
		return doctor.Clouds{}, err
	}
	at, err := a.secrets(nil).Locate(cfg.IdentityProvider)
	if err != nil {
		return doctor.Clouds{}, err
	}
	cached := a.shared(a.exchange(cfg, tokens, client, sdk))
	storage := a.s3(sdk, cached)
	c := doctor.Clouds{
		Authentication: described(at), Tokens: tokens, Credentials: cached, Algorithm: transfer.CRC64NVME,
		IDP:   doctor.Host{Name: "the identity provider", URL: tokens.Endpoint(), Client: client, CA: a.Getenv("SSL_CERT_FILE"), Code: explain.Other},
		Store: transfer.NewS3(storage, cfg.S3Bucket),
	}
	if sdk.RequestChecksumCalculation == aws.RequestChecksumCalculationWhenRequired {
		c.Algorithm = transfer.None
	}
	if c.Issuer, err = a.issuerHost(cfg, client, sdk); err != nil {
		return doctor.Clouds{}, err
	}
	c.S3, err = a.storageHost(cfg, storage, sdk)
	return c, err
}

func described(at config.Location) string {
	switch {
	case at.Key:
		return "private key in " + at.File + " (private_key_jwt)"
	case at.File != "":
		return "client secret in " + at.File
	}
	return "client secret in the environment variable " + at.Variable
}

// endpointTime bounds the making of an endpoint's name, which asks nobody.
const endpointTime = 5 * time.Second

// issuerHost is STS or the vending API.
func (a *app) issuerHost(cfg config.Config, client *http.Client, sdk aws.Config) (doctor.Host, error) {
	if cfg.CredentialVendingURL != "" {
		return doctor.Host{Name: "the credential vending API", URL: cfg.CredentialVendingURL, Client: client, CA: a.Getenv("SSL_CERT_FILE"), Code: explain.Other}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), endpointTime)
	defer cancel()
	o := sts.NewFromConfig(sdk).Options()
	at, err := o.EndpointResolverV2.ResolveEndpoint(ctx, sts.EndpointParameters{Region: &cfg.AWSRegion, Endpoint: o.BaseEndpoint,
		UseFIPS: aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled), UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled)})
	if err != nil {
		return doctor.Host{}, &config.Error{Where: "aws_region", Err: fmt.Errorf("find the endpoint of STS: %w", err)}
	}
	return doctor.Host{Name: credentials.ServiceSTS, URL: at.URI.String(), Client: a.plain(sdk), CA: a.bundle(), Code: explain.Other}, nil
}

// storageHost is the bucket's.
func (a *app) storageHost(cfg config.Config, client *s3.Client, sdk aws.Config) (doctor.Host, error) {
	ctx, cancel := context.WithTimeout(context.Background(), endpointTime)
	defer cancel()
	o := client.Options()
	at, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{Region: &cfg.AWSRegion, Bucket: &cfg.S3Bucket, Endpoint: o.BaseEndpoint,
		ForcePathStyle: &o.UsePathStyle, UseFIPS: aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled)})
	if err != nil {
		return doctor.Host{}, &config.Error{Where: "s3_bucket", Err: fmt.Errorf("find the endpoint of S3: %w", err)}
	}
	return doctor.Host{Name: "S3", URL: at.URI.String(), Client: a.plain(sdk), CA: a.bundle(), Code: explain.S3}, nil
}

// plain is the HTTP client inside the SDK's configuration.
func (a *app) plain(sdk aws.Config) *http.Client {
	if c, ok := sdk.HTTPClient.(*http.Client); ok {
		return c
	}
	return http.DefaultClient
}

// bundle is the file with the CAs that AWS's endpoints are checked with; empty for the system's own.
func (a *app) bundle() string {
	if b := a.Getenv("AWS_CA_BUNDLE"); b != "" {
		return b
	}
	return a.Getenv("SSL_CERT_FILE")
}
