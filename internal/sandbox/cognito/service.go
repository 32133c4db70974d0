// Package cognito is the sandbox's Amazon Cognito: user pools, resource servers and app clients over the Cognito-IDP API,
// and the host that a user pool's domain is, which gives out tokens of the client credentials grant. Users do not exist.
//
// A real user pool's issuer is https://cognito-idp.REGION.amazonaws.com/POOL. That name cannot be served on loopback, so
// the issuer here is https://HOST/POOL, on the same host as the token endpoint, and so are its discovery document and keys.
//
// What a caller of the API may do is decided by authz, never here.
package cognito

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// Config is what a Service needs.
type Config struct {
	Now       func() time.Time
	Rand      io.Reader // of ids and secrets, safe for concurrent use; nil means crypto/rand
	AccountID string
	Region    string
	Partition string
	Guard     authz.Guard
	Host      string // host:port of the domains' host: the issuers begin with it
}

// Service is the Cognito-IDP API.
type Service struct {
	cfg     Config
	api     *awsjson.API
	pools   *store.Table[*pool]          // by id
	domains *store.Table[string]         // domain → pool id
	servers *store.Table[resourceServer] // by pool id, NUL, identifier
	clients *store.Table[client]         // by client id
}

var _ edge.Service = (*Service)(nil)

// New returns a Cognito without user pools.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{
		cfg: cfg, pools: store.NewTable[*pool](cfg.Now), domains: store.NewTable[string](cfg.Now),
		servers: store.NewTable[resourceServer](cfg.Now), clients: store.NewTable[client](cfg.Now),
	}
	s.api = &awsjson.API{
		Signing: "cognito-idp", Target: "AWSCognitoIdentityProviderService", Version: "1.1", Guard: cfg.Guard, Rand: cfg.Rand,
		Operations: map[string]func(*awsjson.Call) (any, error){
			"CreateUserPool": s.createUserPool, "DescribeUserPool": s.describeUserPool, "DeleteUserPool": s.deleteUserPool,
			"CreateUserPoolDomain": s.createUserPoolDomain, "DescribeUserPoolDomain": s.describeUserPoolDomain,
			"CreateResourceServer": s.createResourceServer, "DescribeResourceServer": s.describeResourceServer,
			"ListResourceServers": s.listResourceServers, "DeleteResourceServer": s.deleteResourceServer,
			"CreateUserPoolClient": s.createUserPoolClient, "DescribeUserPoolClient": s.describeUserPoolClient,
			"UpdateUserPoolClient": s.updateUserPoolClient, "DeleteUserPoolClient": s.deleteUserPoolClient, "ListUserPoolClients": s.listUserPoolClients,
			"AddUserPoolClientSecret": s.addUserPoolClientSecret, "ListUserPoolClientSecrets": s.listUserPoolClientSecrets,
			"DeleteUserPoolClientSecret": s.deleteUserPoolClientSecret,
		},
	}
	return s
}

// Name implements edge.Service.
func (s *Service) Name() string { return "cognito" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return s.api.Operation(r) }

// Handles reports whether the request is one of the API's, by its X-Amz-Target.
func (s *Service) Handles(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), s.api.Target+".")
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	if status == http.StatusTooManyRequests {
		s.api.WriteError(w, awsjson.Refusal("TooManyRequestsException", "Rate exceeded"))
		return
	}
	s.api.WriteError(w, &authz.Error{Code: "InternalErrorException", Message: "Something went wrong", Status: status})
}

// State lists pools, resource servers and clients. Secrets are not in it, only their ids.
func (s *Service) State(ctx context.Context) any {
	type shownClient struct {
		ID      string   `json:"client_id"`
		Name    string   `json:"name"`
		Pool    string   `json:"user_pool_id"`
		Flows   []string `json:"allowed_oauth_flows"`
		Scopes  []string `json:"allowed_oauth_scopes"`
		Secrets []string `json:"secret_ids"`
	}
	out := struct {
		Pools   []string          `json:"user_pools"`
		Domains map[string]string `json:"domains"` // domain → user pool id
		Scopes  []string          `json:"scopes"`
		Clients []shownClient     `json:"clients"`
	}{Pools: s.pools.Keys(ctx), Domains: map[string]string{}, Scopes: []string{}, Clients: []shownClient{}}
	for _, domain := range s.domains.Keys(ctx) {
		out.Domains[domain], _ = s.domains.Get(ctx, domain)
	}
	for _, server := range s.servers.Values(ctx) {
		out.Scopes = append(out.Scopes, server.scopeNames()...)
	}
	for _, c := range s.clients.Values(ctx) {
		shown := shownClient{c.ClientID, c.ClientName, c.UserPoolID, c.AllowedOAuthFlows, c.AllowedOAuthScopes, []string{}}
		for _, secret := range c.secrets {
			shown.Secrets = append(shown.Secrets, secret.ID)
		}
		out.Clients = append(out.Clients, shown)
	}
	return out
}

// latest undoes a stale read: a write always starts from what is.
func (s *Service) latest(ctx context.Context) context.Context { return store.AsOf(ctx, s.cfg.Now()) }

func (s *Service) arn(poolID string) string {
	return fmt.Sprintf("arn:%s:cognito-idp:%s:%s:userpool/%s", s.cfg.Partition, s.cfg.Region, s.cfg.AccountID, poolID)
}

// draw returns n characters of the alphabet.
func (s *Service) draw(n int, alphabet string) (string, error) {
	raw := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, raw); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	for i, b := range raw {
		raw[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(raw), nil
}

const (
	lowerAlphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz"
	alphanumeric      = lowerAlphanumeric + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func invalidParameter(format string, args ...any) error {
	return awsjson.Refusal("InvalidParameterException", format, args...)
}

func noPool(id string) error {
	return awsjson.Refusal("ResourceNotFoundException", "User pool %s does not exist.", id)
}

// page cuts a list at what a token points behind. most is the API's limit, and its default.
func page[T any](all []T, keyOf func(T) string, maxResults *int, token string, most int) (part []T, next string, err error) {
	limit := most
	if maxResults != nil {
		limit = *maxResults
	}
	if limit < 1 || limit > most {
		return nil, "", invalidParameter("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to %d", limit, most)
	}
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(keyOf(a), keyOf(b)) })
	part = []T{}
	for _, one := range all {
		switch {
		case keyOf(one) <= token:
		case len(part) == limit:
			return part, keyOf(part[limit-1]), nil
		default:
			part = append(part, one)
		}
	}
	return part, "", nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
