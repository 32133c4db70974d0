package iam

import (
	"context"
	"encoding/json"
	"time"
)

// The dump of the directory, with stable names and no secret.

// State is everything in the directory.
type State struct {
	Roles         []RoleState         `json:"roles"`
	Users         []UserState         `json:"users"`
	Policies      []PolicyState       `json:"policies"`
	OIDCProviders []OIDCProviderState `json:"oidc_providers"`
}

// RoleState is one role.
type RoleState struct {
	Name                string                     `json:"name"`
	ARN                 string                     `json:"arn"`
	ID                  string                     `json:"id"`
	Description         string                     `json:"description"`
	MaxSessionDuration  int                        `json:"max_session_duration"` // seconds
	TrustPolicy         json.RawMessage            `json:"trust_policy"`
	InlinePolicies      map[string]json.RawMessage `json:"inline_policies"`
	AttachedPolicies    []string                   `json:"attached_policies"`
	PermissionsBoundary string                     `json:"permissions_boundary"`
	Tags                map[string]string          `json:"tags"`
	Created             time.Time                  `json:"created"`
}

// UserState is one user with the ids of its access keys.
type UserState struct {
	Name             string                     `json:"name"`
	ARN              string                     `json:"arn"`
	InlinePolicies   map[string]json.RawMessage `json:"inline_policies"`
	AttachedPolicies []string                   `json:"attached_policies"`
	AccessKeyIDs     []string                   `json:"access_key_ids"`
	Admin            bool                       `json:"admin"`
}

// PolicyState is one customer managed policy.
type PolicyState struct {
	ARN      string          `json:"arn"`
	Document json.RawMessage `json:"document"` // of the default version
}

// OIDCProviderState is one OIDC provider.
type OIDCProviderState struct {
	ARN       string            `json:"arn"`
	URL       string            `json:"url"` // without https://
	ClientIDs []string          `json:"client_ids"`
	Tags      map[string]string `json:"tags"`
}

// State returns a copy of everything, for the sandbox's administrator. It is JSON-able and holds no secret.
func (d *Directory) State(ctx context.Context) any {
	out := State{Roles: []RoleState{}, Users: []UserState{}, Policies: []PolicyState{}, OIDCProviders: []OIDCProviderState{}}
	for _, r := range d.roles.Values(ctx) {
		out.Roles = append(out.Roles, RoleState{
			Name: r.Name, ARN: r.ARN, ID: r.ID, Description: r.Description, MaxSessionDuration: r.MaxSession,
			TrustPolicy: json.RawMessage(d.renderTrust(ctx, r)), InlinePolicies: documents(r.Inline),
			AttachedPolicies: append([]string{}, r.Attached...), PermissionsBoundary: r.Boundary, Tags: copied(r.Tags), Created: r.Created,
		})
	}
	for _, u := range d.users.Values(ctx) {
		ids := []string{}
		for _, k := range d.keysOf(ctx, u.Name) {
			ids = append(ids, k.ID)
		}
		out.Users = append(out.Users, UserState{
			Name: u.Name, ARN: u.ARN, InlinePolicies: documents(u.Inline), AttachedPolicies: append([]string{}, u.Attached...),
			AccessKeyIDs: ids, Admin: u.Admin,
		})
	}
	for _, p := range d.policies.Values(ctx) {
		if !p.AWS {
			out.Policies = append(out.Policies, PolicyState{p.ARN, json.RawMessage(p.version(p.Default).Document)})
		}
	}
	for _, p := range d.providers.Values(ctx) {
		out.OIDCProviders = append(out.OIDCProviders, OIDCProviderState{p.ARN, p.URL, append([]string{}, p.ClientIDs...), copied(p.Tags)})
	}
	return out
}

func documents(inline map[string]string) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(inline))
	for name, document := range inline {
		out[name] = json.RawMessage(document)
	}
	return out
}

func copied(tags map[string]string) map[string]string {
	out := make(map[string]string, len(tags))
	for key, value := range tags {
		out[key] = value
	}
	return out
}
