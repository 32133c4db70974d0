package rolemap

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/fold"
)

const (
	// fewLookups is how many rows of a table are looked for before all of it is read: from then on one page is cheaper.
	fewLookups = 10
	// maxPages is how much of a table is read, 1 MB a page; in a larger one rows are looked for by their keys.
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
	maxPages = 20
)

// whole is all of one table, as the callers of a run share it.
type whole struct {
	lookups int
	off     bool // it cannot be read, or is not worth it
	written map[string]bool
	rows    fold.Read[map[string]map[string]types.AttributeValue]
}

var errTooLarge = errors.New("the table is too large to be read whole")

// wrote takes note that this process changes a row, which is then always looked for by its key. It is called before the
// change.
func (t *Table) wrote(table, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wholeOf(table).written[key] = true
}

// wholeOf returns what is shared of a table; t.mu is held.
func (t *Table) wholeOf(table string) *whole {
	w := t.whole[table]
	if w == nil {
		w = &whole{written: map[string]bool{}}
		t.whole[table] = w
	}
	return w
}

// scanned answers from a read of the whole table, where that is worth it. What is not found there, and what this process
// has changed, must be asked for by its key.
func (t *Table) scanned(ctx context.Context, table, key string) (map[string]types.AttributeValue, bool) {
	t.mu.Lock()
	w := t.wholeOf(table)
	w.lookups++
	skip := w.off || w.lookups <= fewLookups || w.written[key]
	t.mu.Unlock()
	if skip {
		return nil, false
	}
	rows, err := w.rows.Get(ctx, func(ctx context.Context) (map[string]map[string]types.AttributeValue, error) {
		return t.scan(ctx, table)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if apierror.Is(err, apierror.Denied) || errors.Is(err, errTooLarge) {
		w.off = true
	}
	item, ok := rows[key]
	return item, err == nil && ok && !w.written[key]
}

// RowsOf returns the rows that map a client to the role. The table's key is the client, so this reads the whole table,
// once a run, for all who ask: it is for imports, which know the role and look for the client. What this run writes
// meanwhile it does not see. Rows of another shape are somebody else's and are left out.
func (t *Table) RowsOf(ctx context.Context, table, roleARN string) ([]Row, error) {
	all, err := t.Rows(ctx, table)
	return slices.DeleteFunc(all, func(row Row) bool { return row.RoleARN != roleARN }), err
}

// Rows returns all rows of the table, ordered by their keys, from the same read as RowsOf.
func (t *Table) Rows(ctx context.Context, table string) ([]Row, error) {
	t.mu.Lock()
	w := t.wholeOf(table)
	t.mu.Unlock()
	items, err := w.rows.Get(ctx, func(ctx context.Context) (map[string]map[string]types.AttributeValue, error) {
		return t.scan(ctx, table)
	})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, key := range slices.Sorted(maps.Keys(items)) {
		if row, err := fromItem(items[key]); err == nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// scan reads a table, consistently.
func (t *Table) scan(ctx context.Context, table string) (map[string]map[string]types.AttributeValue, error) {
	rows := map[string]map[string]types.AttributeValue{}
	in := &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}
	for range maxPages {
		out, err := t.api.Scan(ctx, in)
		if err != nil {
			return nil, awserror.From(service, "Scan", "table "+table, err)
		}
		for _, item := range out.Items {
			if key, ok := item[attrClientID].(*types.AttributeValueMemberS); ok {
				rows[key.Value] = item
			}
		}
		if len(out.LastEvaluatedKey) == 0 {
			return rows, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return nil, fmt.Errorf("read table %s: %w", table, errTooLarge)
}
