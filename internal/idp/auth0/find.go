package auth0

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const (
	pageSize    = 100 // the most that Auth0 gives
	listClients = "GET /api/v2/clients"
)

// Find implements idp.Provider.
func (p *Provider) Find(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	if which.ID == "" {
		id, err := p.search(ctx, which)
		if err != nil {
			return idp.Client{}, err
		}
		which.ID, which.Fresh = id, true // what a search found is read itself
	}
	if !which.Fresh {
		if app, grants, ok := p.shared.find(ctx, which); ok {
			return p.complete(ctx, app, grants, which.Audience)
		}
	}
	app, err := p.readClient(ctx, which.ID)
	if err != nil {
		return idp.Client{}, err
	}
	grants, err := p.readGrants(ctx, which.ID)
	if err != nil {
		return idp.Client{}, err
	}
	return p.complete(ctx, app, grants, which.Audience)
}

// complete makes the client of what was read, and asks for the keys of credentials that nothing else tells.
func (p *Provider) complete(ctx context.Context, app application, grants []grant, audience string) (idp.Client, error) {
	unknown := func(c credential) bool { return c.KeyID == "" }
	if enabled := enabledCredentials(app); slices.ContainsFunc(enabled, unknown) {
		stored, err := p.readCredentials(ctx, app.ClientID)
		if err != nil {
			return idp.Client{}, err
		}
		for i, e := range enabled {
			at := slices.IndexFunc(stored, func(s credential) bool { return s.ID == e.ID })
			if at >= 0 {
				enabled[i] = stored[at]
			}
		}
		methods := *app.AuthenticationMethods.PrivateKeyJWT
		methods.Credentials = enabled
		app.AuthenticationMethods.PrivateKeyJWT = &methods
	}
	return client(app, grants, audience), nil
}

func (p *Provider) readClient(ctx context.Context, id string) (application, error) {
	var app application
	err := p.call(ctx, request{
		method: http.MethodGet, operation: "GET /api/v2/clients/{id}", path: []string{"clients", id},
		object: "client " + id, answer: &app,
	})
	if err == nil && app.ClientID != id {
		err = &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "GET /api/v2/clients/{id}",
			Object: "client " + id, Message: "the answer is about another client"}
	}
	return app, err
}

// search finds the id of the one client that carries the onboarding id, or without one, the name.
func (p *Provider) search(ctx context.Context, which idp.Lookup) (string, error) {
	what, match := "of onboarding "+which.OnboardingID, func(a application) bool {
		return a.ClientMetadata[metaOnboarding] == which.OnboardingID
	}
	if which.OnboardingID == "" {
		what, match = which.Name, func(a application) bool { return a.Name == which.Name }
	}
	fault := &apierror.Error{Service: service, Operation: listClients, Object: "client " + what}
	if which.OnboardingID == "" && which.Name == "" {
		fault.Kind, fault.Message = apierror.Invalid, "nothing says which client is meant"
		return "", fault
	}
	var ids []string
	err := p.eachClient(ctx, "client_id,name,client_metadata", func(app application) {
		if match(app) && !slices.Contains(ids, app.ClientID) {
			ids = append(ids, app.ClientID)
		}
	})
	if err != nil {
		return "", err
	}
	switch len(ids) {
	case 0:
		fault.Kind, fault.Message = apierror.NotFound, "there is none"
		return "", fault
	case 1:
		return ids[0], nil
	default:
		slices.Sort(ids)
		fault.Kind, fault.Message = apierror.Conflict, fmt.Sprintf("there are several: %s", list(ids))
		return "", fault
	}
}

// eachClient reads every page of the tenant's clients. fields, where given, are the only ones read.
func (p *Provider) eachClient(ctx context.Context, fields string, visit func(application)) error {
	for page := 0; ; page++ {
		some, _, err := p.clientPage(ctx, page, fields)
		if err != nil {
			return err
		}
		for _, app := range some {
			visit(app)
		}
		if len(some) < pageSize {
			return nil
		}
	}
}

// clientPage reads one page of clients, and of the first one how many there are in all.
func (p *Provider) clientPage(ctx context.Context, page int, fields string) ([]application, int, error) {
	query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)}, "is_global": {"false"}}
	if fields != "" {
		query.Set("fields", fields)
		query.Set("include_fields", "true")
	}
	r := request{method: http.MethodGet, operation: listClients, path: []string{"clients"}, query: query, object: "clients"}
	if page > 0 {
		var some []application
		query.Set("include_totals", "false")
		r.answer = &some
		return some, 0, p.call(ctx, r)
	}
	var first struct {
		Total   int           `json:"total"`
		Clients []application `json:"clients"`
	}
	query.Set("include_totals", "true")
	r.answer = &first
	err := p.call(ctx, r)
	return first.Clients, first.Total, err
}
