package onboarding

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// auth0Subject ends the subject of an Auth0 machine-to-machine client.
const auth0Subject = "@clients"

// ClientOf tells which identity provider's client a role lets in: by its trust policy, and by its journal for what the
// policy does not say. A role that trusts the credential vending service and has no journal is of a plain module, which
// had Cognito alone behind it; its Lookup is empty, and ClientOfRows goes on.
func ClientOf(role iam.Role, trust access.Trust) (idp.Kind, idp.Lookup, error) {
	j := parseJournal(role.Tags)
	id, isAuth0 := strings.CutSuffix(trust.Subject, auth0Subject)
	switch {
	case trust.Mode == access.Vending && j.ClientID != "":
		return j.Provider, idp.Lookup{ID: j.ClientID}, nil
	case trust.Mode == access.Vending:
		return idp.Cognito, idp.Lookup{}, nil
	case isAuth0 && id != "":
		return idp.Auth0, idp.Lookup{ID: id}, nil
	case trust.Mode == access.AZP:
		return idp.Entra, idp.Lookup{ID: trust.ClientID}, nil
	case isObjectID(trust.Subject):
		return idp.Entra, idp.Lookup{Subject: trust.Subject}, nil
	}
	return "", idp.Lookup{}, fmt.Errorf("the subject %q is not that of a client that oidcs3 knows (Auth0: <client id>%s; Entra: the object id of a service principal)",
		trust.Subject, auth0Subject)
}

// isObjectID reports whether s may be the object id of a service principal.
func isObjectID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

// ClientOfRows tells which Cognito client a role of a plain module belongs to: by the mapping rows that name the role,
// or, where there are none, by the client's name.
func ClientOfRows(role iam.Role, rows []rolemap.Row) (idp.Lookup, error) {
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, row.ClientID)
	}
	slices.Sort(ids)
	switch {
	case len(ids) == 0:
		return idp.Lookup{Name: role.Name}, nil
	case len(ids) > 1:
		return idp.Lookup{}, &Refusal{
			Reason: fmt.Sprintf("the mapping table gives role %s to several clients: %s", role.Name, strings.Join(ids, ", ")),
			Advice: "Delete the rows of the clients that the server does not use, and import again.",
		}
	case strings.Contains(ids[0], "#"):
		return idp.Lookup{}, &Refusal{
			Reason: fmt.Sprintf("the mapping table gives role %s to the client %s, which is none of Cognito, and its API is not known", role.Name, ids[0]),
			Advice: "Leave this server with the configuration that made it, or replace it.",
		}
	}
	return idp.Lookup{ID: ids[0]}, nil
}

// Client reads the client of a role that is imported.
func (c *Controller) Client(ctx context.Context, d Desired, which idp.Lookup) (idp.Client, error) {
	which.Audience, which.Fresh = d.Identity.Audience, true
	client, err := c.clients.Find(ctx, which)
	switch {
	case apierror.Is(err, apierror.NotFound):
		return client, &Refusal{Err: err,
			Reason: fmt.Sprintf("%s has no client %s, which role %s lets in", c.clients.Kind(), named(which), d.Name()),
			Advice: "The server cannot work. Delete the role and let oidcs3 make its access anew."}
	case apierror.Is(err, apierror.Conflict):
		return client, &Refusal{Err: err,
			Reason: fmt.Sprintf("it cannot be told which client role %s belongs to: %v", d.Name(), err),
			Advice: "Rename or delete the clients that the server does not use, and import again."}
	case err != nil:
		return client, fmt.Errorf("read the client of role %s: %w", d.Name(), err)
	}
	return client, nil
}

// named says in words what a Lookup goes by.
func named(which idp.Lookup) string {
	switch {
	case which.ID != "":
		return which.ID
	case which.Subject != "":
		return "with the service principal " + which.Subject
	}
	return "named " + which.Name
}
