package dynamodb

import (
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// Limits of batches:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html, API_BatchWriteItem.html
const (
	maxBatchGet   = 100
	maxBatchWrite = 25
	maxBatchBytes = 16 << 20
)

type keysAndAttributes struct {
	Keys                     []item            `json:"Keys"`
	ConsistentRead           bool              `json:"ConsistentRead,omitempty"`
	ProjectionExpression     *string           `json:"ProjectionExpression,omitempty"`
	ExpressionAttributeNames map[string]string `json:"ExpressionAttributeNames,omitempty"`
}

func (s *Service) batchGetItem(c *awsjson.Call) (any, error) {
	var in struct {
		RequestItems           map[string]keysAndAttributes
		ReturnConsumedCapacity string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	count := 0
	for _, of := range in.RequestItems {
		count += len(of.Keys)
	}
	switch {
	case len(in.RequestItems) == 0, count == 0:
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case count > maxBatchGet:
		return nil, invalid("Too many items requested for the BatchGetItem call")
	}
	responses, unprocessed := map[string][]item{}, map[string]keysAndAttributes{}
	left, bytes := s.batchLimit(), 0
	for _, name := range sortedKeys(in.RequestItems) {
		of := in.RequestItems[name]
		t, paths, err := s.openBatchGet(c, name, of)
		if err != nil {
			return nil, err
		}
		responses[name] = []item{}
		for _, key := range of.Keys {
			if left == 0 || bytes > maxBatchBytes {
				rest := unprocessed[name]
				rest.ConsistentRead, rest.ProjectionExpression, rest.ExpressionAttributeNames = of.ConsistentRead, of.ProjectionExpression, of.ExpressionAttributeNames
				rest.Keys = append(rest.Keys, key)
				unprocessed[name] = rest
				continue
			}
			left--
			if found, ok := t.items.Get(s.consistent(c.Context, of.ConsistentRead), t.keyOf(key)); ok {
				bytes += found.size()
				responses[name] = append(responses[name], project(found, paths))
			}
		}
	}
	return map[string]any{"Responses": responses, "UnprocessedKeys": unprocessed}, nil
}

func (s *Service) batchLimit() int {
	if n := int(s.batch.Load()); n > 0 {
		return n
	}
	return maxBatchGet
}

func (s *Service) openBatchGet(c *awsjson.Call, name string, of keysAndAttributes) (*table, []path, error) {
	t, err := s.allowedTable(c, name, s.leading(c.Context, name, of.Keys...), notFound)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, key := range of.Keys {
		if err := t.checkKey(key); err != nil {
			return nil, nil, err
		}
		if seen[t.keyOf(key)] {
			return nil, nil, invalid("Provided list of item keys contains duplicates")
		}
		seen[t.keyOf(key)] = true
	}
	n := &names{attributes: of.ExpressionAttributeNames, used: map[string]bool{}}
	paths, err := projection(of.ProjectionExpression, n)
	if err != nil {
		return nil, nil, err
	}
	return t, paths, n.checkPlaceholders(of.ProjectionExpression != nil)
}

type writeRequest struct {
	PutRequest    *struct{ Item item } `json:"PutRequest,omitempty"`
	DeleteRequest *struct{ Key item }  `json:"DeleteRequest,omitempty"`
}

// subject is the item or the key of a write.
func (w writeRequest) subject() item {
	switch {
	case w.PutRequest != nil && w.DeleteRequest == nil:
		return w.PutRequest.Item
	case w.DeleteRequest != nil && w.PutRequest == nil:
		return w.DeleteRequest.Key
	}
	return nil
}

func (s *Service) batchWriteItem(c *awsjson.Call) (any, error) {
	var in struct {
		RequestItems                map[string][]writeRequest
		ReturnConsumedCapacity      string
		ReturnItemCollectionMetrics string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	count := 0
	for _, writes := range in.RequestItems {
		count += len(writes)
	}
	switch {
	case len(in.RequestItems) == 0, count == 0:
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case count > maxBatchWrite:
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	tables := map[string]*table{}
	for _, name := range sortedKeys(in.RequestItems) { // everything is checked before anything is written
		t, err := s.openBatchWrite(c, name, in.RequestItems[name])
		if err != nil {
			return nil, err
		}
		tables[name] = t
	}
	unprocessed := map[string][]writeRequest{}
	left := s.batchLimit()
	for _, name := range sortedKeys(in.RequestItems) {
		for _, w := range in.RequestItems[name] {
			t := tables[name]
			switch {
			case left == 0:
				unprocessed[name] = append(unprocessed[name], w)
				continue
			case w.PutRequest != nil:
				t.items.Put(t.keyOf(w.PutRequest.Item), w.PutRequest.Item)
			default:
				t.items.Delete(t.keyOf(w.DeleteRequest.Key))
			}
			left--
		}
	}
	return map[string]any{"UnprocessedItems": unprocessed}, nil
}

func (s *Service) openBatchWrite(c *awsjson.Call, name string, writes []writeRequest) (*table, error) {
	var subjects []item
	for _, w := range writes {
		if w.subject() == nil {
			return nil, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
		}
		subjects = append(subjects, w.subject())
	}
	t, err := s.allowedTable(c, name, s.leading(c.Context, name, subjects...), notFound)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, w := range writes {
		check := t.checkKey
		if w.PutRequest != nil {
			check = t.checkItem
		}
		if err := check(w.subject()); err != nil {
			return nil, err
		}
		if seen[t.keyOf(w.subject())] {
			return nil, invalid("Provided list of item keys contains duplicates")
		}
		seen[t.keyOf(w.subject())] = true
	}
	return t, nil
}
