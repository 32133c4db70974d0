package entra

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// protected is an API and its service principal.
type protected struct {
	api       idp.API
	principal principal
}

// API implements idp.Provider. audience is one of the API's identifier URIs, or its appId. The answer's Audience is what
// tokens carry in aud: what was asked for in tokens of version 1, the API's appId in tokens of version 2.
func (p *Provider) API(ctx context.Context, audience string) (idp.API, error) {
	known, err := p.protected(ctx, audience)
	if err != nil {
		return idp.API{}, err
	}
	return known.api, nil
}

// protected reads an API once for the whole run; a failure serves nobody but those who waited for it.
func (p *Provider) protected(ctx context.Context, audience string) (*protected, error) {
	read, err := p.apis.Get(ctx, audience, func(ctx context.Context) (*protected, error) { return p.readProtected(ctx, audience) })
	return read, apierror.GaveUp(err, service, "GET /applications", "API "+audience)
}

func (p *Provider) readProtected(ctx context.Context, audience string) (*protected, error) {
	filter := "identifierUris/any(x:x eq " + quoted(audience) + ")"
	_, err := uuid.Parse(audience)
	byAppID := err == nil
	if byAppID {
		filter = "appId eq " + quoted(audience)
	}
	applications, err := p.graph.listApplications(ctx, filter)
	if err != nil {
		return nil, err
	}
	if len(applications) != 1 {
		// Identifier URIs are unique in a tenant.
		return nil, &apierror.Error{Kind: apierror.NotFound, Service: service, Operation: "GET /applications",
			Object: "API " + audience, Message: "there is no application with this identifier URI"}
	}
	app := applications[0]
	principal, err := p.graph.principal(ctx, app.appID)
	if err != nil {
		return nil, fmt.Errorf("the API %s: %w", audience, err)
	}
	read := &protected{principal: *principal, api: idp.API{
		Audience: audience, Profile: "1",
		TokenEndpoint: "https://" + p.host + "/" + p.tenant + "/oauth2/v2.0/token",
	}}
	if byAppID && len(app.identifiers) > 0 {
		read.api.Identifier = app.identifiers[0]
	}
	path := ""
	if app.tokenVersion == 2 {
		// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: aud and azp
		read.api.Audience, read.api.Profile, read.api.TokensCarryAZP, path = app.appID, "2", true, "/v2.0"
	}
	read.api.Issuer, err = p.readIssuer(ctx, path)
	return read, err
}

// readIssuer asks the login itself for the issuer, which each cloud spells in its own way:
// https://sts.windows.net/TENANT/ for tokens of version 1 in most, https://LOGIN/TENANT/v2.0 for those of version 2.
func (p *Provider) readIssuer(ctx context.Context, path string) (string, error) {
	uri := "https://" + p.host + "/" + p.tenant + path + "/.well-known/openid-configuration"
	var document struct {
		Issuer string `json:"issuer"`
	}
	err := p.graph.read(ctx, "GET /.well-known/openid-configuration", "tenant "+p.tenant, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
		if err != nil {
			return err
		}
		response, err := (&http.Client{Transport: witness{p.login.Transport}}).Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", response.StatusCode)
		}
		return json.Unmarshal(data, &document)
	})
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(document.Issuer, "https://") || strings.ContainsAny(document.Issuer, "{}") {
		// "common" and "organizations" answer with a placeholder instead of the tenant.
		return "", &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: "GET /.well-known/openid-configuration",
			Object: "tenant " + p.tenant, Message: "the login names no issuer for this tenant; give the tenant's own ID"}
	}
	return document.Issuer, nil
}
