package rolemap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
)

// API is what the adapter calls of the SDK's client; *dynamodb.Client implements it.
type API interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
}

var _ API = (*dynamodb.Client)(nil)

// The attributes of a row. Users' tables and the vending service share them.
const (
	attrClientID   = "client_id"
	attrRoleARN    = "role_arn"
	attrServerName = "server_name"
	attrPrefix     = "s3_path_prefix"
)

const service = "dynamodb"

// Table reads and writes mapping rows, in whatever tables callers name. It is safe for concurrent use. All errors are
// *apierror.Error.
type Table struct {
	api    API
	window time.Duration
	sleep  func(context.Context, time.Duration) error
	notify func(message string)
	report sync.Once

	mu       sync.Mutex
	open     map[string]*batch // table → the batch that still takes keys
	unfolded bool              // BatchGetItem was refused
	whole    map[string]*whole // by table
}

// Option sets up a Table.
type Option func(*Table)

// WithWindow sets how long Look waits for other keys to share its request; the default is 5 ms.
func WithWindow(d time.Duration) Option { return func(t *Table) { t.window = d } }

// WithSleep sets how pauses between retries are waited for; the default is the real time.
func WithSleep(sleep func(context.Context, time.Duration) error) Option {
	return func(t *Table) { t.sleep = sleep }
}

// WithNotice sets who hears, once, that the permission for shared reads is missing.
func WithNotice(notify func(message string)) Option { return func(t *Table) { t.notify = notify } }

// New returns an adapter over the client.
func New(client API, opts ...Option) *Table {
	t := &Table{
		api: client, window: 5 * time.Millisecond, sleep: sleep, notify: func(string) {}, open: map[string]*batch{}, whole: map[string]*whole{},
	}
	for _, opt := range opts {
		opt(t)
	}
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Put writes the row, where there is none for the client or the same server's with the same role. Another's row is left
// as it is: apierror.Exists, which names the other server.
func (t *Table) Put(ctx context.Context, table string, row Row) error {
	t.wrote(table, row.ClientID)
	var attempts awserror.Attempts
	_, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &table,
		Item: map[string]types.AttributeValue{
			attrClientID: text(row.ClientID), attrRoleARN: text(row.RoleARN), attrServerName: text(row.ServerName), attrPrefix: text(row.Prefix),
		},
		ConditionExpression: aws.String("attribute_not_exists(client_id) OR (server_name = :server AND role_arn = :role)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":server": text(row.ServerName), ":role": text(row.RoleARN),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, func(o *dynamodb.Options) { o.Retryer = attempts.Watch(o.Retryer) })
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return taken(table, row.ClientID, refused, err)
	}
	return attempts.From(service, "PutItem", object(table, row.ClientID), err)
}

// taken says whose row is in the way.
func taken(table, key string, refused *types.ConditionalCheckFailedException, err error) error {
	message := "another server's row has this key"
	if other, err := fromItem(refused.Item); err == nil && other.ServerName != "" {
		message = fmt.Sprintf("the row belongs to server %s (role %s)", other.ServerName, other.RoleARN)
	}
	described := awserror.From(service, "PutItem", object(table, key), err)
	if e, ok := errors.AsType[*apierror.Error](described); ok {
		e.Kind, e.Message = apierror.Exists, message
	}
	return described
}

// Read asks DynamoDB for a client's row by itself, consistently. It fails with apierror.NotFound where there is none.
func (t *Table) Read(ctx context.Context, table, key string) (Row, error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &table,
		Key:            map[string]types.AttributeValue{attrClientID: text(key)},
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return Row{}, awserror.From(service, "GetItem", object(table, key), err)
	}
	return rowOf("GetItem", table, key, out.Item)
}

// Delete removes a client's row if it is that of the role. A row that is gone already, or that is another role's by
// now, is no error: the role has none.
func (t *Table) Delete(ctx context.Context, table, key, roleARN string) error {
	t.wrote(table, key)
	var attempts awserror.Attempts
	_, err := t.api.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &table,
		Key:                       map[string]types.AttributeValue{attrClientID: text(key)},
		ConditionExpression:       aws.String("role_arn = :role"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":role": text(roleARN)},
	}, func(o *dynamodb.Options) { o.Retryer = attempts.Watch(o.Retryer) })
	if _, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return nil
	}
	return attempts.From(service, "DeleteItem", object(table, key), err)
}

func object(table, key string) string { return "row " + key + " of table " + table }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// rowOf makes a row of what a read answered.
func rowOf(operation, table, key string, item map[string]types.AttributeValue) (Row, error) {
	if len(item) == 0 {
		return Row{}, &apierror.Error{Kind: apierror.NotFound, Service: service, Operation: operation,
			Object: object(table, key), Message: "there is no such row"}
	}
	row, err := fromItem(item)
	if err != nil {
		return Row{}, &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: operation,
			Object: object(table, key), Err: err}
	}
	return row, nil
}

// fromItem takes attributes that are missing for empty, and refuses those of another type: somebody else's rows.
func fromItem(item map[string]types.AttributeValue) (Row, error) {
	var row Row
	for _, field := range []struct {
		name string
		to   *string
	}{{attrClientID, &row.ClientID}, {attrRoleARN, &row.RoleARN}, {attrServerName, &row.ServerName}, {attrPrefix, &row.Prefix}} {
		value, ok := item[field.name]
		if !ok {
			continue
		}
		s, ok := value.(*types.AttributeValueMemberS)
		if !ok {
			return Row{}, fmt.Errorf("the attribute %s is not a string", field.name)
		}
		*field.to = s.Value
	}
	return row, nil
}
