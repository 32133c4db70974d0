package auth0

import (
	"context"
	"net/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// API implements idp.Provider. An answer serves the whole run; a failure serves nobody but those who waited for it.
func (p *Provider) API(ctx context.Context, audience string) (idp.API, error) {
	api, err := p.apis.Get(ctx, audience, func(ctx context.Context) (idp.API, error) { return p.readAPI(ctx, audience) })
	return api, apierror.GaveUp(err, service, readAPI, "API "+audience)
}

const readAPI = "GET /api/v2/resource-servers/{id}"

func (p *Provider) readAPI(ctx context.Context, audience string) (idp.API, error) {
	var server struct {
		Identifier   string `json:"identifier"`
		TokenDialect string `json:"token_dialect"`
	}
	err := p.call(ctx, request{
		method: http.MethodGet, operation: readAPI,
		path: []string{"resource-servers", audience}, object: "API " + audience, answer: &server,
	})
	if err != nil {
		return idp.API{}, err
	}
	if server.Identifier != audience {
		// The path also takes an API's own id.
		return idp.API{}, &apierror.Error{
			Kind: apierror.NotFound, Service: service, Operation: readAPI, Object: "API " + audience,
			Message: "there is no API with this identifier",
		}
	}
	if server.TokenDialect == "" {
		server.TokenDialect = dialectDefault
	}
	return idp.API{
		Audience:       audience,
		Issuer:         "https://" + p.domain + "/",
		TokenEndpoint:  "https://" + p.domain + "/oauth/token",
		Profile:        server.TokenDialect,
		TokensCarryAZP: server.TokenDialect != dialectRFC9068 && server.TokenDialect != dialectRFC9068Authz,
	}, nil
}

// Token dialects. Tokens of Auth0's own dialects name their client in azp, those of RFC 9068 in client_id.
// https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles
const (
	dialectDefault      = "access_token"
	dialectRFC9068      = "rfc9068_profile"
	dialectRFC9068Authz = "rfc9068_profile_authz"
)
