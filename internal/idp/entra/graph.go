package entra

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/uuid"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	json "github.com/microsoft/kiota-serialization-json-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/applicationswithappid"
	"github.com/microsoftgraph/msgraph-sdk-go/applicationswithuniquename"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipalswithappid"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
)

// graph makes the calls of Microsoft Graph that are needed, and gives their answers in the shapes of objects.go.
type graph struct {
	adapter   *core.GraphRequestAdapterBase
	url       string
	userAgent string
	pause     func(context.Context, time.Duration) error
}

func newGraph(c Config, credential azcore.TokenCredential, transport http.RoundTripper) (*graph, error) {
	auth := &bearer{credential: credential, scope: c.GraphURL + "/.default", prefix: c.GraphURL + "/"}
	// None of the SDK's middlewares: they repeat requests on their own.
	client := &http.Client{Transport: witness{transport}}
	adapter, err := core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		auth, core.GraphClientOptions{}, json.NewJsonParseNodeFactory(), json.NewJsonSerializationWriterFactory(), client)
	if err != nil {
		return nil, err
	}
	adapter.SetBaseUrl(c.GraphURL + "/v1.0")
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	return &graph{adapter: adapter, url: c.GraphURL, userAgent: c.UserAgent, pause: c.Sleep}, nil
}

// bearer puts the token on requests to Graph, and on no others.
type bearer struct {
	credential azcore.TokenCredential
	scope      string
	prefix     string // of every URL that gets the token
}

// AuthenticateRequest implements the SDK's AuthenticationProvider.
func (b *bearer) AuthenticateRequest(ctx context.Context, request *abstractions.RequestInformation, _ map[string]any) error {
	uri, err := request.GetUri()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(uri.String(), b.prefix) {
		return &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: "read the next page", Message: "it is not at Microsoft Graph"}
	}
	token, err := b.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{b.scope}})
	if err != nil {
		return &tokenError{err}
	}
	request.Headers.Add("Authorization", "Bearer "+token.Token)
	return nil
}

// path is what the SDK's request builders start from.
func (g *graph) path() map[string]string { return map[string]string{"baseurl": g.adapter.GetBaseUrl()} }

func (g *graph) headers(pairs ...string) *abstractions.RequestHeaders {
	h := abstractions.NewRequestHeaders()
	if g.userAgent != "" {
		h.Add("User-Agent", g.userAgent)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func (g *graph) applications() *applications.ApplicationsRequestBuilder {
	return applications.NewApplicationsRequestBuilderInternal(g.path(), g.adapter)
}

func (g *graph) principals() *serviceprincipals.ServicePrincipalsRequestBuilder {
	return serviceprincipals.NewServicePrincipalsRequestBuilderInternal(g.path(), g.adapter)
}

// upsertApplication creates the application of the alternate key, or changes it. It returns nil where it was there.
// https://learn.microsoft.com/graph/api/application-upsert
func (g *graph) upsertApplication(ctx context.Context, uniqueName string, body models.Applicationable) (made *application, err error) {
	err = g.write(ctx, "PATCH /applications(uniqueName)", "application "+uniqueName, func(ctx context.Context) error {
		builder := applicationswithuniquename.NewApplicationsWithUniqueNameRequestBuilderInternal(g.path(), g.adapter, &uniqueName)
		answer, err := builder.Patch(ctx, body, &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderPatchRequestConfiguration{
			Headers: g.headers("Prefer", "create-if-missing"),
		})
		if err == nil && answer != nil {
			made = applicationOf(answer)
		}
		return err
	})
	return made, err
}

func (g *graph) createApplication(ctx context.Context, object string, body models.Applicationable) (made *application, err error) {
	err = g.write(ctx, "POST /applications", "application "+object, func(ctx context.Context) error {
		answer, err := g.applications().Post(ctx, body, &applications.ApplicationsRequestBuilderPostRequestConfiguration{Headers: g.headers()})
		if err == nil {
			made = applicationOf(answer)
		}
		return err
	})
	return made, err
}

func (g *graph) changeApplication(ctx context.Context, objectID string, body models.Applicationable) error {
	return g.write(ctx, "PATCH /applications/{id}", "application object "+objectID, func(ctx context.Context) error {
		_, err := g.applications().ByApplicationId(objectID).Patch(ctx, body,
			&applications.ApplicationItemRequestBuilderPatchRequestConfiguration{Headers: g.headers()})
		return err
	})
}

func (g *graph) deleteApplication(ctx context.Context, appID string) error {
	return g.write(ctx, "DELETE /applications(appId)", "application "+appID, func(ctx context.Context) error {
		builder := applicationswithappid.NewApplicationsWithAppIdRequestBuilderInternal(g.path(), g.adapter, &appID)
		return builder.Delete(ctx, &applicationswithappid.ApplicationsWithAppIdRequestBuilderDeleteRequestConfiguration{Headers: g.headers()})
	})
}

// selected are the properties that are read of an application. With keyCredentials named, their keys are shown too.
var selected = []string{"id", "appId", "uniqueName", "displayName", "description", "signInAudience", "tags", "keyCredentials",
	"passwordCredentials", "identifierUris", "api"}

func (g *graph) application(ctx context.Context, appID string) (found *application, err error) {
	err = g.read(ctx, "GET /applications(appId)", "application "+appID, func(ctx context.Context) error {
		builder := applicationswithappid.NewApplicationsWithAppIdRequestBuilderInternal(g.path(), g.adapter, &appID)
		answer, err := builder.Get(ctx, &applicationswithappid.ApplicationsWithAppIdRequestBuilderGetRequestConfiguration{
			Headers:         g.headers(),
			QueryParameters: &applicationswithappid.ApplicationsWithAppIdRequestBuilderGetQueryParameters{Select: selected},
		})
		if err == nil {
			found = applicationOf(answer)
		}
		return err
	})
	return found, err
}

func (g *graph) applicationNamed(ctx context.Context, uniqueName string) (found *application, err error) {
	err = g.read(ctx, "GET /applications(uniqueName)", "application "+uniqueName, func(ctx context.Context) error {
		builder := applicationswithuniquename.NewApplicationsWithUniqueNameRequestBuilderInternal(g.path(), g.adapter, &uniqueName)
		answer, err := builder.Get(ctx, &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderGetRequestConfiguration{
			Headers:         g.headers(),
			QueryParameters: &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderGetQueryParameters{Select: selected},
		})
		if err == nil {
			found = applicationOf(answer)
		}
		return err
	})
	return found, err
}

// listApplications reads every page of the applications that the filter matches.
func (g *graph) listApplications(ctx context.Context, filter string) (all []application, err error) {
	top := int32(pageSize)
	builder := g.applications()
	options := &applications.ApplicationsRequestBuilderGetRequestConfiguration{
		Headers:         g.headers(),
		QueryParameters: &applications.ApplicationsRequestBuilderGetQueryParameters{Filter: &filter, Select: selected, Top: &top},
	}
	for {
		var next string
		err := g.read(ctx, "GET /applications", "applications with "+filter, func(ctx context.Context) error {
			page, err := builder.Get(ctx, options)
			if err != nil {
				return err
			}
			for _, one := range page.GetValue() {
				all = append(all, *applicationOf(one))
			}
			next = text(page.GetOdataNextLink())
			return nil
		})
		if err != nil || next == "" {
			return all, err
		}
		builder, options = g.applications().WithUrl(next), &applications.ApplicationsRequestBuilderGetRequestConfiguration{Headers: g.headers()}
	}
}

// quoted makes a text a literal of an OData filter.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (g *graph) createPrincipal(ctx context.Context, appID string, tags []string) (made *principal, err error) {
	body := models.NewServicePrincipal()
	body.SetAppId(&appID)
	body.SetTags(tags)
	err = g.write(ctx, "POST /servicePrincipals", "service principal of application "+appID, func(ctx context.Context) error {
		answer, err := g.principals().Post(ctx, body, &serviceprincipals.ServicePrincipalsRequestBuilderPostRequestConfiguration{Headers: g.headers()})
		if err == nil {
			made = principalOf(answer)
		}
		return err
	})
	return made, err
}

func (g *graph) principal(ctx context.Context, appID string) (found *principal, err error) {
	err = g.read(ctx, "GET /servicePrincipals(appId)", "service principal of application "+appID, func(ctx context.Context) error {
		builder := serviceprincipalswithappid.NewServicePrincipalsWithAppIdRequestBuilderInternal(g.path(), g.adapter, &appID)
		answer, err := builder.Get(ctx, &serviceprincipalswithappid.ServicePrincipalsWithAppIdRequestBuilderGetRequestConfiguration{
			Headers: g.headers(),
			QueryParameters: &serviceprincipalswithappid.ServicePrincipalsWithAppIdRequestBuilderGetQueryParameters{
				Select: principalProperties,
			},
		})
		if err == nil {
			found = principalOf(answer)
		}
		return err
	})
	return found, err
}

var principalProperties = []string{"id", "appId", "accountEnabled", "appRoleAssignmentRequired", "appRoles"}

// listPrincipals reads every page of the service principals that the filter matches.
func (g *graph) listPrincipals(ctx context.Context, filter string) (all []principal, err error) {
	top := int32(pageSize)
	builder := g.principals()
	options := &serviceprincipals.ServicePrincipalsRequestBuilderGetRequestConfiguration{
		Headers:         g.headers(),
		QueryParameters: &serviceprincipals.ServicePrincipalsRequestBuilderGetQueryParameters{Filter: &filter, Select: principalProperties, Top: &top},
	}
	for {
		var next string
		err := g.read(ctx, "GET /servicePrincipals", "service principals with "+filter, func(ctx context.Context) error {
			page, err := builder.Get(ctx, options)
			if err != nil {
				return err
			}
			for _, one := range page.GetValue() {
				all = append(all, *principalOf(one))
			}
			next = text(page.GetOdataNextLink())
			return nil
		})
		if err != nil || next == "" {
			return all, err
		}
		builder, options = g.principals().WithUrl(next), &serviceprincipals.ServicePrincipalsRequestBuilderGetRequestConfiguration{Headers: g.headers()}
	}
}

func (g *graph) enablePrincipal(ctx context.Context, id string, enabled bool) error {
	body := models.NewServicePrincipal()
	body.SetAccountEnabled(&enabled)
	return g.write(ctx, "PATCH /servicePrincipals/{id}", "service principal "+id, func(ctx context.Context) error {
		_, err := g.principals().ByServicePrincipalId(id).Patch(ctx, body,
			&serviceprincipals.ServicePrincipalItemRequestBuilderPatchRequestConfiguration{Headers: g.headers()})
		return err
	})
}

func (g *graph) deletePrincipal(ctx context.Context, id string) error {
	return g.write(ctx, "DELETE /servicePrincipals/{id}", "service principal "+id, func(ctx context.Context) error {
		return g.principals().ByServicePrincipalId(id).Delete(ctx,
			&serviceprincipals.ServicePrincipalItemRequestBuilderDeleteRequestConfiguration{Headers: g.headers()})
	})
}

// assignments lists what app roles a service principal has at any API.
func (g *graph) assignments(ctx context.Context, principalID string) (all []assignment, err error) {
	top := int32(pageSize)
	builder := g.principals().ByServicePrincipalId(principalID).AppRoleAssignments()
	options := &serviceprincipals.ItemAppRoleAssignmentsRequestBuilderGetRequestConfiguration{
		Headers: g.headers(), QueryParameters: &serviceprincipals.ItemAppRoleAssignmentsRequestBuilderGetQueryParameters{Top: &top},
	}
	for {
		var next string
		err := g.read(ctx, "GET /servicePrincipals/{id}/appRoleAssignments", "service principal "+principalID, func(ctx context.Context) error {
			page, err := builder.Get(ctx, options)
			if err != nil {
				return err
			}
			for _, one := range page.GetValue() {
				all = append(all, assignmentOf(one))
			}
			next = text(page.GetOdataNextLink())
			return nil
		})
		if err != nil || next == "" {
			return all, err
		}
		builder = builder.WithUrl(next)
		options = &serviceprincipals.ItemAppRoleAssignmentsRequestBuilderGetRequestConfiguration{Headers: g.headers()}
	}
}

func (g *graph) assign(ctx context.Context, principalID, resourceID, roleID string) (made assignment, err error) {
	object := "app role assignment of " + principalID + " at " + resourceID
	body := models.NewAppRoleAssignment()
	for _, one := range []struct {
		id  string
		set func(*uuid.UUID)
	}{{principalID, body.SetPrincipalId}, {resourceID, body.SetResourceId}, {roleID, body.SetAppRoleId}} {
		parsed, err := uuid.Parse(one.id)
		if err != nil {
			return made, &apierror.Error{Kind: apierror.Invalid, Service: service, Object: object,
				Operation: "POST /servicePrincipals/{id}/appRoleAssignments", Message: "an id is no UUID: " + one.id}
		}
		one.set(&parsed)
	}
	err = g.write(ctx, "POST /servicePrincipals/{id}/appRoleAssignments", object, func(ctx context.Context) error {
		answer, err := g.principals().ByServicePrincipalId(principalID).AppRoleAssignments().Post(ctx, body,
			&serviceprincipals.ItemAppRoleAssignmentsRequestBuilderPostRequestConfiguration{Headers: g.headers()})
		if err == nil {
			made = assignmentOf(answer)
		}
		return err
	})
	return made, err
}

func (g *graph) unassign(ctx context.Context, principalID, id string) error {
	return g.write(ctx, "DELETE /servicePrincipals/{id}/appRoleAssignments/{id}", "app role assignment "+id, func(ctx context.Context) error {
		return g.principals().ByServicePrincipalId(principalID).AppRoleAssignments().ByAppRoleAssignmentId(id).Delete(ctx,
			&serviceprincipals.ItemAppRoleAssignmentsAppRoleAssignmentItemRequestBuilderDeleteRequestConfiguration{Headers: g.headers()})
	})
}

// addPassword returns the password's key id and its secret, which is shown this once.
func (g *graph) addPassword(ctx context.Context, objectID string, end time.Time) (made password, secret string, err error) {
	name := passwordName
	wanted := models.NewPasswordCredential()
	wanted.SetDisplayName(&name)
	wanted.SetEndDateTime(&end)
	body := applications.NewItemAddPasswordPostRequestBody()
	body.SetPasswordCredential(wanted)
	err = g.write(ctx, "POST /applications/{id}/addPassword", "application object "+objectID, func(ctx context.Context) error {
		answer, err := g.applications().ByApplicationId(objectID).AddPassword().Post(ctx, body,
			&applications.ItemAddPasswordRequestBuilderPostRequestConfiguration{Headers: g.headers()})
		if err == nil {
			made, secret = passwordOf(answer), text(answer.GetSecretText())
		}
		return err
	})
	return made, secret, err
}

func (g *graph) removePassword(ctx context.Context, objectID, keyID string) error {
	const operation = "POST /applications/{id}/removePassword"
	id, err := uuid.Parse(keyID)
	if err != nil {
		return &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: operation, Object: "password " + keyID, Message: "the key id is no UUID"}
	}
	body := applications.NewItemRemovePasswordPostRequestBody()
	body.SetKeyId(&id)
	return g.write(ctx, operation, "password "+keyID, func(ctx context.Context) error {
		return g.applications().ByApplicationId(objectID).RemovePassword().Post(ctx, body,
			&applications.ItemRemovePasswordRequestBuilderPostRequestConfiguration{Headers: g.headers()})
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
