package rolemap

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror/awserror"
)

// maxKeys is how many keys BatchGetItem takes.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const maxKeys = 100

// batch is one BatchGetItem in the making. It does not hang on the context of the caller who came first: it goes on
// while anybody waits. All fields but done belong to Table.mu until done is closed.
type batch struct {
	ctx     context.Context //nolint:containedctx // of the request that it becomes
	cancel  context.CancelFunc
	keys    map[string]bool
	full    chan struct{} // closed when no more keys fit
	done    chan struct{}
	waiting int
	items   map[string]map[string]types.AttributeValue
	err     error
}

// Look reads a client's row, consistently: the first rows that a run looks for in one request with those that others look
// for at the same moment, further ones from a read of the whole table. It fails with apierror.NotFound where there is
// none. Where neither Scan nor BatchGetItem is allowed, Look is Read.
func (t *Table) Look(ctx context.Context, table, key string) (Row, error) {
	if item, ok := t.scanned(ctx, table, key); ok {
		return rowOf("Scan", table, key, item)
	}
	t.mu.Lock()
	if t.unfolded {
		t.mu.Unlock()
		return t.Read(ctx, table, key)
	}
	b := t.join(ctx, table, key)
	t.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		t.leave(table, b)
		return Row{}, awserror.From(service, "BatchGetItem", object(table, key), ctx.Err())
	}
	if apierror.Is(b.err, apierror.Denied) {
		t.giveUpFolding(b.err)
		return t.Read(ctx, table, key)
	}
	if b.err != nil {
		return Row{}, b.err
	}
	return rowOf("BatchGetItem", table, key, b.items[key])
}

// join adds the key to the table's open batch; t.mu is held.
func (t *Table) join(ctx context.Context, table, key string) *batch {
	b := t.open[table]
	if b == nil {
		shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
		b = &batch{ctx: shared, cancel: cancel, keys: map[string]bool{}, full: make(chan struct{}), done: make(chan struct{})}
		t.open[table] = b
		go t.run(table, b)
	}
	b.keys[key] = true
	b.waiting++
	if len(b.keys) == maxKeys {
		delete(t.open, table)
		close(b.full)
	}
	return b
}

// leave ends the batch when its last caller has gone.
func (t *Table) leave(table string, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b.waiting--; b.waiting > 0 {
		return
	}
	b.cancel()
	t.shut(table, b)
}

// shut keeps others from joining; t.mu is held.
func (t *Table) shut(table string, b *batch) {
	if t.open[table] == b {
		delete(t.open, table)
	}
}

// run waits for company and then reads.
func (t *Table) run(table string, b *batch) {
	defer b.cancel()
	timer := time.NewTimer(t.window)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.full:
	case <-b.ctx.Done():
	}
	t.mu.Lock()
	t.shut(table, b)
	t.mu.Unlock()
	b.items, b.err = t.readBatch(b.ctx, table, b.keys)
	close(b.done)
}

// Pauses between requests for keys that DynamoDB left out, doubling from the first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
	maxPauses  = 12 // about half a minute
)

// readBatch reads up to 100 rows. DynamoDB may leave keys out when it is short of capacity or of room in the answer;
// those are asked for again.
func (t *Table) readBatch(ctx context.Context, table string, keys map[string]bool) (map[string]map[string]types.AttributeValue, error) {
	wanted := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for key := range keys {
		wanted.Keys = append(wanted.Keys, map[string]types.AttributeValue{attrClientID: text(key)})
	}
	items := map[string]map[string]types.AttributeValue{}
	what := fmt.Sprintf("%d rows of table %s", len(keys), table)
	pause := firstPause
	for n := 0; ; n++ {
		out, err := t.api.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: wanted}})
		if err != nil {
			return nil, awserror.From(service, "BatchGetItem", what, err)
		}
		for _, rows := range out.Responses {
			for _, item := range rows {
				if key, ok := item[attrClientID].(*types.AttributeValueMemberS); ok {
					items[key.Value] = item
				}
			}
		}
		var left []map[string]types.AttributeValue
		for _, unprocessed := range out.UnprocessedKeys {
			left = append(left, unprocessed.Keys...)
		}
		if len(left) == 0 {
			return items, nil
		}
		if n == maxPauses {
			return nil, &apierror.Error{Kind: apierror.Throttled, Service: service, Operation: "BatchGetItem", Object: what,
				Message: fmt.Sprintf("DynamoDB left %d keys unprocessed, time and again", len(left))}
		}
		if err := t.sleep(ctx, pause); err != nil {
			return nil, awserror.From(service, "BatchGetItem", what, err)
		}
		wanted.Keys, pause = left, min(2*pause, lastPause)
	}
}

// giveUpFolding turns Look into Read for the rest of the run.
func (t *Table) giveUpFolding(err error) {
	t.mu.Lock()
	t.unfolded = true
	t.mu.Unlock()
	t.report.Do(func() {
		t.notify(fmt.Sprintf("Reading mapping rows one by one: reading several at once was refused (%v). "+
			"Allow dynamodb:BatchGetItem to read up to 100 with one call.", err))
	})
}
