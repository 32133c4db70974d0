package cli

import (
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/awsconfig"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// askTime bounds one request to an identity provider or the vending API.
const askTime = 20 * time.Second

// configuration is the validated one for a command.
func (a *app) configuration(need config.Need) (config.Config, error) {
	cfg, err := config.Load(a.source())
	if err != nil {
		return config.Config{}, err
	}
	return cfg, cfg.Validate(need)
}

// source is where the configuration is read from.
func (a *app) source() config.Source {
	return config.Source{File: a.options.config, Getenv: a.Getenv, Flag: func(name string) (string, bool) {
		f := a.flags.Lookup(name)
		if f == nil || !f.Changed {
			return "", false
		}
		return f.Value.String(), true
	}}
}

// secrets is where the secret or key is looked for. warn is told of files that others may read.
func (a *app) secrets(warn func(string)) config.SecretSource {
	return config.SecretSource{ClientSecretFile: a.options.clientSecretFile, PrivateKeyFile: a.options.privateKeyFile, Getenv: a.Getenv, Warn: warn}
}

// provider is where credentials come from, uncached, and the SDK's configuration without them.
func (a *app) provider(cfg config.Config) (aws.CredentialsProvider, aws.Config, error) {
	tokens, client, sdk, err := a.tokens(cfg)
	if err != nil {
		return nil, aws.Config{}, err
	}
	return a.exchange(cfg, tokens, client, sdk), sdk, nil
}

// tokens is where access tokens come from, and what else asks somebody for credentials.
func (a *app) tokens(cfg config.Config) (*token.Source, *http.Client, aws.Config, error) {
	return a.tokensWith(cfg, a.secrets(a.warn))
}

func (a *app) tokensWith(cfg config.Config, secrets config.SecretSource) (*token.Source, *http.Client, aws.Config, error) {
	auth, err := config.Authenticate(cfg.IdentityProvider, secrets)
	if err != nil {
		return nil, nil, aws.Config{}, err
	}
	sdk, err := awsconfig.New(cfg.AWSRegion)
	if err != nil {
		return nil, nil, aws.Config{}, err
	}
	client, err := awsconfig.HTTPClient("")
	if err != nil {
		return nil, nil, aws.Config{}, err
	}
	client.Timeout = askTime
	again := secrets
	again.Warn = func(string) {} // it has been said
	source, err := token.New(cfg, auth, token.Options{Client: client, Policy: retry.Default(), Now: a.Now, Log: a.log,
		Reload: func() (config.Authentication, error) { return config.Authenticate(cfg.IdentityProvider, again) }})
	return source, client, sdk, err
}

func (a *app) exchange(cfg config.Config, tokens *token.Source, client *http.Client, sdk aws.Config) aws.CredentialsProvider {
	if cfg.CredentialVendingURL != "" {
		return &credentials.Vending{URL: cfg.CredentialVendingURL, Client: client, Tokens: tokens, Policy: retry.Default(), Now: a.Now, Log: a.log}
	}
	return &credentials.STS{Client: sts.NewFromConfig(sdk), Tokens: tokens, Role: cfg.AWSRoleARN, Session: cfg.ServerName,
		Policy: retry.Default(), Log: a.log}
}

// shared has credentials renewed once for all that this process does with them.
func (a *app) shared(provider aws.CredentialsProvider) *credentials.Memory {
	return &credentials.Memory{Source: provider, Now: a.Now, Jitter: retry.FullJitter, Log: a.log}
}

func (a *app) session(o transfer.Options, checksumMode string) (session, error) {
	cfg, err := a.configuration(config.NeedBucket)
	if err != nil {
		return session{}, err
	}
	provider, sdk, err := a.provider(cfg)
	if err != nil {
		return session{}, err
	}
	return a.storage(cfg, provider, sdk, o, checksumMode)
}
