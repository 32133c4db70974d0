package provider

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"crypto/x509"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

type serverAccessModel struct {
	ServerName           types.String   `tfsdk:"server_name"`
	Environment          types.String   `tfsdk:"environment"`
	Federation           types.String   `tfsdk:"federation"`
	Auth0                types.Object   `tfsdk:"auth0"`
	Entra                types.Object   `tfsdk:"entra"`
	Cognito              types.Object   `tfsdk:"cognito"`
	ClientAuthentication types.Object   `tfsdk:"client_authentication"`
	BucketName           types.String   `tfsdk:"bucket_name"`
	S3PathPrefix         types.String   `tfsdk:"s3_path_prefix"`
	S3Permissions        types.String   `tfsdk:"s3_permissions"`
	MaxSessionDuration   types.Int64    `tfsdk:"max_session_duration"`
	KMSKeyARN            types.String   `tfsdk:"kms_key_arn"`
	PermissionsBoundary  types.String   `tfsdk:"permissions_boundary"`
	Tags                 types.Map      `tfsdk:"tags"`
	AllowPrefixOverlap   types.Bool     `tfsdk:"allow_prefix_overlap"`
	Enabled              types.Bool     `tfsdk:"enabled"`
	WaitForAccess        types.Bool     `tfsdk:"wait_for_access"`
	DeletionProtection   types.Bool     `tfsdk:"deletion_protection"`
	ID                   types.String   `tfsdk:"id"`
	RoleName             types.String   `tfsdk:"role_name"`
	RoleARN              types.String   `tfsdk:"role_arn"`
	ClientID             types.String   `tfsdk:"client_id"`
	ClientSecret         types.String   `tfsdk:"client_secret"`
	Subject              types.String   `tfsdk:"subject"`
	Issuer               types.String   `tfsdk:"issuer"`
	TokenEndpoint        types.String   `tfsdk:"token_endpoint"`
	TrustMode            types.String   `tfsdk:"trust_mode"`
	TokenAudience        types.String   `tfsdk:"token_audience"`
	TrustPolicy          types.String   `tfsdk:"trust_policy"`
	PermissionsPolicy    types.String   `tfsdk:"permissions_policy"`
	ServerConfiguration  types.String   `tfsdk:"server_configuration"`
	TagsAll              types.Map      `tfsdk:"tags_all"`
	Drift                types.List     `tfsdk:"drift"`
	Timeouts             timeouts.Value `tfsdk:"timeouts"`
}

type clientAuthenticationModel struct {
	Method       types.String `tfsdk:"method"`
	PublicKeyPEM types.String `tfsdk:"public_key_pem"`

	SecretStorage    types.String `tfsdk:"secret_storage"`
	SecretARN        types.String `tfsdk:"secret_arn"`
	RotationTriggers types.Map    `tfsdk:"rotation_triggers"`
	AllowDowntime    types.Bool   `tfsdk:"allow_downtime"`
}

// desired reads what the model asks for. The caller has made sure that it is known.
func (m *serverAccessModel) desired(ctx context.Context, project, region string) (onboarding.Desired, diag.Diagnostics) {
	i, _, diags := m.identity(ctx)
	wanted, partition, more := i.desired(ctx)
	diags.Append(more...)
	d := onboarding.Desired{
		Project:             project,
		Environment:         m.Environment.ValueString(),
		Server:              m.ServerName.ValueString(),
		Partition:           partition,
		Region:              region,
		Bucket:              m.BucketName.ValueString(),
		Prefix:              m.S3PathPrefix.ValueString(),
		Permission:          access.Permission(m.S3Permissions.ValueString()),
		KMSKeyARN:           m.KMSKeyARN.ValueString(),
		MaxSessionDuration:  time.Duration(m.MaxSessionDuration.ValueInt64()) * time.Second,
		PermissionsBoundary: m.PermissionsBoundary.ValueString(),
		Method:              idp.ClientSecret,
		Identity:            wanted,
		Disabled:            !m.Enabled.IsNull() && !m.Enabled.IsUnknown() && !m.Enabled.ValueBool(),
		Wait:                m.WaitForAccess.ValueBool(),
	}
	if !m.ClientAuthentication.IsNull() {
		var authentication clientAuthenticationModel
		diags.Append(m.ClientAuthentication.As(ctx, &authentication, basetypes.ObjectAsOptions{})...)
		d.Method = idp.Method(authentication.Method.ValueString())
		d.Storage, d.AllowDowntime = m.storage(), authentication.AllowDowntime.ValueBool()
		if d.Method == idp.PrivateKeyJWT {
			keys, err := publicKeys(authentication.PublicKeyPEM.ValueString())
			if err == nil {
				d.PublicKeys = keys
			}
		}
	}
	diags.Append(m.TagsAll.ElementsAs(ctx, &d.Tags, false)...)
	return d, diags
}

// resolved reads what the model says after planning: what was found out then is not asked again.
func (m *serverAccessModel) resolved(d onboarding.Desired) (onboarding.Resolved, bool) {
	r := onboarding.Resolved{
		Desired:       d,
		Mode:          access.Mode(m.TrustMode.ValueString()),
		TokenAudience: m.TokenAudience.ValueString(),
		Issuer:        m.Issuer.ValueString(),
		TokenEndpoint: m.TokenEndpoint.ValueString(),
	}
	return r, r.Mode != "" && r.TokenAudience != "" && r.Issuer != "" && r.TokenEndpoint != ""
}

// setResolved writes what is known once the API has been looked at.
func (m *serverAccessModel) setResolved(r onboarding.Resolved) {
	m.TrustMode = types.StringValue(string(r.Mode))
	m.TokenAudience = types.StringValue(r.TokenAudience)
	m.Issuer = types.StringValue(r.Issuer)
	m.TokenEndpoint = types.StringValue(r.TokenEndpoint)
}

// setNames writes what follows from the names alone: of a role that is there, the ARN may be another.
func (m *serverAccessModel) setNames(i identity, d onboarding.Desired) {
	m.ID = types.StringValue(d.ID())
	m.RoleName = types.StringValue(d.Name())
	m.RoleARN = types.StringUnknown()
	if provider, err := access.ParseARN(i.providerARN()); err == nil {
		m.RoleARN = types.StringValue(access.RoleARN(provider.Partition, provider.Account, d.Name()))
	}
}

// setRoleARN writes the ARN of the role that was found, which may have a path. Where there is none, an apply makes one
// without a path in the account of the one that was.
func (m *serverAccessModel) setRoleARN(found *iam.Role, was types.String) {
	if found != nil {
		m.RoleARN = types.StringValue(found.ARN)
		return
	}
	if !m.RoleARN.IsUnknown() {
		return
	}
	m.RoleARN = types.StringNull()
	if arn, err := access.ParseARN(was.ValueString()); err == nil {
		m.RoleARN = types.StringValue(access.RoleARN(arn.Partition, arn.Account, m.RoleName.ValueString()))
	}
}

// setClient writes what depends on the client.
func (m *serverAccessModel) setClient(kind idp.Kind, r onboarding.Resolved, client idp.Client) {
	m.ClientID = types.StringValue(client.ID)
	m.Subject = types.StringValue(client.Subject)
	m.TrustPolicy = types.StringValue(r.TrustPolicy(client))
	m.ServerConfiguration = types.StringValue(r.HostConfiguration(kind, client, m.RoleARN.ValueString()))
}

// forgetClient marks as unknown what a new client will change.
func (m *serverAccessModel) forgetClient() {
	m.ClientID, m.Subject = types.StringUnknown(), types.StringUnknown()
	m.TrustPolicy, m.ServerConfiguration = types.StringUnknown(), types.StringUnknown()
}

// nullUnknown makes what is still unknown null, for the state of an operation that ended early.
func (m *serverAccessModel) nullUnknown() {
	for _, value := range []*types.String{
		&m.ID, &m.RoleName, &m.RoleARN, &m.ClientID, &m.ClientSecret, &m.Subject, &m.Issuer, &m.TokenEndpoint,
		&m.TrustMode, &m.TokenAudience, &m.TrustPolicy, &m.PermissionsPolicy, &m.ServerConfiguration,
	} {
		if value.IsUnknown() {
			*value = types.StringNull()
		}
	}
}

// mergeTags lays the resource's tags over the provider's.
func mergeTags(defaults map[string]string, tags map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, defaults)
	maps.Copy(all, tags)
	return all
}

// ownTags takes the provider's default tags out of those found on a role, but for those that the resource names itself.
func ownTags(found, defaults, named map[string]string) map[string]string {
	own := map[string]string{}
	for key, value := range found {
		_, isNamed := named[key]
		if defaultValue, isDefault := defaults[key]; !isDefault || defaultValue != value || isNamed {
			own[key] = value
		}
	}
	return own
}

func stringMap(m map[string]string) types.Map {
	values := make(map[string]attr.Value, len(m))
	for key, value := range m {
		values[key] = types.StringValue(value)
	}
	return types.MapValueMust(types.StringType, values)
}

func stringList(list []string) types.List {
	values := make([]attr.Value, len(list))
	for i, value := range list {
		values[i] = types.StringValue(value)
	}
	return types.ListValueMust(types.StringType, values)
}

func stringSet(list []string) types.Set {
	return types.SetValueMust(types.StringType, stringList(list).Elements())
}

// publicKeys splits PEM text into its one or two public keys.
func publicKeys(text string) ([]string, error) {
	var keys []string
	rest := []byte(strings.TrimSpace(text))
	for len(rest) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, errors.New("the text is not in PEM form (-----BEGIN PUBLIC KEY-----)")
		}
		switch {
		case strings.Contains(block.Type, "PRIVATE"):
			return nil, errors.New("this is a private key: it must stay on the server; give the public half")
		case block.Type == "PUBLIC KEY":
			if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
				return nil, fmt.Errorf("the public key cannot be read: %w", err)
			}
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("a PEM block of type %q is not a public key", block.Type)
		}
		keys = append(keys, string(pem.EncodeToMemory(block)))
		rest = []byte(strings.TrimSpace(string(rest)))
	}
	if len(keys) == 0 || len(keys) > 2 {
		return nil, fmt.Errorf("one public key is wanted, or two while one replaces the other; there are %d", len(keys))
	}
	return keys, nil
}

var clientAuthenticationTypes = map[string]attr.Type{
	"method": types.StringType, "public_key_pem": types.StringType, "secret_storage": types.StringType, "secret_arn": types.StringType,
	"rotation_triggers": types.MapType{ElemType: types.StringType}, "allow_downtime": types.BoolType,
}

// noTimeouts is a timeouts attribute that was not given.
func noTimeouts() timeouts.Value {
	kinds := map[string]attr.Type{"create": types.StringType, "read": types.StringType, "update": types.StringType, "delete": types.StringType}
	return timeouts.Value{Object: types.ObjectNull(kinds)}
}
