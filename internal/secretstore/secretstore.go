// Package secretstore keeps the client secrets of servers in AWS Secrets Manager or in the Parameter Store of AWS Systems
// Manager: the vaults that package onboarding asks for. Values are in no log and in no error.
package secretstore

import (
	"context"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// ownerTag is the tag that says whose a stored secret is: the id of the onboarding that stored it.
const ownerTag = onboarding.TagPrefix + "onboarding-id"

const description = "Client secret of a server, managed by oidcs3"

// wrong describes a failed call. Every call here may be repeated, as the SDK does.
func wrong(service, operation, name string, err error) error {
	return awserror.From(service, operation, "secret "+name, err)
}

// foreign is the failure of a Put where another owner's secret has the name.
func foreign(service, operation, name string) error {
	return &apierror.Error{Kind: apierror.Exists, Service: service, Operation: operation, Object: "secret " + name,
		Message: "it exists and belongs to something else; delete it, or rename the server"}
}

// owned tells by its tags whether a secret is the owner's.
func owned(tags map[string]string, owner string) bool { return tags[ownerTag] == owner }

// isMissing reports whether a call failed because there is no such secret.
func isMissing(err error) bool { return apierror.Is(err, apierror.NotFound) }

var (
	_ onboarding.Vault = (*SecretsManager)(nil)
	_ onboarding.Vault = (*ParameterStore)(nil)
)

// put is what both vaults do: make the secret, or where the name is taken by the owner's own, replace its value.
func put(ctx context.Context, service, operation, name string, create func(context.Context) error, mine func(context.Context) (bool, error), replace func(context.Context) error) error {
	err := create(ctx)
	if !apierror.Is(err, apierror.Exists) {
		return err
	}
	ok, err := mine(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return foreign(service, operation, name)
	}
	return replace(ctx)
}
