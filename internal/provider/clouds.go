package provider

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/cognito"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// clouds makes the adapters and controllers of one run, each when first needed and then once.
type clouds struct {
	settings *settings
	life     context.Context //nolint:containedctx // with the run's loggers, for clients that outlive the call that needs them first
	prefixes prefixes

	mu          sync.Mutex
	aws         *awsClients
	controllers map[controllerKey]*onboarding.Controller
}

// controllerKey tells controllers apart: a Cognito user pool is an identity provider of its own.
type controllerKey struct {
	kind         idp.Kind
	pool, domain string
}

func newClouds(ctx context.Context, s *settings) *clouds {
	return &clouds{settings: s, life: context.WithoutCancel(ctx), controllers: map[controllerKey]*onboarding.Controller{}}
}

// region is the region of the configured AWS client.
func (c *clouds) region(ctx context.Context) (string, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return "", err
	}
	return clients.config.Region, nil
}

// roles is the IAM adapter.
func (c *clouds) roles(ctx context.Context) (*iam.Roles, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	return clients.roles, nil
}

// mappings is the adapter of the tables that map clients to roles.
func (c *clouds) mappings(ctx context.Context) (*rolemap.Table, error) {
	clients, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	return clients.mappings, nil
}

// controller is the controller of one identity provider.
func (c *clouds) controller(ctx context.Context, i identity) (*onboarding.Controller, error) {
	amazon, err := c.awsClients(ctx)
	if err != nil {
		return nil, err
	}
	key := controllerKey{kind: i.kind, pool: i.cognito.UserPoolID.ValueString(), domain: i.cognito.Domain.ValueString()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if controller, ok := c.controllers[key]; ok {
		return controller, nil
	}
	clients, err := c.identityProvider(amazon, key)
	if err != nil {
		return nil, err
	}
	config := onboarding.Config{
		Roles:    amazon.roles,
		Clients:  clients,
		Mappings: amazon.mappings,
		Vaults:   amazon.vaults,
		Ignores:  c.settings.ignoreTags.ignores,
		NewID:    uuid.NewString,
		Probe:    amazon.probe.Wait,
		Trace:    func(ctx context.Context, message string, fields map[string]any) { tflog.Debug(ctx, message, fields) },
	}
	if !c.settings.bulkReads {
		config.Roles, config.Clients, config.Mappings = directRoles{amazon.roles}, directClients{clients}, directMappings{amazon.mappings}
	}
	controller := onboarding.New(config)
	c.controllers[key] = controller
	return controller, nil
}

func (c *clouds) identityProvider(amazon *awsClients, key controllerKey) (idp.Provider, error) {
	warn := func(message string) { tflog.Warn(c.life, message) }
	switch key.kind {
	case idp.Auth0:
		return c.settings.auth0.provider(c.userAgent(), warn)
	case idp.Entra:
		return c.settings.entra.provider(c.userAgent(), warn)
	case idp.Cognito:
		return cognito.New(cognito.Config{
			Client: amazon.cognito, PoolID: key.pool, Domain: key.domain, Region: amazon.config.Region,
		})
	}
	return nil, fmt.Errorf("the identity provider %q is not known", key.kind)
}

// userAgent is how every cloud is told who asks. AWS's clients put their own in front of it.
func (c *clouds) userAgent() string {
	return "terraform-provider-oidcs3/" + c.settings.version + " Terraform/" + c.settings.terraform
}
