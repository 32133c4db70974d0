package sandbox

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/entra"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

// The foundation: what a platform team has made before the first server.
const (
	foundationBucket = "oidc-s3-dev-uploads"
	auth0Audience    = "https://s3-uploader.dev.example.com"
	auth0AudienceAZP = "https://s3-uploader-azp.dev.example.com"
	entraAudience    = "api://s3-uploader-dev"
	entraAudienceAZP = "api://s3-uploader-azp-dev"
	// A sandbox that is left running for a day keeps its tokens.
	managementTokenLifetime = 7 * 24 * time.Hour
)

// lay makes the foundation and notes where everything is.
func (s *Sandbox) lay(ctx context.Context) error {
	env := &s.environment
	keyID, secret := "AKIA"+strings.ToUpper(rand.Text()[:16]), rand.Text()+rand.Text()
	administrator := iam.UserSpec{Name: "administrator", Admin: true, AccessKeyID: keyID, SecretAccessKey: secret}
	if _, err := s.iam.CreateUser(ctx, administrator); err != nil {
		return fmt.Errorf("administrator: %w", err)
	}
	ca := filepath.Join(s.options.Dir, "ca.pem")
	env.add("AWS_ENDPOINT_URL", env.awsEndpoint)
	env.add("AWS_ACCESS_KEY_ID", keyID)
	env.add("AWS_SECRET_ACCESS_KEY", secret)
	env.add("AWS_REGION", s.options.Region)
	env.add("AWS_DEFAULT_REGION", s.options.Region)
	// One file of CA certificates, by the name that each client looks for it.
	for _, name := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"} {
		env.add(name, ca)
	}
	if err := s.s3.CreateBucket(ctx, foundationBucket); err != nil {
		return fmt.Errorf("bucket: %w", err)
	}
	env.add("OIDCS3_SANDBOX_BUCKET", foundationBucket)
	env.add("OIDCS3_SANDBOX_ADMIN", env.adminURL)
	if err := s.layAuth0(ctx); err != nil {
		return err
	}
	if err := s.layEntra(ctx); err != nil {
		return err
	}
	return s.layCognito(ctx)
}

func (s *Sandbox) layAuth0(ctx context.Context) error {
	for identifier, dialect := range map[string]string{auth0Audience: "rfc9068_profile", auth0AudienceAZP: "access_token"} {
		if err := s.auth0.AddAPI("uploads ("+dialect+")", identifier, dialect); err != nil {
			return err
		}
	}
	// One provider for the tenant's one issuer. The API whose tokens carry azp is not in its list: there the servers'
	// client ids are the audiences.
	arn, err := s.iam.CreateOIDCProvider(ctx, s.auth0.Issuer(), []string{auth0Audience})
	if err != nil {
		return fmt.Errorf("OIDC provider of Auth0: %w", err)
	}
	token, err := s.auth0.ManagementToken(ctx, auth0.AllScopes(), int64(managementTokenLifetime/time.Second))
	if err != nil {
		return fmt.Errorf("management token of Auth0: %w", err)
	}
	env := &s.environment
	env.add("AUTH0_DOMAIN", s.auth0.Domain())
	env.add("AUTH0_API_TOKEN", token)
	env.add("OIDCS3_SANDBOX_AUTH0_AUDIENCE", auth0Audience)
	env.add("OIDCS3_SANDBOX_AUTH0_AUDIENCE_AZP", auth0AudienceAZP)
	env.add("OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN", arn)
	env.add("OIDCS3_SANDBOX_AUTH0_OIDC_PROVIDER_ARN_AZP", arn)
	return nil
}

// layEntra makes two APIs: one with tokens of version 1, and one with those of version 2, which carry azp. Each version
// has an issuer, and so an OIDC provider, of its own.
func (s *Sandbox) layEntra(ctx context.Context) error {
	env := &s.environment
	management, secret, err := s.entra.AddManagementClient("terraform", "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")
	if err != nil {
		return err
	}
	env.add("ARM_TENANT_ID", s.entra.ID())
	env.add("ARM_CLIENT_ID", management.AppID)
	env.add("ARM_CLIENT_SECRET", secret)
	// Where the tenant is, by the names that tests and demos know and by those that the provider reads.
	for _, prefix := range []string{"OIDCS3_SANDBOX_", "OIDCS3_"} {
		env.add(prefix+"ENTRA_LOGIN_HOST", env.loginHost)
		env.add(prefix+"ENTRA_GRAPH_URL", env.graphURL)
	}
	for _, api := range []struct {
		audience, suffix string
		version          int
	}{{entraAudience, "", 1}, {entraAudienceAZP, "_AZP", 2}} {
		made, err := s.entra.AddApplication(entra.API{DisplayName: "uploads " + api.audience, IdentifierURI: api.audience, TokenVersion: api.version})
		if err != nil {
			return err
		}
		var audiences []string
		if api.version == 1 {
			audiences = []string{api.audience}
		}
		arn, err := s.iam.CreateOIDCProvider(ctx, s.entra.Issuer(api.version), audiences)
		if err != nil {
			return fmt.Errorf("OIDC provider of Entra's tokens of version %d: %w", api.version, err)
		}
		env.add("OIDCS3_SANDBOX_ENTRA_AUDIENCE"+api.suffix, api.audience)
		env.add("OIDCS3_SANDBOX_ENTRA_API_CLIENT_ID"+api.suffix, made.AppID)
		env.add("OIDCS3_SANDBOX_ENTRA_OIDC_PROVIDER_ARN"+api.suffix, arn)
	}
	return nil
}
