// Package awsconfig makes the SDK's configuration for this process: region, credentials and HTTP client are ours, the
// environment says where services are (AWS_ENDPOINT_URL and the like), and nothing else of the host's AWS set-up counts.
package awsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
)

// New returns the configuration for a region, without credentials. Shared configuration files, profiles, keys in the
// environment and instance metadata are never looked at: LoadDefaultConfig would fail where AWS_PROFILE names a
// profile that this user lacks, so the environment's part of it is taken by itself. Every error is a *config.Error.
func New(region string) (aws.Config, error) {
	env, err := sdkconfig.NewEnvConfig()
	if err != nil {
		return aws.Config{}, &config.Error{Where: "environment", Err: fmt.Errorf("read AWS settings: %w", err)}
	}
	env.Credentials = aws.Credentials{}
	env.SharedConfigProfile, env.SharedConfigFile, env.SharedCredentialsFile = "", "", ""
	env.WebIdentityTokenFilePath, env.RoleARN, env.ContainerCredentialsEndpoint, env.ContainerCredentialsRelativePath = "", "", "", ""
	client, err := HTTPClient(env.CustomCABundle)
	if err != nil {
		return aws.Config{}, err
	}
	cfg := aws.Config{
		Region:                     region,
		HTTPClient:                 client,
		ConfigSources:              []any{env},
		APIOptions:                 awsanswer.Options(),
		RequestChecksumCalculation: env.RequestChecksumCalculation,
		ResponseChecksumValidation: env.ResponseChecksumValidation,
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = attempts(env) })
		},
	}
	if env.BaseEndpoint != "" && !ignored(env) {
		cfg.BaseEndpoint = aws.String(env.BaseEndpoint)
	}
	return cfg, nil
}

func attempts(env sdkconfig.EnvConfig) int {
	if env.RetryMaxAttempts > 0 {
		return env.RetryMaxAttempts
	}
	return 5
}

func ignored(env sdkconfig.EnvConfig) bool {
	return env.IgnoreConfiguredEndpoints != nil && *env.IgnoreConfiguredEndpoints
}

// HTTPClient honours the proxy variables and trusts the system's certificates (SSL_CERT_FILE included), or those of the
// bundle alone where one is named. It follows no redirect: no service here answers with one that should be followed
// with credentials in hand.
func HTTPClient(bundle string) (*http.Client, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute, // S3 takes its time to complete an upload of many parts
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64, // one host takes all parts
		ForceAttemptHTTP2:     true,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
	}
	var err error
	switch more := os.Getenv("SSL_CERT_FILE"); {
	case bundle != "":
		if t.TLSClientConfig.RootCAs, err = withBundle(x509.NewCertPool(), bundle); err != nil {
			return nil, &config.Error{Where: "AWS_CA_BUNDLE", Err: err}
		}
	case more != "" && (runtime.GOOS == "windows" || runtime.GOOS == "darwin"): // crypto/x509 reads it elsewhere alone
		system, err := x509.SystemCertPool()
		if err == nil {
			t.TLSClientConfig.RootCAs, err = withBundle(system, more)
		}
		if err != nil {
			return nil, &config.Error{Where: "SSL_CERT_FILE", Err: err}
		}
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// withBundle adds the certificates of a file to a pool.
func withBundle(pool *x509.CertPool, name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name) // #nosec G304 G703 -- the user names the file
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", name)
	}
	return pool, nil
}
