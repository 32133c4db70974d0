package iam

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// The errors of IAM's API with their statuses.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html#API_CreateRole_Errors

func validation(format string, args ...any) error {
	return &authz.Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func invalidInput(format string, args ...any) error {
	return &authz.Error{Code: "InvalidInput", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func malformedPolicy(format string, args ...any) error {
	return &authz.Error{Code: "MalformedPolicyDocument", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func noSuchEntity(format string, args ...any) error {
	return &authz.Error{Code: "NoSuchEntity", Message: fmt.Sprintf(format, args...), Status: http.StatusNotFound}
}

func alreadyExists(format string, args ...any) error {
	return &authz.Error{Code: "EntityAlreadyExists", Message: fmt.Sprintf(format, args...), Status: http.StatusConflict}
}

func deleteConflict(message string) error {
	return &authz.Error{Code: "DeleteConflict", Message: message, Status: http.StatusConflict}
}

func limitExceeded(format string, args ...any) error {
	return &authz.Error{Code: "LimitExceeded", Message: fmt.Sprintf(format, args...), Status: http.StatusConflict}
}

// parsed turns a parser's refusal into IAM's.
func parsed(document string, kind policy.Kind) (*policy.Document, error) {
	d, err := policy.Parse(document, kind)
	var m *policy.MalformedError
	if errors.As(err, &m) {
		return nil, malformedPolicy("%s", m.Message)
	}
	return d, err
}
