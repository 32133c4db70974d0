package onboarding

import (
	"context"
	"maps"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// The world as one process sees it: every call takes time and may meet a blow.

var (
	_ Roles        = (*process)(nil)
	_ Clock        = (*process)(nil)
	_ idp.Provider = processClients{}
	_ Mappings     = processRows{}
)

func (r *process) Create(ctx context.Context, s iam.RoleSpec) (role iam.Role, err error) {
	err = r.call(false, "CreateRole", func(w *world) error {
		role, err = worldRoles{w}.Create(ctx, s)
		return err
	})
	if err != nil {
		return iam.Role{}, err
	}
	return role, nil
}

func (r *process) Read(ctx context.Context, name string) (role iam.Role, err error) {
	err = r.call(true, "GetRole", func(w *world) error {
		role, err = worldRoles{w}.Read(ctx, name)
		return err
	})
	return role, err
}

func (r *process) Look(ctx context.Context, name string) (iam.Role, error) { return r.Read(ctx, name) }

// SetTrust opens a role only where everything stands that some configuration of the server asks for.
func (r *process) SetTrust(ctx context.Context, name, document string) error {
	return r.call(false, "UpdateAssumeRolePolicy", func(w *world) error {
		w.mu.Lock()
		if _, ok := w.roles[name]; ok && !access.IsDenyAll(document) && !r.open && !r.stands(name, document) {
			w.breach("role %s was opened before everything else stood", name)
		}
		w.mu.Unlock()
		return worldRoles{w}.SetTrust(ctx, name, document)
	})
}

// policies tells what a role grants from whether every session of it is revoked.
func policies(role iam.Role) (granted map[string]string, revoked bool) {
	granted = maps.Clone(role.InlinePolicies)
	delete(granted, access.RevocationPolicy)
	return granted, access.Equivalent(role.InlinePolicies[access.RevocationPolicy], access.RevokeAll())
}

// stands reports whether all that goes with a trust policy is there, for one of the server's configurations.
func (r *process) stands(name, document string) bool {
	for change := range changes {
		want := configuration(r.script.Server, change)
		for _, c := range r.clientsOf(want) {
			if !c.granted || !access.Equivalent(document, want.trust(c.client)) {
				continue
			}
			_, mapped := r.w.rows[rolemap.Key(want.Issuer, c.client.ID)]
			if (want.Mode == access.AZP && !r.w.listed[c.client.ID]) || (want.Mode == access.Vending && !mapped) {
				continue
			}
			granted, revoked := policies(r.w.roles[name])
			if !revoked && maps.EqualFunc(granted, want.Permissions().Policies(), access.Equivalent) {
				return true
			}
		}
	}
	return false
}

func (r *process) SetMaxSessionDuration(ctx context.Context, name string, d time.Duration, description string) error {
	return r.call(false, "UpdateRole", func(w *world) error {
		return worldRoles{w}.SetMaxSessionDuration(ctx, name, d, description)
	})
}

func (r *process) SetPermissionsBoundary(ctx context.Context, name, arn string) error {
	return r.call(false, "PutRolePermissionsBoundary", func(w *world) error { return worldRoles{w}.SetPermissionsBoundary(ctx, name, arn) })
}

func (r *process) PutPolicy(ctx context.Context, name, policy, document string) error {
	return r.call(false, "PutRolePolicy", func(w *world) error { return worldRoles{w}.PutPolicy(ctx, name, policy, document) })
}

func (r *process) DeletePolicy(ctx context.Context, name, policy string) error {
	return r.call(false, "DeleteRolePolicy", func(w *world) error { return worldRoles{w}.DeletePolicy(ctx, name, policy) })
}

func (r *process) Tag(ctx context.Context, name string, tags map[string]string) error {
	return r.call(false, "TagRole", func(w *world) error { return worldRoles{w}.Tag(ctx, name, tags) })
}

func (r *process) Untag(ctx context.Context, name string, keys []string) error {
	return r.call(false, "UntagRole", func(w *world) error { return worldRoles{w}.Untag(ctx, name, keys) })
}

func (r *process) Delete(ctx context.Context, name string) error {
	return r.call(false, "DeleteRole", func(w *world) error { return worldRoles{w}.Delete(ctx, name) })
}

func (r *process) OIDCProvider(ctx context.Context, arn string) (p iam.OIDCProvider, err error) {
	err = r.call(true, "GetOpenIDConnectProvider", func(w *world) error {
		p, err = worldRoles{w}.OIDCProvider(ctx, arn)
		return err
	})
	return p, err
}

func (r *process) AddAudience(ctx context.Context, arn, id string) error {
	return r.call(false, "AddClientID", func(w *world) error { return worldRoles{w}.AddAudience(ctx, arn, id) })
}

func (r *process) RemoveAudience(ctx context.Context, arn, id string) error {
	return r.call(false, "RemoveClientID", func(w *world) error { return worldRoles{w}.RemoveAudience(ctx, arn, id) })
}

// tried is the world as a Probe. Another apply may have taken over meanwhile: then the wait is in vain.
func (r *process) tried(_ context.Context, configuration string, secret idp.Secret) error {
	return r.call(false, "probe", func(w *world) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.lets(configuration, secret)
	})
}

// processClients is the identity provider.
type processClients struct{ *process }

func (r processClients) Kind() idp.Kind { return idp.Auth0 }

func (r processClients) API(context.Context, string) (idp.API, error) { return r.w.api, nil }

func (r processClients) Find(ctx context.Context, which idp.Lookup) (c idp.Client, err error) {
	err = r.call(true, "GET client", func(w *world) error {
		c, err = worldClients{w}.Find(ctx, which)
		return err
	})
	return c, err
}

func (r processClients) Delete(ctx context.Context, c idp.Client) error {
	return r.call(false, "DELETE client", func(w *world) error { return worldClients{w}.Delete(ctx, c) })
}

// Parts are the world's; a part whose answer is lost teaches nothing.
func (r processClients) Parts() []idp.Part {
	parts := worldClients{r.w}.Parts()
	for i, part := range parts {
		parts[i].Apply = func(ctx context.Context, c *idp.Client, s idp.Spec) error {
			after := *c
			err := r.call(false, "apply "+part.Name, func(*world) error { return part.Apply(ctx, &after, s) })
			if err == nil {
				*c = after
			}
			return err
		}
		parts[i].Revert = func(ctx context.Context, c *idp.Client, before idp.Client) error {
			return r.call(false, "revert "+part.Name, func(*world) error { return part.Revert(ctx, c, before) })
		}
	}
	return parts
}

// processRows is the mapping table.
type processRows struct{ *process }

func (r processRows) Put(_ context.Context, _ string, row rolemap.Row) error {
	return r.call(false, "PutItem", func(w *world) error {
		return w.change("PutItem", func() error {
			if had, ok := w.rows[row.ClientID]; ok && had.RoleARN != row.RoleARN {
				return failed(apierror.Exists, "PutItem", row.ClientID)
			}
			w.rows[row.ClientID] = row
			return nil
		})
	})
}

func (r processRows) Look(_ context.Context, _, key string) (row rolemap.Row, err error) {
	err = r.call(true, "GetItem", func(w *world) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		var ok bool
		if row, ok = w.rows[key]; !ok {
			return failed(apierror.NotFound, "GetItem", key)
		}
		return nil
	})
	return row, err
}

func (r processRows) Read(ctx context.Context, table, key string) (rolemap.Row, error) {
	return r.Look(ctx, table, key)
}

func (r processRows) Delete(_ context.Context, _, key, roleARN string) error {
	return r.call(false, "DeleteItem", func(w *world) error {
		return w.change("DeleteItem", func() error {
			if w.rows[key].RoleARN == roleARN {
				delete(w.rows, key)
			}
			return nil
		})
	})
}
