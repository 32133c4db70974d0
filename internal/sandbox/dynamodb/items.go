package dynamodb

import (
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

const notFound = "Requested resource not found"

type itemInput struct {
	TableName                 string
	Key                       item
	ExpressionAttributeNames  map[string]string
	ReturnConsumedCapacity    string
	ProjectionExpression      *string // GetItem
	ConsistentRead            bool    // GetItem
	Item                      item    // PutItem
	ConditionExpression       *string
	ExpressionAttributeValues map[string]value
	UpdateExpression          *string // UpdateItem
	ReturnValues              string

	ReturnItemCollectionMetrics         string
	ReturnValuesOnConditionCheckFailure string
}

// members says which operations take which members.
func (in itemInput) checkMembers(operation string) error {
	switch {
	case operation != "PutItem" && in.Item != nil, operation == "PutItem" && in.Key != nil,
		operation != "UpdateItem" && in.UpdateExpression != nil,
		operation == "GetItem" && (in.ConditionExpression != nil || in.ExpressionAttributeValues != nil || in.ReturnValues != ""),
		operation != "GetItem" && (in.ProjectionExpression != nil || in.ConsistentRead):
		return awsjson.Refusal("SerializationException", "%s does not take one of the members", operation)
	case in.ReturnItemCollectionMetrics != "" && in.ReturnItemCollectionMetrics != "NONE", in.ReturnConsumedCapacity != "" && in.ReturnConsumedCapacity != "NONE":
		return invalid("the sandbox does not count capacity or item collections")
	}
	switch in.ReturnValuesOnConditionCheckFailure {
	case "", "NONE", "ALL_OLD":
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at 'returnValuesOnConditionCheckFailure' failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, NONE]", in.ReturnValuesOnConditionCheckFailure)
}

func (in itemInput) names() *names {
	return &names{attributes: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, used: map[string]bool{}}
}

// open decodes an operation on one item, and finds its table once the guard allows it.
func (s *Service) open(c *awsjson.Call, operation string) (in itemInput, t *table, err error) {
	if err := c.Decode(&in); err != nil {
		return in, nil, err
	}
	if err := in.checkMembers(operation); err != nil {
		return in, nil, err
	}
	subject := in.Key
	if operation == "PutItem" {
		subject = in.Item
	}
	t, err = s.allowedTable(c, in.TableName, s.leading(c.Context, in.TableName, subject), notFound)
	if err != nil {
		return in, nil, err
	}
	if operation == "PutItem" {
		return in, t, t.checkItem(in.Item)
	}
	return in, t, t.checkKey(in.Key)
}

func (s *Service) getItem(c *awsjson.Call) (any, error) {
	in, t, err := s.open(c, "GetItem")
	if err != nil {
		return nil, err
	}
	n := in.names()
	paths, err := projection(in.ProjectionExpression, n)
	if err != nil {
		return nil, err
	}
	if err := n.checkPlaceholders(in.ProjectionExpression != nil); err != nil {
		return nil, err
	}
	found, ok := t.items.Get(s.consistent(c.Context, in.ConsistentRead), t.keyOf(in.Key))
	if !ok {
		return nil, nil
	}
	return map[string]any{"Item": project(found, paths)}, nil
}

func projection(text *string, n *names) ([]path, error) {
	if text == nil {
		return nil, nil
	}
	return parseProjection(*text, n)
}

// guardOf parses the ConditionExpression of a write.
func (in itemInput) guardOf(n *names) (condition, error) {
	if in.ConditionExpression == nil {
		return nil, nil
	}
	return parseCondition("ConditionExpression", *in.ConditionExpression, n)
}

func (in itemInput) check(c condition, old item) error {
	if c == nil || c.holds(old) {
		return nil
	}
	failed := &awsjson.Detailed{Cause: awsjson.Refusal("ConditionalCheckFailedException", "The conditional request failed")}
	if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && old != nil {
		failed.Members = map[string]any{"Item": old}
	}
	return failed
}

// returnOld checks the ReturnValues of PutItem and DeleteItem.
func (in itemInput) returnOld() (bool, error) {
	switch in.ReturnValues {
	case "", "NONE":
		return false, nil
	case "ALL_OLD":
		return true, nil
	}
	return false, invalid("Return values set to invalid value")
}

func (s *Service) putItem(c *awsjson.Call) (any, error) {
	in, t, err := s.open(c, "PutItem")
	if err != nil {
		return nil, err
	}
	return s.write(in, t, in.Item, func(item) (item, bool, error) { return in.Item, true, nil })
}

func (s *Service) deleteItem(c *awsjson.Call) (any, error) {
	in, t, err := s.open(c, "DeleteItem")
	if err != nil {
		return nil, err
	}
	return s.write(in, t, in.Key, func(item) (item, bool, error) { return nil, false, nil })
}

// write changes one item where its condition holds; PutItem and DeleteItem differ in the change alone.
func (s *Service) write(in itemInput, t *table, key item, change func(old item) (item, bool, error)) (any, error) {
	wantOld, err := in.returnOld()
	if err != nil {
		return nil, err
	}
	n := in.names()
	guard, err := in.guardOf(n)
	if err != nil {
		return nil, err
	}
	if err := n.checkPlaceholders(guard != nil); err != nil {
		return nil, err
	}
	var was item
	err = t.items.Update(t.keyOf(key), func(old item, exists bool) (item, bool, error) {
		was = old
		if err := in.check(guard, old); err != nil {
			return old, exists, err
		}
		return change(old)
	})
	if err != nil {
		return nil, err
	}
	if wantOld && was != nil {
		return map[string]any{"Attributes": was}, nil
	}
	return nil, nil
}

func (s *Service) updateItem(c *awsjson.Call) (any, error) {
	in, t, err := s.open(c, "UpdateItem")
	if err != nil {
		return nil, err
	}
	switch in.ReturnValues {
	case "", "NONE", "ALL_OLD", "ALL_NEW":
	default:
		return nil, invalid("the sandbox does not know UpdateItem's ReturnValues %s", in.ReturnValues)
	}
	n := in.names()
	var actions []action
	if in.UpdateExpression != nil {
		if actions, err = parseUpdate(*in.UpdateExpression, n); err != nil {
			return nil, err
		}
	}
	guard, err := in.guardOf(n)
	if err != nil {
		return nil, err
	}
	if err := n.checkPlaceholders(guard != nil || actions != nil); err != nil {
		return nil, err
	}
	if err := t.keepKeys(actions); err != nil {
		return nil, err
	}
	var was, is item
	err = t.items.Update(t.keyOf(in.Key), func(old item, exists bool) (item, bool, error) {
		was = old
		if err := in.check(guard, old); err != nil {
			return old, exists, err
		}
		base := old
		if !exists {
			base = in.Key
		}
		is, err = apply(actions, base)
		if err == nil && is.size() > 400<<10 {
			err = invalid("Item size to update has exceeded the maximum allowed size")
		}
		if err != nil {
			return old, exists, err
		}
		return is, true, nil
	})
	switch {
	case err != nil:
		return nil, err
	case in.ReturnValues == "ALL_OLD" && was != nil:
		return map[string]any{"Attributes": was}, nil
	case in.ReturnValues == "ALL_NEW":
		return map[string]any{"Attributes": is}, nil
	}
	return nil, nil
}

func (t *table) keepKeys(actions []action) error {
	for _, a := range actions {
		if _, isKey := t.types[a.at[0].name]; isKey {
			return invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", a.at[0].name)
		}
	}
	return nil
}
