package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// diagnose makes an error fit for a person: what happened, what exists now, what to do next.
func diagnose(summary string, err error) diag.Diagnostics {
	return diag.Diagnostics{diag.NewErrorDiagnostic(summary, detail(err))}
}

// diagnoseAt is diagnose for an error that may be about one attribute of the identity.
func diagnoseAt(i identity, summary string, err error) diag.Diagnostics {
	refusal, ok := errors.AsType[*onboarding.Refusal](err)
	if !ok {
		return diagnose(summary, err)
	}
	at := path.Root(string(i.kind)).AtName(string(refusal.Field))
	return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(at, summary, detail(err))}
}

// leftBehind reports whether an operation failed and could not undo everything it had done.
func leftBehind(err error) bool {
	failure, ok := errors.AsType[*onboarding.Failure](err)
	return ok && len(failure.Remains) > 0
}

func detail(err error) string {
	var b strings.Builder
	b.WriteString(sentence(errors.New(cause(err))))
	for _, part := range []string{state(err), next(err)} {
		if part != "" {
			b.WriteString("\n\n" + part)
		}
	}
	return b.String()
}

// cause is what happened.
func cause(err error) string {
	if failure, ok := errors.AsType[*onboarding.Failure](err); ok {
		return fmt.Sprintf("%s failed: %v", failure.Step, failure.Err)
	}
	return err.Error()
}

// state is what exists now.
func state(err error) string {
	failure, ok := errors.AsType[*onboarding.Failure](err)
	if !ok {
		return "Nothing was changed."
	}
	if failure.Kept {
		return "What was taken away stays taken away. Still to do: " + strings.Join(failure.NotDone, "; ") + "."
	}
	if _, lost := errors.AsType[*onboarding.Lost](err); lost {
		return "What had been begun is in the other apply's hands now; it was left alone."
	}
	if len(failure.Remains) == 0 {
		return "Everything that had been done was undone: all is as it was before."
	}
	var left []string
	for _, r := range failure.Remains {
		left = append(left, fmt.Sprintf("%s (%v)", r.What, r.Err))
	}
	return "Not everything could be undone. What is left: " + strings.Join(left, "; ") + "."
}

// next is what to do.
func next(err error) string {
	if refusal, ok := errors.AsType[*onboarding.Refusal](err); ok {
		return refusal.Advice
	}
	if owned, ok := errors.AsType[*onboarding.Owned](err); ok {
		if owned.ImportID == "" {
			return "Choose another server_name."
		}
		return "To take it into this configuration: terraform import ADDRESS '" + owned.ImportID + "', ADDRESS being that of this resource."
	}
	if obstructed, ok := errors.AsType[*onboarding.Obstructed](err); ok {
		return "Nobody can assume the role any more. Remove " + strings.Join(obstructed.By, ", ") + " and apply again."
	}
	if _, ok := errors.AsType[*onboarding.SecretUnknown](err); ok {
		return "Set client_authentication.allow_downtime = true to have a new one made: the server gets no tokens until it has that."
	}
	if _, ok := errors.AsType[*onboarding.Busy](err); ok {
		return "Wait for the other apply, then import what it has made."
	}
	if failure, ok := errors.AsType[*onboarding.Failure](err); ok {
		switch verb, _, _ := strings.Cut(failure.Operation, " "); {
		case verb == "rotate", verb == "enable", verb == "disable":
			return advice(err, "Invoke the action again")
		case failure.Kept:
			return "The next apply goes on from there."
		case len(failure.Remains) > 0:
			return strings.TrimSpace("The state keeps what is left; the next apply cleans it up. " + advice(err, "Apply again"))
		}
	}
	return advice(err, "Apply again")
}

// advice follows from the kind of the cause alone, and from what doing it again is called.
func advice(err error, again string) string {
	switch apierror.KindOf(err) {
	case apierror.Denied:
		return "The principal that runs Terraform lacks a permission, or its credentials are not accepted."
	case apierror.Throttled, apierror.Unavailable, apierror.Ambiguous:
		return again + " when the service answers."
	}
	return ""
}
