package sts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// Limits of the API: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
const (
	defaultDuration  = 3600
	minDuration      = 900
	maxDuration      = 43200
	chainedDuration  = 3600
	maxSessionPolicy = 2048
	maxPolicyARNs    = 10
	maxToken         = 20000
	maxExternalID    = 1224
)

var (
	sessionNameForm = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalIDForm  = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
)

func validation(format string, args ...any) *authz.Error {
	return &authz.Error{Code: "ValidationError", Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func constraint(value, parameter, rule string) *authz.Error {
	return validation("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, parameter, rule)
}

// request is what both ways to assume a role ask for.
type request struct {
	roleARN, roleName, sessionName, sourceIdentity string

	duration int
	policies []string // documents of the session policies
}

func (s *Service) parse(ctx context.Context, form url.Values) (request, error) {
	q := request{roleARN: form.Get("RoleArn"), sessionName: form.Get("RoleSessionName"), sourceIdentity: form.Get("SourceIdentity"), duration: defaultDuration}
	resource, ok := strings.CutPrefix(q.roleARN, "arn:"+s.cfg.Partition+":iam::")
	_, resource, found := strings.Cut(resource, ":")
	if !ok || !found || !strings.HasPrefix(resource, "role/") || strings.HasSuffix(resource, "/") {
		return q, validation("%s is invalid", q.roleARN)
	}
	q.roleName = resource[strings.LastIndex(resource, "/")+1:]
	const pattern = `Member must satisfy regular expression pattern: [\w+=,.@-]* and have length between 2 and 64`
	if !sessionNameForm.MatchString(q.sessionName) {
		return q, constraint(q.sessionName, "roleSessionName", pattern)
	}
	if q.sourceIdentity != "" && !sessionNameForm.MatchString(q.sourceIdentity) {
		return q, constraint(q.sourceIdentity, "sourceIdentity", pattern)
	}
	if err := q.setDuration(form); err != nil {
		return q, err
	}
	return q, s.setPolicies(ctx, &q, form)
}

func (q *request) setDuration(form url.Values) error {
	value := form.Get("DurationSeconds")
	if value == "" {
		return nil
	}
	seconds, err := strconv.Atoi(value)
	switch {
	case err != nil:
		return constraint(value, "durationSeconds", "Member must be a number")
	case seconds < minDuration:
		return constraint(value, "durationSeconds", "Member must have value greater than or equal to 900")
	case seconds > maxDuration:
		return constraint(value, "durationSeconds", "Member must have value less than or equal to 43200")
	}
	q.duration = seconds
	return nil
}

// setPolicies reads the session policies: an inline document and the ARNs of managed ones.
func (s *Service) setPolicies(ctx context.Context, q *request, form url.Values) error {
	if document := form.Get("Policy"); document != "" {
		if utf8.RuneCountInString(document) > maxSessionPolicy {
			return constraint("", "policy", "Member must have length less than or equal to 2048")
		}
		q.policies = append(q.policies, document)
	}
	arns := members(form, "PolicyArns")
	if len(arns) > maxPolicyARNs {
		return constraint("", "policyArns", "Member must have length less than or equal to 10")
	}
	for _, arn := range arns {
		document, ok := s.cfg.Directory.PolicyDocument(ctx, arn)
		if !ok {
			return &authz.Error{Code: "MalformedPolicyDocument", Message: "The policy " + arn + " does not exist or is not attachable.", Status: http.StatusBadRequest}
		}
		q.policies = append(q.policies, document)
	}
	for _, document := range q.policies {
		_, err := policy.Parse(document, policy.Identity)
		var m *policy.MalformedError
		if errors.As(err, &m) {
			return &authz.Error{Code: "MalformedPolicyDocument", Message: m.Message, Status: http.StatusBadRequest}
		}
	}
	return nil
}

// packedSize is the share of the session policies in what they may take, in percent.
func (q request) packedSize() int {
	n := 0
	for _, document := range q.policies {
		n += len(document)
	}
	return min(100, (n*100+maxSessionPolicy-1)/maxSessionPolicy)
}

// keys are the condition keys that the request itself brings.
func (q request) keys(role authz.Identity) map[string][]string {
	keys := map[string][]string{
		"sts:RoleSessionName": {q.sessionName},
		"sts:DurationSeconds": {strconv.Itoa(q.duration)},
		"sts:SourceIdentity":  nil,
		"sts:ExternalId":      nil,
	}
	if q.sourceIdentity != "" {
		keys["sts:SourceIdentity"] = []string{q.sourceIdentity}
	}
	for key, value := range role.Tags {
		keys["aws:ResourceTag/"+key] = []string{value}
		keys["iam:ResourceTag/"+key] = []string{value}
	}
	return keys
}
