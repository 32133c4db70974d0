// Package sts is the sandbox's STS: it checks web identity tokens against the account's OIDC providers, evaluates trust
// policies and gives out sessions, over STS's query API. Users, roles and providers are iam's; the sessions and what they
// may do are authz's.
package sts

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/iam"
)

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Config is what a Service needs.
type Config struct {
	Now       func() time.Time
	Rand      io.Reader // of credentials and request ids, safe for concurrent use; nil means crypto/rand
	AccountID string
	Partition string
	Directory *iam.Directory
	Engine    *authz.Engine
	// HTTPClient fetches discovery documents and keys of issuers, over TLS that it trusts.
	HTTPClient *http.Client
}

// Service is STS's API.
type Service struct {
	cfg           Config
	keys          *keyCache
	refuseATToken atomic.Bool
}

var _ edge.Service = (*Service)(nil)

// New returns an STS that trusts what the directory's OIDC providers vouch for.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Service{cfg: cfg, keys: newKeyCache(cfg.HTTPClient, cfg.Now)}
}

// SetRefuseAccessTokens makes AssumeRoleWithWebIdentity refuse tokens whose header says typ at+jwt (RFC 9068). Whether
// AWS does is not documented; the default is to accept them. It may be called at any time.
func (s *Service) SetRefuseAccessTokens(refuse bool) { s.refuseATToken.Store(refuse) }

// Name implements edge.Service.
func (s *Service) Name() string { return "sts" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return awsquery.Action(r) }

// Actions lists the actions of the API, sorted.
func (s *Service) Actions() []string {
	return []string{"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"}
}

// Handles reports whether action is one of STS's.
func (s *Service) Handles(action string) bool { return slices.Contains(s.Actions(), action) }

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	awsquery.WriteError(w, namespace, awsquery.NewRequestID(s.cfg.Rand), awsquery.Throttled(status))
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := awsquery.NewRequestID(s.cfg.Rand)
	action, result, err := s.serve(r)
	if err != nil {
		awsquery.WriteError(w, namespace, id, err)
		return
	}
	awsquery.Write(w, namespace, action, id, result)
}

func (s *Service) serve(r *http.Request) (action string, result any, err error) {
	form, err := awsquery.Form(r)
	if err != nil {
		return "", nil, err
	}
	action = form.Get("Action")
	if version := form.Get("Version"); !s.Handles(action) || version != "2011-06-15" {
		return action, nil, &authz.Error{Code: "InvalidAction", Message: "Could not find operation " + action + " for version " + version, Status: http.StatusBadRequest}
	}
	if action == "AssumeRoleWithWebIdentity" { // the token is all the proof there is: the call is not signed
		result, err = s.assumeRoleWithWebIdentity(r, form)
		return action, result, err
	}
	caller, _, err := s.cfg.Engine.Authenticate(r, "sts")
	if err != nil {
		return action, nil, err
	}
	if action == "AssumeRole" {
		result, err = s.assumeRole(r, form, caller)
		return action, result, err
	}
	return action, callerIdentity{caller.ARN, caller.UserID, caller.AccountID}, nil
}

// callerIdentity is what GetCallerIdentity tells everybody whose signature is good: no policy can deny it.
type callerIdentity struct {
	Arn     string
	UserId  string //nolint:revive // the API's spelling
	Account string
}

// State returns the OIDC issuers whose keys are known, for the sandbox's administrator.
func (s *Service) State(context.Context) any {
	return struct {
		Issuers []string `json:"issuers"`
	}{s.keys.issuers()}
}

func members(form url.Values, name string) []string {
	var out []string
	for _, fields := range awsquery.Structs(form, name) {
		out = append(out, fields.Get("arn"))
	}
	return out
}
