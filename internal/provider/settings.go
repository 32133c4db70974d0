package provider

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// settings is the provider block, with the environment's values where the block has none.
type settings struct {
	version     string
	terraform   string // version of the CLI
	project     string // empty: known only after apply
	environment string
	defaultTags map[string]string
	ignoreTags  tagFilter
	bulkReads   bool
	unknown     bool // some value is known only after apply
	unknownTags bool // some of defaultTags or ignoreTags is
	aws         awsSettings
	auth0       auth0Settings
	entra       entraSettings
	cognito     cognitoSettings
}

// errNotKnown is what stops whatever would reach a cloud with half of its settings.
var errNotKnown = errors.New("some of the provider's settings are known only after apply")

// readObject reads a nested attribute into its struct. One that is absent or not known yet leaves the struct as it is.
func readObject(ctx context.Context, object types.Object, into any) diag.Diagnostics {
	if object.IsNull() || object.IsUnknown() {
		return nil
	}
	return object.As(ctx, into, basetypes.ObjectAsOptions{})
}

// elements reads a list, set or map into a slice or map, which an absent one leaves as it is.
func elements(ctx context.Context, of interface {
	attr.Value
	ElementsAs(ctx context.Context, into any, allowUnhandled bool) diag.Diagnostics
}, into any) diag.Diagnostics {
	if of.IsNull() || of.IsUnknown() {
		return nil
	}
	return of.ElementsAs(ctx, into, false)
}

// fullyKnown reports whether neither a value nor anything inside it is known only after apply.
func fullyKnown(ctx context.Context, value attr.Value) bool {
	raw, err := value.ToTerraformValue(ctx)
	return err == nil && raw.IsFullyKnown()
}

func fromEnvironment(value *types.String, name string) {
	if value.IsNull() {
		if found := os.Getenv(name); found != "" {
			*value = types.StringValue(found)
		}
	}
}

func switchFromEnvironment(value *types.Bool, name string) {
	if found, err := strconv.ParseBool(os.Getenv(name)); err == nil && value.IsNull() {
		*value = types.BoolValue(found)
	}
}
