// Package s3 is the sandbox's S3: buckets, objects, multipart uploads and bucket policies of one account in one region,
// over S3's REST API as the AWS SDKs and the AWS CLI speak it. Data lie in files below Config.Dir, everything else in
// memory.
//
// What a caller may do is decided by authz, never here; a signature is verified by sigv4, except for the chunks and
// trailers of aws-chunked bodies. There are no versions, no ACLs and no encryption. Reads are strongly consistent, as
// S3's are, so a stale read asked of the edge has no effect.
//
// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
package s3

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/edge"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// Config is what a Service needs.
type Config struct {
	Now       func() time.Time // nil means time.Now
	Rand      io.Reader        // of ids, safe for concurrent use; nil means crypto/rand
	AccountID string
	Region    string
	Partition string // "" means aws
	Guard     authz.Guard
	// Dir is where data are spilled; it must be private to the service. "" means a new directory that Close removes.
	Dir string
	// Domains are the hosts below which a bucket is a subdomain. nil means localhost and S3's own names.
	Domains []string
}

// Service is S3's API.
type Service struct {
	cfg      Config
	ownDir   bool
	settings settings

	mu      sync.RWMutex // guards all below, and all that it leads to
	buckets map[string]*bucket
}

var _ edge.Service = (*Service)(nil)

// New returns a service without buckets. Close it to remove its data.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Partition == "" {
		cfg.Partition = "aws"
	}
	if cfg.Domains == nil {
		cfg.Domains = []string{"s3." + cfg.Region + ".amazonaws.com", "s3.amazonaws.com", "localhost"}
	}
	s := &Service{cfg: cfg, buckets: map[string]*bucket{}}
	if cfg.Dir == "" {
		dir, err := os.MkdirTemp("", "sandbox-s3-")
		if err != nil {
			return nil, fmt.Errorf("create the directory of S3's data: %w", err)
		}
		s.cfg.Dir, s.ownDir = dir, true
	}
	return s, nil
}

// Close removes the data of a service that made its own directory. No request may be under way.
func (s *Service) Close() error {
	if !s.ownDir {
		return nil
	}
	if err := os.RemoveAll(s.cfg.Dir); err != nil {
		return fmt.Errorf("remove S3's data: %w", err)
	}
	return nil
}

// Name implements edge.Service.
func (s *Service) Name() string { return "s3" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string {
	bucket, key := s.address(r)
	return find(r, bucket, key).name
}

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	if status == http.StatusInternalServerError {
		s.answerError(w, r, fail(status, "InternalError", "We encountered an internal error. Please try again."))
		return
	}
	s.answerError(w, r, fail(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate."))
}

// call is one request under way.
type call struct {
	s           *Service
	w           http.ResponseWriter
	r           *http.Request
	query       url.Values
	bucket, key string

	caller authz.Caller
	signed sigv4.Signed
}

// ServeHTTP authenticates and authorises a request, and runs its operation.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key := s.address(r)
	c := &call{s: s, w: w, r: r, query: r.URL.Query(), bucket: bucket, key: key}
	w.Header().Set("X-Amz-Request-Id", s.requestID())
	w.Header().Set("X-Amz-Id-2", s.hostID())
	if err := c.serve(find(r, bucket, key)); err != nil {
		s.answerError(w, r, err)
	}
	c.drain()
}

const (
	largestDrain = 64 << 20 // bytes
	longestDrain = 2 * time.Second
)

// drain reads what is left of the body: an answer on a connection that is closed with data unread may be lost. A client
// that asked whether to go on may have sent none, so it gets the answer first and is not waited for for long.
func (c *call) drain() {
	if c.r.Body == nil {
		return
	}
	if c.r.Header.Get("Expect") != "" {
		connection := http.NewResponseController(c.w)
		if connection.Flush() != nil || connection.SetReadDeadline(time.Now().Add(longestDrain)) != nil {
			return
		}
		defer func() { _ = connection.SetReadDeadline(time.Time{}) }() // the connection is gone if it fails
	}
	_, _ = io.CopyN(io.Discard, c.r.Body, largestDrain)
}

func (c *call) serve(op *operation) error {
	if err := c.authenticate(); err != nil {
		return err
	}
	if op.run == nil {
		return fail(http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented.")
	}
	if err := checkKey(c.key); err != nil {
		return err
	}
	if c.bucket != "" && op.name != "CreateBucket" {
		if err := c.checkBucket(); err != nil {
			return err
		}
	}
	if op.action != "" {
		if err := c.allow(op.action, c.resource(), c.conditions(op.action)); err != nil {
			return err
		}
	}
	return op.run(c)
}

// authenticate leaves the caller of a request without a signature empty: a bucket policy may allow everyone.
func (c *call) authenticate() error {
	var err error
	c.caller, c.signed, err = c.s.cfg.Guard.Authenticate(c.r, "s3")
	var refused *authz.Error
	if errors.As(err, &refused) && refused.Code == "MissingAuthenticationToken" {
		c.caller, c.signed = authz.Caller{}, sigv4.Signed{PayloadHash: c.r.Header.Get("X-Amz-Content-Sha256")}
		return nil
	}
	return err
}

// checkBucket finds the bucket and compares its owner with the one that the caller expects.
func (c *call) checkBucket() error {
	c.s.mu.RLock()
	_, ok := c.s.buckets[c.bucket]
	c.s.mu.RUnlock()
	if !ok {
		return noSuchBucket(c.bucket)
	}
	if owner := c.r.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != c.s.cfg.AccountID {
		return fail(http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	return nil
}

const largestKey = 1024 // bytes

func checkKey(key string) error {
	if len(key) > largestKey {
		return fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	}
	return nil
}

func (s *Service) random(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		// Ids of requests need no strength; those of uploads are checked by their callers' rights as well.
		copy(b, s.cfg.Now().Format(time.RFC3339Nano))
	}
	return b
}

func (s *Service) requestID() string { return strings.ToUpper(hex.EncodeToString(s.random(8))) }

func (s *Service) hostID() string { return base64.StdEncoding.EncodeToString(s.random(48)) }
