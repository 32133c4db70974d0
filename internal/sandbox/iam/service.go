package iam

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
)

const namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// Config is what a Service needs.
type Config struct {
	Directory *Directory
	Guard     authz.Guard
	Rand      io.Reader // of request ids, safe for concurrent use; nil means crypto/rand
}

// Service is IAM's API.
type Service struct {
	*Directory

	guard authz.Guard
	rand  io.Reader
	table map[string]operation
}

var _ edge.Service = (*Service)(nil)

// New returns the API over a directory.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{Directory: cfg.Directory, guard: cfg.Guard, rand: cfg.Rand}
	s.table = s.operations()
	return s
}

// operation is one action of the API. Everything goes through its target: no call is answered before the guard allowed
// the action there.
type operation struct {
	target func(c *call) (target, error)
	run    func(c *call) (any, error)
}

// target is what an action is about, for authorisation.
type target struct {
	resource string              // ARN
	keys     map[string][]string // condition keys
	also     []string            // further actions that the call needs on the resource
}

// call is one request under way.
type call struct {
	r      *http.Request
	ctx    context.Context // sees a stale read where one was asked for
	form   url.Values
	caller authz.Caller
}

// Name implements edge.Service.
func (s *Service) Name() string { return "iam" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return awsquery.Action(r) }

// Handles reports whether action is one of IAM's.
func (s *Service) Handles(action string) bool {
	_, ok := s.table[action]
	return ok
}

// Actions lists the actions of the API, sorted.
func (s *Service) Actions() []string { return sortedKeys(s.table) }

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	awsquery.WriteError(w, namespace, awsquery.NewRequestID(s.rand), awsquery.Throttled(status))
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := awsquery.NewRequestID(s.rand)
	action, result, err := s.serve(r)
	if err != nil {
		awsquery.WriteError(w, namespace, id, err)
		return
	}
	awsquery.Write(w, namespace, action, id, result)
}

func (s *Service) serve(r *http.Request) (action string, result any, err error) {
	caller, _, err := s.guard.Authenticate(r, "iam")
	if err != nil {
		return "", nil, err
	}
	form, err := awsquery.Form(r)
	if err != nil {
		return "", nil, err
	}
	action = form.Get("Action")
	op, ok := s.table[action]
	if version := form.Get("Version"); !ok || version != "2010-05-08" {
		return action, nil, &authz.Error{Code: "InvalidAction", Message: "Could not find operation " + action + " for version " + version, Status: http.StatusBadRequest}
	}
	c := &call{r: r, ctx: r.Context(), form: form, caller: caller}
	t, err := op.target(c)
	if err != nil {
		return action, nil, err
	}
	for _, needed := range append([]string{action}, t.also...) {
		if err := s.guard.Authorize(r, caller, "iam:"+needed, t.resource, t.keys, ""); err != nil {
			return action, nil, err
		}
	}
	result, err = op.run(c)
	return action, result, err
}

// number reads an optional integer parameter.
func (c *call) number(name string, fallback int) (int, error) {
	value := c.form.Get(name)
	if value == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, validation("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must be a number", value, name)
	}
	return n, nil
}

func (c *call) tags() (map[string]string, error) {
	tags := map[string]string{}
	for _, fields := range awsquery.Structs(c.form, "Tags") {
		if _, twice := tags[fields.Get("Key")]; twice {
			return nil, invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		tags[fields.Get("Key")] = fields.Get("Value")
	}
	return tags, checkTags(tags)
}

func xmlTags(tags map[string]string) awsquery.List[awsquery.Tag] {
	var out []awsquery.Tag
	for _, key := range sortedKeys(tags) {
		out = append(out, awsquery.Tag{Key: key, Value: tags[key]})
	}
	return awsquery.ListOf(out)
}

// requestTagKeys are the condition keys of the tags that a request brings.
func requestTagKeys(tags map[string]string) map[string][]string {
	keys := map[string][]string{"aws:TagKeys": nil}
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = []string{value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
	}
	return keys
}

// addResourceTagKeys adds the condition keys of the tags that a resource has.
func addResourceTagKeys(keys map[string][]string, tags map[string]string) {
	for key, value := range tags {
		keys["aws:ResourceTag/"+key] = []string{value}
		keys["iam:ResourceTag/"+key] = []string{value}
	}
}

// escapeDocument percent-encodes a document as IAM returns it (RFC 3986).
func escapeDocument(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

func created(t time.Time) string { return awsquery.Time(t) }
