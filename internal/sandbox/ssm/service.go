// Package ssm is the sandbox's SSM Parameter Store: parameters of the types String, StringList and SecureString, and their
// tags. The rest of Systems Manager does not exist.
//
// What a caller may do is decided by authz, never here.
package ssm

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
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
	Rand      io.Reader // of ids, safe for concurrent use; nil means crypto/rand
	AccountID string
	Region    string
	Partition string
	Guard     authz.Guard
}

// Service is the API of Parameter Store.
type Service struct {
	cfg        Config
	api        *awsjson.API
	parameters *store.Table[parameter] // by name
}

var _ edge.Service = (*Service)(nil)

// New returns a Parameter Store without parameters.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{cfg: cfg, parameters: store.NewTable[parameter](cfg.Now)}
	s.api = &awsjson.API{
		Signing: "ssm", Target: "AmazonSSM", Version: "1.1", Guard: cfg.Guard, Rand: cfg.Rand,
		Operations: map[string]func(*awsjson.Call) (any, error){
			"PutParameter": s.putParameter, "GetParameter": s.getParameter, "GetParameters": s.getParameters, "DeleteParameter": s.deleteParameter,
			"AddTagsToResource": s.addTagsToResource, "RemoveTagsFromResource": s.removeTagsFromResource, "ListTagsForResource": s.listTagsForResource,
		},
	}
	return s
}

// Name implements edge.Service.
func (s *Service) Name() string { return "ssm" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return s.api.Operation(r) }

// Handles reports whether the request is one of SSM's, by its X-Amz-Target.
func (s *Service) Handles(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), s.api.Target+".")
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	if status == http.StatusTooManyRequests {
		s.api.WriteError(w, awsjson.Refusal("ThrottlingException", "Rate exceeded"))
		return
	}
	s.api.WriteError(w, &authz.Error{Code: "InternalServerError", Message: "An error occurred on the server side.", Status: status})
}

// State lists the parameters without their values.
func (s *Service) State(ctx context.Context) any {
	type shown struct {
		Name    string            `json:"name"`
		Type    string            `json:"type"`
		Version int               `json:"version"`
		Tags    map[string]string `json:"tags"`
	}
	out := []shown{}
	for _, p := range s.parameters.Values(ctx) {
		out = append(out, shown{p.name, p.kind, p.version, p.tags})
	}
	return struct {
		Parameters []shown `json:"parameters"`
	}{out}
}

// arn is a parameter's. The name's leading slash is not doubled.
func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:%s:ssm:%s:%s:parameter/%s", s.cfg.Partition, s.cfg.Region, s.cfg.AccountID, strings.TrimPrefix(name, "/"))
}
