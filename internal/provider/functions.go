package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/function"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
)

var _ provider.ProviderWithFunctions = (*oidcs3Provider)(nil)

// Functions implements provider.ProviderWithFunctions. They need no settings and call nothing. Terraform 1.8 and later.
func (p *oidcs3Provider) Functions(context.Context) []func() function.Function {
	return []func() function.Function{
		func() function.Function { return trustPolicy },
		func() function.Function { return permissionsPolicy },
		func() function.Function { return hostConfig },
		func() function.Function { return parseServerID{} },
	}
}

// documentFunction makes a JSON document of named values.
type documentFunction struct {
	name, summary, description string
	keys                       []string // that there are
	make                       func(values map[string]string) (string, error)
}

func (f documentFunction) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = f.name
}

func (f documentFunction) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: f.summary, MarkdownDescription: f.description,
		Parameters: []function.Parameter{function.MapParameter{Name: "values", ElementType: types.StringType,
			MarkdownDescription: "Any of `" + strings.Join(f.keys, "`, `") + "`. What is null counts as left out."}},
		Return: function.StringReturn{},
	}
}

func (f documentFunction) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var given map[string]types.String
	if resp.Error = req.Arguments.Get(ctx, &given); resp.Error != nil {
		return
	}
	values := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(f.keys, key) {
			resp.Error = function.NewArgumentFuncError(0, fmt.Sprintf("%s knows no %q; there are %s", f.name, key, strings.Join(f.keys, ", ")))
			return
		}
		if !given[key].IsNull() {
			values[key] = given[key].ValueString()
		}
	}
	document, err := f.make(values)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, document)
}

var trustPolicy = documentFunction{
	name:    "trust_policy",
	summary: "The trust policy of a server's role",
	description: "Writes the trust policy that `oidcs3_server_access` gives a role, for roles that are made by other means. With `mode` `plain` or `azp` " +
		"it lets in the tokens of one client, and with `vending` the credential vending service. What no safe policy expresses is an error.",
	keys: []string{"mode", "oidc_provider_arn", "audience", "subject", "client_id", "vending_role_arn", "server_name", "enabled"},
	make: func(v map[string]string) (string, error) {
		enabled, ok := map[string]bool{"": true, "true": true, "false": false}[v["enabled"]]
		if !ok {
			return "", fmt.Errorf("enabled is %q, neither true nor false", v["enabled"])
		}
		trust := access.Trust{
			Mode: access.Mode(v["mode"]), ProviderARN: v["oidc_provider_arn"], Audience: v["audience"], Subject: v["subject"], ClientID: v["client_id"],
			VendingRoleARN: v["vending_role_arn"], ServerName: v["server_name"], Disabled: !enabled,
		}
		if trust.Mode == "" {
			trust.Mode = access.Plain
		}
		if err := trust.Validate(); err != nil {
			return "", err
		}
		return trust.Policy(), nil
	},
}

var permissionsPolicy = documentFunction{
	name:    "permissions_policy",
	summary: "What a server's role may do",
	description: "Writes the permissions that `oidcs3_server_access` gives a role, as one policy document. `s3_permissions` is `write` unless it is " +
		"`read-write` or `full`; `partition` is `aws` unless it is given. What no safe policy expresses is an error.",
	keys: []string{"bucket_name", "s3_path_prefix", "s3_permissions", "kms_key_arn", "partition"},
	make: func(v map[string]string) (string, error) {
		p := access.Permissions{Partition: "aws", Bucket: v["bucket_name"], Prefix: v["s3_path_prefix"], Permission: access.Write, KMSKeyARN: v["kms_key_arn"]}
		if partition, ok := v["partition"]; ok {
			p.Partition = partition
		}
		if level, ok := v["s3_permissions"]; ok {
			p.Permission = access.Permission(level)
		}
		if err := p.Validate(); err != nil {
			return "", err
		}
		return p.Document(), nil
	},
}

var hostConfig = documentFunction{
	name:    "host_config",
	summary: "The configuration file of a server's oidcs3-upload",
	description: "Writes a host's configuration file, as `server_configuration` of `oidcs3_server_access` is. It is checked as the host would check it: " +
		"what is missing, unknown or malformed is an error, and so is a secret, which never belongs into that file.",
	keys: hostKeys(),
	make: func(values map[string]string) (string, error) {
		document, err := json.Marshal(values)
		if err != nil {
			return "", err
		}
		parsed, err := config.Parse(document)
		if err == nil {
			err = parsed.Validate(config.NeedBucket)
		}
		return string(document), err
	},
}

func hostKeys() []string {
	var keys []string
	for _, s := range config.Settings() {
		keys = append(keys, s.Key)
	}
	return keys
}

// parseServerID tells which server an import id means.
type parseServerID struct{}

var serverIDTypes = map[string]attr.Type{"environment": types.StringType, "server_name": types.StringType}

func (parseServerID) Metadata(_ context.Context, _ function.MetadataRequest, resp *function.MetadataResponse) {
	resp.Name = "parse_server_id"
}

func (parseServerID) Definition(_ context.Context, _ function.DefinitionRequest, resp *function.DefinitionResponse) {
	resp.Definition = function.Definition{
		Summary: "Which server an id means",
		MarkdownDescription: "Takes an id of a server apart, in every form that an import takes: `<server_name>`, `<environment>/<server_name>`, the name of a " +
			"role or its ARN. Returns an object with `environment`, null where the id does not say it, and `server_name`. In a role's name, the environment is " +
			"one of those given, and without any the first word after the project.",
		Parameters: []function.Parameter{
			function.StringParameter{Name: "id", MarkdownDescription: "The id."},
			function.StringParameter{Name: "project", MarkdownDescription: "Project of the provider: the first part of the names of roles, such as `" + defaultProject + "`."},
		},
		VariadicParameter: function.StringParameter{Name: "environments", MarkdownDescription: "Environments that there are, for names of roles."},
		Return:            function.ObjectReturn{AttributeTypes: serverIDTypes},
	}
}

func (parseServerID) Run(ctx context.Context, req function.RunRequest, resp *function.RunResponse) {
	var id, project string
	var environments []string
	if resp.Error = req.Arguments.Get(ctx, &id, &project, &environments); resp.Error != nil {
		return
	}
	server, err := onboarding.ParseServerID(id, project, environments)
	if err != nil {
		resp.Error = function.NewArgumentFuncError(0, err.Error())
		return
	}
	resp.Error = resp.Result.Set(ctx, types.ObjectValueMust(serverIDTypes, map[string]attr.Value{
		"environment": optional(server.Environment), "server_name": types.StringValue(server.Name)}))
}
