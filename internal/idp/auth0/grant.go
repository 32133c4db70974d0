package auth0

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

const createGrant = "POST /api/v2/client-grants"

// applyGrant makes or mends the grant, and removes that of an audience that is no longer wanted.
func (p *Provider) applyGrant(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	p.shared.wrote(c.ID)
	grants := state(*c).grants
	if _, ok := grantFor(grants, spec.Audience); !ok {
		made, err := p.createGrant(ctx, c.ID, grant{Audience: spec.Audience})
		if err != nil {
			return err
		}
		grants = append(slices.Clone(grants), made)
		setGrants(c, grants, spec.Audience)
	}
	if g, _ := grantFor(grants, spec.Audience); g.AllowAllScopes || len(g.Scope) > 0 {
		wanted := grant{ID: g.ID, ClientID: g.ClientID, Audience: g.Audience, SubjectType: g.SubjectType}
		if err := p.patchGrant(ctx, g, wanted); err != nil {
			return err
		}
		grants = slices.Clone(grants)
		grants[slices.IndexFunc(grants, func(old grant) bool { return old.ID == g.ID })] = wanted
		setGrants(c, grants, spec.Audience)
	}
	if old := formerAudience(state(*c).app, spec); old != "" {
		return p.leaveAudience(ctx, c, old, spec)
	}
	return nil
}

// leaveAudience removes the grant for old, then forgets that it was ours.
func (p *Provider) leaveAudience(ctx context.Context, c *idp.Client, old string, spec idp.Spec) error {
	grants, err := p.readGrants(ctx, c.ID)
	if err != nil {
		return err
	}
	if g, ok := grantFor(grants, old); ok {
		if err := p.deleteGrant(ctx, g); err != nil {
			return err
		}
		grants = slices.DeleteFunc(grants, func(other grant) bool { return other.ID == g.ID })
	}
	setGrants(c, grants, spec.Audience)
	var value any
	if len(spec.Audience) <= maxMetadata {
		value = spec.Audience
	}
	return p.patch(ctx, c, spec, map[string]any{"client_metadata": map[string]any{metaAudience: value}})
}

// revertGrant puts the client's grants back to what they were. What an attempt without an answer did is read first.
func (p *Provider) revertGrant(ctx context.Context, c *idp.Client, before idp.Client) error {
	p.shared.wrote(c.ID)
	now, err := p.readGrants(ctx, c.ID)
	if err != nil {
		return p.gone(err)
	}
	old := state(before).grants
	for _, was := range old {
		is, ok := grantFor(now, was.Audience)
		switch {
		case !ok:
			_, err = p.createGrant(ctx, c.ID, was)
		case is.AllowAllScopes != was.AllowAllScopes || !sameSet(is.Scope, was.Scope):
			err = p.patchGrant(ctx, is, was)
		}
		if err != nil {
			return p.gone(err)
		}
	}
	for _, is := range now {
		// Only what could be ours: a grant for another audience is not.
		ours := is.ID == c.GrantID || c.GrantID == "" && is.Audience == state(*c).app.ClientMetadata[metaAudience]
		if _, was := grantFor(old, is.Audience); was || !ours {
			continue
		}
		if err := p.deleteGrant(ctx, is); err != nil {
			return err
		}
	}
	setGrants(c, old, "")
	c.GrantID = before.GrantID
	if !before.Exists() {
		return nil
	}
	undone := undoneMetadata(state(*c).app.ClientMetadata, state(before).app.ClientMetadata, metaAudience)
	if len(undone) == 0 {
		return nil
	}
	return p.gone(p.patch(ctx, c, idp.Spec{}, map[string]any{"client_metadata": undone}))
}

// createGrant makes one grant. Where there is one for the audience already, that is it.
func (p *Provider) createGrant(ctx context.Context, clientID string, wanted grant) (grant, error) {
	body := map[string]any{"client_id": clientID, "audience": wanted.Audience}
	if wanted.AllowAllScopes {
		body["allow_all_scopes"] = true
	} else {
		body["scope"] = append([]string{}, wanted.Scope...)
	}
	var made grant
	err := p.call(ctx, request{
		method: http.MethodPost, operation: createGrant, path: []string{"client-grants"},
		object: "client grant of " + clientID + " for " + wanted.Audience, body: body, answer: &made,
	})
	if !apierror.Is(err, apierror.Exists) {
		return made, err
	}
	grants, readErr := p.readGrants(ctx, clientID)
	if readErr != nil {
		return grant{}, err
	}
	if g, ok := grantFor(grants, wanted.Audience); ok {
		return g, nil
	}
	return grant{}, err
}

// patchGrant gives a grant the scopes that are wanted.
func (p *Provider) patchGrant(ctx context.Context, g, wanted grant) error {
	body := map[string]any{}
	if wanted.AllowAllScopes {
		body["allow_all_scopes"] = true
	} else {
		body["scope"] = append([]string{}, wanted.Scope...)
		if g.AllowAllScopes {
			body["allow_all_scopes"] = false
		}
	}
	return p.call(ctx, request{
		method: http.MethodPatch, operation: "PATCH /api/v2/client-grants/{id}", path: []string{"client-grants", g.ID},
		object: "client grant " + g.ID, body: body,
	})
}

func (p *Provider) deleteGrant(ctx context.Context, g grant) error {
	return p.gone(p.call(ctx, request{
		method: http.MethodDelete, operation: "DELETE /api/v2/client-grants/{id}", path: []string{"client-grants", g.ID},
		object: "client grant " + g.ID,
	}))
}

// readGrants reads all grants of a client.
func (p *Provider) readGrants(ctx context.Context, clientID string) ([]grant, error) {
	return p.listGrants(ctx, url.Values{"client_id": {clientID}}, "client grants of "+clientID)
}

// listGrants reads every page of the grants that filter matches. Grants for users are left out: they are for other flows.
func (p *Provider) listGrants(ctx context.Context, filter url.Values, object string) ([]grant, error) {
	var all []grant
	for page := 0; ; page++ {
		query := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(pageSize)}, "include_totals": {"false"}}
		for key, values := range filter {
			query[key] = values
		}
		var some []grant
		err := p.call(ctx, request{
			method: http.MethodGet, operation: "GET /api/v2/client-grants", path: []string{"client-grants"},
			query: query, object: object, answer: &some,
		})
		if err != nil {
			return nil, err
		}
		for _, g := range some {
			if g.forClients() {
				all = append(all, g)
			}
		}
		if len(some) < pageSize {
			return all, nil
		}
	}
}
