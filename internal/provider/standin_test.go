package provider_test

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	providerschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// standIn stands in for the official providers, which the tests cannot download: it knows the plain module's resource
// types with a few of their attributes, keeps their states as they are, and fails where one would be changed or destroyed.
type standIn struct {
	name  string
	types map[string][]string // resource type → attributes, all strings; "tags" is a map
}

// standIns are the providers of the plain module and its Entra variant.
func standIns() map[string]func() tfprotov6.ProviderServer {
	all := map[string]standIn{
		"hashicorp/aws": {"aws", map[string][]string{
			"aws_iam_role":                 {"name", "arn", "assume_role_policy", "tags"},
			"aws_iam_role_policy":          {"name", "role", "policy"},
			"aws_cognito_user_pool_client": {"name", "user_pool_id"},
			"aws_dynamodb_table_item":      {"table_name", "hash_key", "item"},
		}},
		"auth0/auth0": {"auth0", map[string][]string{
			"auth0_client": {"name", "client_id"}, "auth0_client_grant": {"client_id", "audience"},
		}},
		"hashicorp/azuread": {"azuread", map[string][]string{
			"azuread_application": {"display_name", "client_id"}, "azuread_service_principal": {"client_id"}, "azuread_application_password": {"application_id"},
		}},
	}
	servers := map[string]func() tfprotov6.ProviderServer{}
	for address, one := range all {
		servers[address] = providerserver.NewProtocol6(one)
	}
	return servers
}

func (s standIn) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = s.name
}

func (s standIn) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = providerschema.Schema{}
}

func (s standIn) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}

func (s standIn) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (s standIn) Resources(context.Context) []func() resource.Resource {
	var all []func() resource.Resource
	for _, kind := range slices.Sorted(maps.Keys(s.types)) {
		all = append(all, func() resource.Resource { return standInResource{kind, s.types[kind]} })
	}
	return all
}

type standInResource struct {
	kind       string
	attributes []string
}

func (r standInResource) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = r.kind
}

func (r standInResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{"id": schema.StringAttribute{Computed: true}}}
	for _, name := range r.attributes {
		resp.Schema.Attributes[name] = schema.StringAttribute{Optional: true, Computed: true}
		if name == "tags" {
			resp.Schema.Attributes[name] = schema.MapAttribute{Optional: true, Computed: true, ElementType: types.StringType}
		}
	}
}

func (r standInResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r standInResource) Create(_ context.Context, _ resource.CreateRequest, resp *resource.CreateResponse) {
	resp.Diagnostics.AddError(r.kind+" is made anew", "A migration makes nothing.")
}

func (r standInResource) Update(_ context.Context, _ resource.UpdateRequest, resp *resource.UpdateResponse) {
	resp.Diagnostics.AddError(r.kind+" is changed", "A migration leaves the old resources alone.")
}

func (r standInResource) Delete(_ context.Context, _ resource.DeleteRequest, resp *resource.DeleteResponse) {
	resp.Diagnostics.AddError(r.kind+" is destroyed", "A migration destroys nothing.")
}
