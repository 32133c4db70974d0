package onboarding

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// HostConfiguration is the host's configuration file: a flat JSON object without a secret in it, keys sorted.
func (r Resolved) HostConfiguration(kind idp.Kind, client idp.Client, roleARN string) string {
	values := map[string]string{
		"identity_provider": string(kind),
		"aws_role_arn":      roleARN,
		"aws_region":        r.Region,
		"s3_bucket":         r.Bucket,
		"s3_path_prefix":    r.Prefix,
		"server_name":       r.Server,
	}
	endpoint, err := url.Parse(r.TokenEndpoint)
	if err != nil {
		endpoint = &url.URL{}
	}
	switch kind {
	case idp.Auth0:
		values["auth0_domain"] = endpoint.Host
		values["auth0_client_id"] = client.ID
		values["auth0_audience"] = r.Identity.Audience
	case idp.Entra:
		tenant, _, _ := strings.Cut(strings.TrimPrefix(endpoint.Path, "/"), "/")
		values["entra_login_host"] = endpoint.Host
		values["entra_tenant_id"] = tenant
		values["entra_client_id"] = client.ID
		values["entra_audience"] = r.Identity.Audience
	case idp.Cognito:
		values["cognito_domain"] = r.Identity.Domain
		values["cognito_client_id"] = client.ID
		values["cognito_scopes"] = strings.Join(slices.Sorted(slices.Values(r.Identity.Scopes)), " ")
	}
	if r.Mode == access.Vending {
		values["credential_vending_url"] = r.Identity.Vending.URL
	}
	document, err := json.Marshal(values)
	if err != nil { // a map of strings always marshals
		return "{}"
	}
	return string(document)
}
