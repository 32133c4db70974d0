// Package dynamodb is the sandbox's DynamoDB: tables with a hash key and perhaps a range key, items, expressions, over the
// JSON protocol as aws-sdk-go-v2, boto3 and the AWS CLI speak it. Indexes, streams, transactions, PartiQL and the
// parameters from before expressions are refused by name rather than passed over.
//
// What a caller may do is decided by authz, never here.
package dynamodb

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
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

// Service is DynamoDB's API.
type Service struct {
	cfg    Config
	api    *awsjson.API
	tables *store.Table[*table]
	batch  atomic.Int64 // keys of a batch that are answered; 0: all
}

var _ edge.Service = (*Service)(nil)

// New returns a DynamoDB without tables.
func New(cfg Config) *Service {
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	s := &Service{cfg: cfg, tables: store.NewTable[*table](cfg.Now)}
	s.api = &awsjson.API{
		Signing: "dynamodb", Target: "DynamoDB_20120810", Version: "1.0", ErrorType: "com.amazonaws.dynamodb.v20120810#",
		Guard: cfg.Guard, Rand: cfg.Rand,
		Operations: map[string]func(*awsjson.Call) (any, error){
			"CreateTable": s.createTable, "DescribeTable": s.describeTable, "DeleteTable": s.deleteTable, "ListTables": s.listTables,
			"GetItem": s.getItem, "PutItem": s.putItem, "DeleteItem": s.deleteItem, "UpdateItem": s.updateItem,
			"Query": s.query, "Scan": s.scan, "BatchGetItem": s.batchGetItem, "BatchWriteItem": s.batchWriteItem,
		},
	}
	return s
}

// SetBatchLimit makes batches answer at most n keys and leave the others unprocessed; 0, the default, is all. It may be
// called at any time.
func (s *Service) SetBatchLimit(n int) { s.batch.Store(int64(n)) }

// Name implements edge.Service.
func (s *Service) Name() string { return "dynamodb" }

// Operation implements edge.Service.
func (s *Service) Operation(r *http.Request) string { return s.api.Operation(r) }

// Handles reports whether the request is one of DynamoDB's, by its X-Amz-Target.
func (s *Service) Handles(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), s.api.Target+".")
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.api.ServeHTTP(w, r) }

// Refuse implements edge.Service.
func (s *Service) Refuse(w http.ResponseWriter, _ *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		s.api.WriteError(w, awsjson.Refusal("ThrottlingException", "Rate of requests exceeds the allowed throughput."))
	case http.StatusServiceUnavailable:
		s.api.WriteError(w, &authz.Error{Code: "ServiceUnavailable", Message: "DynamoDB is currently unavailable.", Status: status})
	default:
		s.api.WriteError(w, &authz.Error{Code: "InternalServerError", Message: "The request processing has failed because of an unknown error.", Status: status})
	}
}

// State lists the tables and their items.
func (s *Service) State(ctx context.Context) any {
	out := map[string][]item{}
	for _, t := range s.tables.Values(ctx) {
		out[t.name] = append([]item{}, t.items.Values(ctx)...)
	}
	return struct {
		Tables map[string][]item `json:"tables"`
	}{out}
}

// consistent undoes a stale read: a consistent read sees what is.
func (s *Service) consistent(ctx context.Context, want bool) context.Context {
	if want {
		return store.AsOf(ctx, s.cfg.Now())
	}
	return ctx
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
