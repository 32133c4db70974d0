// Package connect makes adapters of identity providers from the settings by which the official Terraform providers are set
// up, for all programs that take them. It asks no cloud anything.
package connect

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/auth0"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/entra"
)

// Options are what every adapter takes besides its settings.
type Options struct {
	UserAgent  string
	HTTPClient *http.Client // nil: the default transport
	Warn       func(string) // nil: nobody hears of what works, but not as well as it could
	// MaxRequestsPerSecond bounds our own rate. 0: only what the service says counts.
	MaxRequestsPerSecond float64
}

// Auth0 is set up as the auth0 provider is. Either APIToken or ClientID with ClientSecret is needed.
type Auth0 struct {
	Domain       string // AUTH0_DOMAIN
	ClientID     string // AUTH0_CLIENT_ID
	ClientSecret string // AUTH0_CLIENT_SECRET
	APIToken     string // AUTH0_API_TOKEN
	Audience     string // AUTH0_AUDIENCE: of the Management API, where the tenant has a custom domain
}

// Auth0FromEnvironment reads the variables.
func Auth0FromEnvironment(getenv func(string) string) Auth0 {
	return Auth0{
		Domain: getenv("AUTH0_DOMAIN"), ClientID: getenv("AUTH0_CLIENT_ID"), ClientSecret: getenv("AUTH0_CLIENT_SECRET"),
		APIToken: getenv("AUTH0_API_TOKEN"), Audience: getenv("AUTH0_AUDIENCE"),
	}
}

// Open returns the adapter.
func (s Auth0) Open(o Options) (*auth0.Provider, error) {
	if s.Domain == "" {
		return nil, errors.New("the domain of the Auth0 tenant is missing: set AUTH0_DOMAIN")
	}
	if s.APIToken == "" && (s.ClientID == "" || s.ClientSecret == "") {
		return nil, errors.New("credentials for Auth0 are missing: set AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET, or AUTH0_API_TOKEN")
	}
	return auth0.New(auth0.Config{
		Domain: s.Domain, Token: s.APIToken, ClientID: s.ClientID, ClientSecret: s.ClientSecret, Audience: s.Audience,
		UserAgent: o.UserAgent, HTTPClient: o.client(), Warn: o.Warn, MaxRequestsPerSecond: o.MaxRequestsPerSecond,
	})
}

// Entra is set up as the azuread provider is. Without a secret, a certificate, OIDC or a managed identity, the Azure CLI's
// login is used.
type Entra struct {
	TenantID            string // ARM_TENANT_ID
	ClientID            string // ARM_CLIENT_ID
	ClientSecret        string // ARM_CLIENT_SECRET
	ClientCertificate   string // ARM_CLIENT_CERTIFICATE: PKCS #12 in base64
	CertificatePassword string // ARM_CLIENT_CERTIFICATE_PASSWORD
	UseMSI              bool   // ARM_USE_MSI
	UseOIDC             bool   // ARM_USE_OIDC
	OIDCToken           string // ARM_OIDC_TOKEN
	OIDCTokenFilePath   string // ARM_OIDC_TOKEN_FILE_PATH
	Environment         string // ARM_ENVIRONMENT: public (also where empty), usgovernment, dod or china
	GraphURL            string // OIDCS3_ENTRA_GRAPH_URL: instead of the cloud's own
	LoginHost           string // OIDCS3_ENTRA_LOGIN_HOST: instead of the cloud's own
}

// EntraFromEnvironment reads the variables.
func EntraFromEnvironment(getenv func(string) string) Entra {
	on := func(name string) bool {
		value, err := strconv.ParseBool(getenv(name))
		return err == nil && value
	}
	return Entra{
		TenantID: getenv("ARM_TENANT_ID"), ClientID: getenv("ARM_CLIENT_ID"), ClientSecret: getenv("ARM_CLIENT_SECRET"),
		ClientCertificate: getenv("ARM_CLIENT_CERTIFICATE"), CertificatePassword: getenv("ARM_CLIENT_CERTIFICATE_PASSWORD"),
		UseMSI: on("ARM_USE_MSI"), UseOIDC: on("ARM_USE_OIDC"),
		OIDCToken: getenv("ARM_OIDC_TOKEN"), OIDCTokenFilePath: getenv("ARM_OIDC_TOKEN_FILE_PATH"), Environment: getenv("ARM_ENVIRONMENT"),
		GraphURL: getenv("OIDCS3_ENTRA_GRAPH_URL"), LoginHost: getenv("OIDCS3_ENTRA_LOGIN_HOST"),
	}
}

// nationalCloud is where Graph and the login of one of Microsoft's clouds are, by the azuread provider's names of them.
// https://learn.microsoft.com/graph/deployments
func nationalCloud(name string) (graph, login string, err error) {
	switch name {
	case "", "public":
		return "https://graph.microsoft.com", "login.microsoftonline.com", nil
	case "usgovernment":
		return "https://graph.microsoft.us", "login.microsoftonline.us", nil
	case "dod":
		return "https://dod-graph.microsoft.us", "login.microsoftonline.us", nil
	case "china":
		return "https://microsoftgraph.chinacloudapi.cn", "login.chinacloudapi.cn", nil
	}
	return "", "", fmt.Errorf("entra.environment (ARM_ENVIRONMENT) %q is none of public, usgovernment, dod and china", name)
}

// Open returns the adapter.
func (s Entra) Open(o Options) (*entra.Provider, error) {
	if s.TenantID == "" {
		return nil, errors.New("the Entra tenant is missing: set ARM_TENANT_ID")
	}
	graph, login, err := nationalCloud(s.Environment)
	if err != nil {
		return nil, err
	}
	config := entra.Config{
		TenantID: s.TenantID, ClientID: s.ClientID, ClientSecret: s.ClientSecret, ManagedIdentity: s.UseMSI,
		GraphURL: graph, LoginHost: login, UserAgent: o.UserAgent, HTTPClient: o.client(), Warn: o.Warn, MaxRequestsPerSecond: o.MaxRequestsPerSecond,
	}
	if s.GraphURL != "" {
		config.GraphURL = s.GraphURL
	}
	if s.LoginHost != "" {
		config.LoginHost = s.LoginHost
	}
	if s.ClientCertificate != "" {
		certificate, err := base64.StdEncoding.DecodeString(s.ClientCertificate)
		if err != nil {
			return nil, errors.New("entra.client_certificate (ARM_CLIENT_CERTIFICATE) is not base64")
		}
		config.ClientCertificate, config.CertificatePassword = certificate, s.CertificatePassword
	}
	if s.UseOIDC {
		config.OIDCToken = s.token
	}
	return entra.New(config)
}

// token reads the OIDC token anew each time: a file's may have been replaced.
func (s Entra) token(context.Context) (string, error) {
	if s.OIDCToken != "" {
		return s.OIDCToken, nil
	}
	if s.OIDCTokenFilePath == "" {
		return "", errors.New("with entra.use_oidc (ARM_USE_OIDC), oidc_token (ARM_OIDC_TOKEN) or oidc_token_file_path (ARM_OIDC_TOKEN_FILE_PATH) is needed")
	}
	token, err := os.ReadFile(s.OIDCTokenFilePath)
	if err != nil {
		return "", fmt.Errorf("read the OIDC token: %w", err)
	}
	return string(token), nil
}
