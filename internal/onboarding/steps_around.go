package onboarding

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// unmapGone deletes the row of a client that is no more, while state and journal still name it.
func (w *work) unmapGone() step {
	return step{
		name:   "delete mapping row of a deleted client of " + w.name(),
		needed: func() bool { return w.gone != "" && w.row.ClientID == w.c.rowKey(w.want.Issuer, w.gone) },
		do:     w.unmap,
	}
}

// unmapMoved deletes the client's row where it names the role by the path that it had before it was deleted. Names of roles
// are unique whatever their paths, so no role has that ARN any more, and a row is never given from one ARN to another.
func (w *work) unmapMoved() step {
	return w.unmapping("delete mapping row of "+w.name()+" by its former path", func() bool {
		return w.want.Mode == access.Vending && w.row.ServerName == w.want.Server && access.SameRoleName(w.row.RoleARN, w.role.ARN) && w.row.RoleARN != w.role.ARN
	})
}

// unmapClient deletes the client's row, where credential vending no longer takes part.
func (w *work) unmapClient() step {
	return w.unmapping("delete mapping row of "+w.name(), func() bool { return w.want.Mode != access.Vending && w.row != (rolemap.Row{}) })
}

// unmapping deletes the row that was found, and puts it back.
func (w *work) unmapping(name string, needed func() bool) step {
	var before rolemap.Row
	return step{
		name: name, needed: needed,
		remains: "missing mapping row of " + w.name() + " in table " + w.table,
		do: func(ctx context.Context) error {
			before = w.row
			return w.unmap(ctx)
		},
		undo: func(ctx context.Context) error {
			if before == (rolemap.Row{}) {
				return nil
			}
			return w.c.mappings.Put(ctx, w.table, before)
		},
	}
}

// unmapFormer deletes the client's row from a table that another has taken the place of, once that one has it.
func (w *work) unmapFormer() step {
	var before rolemap.Row
	return step{
		name:    "delete mapping row of " + w.name() + " from table " + w.former,
		needed:  func() bool { return w.former != "" && w.client.Exists() },
		remains: "missing mapping row of " + w.name() + " in table " + w.former,
		do: func(ctx context.Context) error {
			row, err := w.c.mappings.Read(ctx, w.former, w.c.rowKey(w.want.Issuer, w.client.ID))
			if apierror.Is(err, apierror.NotFound) {
				return nil
			}
			if err == nil {
				before = row
				err = w.c.mappings.Delete(ctx, w.former, row.ClientID, w.role.ARN)
			}
			return err
		},
		undo: func(ctx context.Context) error {
			if before == (rolemap.Row{}) {
				return nil
			}
			return w.c.mappings.Put(ctx, w.former, before)
		},
	}
}

func (w *work) unmap(ctx context.Context) error {
	err := w.c.mappings.Delete(ctx, w.table, w.row.ClientID, w.row.RoleARN)
	if err == nil {
		w.row = rolemap.Row{}
	}
	return err
}

// mapClient writes the row that credential vending looks up.
func (w *work) mapClient() step {
	var before rolemap.Row
	table := w.want.Identity.Vending.Table
	return step{
		name:    "map client to role " + w.name(),
		needed:  func() bool { return w.want.Mode == access.Vending && w.row != w.wantedRow() },
		remains: "mapping row of " + w.name() + " in table " + table,
		do: func(ctx context.Context) error {
			before = w.row
			row := w.wantedRow()
			if err := w.c.mappings.Put(ctx, table, row); err != nil {
				return err
			}
			w.row = row
			return nil
		},
		undo: func(ctx context.Context) error {
			if w.want.Mode != access.Vending {
				return nil
			}
			if before != (rolemap.Row{}) {
				return w.c.mappings.Put(ctx, table, before)
			}
			row := w.wantedRow()
			return w.c.mappings.Delete(ctx, table, row.ClientID, row.RoleARN)
		},
	}
}

func (w *work) wantedRow() rolemap.Row {
	return rolemap.Row{
		ClientID:   w.c.rowKey(w.want.Issuer, w.client.ID),
		RoleARN:    w.role.ARN,
		ServerName: w.want.Server,
		Prefix:     w.want.Prefix,
	}
}

// listAudience adds the client to the OIDC provider's client IDs, where its tokens name it in azp.
func (w *work) listAudience() step {
	provider := w.want.Identity.ProviderARN
	return step{
		name:    "add client " + w.name() + " to OIDC provider " + provider,
		needed:  func() bool { return w.want.Mode == access.AZP && !w.listed },
		remains: "client ID of " + w.name() + " in the list of " + provider,
		do: func(ctx context.Context) error {
			err := w.c.roles.AddAudience(ctx, provider, w.client.ID)
			w.listed = w.listed || err == nil
			return err
		},
		undo: func(ctx context.Context) error {
			if w.want.Mode != access.AZP {
				return nil
			}
			err := w.c.roles.RemoveAudience(ctx, provider, w.client.ID)
			w.listed = w.listed && err != nil
			return err
		},
	}
}

// unlistAudience takes the client off an OIDC provider's list in which its tokens no longer need it.
func (w *work) unlistAudience() step {
	return step{
		name:    "remove client " + w.name() + " from OIDC provider " + w.provider,
		needed:  func() bool { return w.stale },
		remains: "missing client ID of " + w.name() + " in the list of " + w.provider,
		do: func(ctx context.Context) error {
			err := w.c.roles.RemoveAudience(ctx, w.provider, w.client.ID)
			w.stale = w.stale && err != nil
			return err
		},
		undo: func(ctx context.Context) error {
			if w.adopted {
				return nil
			}
			return w.c.roles.AddAudience(ctx, w.provider, w.client.ID)
		},
	}
}

// unlistGone takes a client that is no more off that list, while trust policy and journal still name it.
func (w *work) unlistGone() step {
	return step{
		name:   "remove a deleted client of " + w.name() + " from OIDC provider " + w.provider,
		needed: func() bool { return w.unlisted != "" },
		do: func(ctx context.Context) error {
			err := w.c.roles.RemoveAudience(ctx, w.provider, w.unlisted)
			if err == nil {
				w.unlisted = ""
			}
			return err
		},
	}
}
