// Package entra is the identity provider Microsoft Entra ID: applications, their service principals, app role assignments
// and credentials, through Microsoft Graph v1.0.
//
// It knows neither Terraform nor AWS, reads no environment variable and logs nothing. The order of changes and what to do
// about a failure are the controller's. Nothing else imports the Graph SDK, whose models take minutes to compile.
//
// # Three ids
//
// An application has an object id and an appId; the host authenticates with the latter (Client.ID, Client.ObjectID). The
// service principal, which is the application in the tenant, has an object id of its own (Client.PrincipalID), which is
// the sub and oid of its tokens (Client.Subject). They never stand in for one another.
//
// # Finding an application again
//
// The alternate key uniqueName is made of the onboarding id, so that creating is idempotent and a later onboarding of the
// same server never meets the application of a former one, which Entra keeps for 30 days after its deletion. Clouds that
// lack the key are searched by a tag that also holds the onboarding id.
//
// # Client secrets
//
// A password is shown once, when it is made. A tag of the application records the password whose secret has reached us, so
// that one whose answer was lost counts as missing. The part "client secret" deviates where that password is missing or
// has expired; a caller that lost the secret applies the part all the same. Of an application that was made elsewhere and
// imported, any password that is not ours counts: its host uses it. The password before stays valid until the next
// rotation, so that a host has time to change over.
package entra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/fold"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/attempt"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/ratelimit"
)

// Config says which tenant to manage, and as whom. The names are those of the azuread Terraform provider.
type Config struct {
	TenantID string // ARM_TENANT_ID
	ClientID string // ARM_CLIENT_ID

	// The first of these that is set is used; without any, the Azure CLI's login.
	ClientSecret        string // ARM_CLIENT_SECRET
	ClientCertificate   []byte // PEM or PKCS #12, with the private key
	CertificatePassword string // of PKCS #12; empty: it is not encrypted
	OIDCToken           func(context.Context) (string, error)
	ManagedIdentity     bool                   // of the machine; ClientID, where set, names a user-assigned one
	Credential          azcore.TokenCredential // any other

	GraphURL  string // empty: https://graph.microsoft.com
	LoginHost string // host[:port]; empty: login.microsoftonline.com

	// PasswordLifetime is how long a client secret is valid. 0: two years.
	PasswordLifetime time.Duration

	// HTTPClient gives the transport for all requests. Its time-out is not used: each attempt has a minute. nil:
	// http.DefaultTransport.
	HTTPClient *http.Client
	UserAgent  string
	// MaxRequestsPerSecond bounds our own rate. 0: only what Graph says counts.
	MaxRequestsPerSecond float64

	// Sleep waits between two looks at what has been replicated. nil: in real time.
	Sleep   func(context.Context, time.Duration) error
	Observe func(ratelimit.Event) // nil: nobody hears of waits
	Warn    func(string)          // nil: nobody hears of what works, but not as well as it could
}

const (
	publicGraph      = "https://graph.microsoft.com"
	publicLogin      = "login.microsoftonline.com"
	attemptTimeout   = time.Minute
	passwordLifetime = 2 * 365 * 24 * time.Hour
)

// Provider implements idp.Provider.
type Provider struct {
	graph    *graph
	login    *http.Client
	host     string // of the login
	tenant   string
	lifetime time.Duration
	now      func() time.Time

	apis   fold.Keyed[string, *protected] // by audience
	shared *shared

	mu       sync.Mutex
	made     map[string]time.Time // by appId: what may not be seen everywhere yet
	noUpsert bool                 // the cloud lacks upsert
}

var _ idp.Provider = (*Provider)(nil)

// New returns a Provider. It sends no request.
func New(c Config) (*Provider, error) {
	if c.TenantID == "" {
		return nil, errors.New("the Entra tenant ID is missing")
	}
	if c.LoginHost == "" {
		c.LoginHost = publicLogin
	}
	if c.GraphURL == "" {
		c.GraphURL = publicGraph
	}
	c.GraphURL = strings.TrimSuffix(c.GraphURL, "/")
	if u, err := url.Parse(c.GraphURL); err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("the Microsoft Graph URL must be https:// and a host: %q", c.GraphURL)
	}
	if strings.ContainsAny(c.LoginHost, "/?#@ ") {
		return nil, fmt.Errorf("the Entra login host must be a host name, with a port if need be: %q", c.LoginHost)
	}
	transport := http.DefaultTransport
	if c.HTTPClient != nil && c.HTTPClient.Transport != nil {
		transport = c.HTTPClient.Transport
	}
	login := &http.Client{Transport: ratelimit.New(ratelimit.Config{
		Base: attempt.Transport{Base: transport, Timeout: attemptTimeout}, MaxWait: attemptTimeout, Observe: c.Observe,
	})}
	credential, err := credential(c, login)
	if err != nil {
		return nil, fmt.Errorf("set up the credential for Microsoft Graph: %w", err)
	}
	paced := ratelimit.New(ratelimit.Config{
		Base: attempt.Transport{Base: transport, Timeout: attemptTimeout}, RequestsPerSecond: c.MaxRequestsPerSecond, Observe: c.Observe,
	})
	graph, err := newGraph(c, credential, paced)
	if err != nil {
		return nil, fmt.Errorf("set up Microsoft Graph: %w", err)
	}
	p := &Provider{graph: graph, login: login, host: c.LoginHost, tenant: c.TenantID, lifetime: c.PasswordLifetime, now: time.Now, made: map[string]time.Time{}}
	if p.lifetime <= 0 {
		p.lifetime = passwordLifetime
	}
	warn := c.Warn
	if warn == nil {
		warn = func(string) {}
	}
	p.shared = newShared(p, warn)
	return p, nil
}

// credential picks how the tokens for Graph are come by. The SDK caches them and does not tie them to a caller's context.
func credential(c Config, login *http.Client) (azcore.TokenCredential, error) {
	options := policy.ClientOptions{
		Transport: login,
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: "https://" + c.LoginHost + "/"},
	}
	// Only Microsoft's own clouds take part in instance discovery.
	apart := c.LoginHost != publicLogin
	switch {
	case c.Credential != nil:
		return c.Credential, nil
	case c.ClientSecret != "":
		return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, c.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: apart})
	case len(c.ClientCertificate) > 0:
		certificates, key, err := azidentity.ParseCertificates(c.ClientCertificate, []byte(c.CertificatePassword))
		if err != nil {
			return nil, errors.New("the client certificate does not parse")
		}
		return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certificates, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: apart})
	case c.OIDCToken != nil:
		return azidentity.NewClientAssertionCredential(c.TenantID, c.ClientID, c.OIDCToken,
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: apart})
	case c.ManagedIdentity:
		managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if c.ClientID != "" {
			managed.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(managed)
	default:
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: c.TenantID})
	}
}

// Kind implements idp.Provider.
func (p *Provider) Kind() idp.Kind { return idp.Entra }

// Delete implements idp.Provider. Entra removes the service principal and its assignments with the application, and keeps
// all of them for 30 days, out of reach of every read here. That an application is not there is believed only when a read
// says so too: a server that lags behind knows nothing yet of what another process has made.
func (p *Provider) Delete(ctx context.Context, client idp.Client) error {
	if !client.Exists() {
		return nil
	}
	p.shared.wrote(client.ID)
	err := p.replicated(ctx, client.ID, func(ctx context.Context) error { return p.graph.deleteApplication(ctx, client.ID) })
	if err == nil {
		// From now on its absence is no lag.
		p.mu.Lock()
		delete(p.made, client.ID)
		p.mu.Unlock()
	}
	for try := 1; apierror.Is(err, apierror.NotFound) && try < timesSeen; try++ {
		if _, readErr := p.graph.application(ctx, client.ID); readErr != nil {
			return gone(readErr)
		}
		if err := p.graph.pause(ctx, firstPause); err != nil {
			return err
		}
		err = p.graph.deleteApplication(ctx, client.ID)
	}
	return gone(err)
}
