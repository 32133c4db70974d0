package authz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// Config is what an Engine needs.
type Config struct {
	Now       func() time.Time
	AccountID string
	Region    string // the one region of every regional service
	Directory Directory
}

// Engine is the Guard of one account.
type Engine struct {
	cfg         Config
	sessions    sessions
	propagation atomic.Int64 // a time.Duration
}

var _ Guard = (*Engine)(nil)

// New returns an engine without sessions and without propagation delay.
func New(cfg Config) *Engine {
	return &Engine{cfg: cfg, sessions: sessions{by: map[string]Session{}}}
}

// SetRolePropagation makes a change to a role (its creation, its trust policy, its policies) take effect only d after
// it was written, as IAM's eventual consistency does. It may be called at any time; 0, the default, is at once.
func (e *Engine) SetRolePropagation(d time.Duration) { e.propagation.Store(int64(d)) }

// AddSession makes temporary credentials valid.
func (e *Engine) AddSession(s Session) { e.sessions.add(s) }

// Session returns the session whose credentials the caller used.
func (e *Engine) Session(caller Caller) (Session, bool) { return e.sessions.get(caller.AccessKeyID) }

// Role returns a role as it is in effect now, which is how it was written the propagation delay ago.
func (e *Engine) Role(ctx context.Context, name string) (Identity, bool) {
	delay := time.Duration(e.propagation.Load())
	return e.cfg.Directory.Role(store.AsOf(ctx, e.cfg.Now().Add(-delay)), name)
}

// current undoes a stale read asked of the service: authorisation has its own delay.
func (e *Engine) current(ctx context.Context) context.Context { return store.AsOf(ctx, e.cfg.Now()) }

// Authenticate implements Guard.
func (e *Engine) Authenticate(r *http.Request, service string) (Caller, sigv4.Signed, error) {
	ctx := e.current(r.Context())
	now := e.cfg.Now()
	var user Identity
	var session Session
	var isSession bool
	secretOf := func(id string) (secret, token string, ok bool) {
		if session, isSession = e.sessions.get(id); isSession {
			return session.Secret, session.Token, true
		}
		user, secret, ok = e.cfg.Directory.UserByKey(ctx, id)
		return secret, "", ok
	}
	signed, err := sigv4.Verify(r, secretOf, now)
	if err != nil {
		return Caller{}, sigv4.Signed{}, refuseSignature(service, err)
	}
	if err := e.checkScope(signed, service); err != nil {
		return Caller{}, sigv4.Signed{}, err
	}
	caller := Caller{AccountID: e.cfg.AccountID, ARN: user.ARN, UserID: user.ID, AccessKeyID: signed.AccessKeyID, Admin: user.Admin}
	if isSession {
		if caller, err = e.sessionCaller(r.Context(), session, service); err != nil {
			return Caller{}, sigv4.Signed{}, err
		}
	}
	edge.SetCaller(r.Context(), caller.ARN)
	return caller, signed, nil
}

func (e *Engine) sessionCaller(ctx context.Context, s Session, service string) (Caller, error) {
	if !e.cfg.Now().Before(s.Expires) {
		return Caller{}, refuse(service, "ExpiredToken", expiredMessage(service))
	}
	// A role made anew under the old name has another id, and nothing to do with the session.
	if role, ok := e.Role(ctx, s.RoleName); !ok || role.ID != s.RoleID {
		if service == "s3" {
			return Caller{}, refuse(service, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
		}
		return Caller{}, refuse(service, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	return Caller{
		AccountID: e.cfg.AccountID, ARN: s.ARN, UserID: s.UserID(), AccessKeyID: s.AccessKeyID,
		RoleName: s.RoleName, SessionName: s.Name,
	}, nil
}

// checkScope compares the credential scope with the service and its region. IAM and STS are also global services, whose
// signatures name us-east-1.
func (e *Engine) checkScope(signed sigv4.Signed, service string) error {
	if signed.Service != service {
		return refuse(service, "SignatureDoesNotMatch", fmt.Sprintf("Credential should be scoped to correct service: '%s'.", service))
	}
	global := (service == "iam" || service == "sts") && signed.Region == "us-east-1"
	if signed.Region == e.cfg.Region || global {
		return nil
	}
	if service == "s3" {
		return refuse(service, "AuthorizationHeaderMalformed",
			fmt.Sprintf("The authorization header is malformed; the region '%s' is wrong; expecting '%s'", signed.Region, e.cfg.Region))
	}
	return refuse(service, "SignatureDoesNotMatch", "Credential should be scoped to a valid region.")
}

func refuseSignature(service string, err error) *Error {
	var s *sigv4.Error
	if !errors.As(err, &s) {
		return refuse(service, "SignatureDoesNotMatch", err.Error())
	}
	return refuse(service, s.Code, s.Message)
}
