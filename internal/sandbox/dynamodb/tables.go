package dynamodb

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

// table is a table and its items.
type table struct {
	name, id, arn string
	keys          []keyElement
	types         map[string]string // of key attributes
	billing       string
	created       time.Time
	items         *store.Table[item] // by keyOf
}

type keyElement struct {
	AttributeName string
	KeyType       string
}

type attributeDefinition struct {
	AttributeName string
	AttributeType string
}

type throughput struct {
	ReadCapacityUnits  int64
	WriteCapacityUnits int64
}

type tag struct{ Key, Value string }

var tableNameForm = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

type createTableInput struct {
	TableName                 string
	AttributeDefinitions      []attributeDefinition
	KeySchema                 []keyElement
	BillingMode               string
	ProvisionedThroughput     *throughput
	Tags                      []tag
	DeletionProtectionEnabled bool
}

func (s *Service) createTable(c *awsjson.Call) (any, error) {
	var in createTableInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Allow(s.arn(in.TableName), nil); err != nil {
		return nil, err
	}
	t, err := s.newTable(in)
	if err != nil {
		return nil, err
	}
	if err := s.addTable(t); err != nil {
		return nil, err
	}
	return map[string]any{"TableDescription": t.describe("CREATING", 0)}, nil
}

// CreateTable makes a table with a string hash key, for the sandbox's foundation.
func (s *Service) CreateTable(_ context.Context, name, hashKey string) (arn string, err error) {
	t, err := s.newTable(createTableInput{
		TableName: name, BillingMode: "PAY_PER_REQUEST",
		KeySchema:            []keyElement{{hashKey, "HASH"}},
		AttributeDefinitions: []attributeDefinition{{hashKey, typeString}},
	})
	if err != nil {
		return "", err
	}
	return t.arn, s.addTable(t)
}

func (s *Service) newTable(in createTableInput) (*table, error) {
	if !tableNameForm.MatchString(in.TableName) {
		return nil, invalid("TableName must be at least 3 characters long and at most 255 characters long, and match [a-zA-Z0-9_.-]+")
	}
	if in.DeletionProtectionEnabled {
		return nil, invalid("the sandbox does not know deletion protection")
	}
	switch in.BillingMode {
	case "PAY_PER_REQUEST":
		if in.ProvisionedThroughput != nil {
			return nil, invalid("One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
		}
	case "", "PROVISIONED":
		if in.ProvisionedThroughput == nil || in.ProvisionedThroughput.ReadCapacityUnits < 1 || in.ProvisionedThroughput.WriteCapacityUnits < 1 {
			return nil, invalid("One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
		}
		in.BillingMode = "PROVISIONED"
	default:
		return nil, invalid("1 validation error detected: Value '%s' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]", in.BillingMode)
	}
	t := &table{name: in.TableName, arn: s.arn(in.TableName), keys: in.KeySchema, types: map[string]string{}, billing: in.BillingMode,
		id: awsquery.NewRequestID(s.cfg.Rand), created: s.cfg.Now(), items: store.NewTable[item](s.cfg.Now)}
	return t, t.setKeys(in)
}

func (t *table) setKeys(in createTableInput) error {
	if n := len(in.KeySchema); n < 1 || n > 2 || in.KeySchema[0].KeyType != "HASH" || n == 2 && in.KeySchema[1].KeyType != "RANGE" {
		return invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	for _, d := range in.AttributeDefinitions {
		if d.AttributeType != typeString && d.AttributeType != typeNumber && d.AttributeType != typeBinary {
			return invalid("1 validation error detected: Value '%s' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]", d.AttributeType)
		}
		t.types[d.AttributeName] = d.AttributeType
	}
	for _, k := range in.KeySchema {
		if t.types[k.AttributeName] == "" {
			return invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %v", k.AttributeName, sortedKeys(t.types))
		}
	}
	if len(t.types) != len(in.KeySchema) || len(in.AttributeDefinitions) != len(in.KeySchema) {
		return invalid("One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}

func (s *Service) addTable(t *table) error {
	return s.tables.Update(t.name, func(old *table, exists bool) (*table, bool, error) {
		if exists {
			return old, true, awsjson.Refusal("ResourceInUseException", "Table already exists: %s", t.name)
		}
		return t, true, nil
	})
}

type tableInput struct{ TableName string }

func (s *Service) describeTable(c *awsjson.Call) (any, error) {
	var in tableInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	t, err := s.allowedTable(c, in.TableName, nil, "Requested resource not found: Table: %s not found")
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": t.describe("ACTIVE", len(t.items.Keys(c.Context)))}, nil
}

func (s *Service) deleteTable(c *awsjson.Call) (any, error) {
	var in tableInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	t, err := s.allowedTable(c, in.TableName, nil, "Requested resource not found: Table: %s not found")
	if err != nil {
		return nil, err
	}
	if !s.tables.Delete(t.name) {
		return nil, awsjson.Refusal("ResourceNotFoundException", "Requested resource not found: Table: %s not found", t.name)
	}
	return map[string]any{"TableDescription": t.describe("DELETING", 0)}, nil
}

func (s *Service) listTables(c *awsjson.Call) (any, error) {
	var in struct {
		ExclusiveStartTableName string
		Limit                   *int
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := c.Allow("*", nil); err != nil {
		return nil, err
	}
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 100 {
		return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", limit)
	}
	out := map[string]any{}
	found := []string{}
	for _, name := range s.tables.Keys(c.Context) {
		if name <= in.ExclusiveStartTableName {
			continue
		}
		if len(found) == limit {
			out["LastEvaluatedTableName"] = found[limit-1]
			break
		}
		found = append(found, name)
	}
	out["TableNames"] = found
	return out, nil
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s", s.cfg.Partition, s.cfg.Region, s.cfg.AccountID, name)
}

// allowedTable finds a table by name or ARN once the guard allows the call there. missing is the text of the error for
// a table that is not there; "%s" in it is the name.
func (s *Service) allowedTable(c *awsjson.Call, nameOrARN string, leading []string, missing string) (*table, error) {
	name := strings.TrimPrefix(nameOrARN, s.arn(""))
	if !tableNameForm.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", nameOrARN)
	}
	var keys map[string][]string
	if leading != nil {
		keys = map[string][]string{"dynamodb:LeadingKeys": leading}
	}
	if err := c.Allow(s.arn(name), keys); err != nil {
		return nil, err
	}
	t, ok := s.tables.Get(s.consistent(c.Context, true), name)
	if !ok {
		return nil, awsjson.Refusal("ResourceNotFoundException", "%s", strings.ReplaceAll(missing, "%s", name))
	}
	return t, nil
}

func (t *table) describe(status string, items int) map[string]any {
	definitions := []attributeDefinition{}
	for _, name := range sortedKeys(t.types) {
		definitions = append(definitions, attributeDefinition{name, t.types[name]})
	}
	out := map[string]any{
		"TableName": t.name, "TableArn": t.arn, "TableId": t.id, "TableStatus": status, "KeySchema": t.keys,
		"AttributeDefinitions": definitions, "CreationDateTime": awsjson.Time(t.created), "ItemCount": items, "TableSizeBytes": 0,
		"ProvisionedThroughput":     map[string]any{"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
		"DeletionProtectionEnabled": false,
	}
	if t.billing == "PAY_PER_REQUEST" {
		out["BillingModeSummary"] = map[string]any{"BillingMode": t.billing}
	}
	return out
}

// checkKey takes exactly the key attributes, of the right types.
func (t *table) checkKey(key item) error {
	if len(key) != len(t.keys) {
		return invalid("The provided key element does not match the schema")
	}
	for _, k := range t.keys {
		v, ok := key[k.AttributeName]
		if !ok || v.kind != t.types[k.AttributeName] {
			return invalid("The provided key element does not match the schema")
		}
	}
	return t.checkKeySizes(key)
}

// checkItem takes an item that has the key attributes, of the right types.
func (t *table) checkItem(i item) error {
	for _, k := range t.keys {
		v, ok := i[k.AttributeName]
		if !ok {
			return invalid("One or more parameter values were invalid: Missing the key %s in the item", k.AttributeName)
		}
		if want := t.types[k.AttributeName]; v.kind != want {
			return invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", k.AttributeName, want, v.kind)
		}
	}
	if i.size() > 400<<10 {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return t.checkKeySizes(i)
}

func (t *table) checkKeySizes(i item) error {
	for n, k := range t.keys {
		v := i[k.AttributeName]
		limit, what := 2048, "hashkey"
		if n == 1 {
			limit, what = 1024, "rangekey"
		}
		switch {
		case v.text == "" && v.kind == typeString:
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", k.AttributeName)
		case v.text == "" && v.kind == typeBinary:
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", k.AttributeName)
		case len(v.text) > limit:
			return invalid("One or more parameter values were invalid: Size of %s has exceeded the maximum size limit of%d bytes", what, limit)
		}
	}
	return nil
}

// keyOf is where an item stands in the table: its hash key, then its range key. The length keeps them apart.
func (t *table) keyOf(i item) string {
	hash := i[t.keys[0].AttributeName].text
	if len(t.keys) == 1 {
		return hash
	}
	return fmt.Sprintf("%s\x00%d\x00%s", hash, len(hash), i[t.keys[1].AttributeName].text)
}

func (t *table) key(i item) item {
	out := item{}
	for _, k := range t.keys {
		out[k.AttributeName] = i[k.AttributeName]
	}
	return out
}

// leading are the values of the condition key dynamodb:LeadingKeys for items or keys of unknown tables: every value that
// may be a hash key, which only the schema could tell.
func (s *Service) leading(ctx context.Context, nameOrARN string, items ...item) []string {
	t, ok := s.tables.Get(s.consistent(ctx, true), strings.TrimPrefix(nameOrARN, s.arn("")))
	out := []string{}
	for _, i := range items {
		if ok {
			out = append(out, i[t.keys[0].AttributeName].text)
		}
	}
	return out
}
