package sts

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

type xmlCredentials struct {
	AccessKeyId     string //nolint:revive // the API's spelling
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type xmlAssumedRoleUser struct {
	AssumedRoleId string //nolint:revive // the API's spelling
	Arn           string
}

type xmlAssumed struct {
	AssumedRoleUser  xmlAssumedRoleUser
	Credentials      xmlCredentials
	PackedPolicySize *int
	SourceIdentity   string `xml:",omitempty"`
}

func (s *Service) assumeRole(r *http.Request, form url.Values, caller authz.Caller) (any, error) {
	q, err := s.parse(r.Context(), form)
	if err != nil {
		return nil, err
	}
	if form.Has("SerialNumber") || form.Has("TokenCode") {
		return nil, &authz.Error{Code: "AccessDenied", Message: "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.", Status: http.StatusForbidden}
	}
	if len(awsquery.Structs(form, "Tags"))+len(awsquery.Members(form, "TransitiveTagKeys")) > 0 {
		return nil, validation("Session tags are not supported here.")
	}
	role, ok := s.cfg.Engine.Role(r.Context(), q.roleName)
	if !ok || role.ARN != q.roleARN {
		return nil, notAuthorized(caller, q.roleARN)
	}
	keys := q.keys(role)
	if id := form.Get("ExternalId"); form.Has("ExternalId") {
		if len(id) < 2 || len(id) > maxExternalID || !externalIDForm.MatchString(id) {
			return nil, constraint(id, "externalId", `Member must satisfy regular expression pattern: [\w+=,.@:\/-]* and have length between 2 and 1224`)
		}
		keys["sts:ExternalId"] = []string{id}
	}
	previous, chained := s.cfg.Engine.Session(caller)
	if err := q.keepSourceIdentity(previous); err != nil {
		return nil, err
	}
	actions := []string{"sts:AssumeRole"}
	if q.sourceIdentity != "" {
		keys["sts:SourceIdentity"] = []string{q.sourceIdentity}
		actions = append(actions, "sts:SetSourceIdentity")
	}
	for _, action := range actions {
		if err := s.cfg.Engine.AuthorizeAssume(r, caller, action, role, keys); err != nil {
			return nil, err
		}
	}
	if chained && q.duration > chainedDuration {
		return nil, validation("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return s.grant(q, role, map[string][]string{})
}

func notAuthorized(caller authz.Caller, roleARN string) error {
	return &authz.Error{
		Code: "AccessDenied", Status: http.StatusForbidden,
		Message: fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, roleARN),
	}
}

// keepSourceIdentity carries the source identity along a chain of roles; once set it cannot change.
func (q *request) keepSourceIdentity(previous authz.Session) error {
	set := previous.Context["aws:SourceIdentity"]
	if len(set) == 0 {
		return nil
	}
	if q.sourceIdentity != "" && q.sourceIdentity != set[0] {
		return &authz.Error{Code: "AccessDenied", Message: "The source identity of the session is set and cannot be changed.", Status: http.StatusForbidden}
	}
	q.sourceIdentity = set[0]
	return nil
}

// grant makes the session. context holds the condition keys that it carries.
func (s *Service) grant(q request, role authz.Identity, context map[string][]string) (xmlAssumed, error) {
	if time.Duration(q.duration)*time.Second > role.MaxSessionDuration {
		return xmlAssumed{}, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if q.sourceIdentity != "" {
		context["aws:SourceIdentity"] = []string{q.sourceIdentity}
	}
	now := s.cfg.Now()
	session := authz.Session{
		RoleName: role.Name, RoleARN: role.ARN, RoleID: role.ID, Name: q.sessionName,
		ARN:      "arn:" + s.cfg.Partition + ":sts::" + s.cfg.AccountID + ":assumed-role/" + role.Name + "/" + q.sessionName,
		Policies: q.policies, Context: context,
		Issued: now, Expires: now.Add(time.Duration(q.duration) * time.Second).Truncate(time.Second),
	}
	if err := s.draw(&session); err != nil {
		return xmlAssumed{}, fmt.Errorf("draw credentials: %w", err)
	}
	s.cfg.Engine.AddSession(session)
	s.cfg.Directory.MarkUsed(role.Name)
	out := xmlAssumed{
		AssumedRoleUser: xmlAssumedRoleUser{session.UserID(), session.ARN},
		Credentials:     xmlCredentials{session.AccessKeyID, session.Secret, session.Token, awsquery.Time(session.Expires)},
		SourceIdentity:  q.sourceIdentity,
	}
	if size := q.packedSize(); size > 0 {
		out.PackedPolicySize = &size
	}
	return out, nil
}

// draw makes up the three parts of temporary credentials. The token means nothing to anybody but the engine.
func (s *Service) draw(session *authz.Session) (err error) {
	random := s.cfg.Rand
	if session.AccessKeyID, err = iam.NewID(random, "ASIA", 20); err != nil {
		return err
	}
	if session.Secret, err = iam.NewSecret(random); err != nil {
		return err
	}
	token := make([]byte, 192)
	if _, err = io.ReadFull(random, token); err != nil {
		return err
	}
	session.Token = base64.StdEncoding.EncodeToString(token)
	return nil
}
