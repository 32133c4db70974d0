// Package secretsmanager is the sandbox's AWS Secrets Manager: secrets, their versions with staging labels, and deletion
// with a recovery window. Rotation, replication and resource policies do not exist; what asks for them is refused by name.
//
// What a caller may do is decided by authz, never here.
package secretsmanager

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
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
	Rand      io.Reader // of ids, safe for concurrent use; nil means crypto/rand
	AccountID string
	Region    string
	Partition string
	Guard     authz.Guard
	// Erasing is how long a secret that is deleted for good keeps its name, beyond recovery. AWS says "a short delay".
	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
	Erasing time.Duration
}

// Service is Secrets Manager's API.
type Service struct {
	cfg     Config
	api     *awsjson.API
	secrets *store.Table[secret] // by name
}

var _ edge.Service = (*Service)(nil)

// secret is a secret with its versions. Values are never changed once they are stored.
type secret struct {
	name, arn, description, kmsKey string

	tags             map[string]string
	created, changed time.Time
	deletion         time.Time // when the recovery window ends; zero: not scheduled
	erasing          bool      // it is deleted for good: there is no window, deletion is when it is gone
	versions         []version // newest last
}

// version is one value of a secret.
type version struct {
	id      string
	text    *string
	binary  []byte
	stages  []string
	created time.Time
}

// The staging labels that the service moves by itself.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// New returns a Secrets Manager without secrets.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{cfg: cfg, secrets: store.NewTable[secret](cfg.Now)}
	s.api = &awsjson.API{
		Signing: "secretsmanager", Target: "secretsmanager", Version: "1.1", Guard: cfg.Guard, Rand: cfg.Rand,
		Operations: map[string]func(*awsjson.Call) (any, error){
			"CreateSecret": s.createSecret, "PutSecretValue": s.putSecretValue, "GetSecretValue": s.getSecretValue, "DescribeSecret": s.describeSecret,
			"DeleteSecret": s.deleteSecret, "RestoreSecret": s.restoreSecret, "TagResource": s.tagResource, "UntagResource": s.untagResource,
		},
	}
	return s
}

// Name implements edge.Service.
func (s *Service) Name() string { return "secretsmanager" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return s.api.Operation(r) }

// Handles reports whether the request is one of Secrets Manager's, by its X-Amz-Target.
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
	s.api.WriteError(w, &authz.Error{Code: "InternalServiceError", Message: "An error occurred on the server side.", Status: status})
}

// State lists the secrets without their values.
func (s *Service) State(ctx context.Context) any {
	type shown struct {
		Name     string            `json:"name"`
		ARN      string            `json:"arn"`
		Tags     map[string]string `json:"tags"`
		Versions []string          `json:"version_ids"`
		Deleted  bool              `json:"scheduled_for_deletion"`
	}
	out := []shown{}
	for _, one := range s.secrets.Values(ctx) {
		if s.isGone(one) {
			continue
		}
		line := shown{one.name, one.arn, one.tags, []string{}, !one.deletion.IsZero()}
		for _, v := range one.versions {
			line.Versions = append(line.Versions, v.id)
		}
		out = append(out, line)
	}
	return struct {
		Secrets []shown `json:"secrets"`
	}{out}
}

var (
	nameForm  = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)
	tokenForm = regexp.MustCompile(`^.{32,64}$`)
)

func invalidParameter(message string) error {
	return awsjson.Refusal("InvalidParameterException", "%s", message)
}

func invalidRequest(message string) error {
	return awsjson.Refusal("InvalidRequestException", "%s", message)
}

func notFound() error {
	return awsjson.Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

func (s *Service) arnPrefix() string {
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:", s.cfg.Partition, s.cfg.Region, s.cfg.AccountID)
}

// isGone reports whether the recovery window has ended.
func (s *Service) isGone(one secret) bool {
	return !one.deletion.IsZero() && !s.cfg.Now().Before(one.deletion)
}

// allowed finds a secret by name, ARN or partial ARN (without its random end) once the guard allows the call there.
func (s *Service) allowed(c *awsjson.Call, id string, more map[string][]string) (secret, error) {
	var found secret
	ok := false
	for _, one := range s.secrets.Values(c.Context) {
		if one.name == id || one.arn == id || strings.TrimSuffix(one.arn, one.arn[len(one.arn)-7:]) == id {
			found, ok = one, !s.isGone(one)
		}
	}
	resource := found.arn
	if !ok {
		resource = s.arnPrefix() + strings.TrimPrefix(id, s.arnPrefix())
	}
	keys := map[string][]string{"secretsmanager:SecretId": {id}}
	maps.Copy(keys, more)
	for name, value := range found.tags {
		keys["aws:ResourceTag/"+name] = []string{value}
		keys["secretsmanager:ResourceTag/"+name] = []string{value}
	}
	if err := c.Allow(resource, keys); err != nil {
		return secret{}, err
	}
	if !ok {
		return secret{}, notFound()
	}
	return found, nil
}

// change changes a secret in one step. One that is scheduled for deletion takes no change.
func (s *Service) change(name string, with func(old secret) (secret, error)) error {
	return s.secrets.Update(name, func(old secret, exists bool) (secret, bool, error) {
		switch {
		case !exists || s.isGone(old):
			return old, exists, notFound()
		case !old.deletion.IsZero():
			return old, true, invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
		}
		next, err := with(old)
		if err != nil {
			return old, true, err
		}
		return next, true, nil
	})
}

func (v version) has(stage string) bool { return slices.Contains(v.stages, stage) }
