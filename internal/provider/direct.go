package provider

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// What follows reads each server's objects by themselves, for bulk_reads = false.

type directRoles struct{ *iam.Roles }

func (d directRoles) Look(ctx context.Context, name string) (iam.Role, error) {
	return d.Read(ctx, name)
}

type directClients struct{ idp.Provider }

func (d directClients) Find(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	which.Fresh = true
	return d.Provider.Find(ctx, which)
}

type directMappings struct{ *rolemap.Table }

func (d directMappings) Look(ctx context.Context, table, key string) (rolemap.Row, error) {
	return d.Read(ctx, table, key)
}
