package entra

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const (
	tokenLifetime = time.Hour
	// tokenBackdated is how far before its issue a token's life begins: issuers in the cloud have clocks that differ.
	tokenBackdated = 5 * time.Minute
	maxForm        = 64 << 10
)

// token answers the token endpoint. version is the endpoint's: 2 takes a scope, 1 a resource. The version of the token
// is the API's affair.
// https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
func (l *Login) token(w http.ResponseWriter, r *http.Request, version int) (any, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return nil, missingParameter("grant_type")
	default:
		return nil, badRequest("unsupported_grant_type", 70003, "The app requested an unsupported grant type '%s'.", form.Get("grant_type"))
	}
	who, err := l.client(r, form)
	if err != nil {
		return nil, err
	}
	edge.SetCaller(r.Context(), who.app.AppID)
	asked, err := resource(form, version)
	if err != nil {
		return nil, err
	}
	api, apiApp, err := l.resource(r, asked)
	if err != nil {
		return nil, err
	}
	roles, assigned := l.roles(r, who.principal, api, apiApp)
	if api.AssignmentRequired && !assigned && api.ID != who.principal.ID {
		return nil, badRequest("invalid_grant", 501051, "Application '%s'(%s) is not assigned to a role for the application '%s'(%s).",
			who.app.AppID, who.app.DisplayName, asked, api.DisplayName)
	}
	text, err := l.issue(who, asked, apiApp, roles)
	if err != nil {
		return nil, err
	}
	seconds := int(tokenLifetime/time.Second) - 1
	return map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text}, nil
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, missingParameter("grant_type")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, badRequest("invalid_request", 900561, "The endpoint only accepts well-formed POST requests.")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return nil, badRequest("invalid_request", 9000410, "Malformed request: the parameter '%s' is given more than once.", name)
		}
	}
	return r.PostForm, nil
}

// resource is the API that a request asks a token for.
func resource(form url.Values, version int) (string, error) {
	if version == 1 {
		if form.Get("resource") == "" {
			return "", missingParameter("resource")
		}
		return form.Get("resource"), nil
	}
	// MSAL adds these to every request; they mean nothing to a client without a user.
	scopes := slices.DeleteFunc(strings.Fields(form.Get("scope")), func(scope string) bool {
		return slices.Contains([]string{"openid", "profile", "email", "offline_access"}, scope)
	})
	if len(scopes) == 0 {
		return "", missingParameter("scope")
	}
	if len(scopes) > 1 {
		return "", badRequest("invalid_scope", 70011, "The provided request must include a 'scope' input parameter. "+
			"The provided value for the input parameter 'scope' is not valid. The scope %s is not valid.", strings.Join(scopes, " "))
	}
	name, ok := strings.CutSuffix(scopes[0], "/.default")
	if !ok || name == "" {
		return "", badRequest("invalid_scope", 1002012, "The provided value for scope %s is not valid. Client credential flows must "+
			"have a scope value with /.default suffixed to the resource identifier (application ID URI).", scopes[0])
	}
	return name, nil
}

// resource finds the API by identifier URI or appId.
func (l *Login) resource(r *http.Request, name string) (principal, application, error) {
	ctx := r.Context()
	appID := name
	if slices.Contains(l.tenant.graphURIs(), name) {
		appID = graphAppID
	} else if id, ok := l.tenant.byIdentifier.Get(ctx, name); ok {
		app, _ := l.tenant.application(ctx, id)
		appID = app.AppID
	}
	if api, ok := l.tenant.principalByAppID(ctx, appID); ok {
		if app, ok := l.tenant.backing(ctx, api); ok && api.Enabled {
			return api, app, nil
		}
	}
	return principal{}, application{}, badRequest("invalid_resource", 500011, "The resource principal named %s was not found in the tenant named %s. "+
		"This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. "+
		"You might have sent your authentication request to the wrong tenant.", name, l.tenant.Domain())
}

// roles are the values of the app roles that a client has at an API, and whether it is assigned at all.
func (l *Login) roles(r *http.Request, client, api principal, app application) (values []string, assigned bool) {
	for _, a := range l.tenant.assignments.Values(r.Context()) {
		if a.PrincipalID != client.ID || a.ResourceID != api.ID {
			continue
		}
		assigned = true
		at := slices.IndexFunc(app.AppRoles, func(role appRole) bool { return role.ID == a.RoleID && role.forApplications() })
		if at >= 0 && app.AppRoles[at].Value != nil {
			values = append(values, *app.AppRoles[at].Value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values), assigned
}

// issue makes the access token.
// https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
func (l *Login) issue(who client, asked string, api application, roles []string) (string, error) {
	version := api.API.version()
	claims := l.tenant.standardClaims(version)
	claims["sub"], claims["oid"] = who.principal.ID, who.principal.ID
	claims["uti"], claims["rh"], claims["aio"] = l.tenant.guid(), l.tenant.guid(), l.tenant.guid()
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	if version == 2 {
		claims["aud"], claims["azp"], claims["azpacr"] = api.AppID, who.app.AppID, who.acr
	} else {
		claims["aud"], claims["appid"], claims["appidacr"] = asked, who.app.AppID, who.acr
		claims["idp"] = l.tenant.Issuer(1)
		claims["app_displayname"] = who.app.DisplayName
	}
	return sign(l.tenant.keys.newest(), version, claims)
}

// standardClaims are those that every token has, beginning now.
func (t *Tenant) standardClaims(version int) map[string]any {
	now := t.now()
	begin := now.Add(-tokenBackdated).Unix()
	return map[string]any{
		"iss": t.Issuer(version), "tid": t.cfg.TenantID, "iat": begin, "nbf": begin, "exp": now.Add(tokenLifetime).Unix(),
		"ver": fmt.Sprintf("%d.0", max(1, min(version, 2))),
	}
}

func badRequest(kind string, code int, format string, args ...any) *loginError {
	return &loginError{status: http.StatusBadRequest, kind: kind, code: code, message: fmt.Sprintf(format, args...)}
}

func unauthorized(code int, format string, args ...any) *loginError {
	return &loginError{status: http.StatusUnauthorized, kind: "invalid_client", code: code, message: fmt.Sprintf(format, args...)}
}

func missingParameter(name string) *loginError {
	return badRequest("invalid_request", 900144, "The request body must contain the following parameter: '%s'.", name)
}
