// Package vending exchanges an identity provider's access token for temporary AWS credentials: it checks the token, looks
// the client's row up in the mapping table, assumes the row's role and answers in the container-credentials form.
//
// Service is the one handler. Its two fronts, AWS Lambda behind an HTTP API and a plain HTTPS server, only translate. What
// a policy grants is decided in access, what a row looks like in rolemap. Nothing here logs or returns a token, and
// nothing but the answer of a successful request holds a credential.
package vending

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// Rows reads the mapping table; *rolemap.Table implements it. A row that is not there is an apierror of kind NotFound.
type Rows interface {
	Read(ctx context.Context, table, key string) (rolemap.Row, error)
}

// AssumeRoleAPI is what the service calls of STS; *sts.Client implements it.
type AssumeRoleAPI interface {
	AssumeRole(context.Context, *sts.AssumeRoleInput, ...func(*sts.Options)) (*sts.AssumeRoleOutput, error)
}

// Dependencies are what a Service works with. All are required.
type Dependencies struct {
	Rows Rows
	STS  AssumeRoleAPI
	HTTP *http.Client // fetches the issuers' keys, discovery included, within its Timeout; must not follow redirects (see KeyClient)
	Now  func() time.Time
	Log  *slog.Logger // takes one line for every decision
}

// requestTimeout bounds one exchange. It is below the 15 seconds of the HTTPS front and the 30 of an HTTP API.
const requestTimeout = 10 * time.Second

// Service is the handler. It is safe for concurrent use.
type Service struct {
	cfg     Config
	issuers map[string]*issuer // by iss
	rows    *rowCache
	roles   roleAssumer
	limits  *limiter
	now     func() time.Time
	log     *slog.Logger
	stop    context.CancelFunc // of what goes on behind the requests
}

// New returns a service over a valid configuration; see Config.Validate.
func New(cfg Config, d Dependencies) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	s := &Service{
		cfg: cfg, issuers: map[string]*issuer{}, now: d.Now, log: d.Log, stop: stop,
		rows:   newRowCache(d.Rows, cfg.Table, time.Duration(cfg.RowCacheSeconds)*time.Second, d.Now),
		roles:  roleAssumer{cfg: cfg, api: d.STS},
		limits: newLimiter(cfg.RequestsPerMinute, cfg.RequestBurst, d.Now),
	}
	for _, i := range cfg.Issuers {
		s.issuers[i.URL] = &issuer{Issuer: i, keys: newKeySet(running, i, d.HTTP, d.Now)}
	}
	return s, nil
}

// Request is what either front makes of its request.
type Request struct {
	Method        string
	Path          string
	Authorization []string // every value of the header
	ID            string   // of the request, for the audit line and for whoever asks about it
}

// Answer handles one request. It never fails: a failure is an answer.
func (s *Service) Answer(ctx context.Context, r Request) Response {
	switch r.Path {
	case "/healthz":
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "use GET").response(r.ID)
		}
		return jsonResponse(http.StatusOK, r.ID, map[string]string{"status": "ok"})
	case "/credentials":
		if r.Method != http.MethodGet {
			return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "use GET").response(r.ID)
		}
		return s.exchange(ctx, r)
	}
	return refuse(http.StatusNotFound, "NotFound", "there is only /credentials").response(r.ID)
}

// exchange makes the decision and writes the audit line.
func (s *Service) exchange(ctx context.Context, r Request) Response {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := audit{requestID: r.ID, began: s.now()}
	credentials, err := s.vend(ctx, r, &a)
	var refused *refusal
	switch {
	case err == nil:
		a.write(ctx, s.log, s.now(), nil)
		return jsonResponse(http.StatusOK, r.ID, credentials)
	case !errors.As(err, &refused):
		refused = internal(err)
	}
	a.write(ctx, s.log, s.now(), refused)
	return refused.response(r.ID)
}

// vend walks from the token to the credentials and notes in a what it learns on the way.
func (s *Service) vend(ctx context.Context, r Request, a *audit) (credentials, error) {
	token, err := bearer(r.Authorization)
	if err != nil {
		return credentials{}, err
	}
	who, err := s.identify(ctx, token, a)
	if err != nil {
		return credentials{}, err
	}
	a.clientID = who.clientID
	if wait := s.limits.take(who.key); wait > 0 {
		return credentials{}, tooMany(wait)
	}
	row, err := s.rows.get(ctx, who.key)
	if err != nil {
		return credentials{}, err
	}
	a.server, a.role = row.ServerName, row.RoleARN
	c, err := s.roles.assume(ctx, row)
	if err != nil {
		if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusForbidden {
			s.rows.forget(who.key) // the role may be another by now
		}
		return credentials{}, err
	}
	a.session, a.expires = row.ServerName, c.Expiration
	return c, nil
}
