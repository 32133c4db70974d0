package dynamodb_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/authz"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson/awsjsontest"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/dynamodb"
)

type attributes = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return fmt.Sprintf("%T", v)
}

type world struct {
	*awsjsontest.Server

	service *dynamodb.Service
	client  *sdk.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Server = awsjsontest.Serve(t, func(guard authz.Guard) http.Handler {
		w.service = dynamodb.New(dynamodb.Config{Now: time.Now, AccountID: awsjsontest.Account, Region: awsjsontest.Region, Partition: awsjsontest.Partition, Guard: guard})
		return w.service
	})
	w.client = sdk.NewFromConfig(w.Admin())
	return w
}

// createTables makes "clients" (client_id) and "events" (server, number n).
func createTables(t *testing.T, c *sdk.Client) {
	t.Helper()
	for _, in := range []*sdk.CreateTableInput{
		{TableName: aws.String("clients"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("client_id"), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("client_id"), KeyType: types.KeyTypeHash}}},
		{TableName: aws.String("events"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("server"), AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("server"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("n"), KeyType: types.KeyTypeRange}}},
	} {
		if _, err := c.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, c *sdk.Client, table string, item attributes) {
	t.Helper()
	if _, err := c.PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
		t.Fatal(err)
	}
}

// question is one call of the table that the sandbox and moto both answer.
type question struct {
	name string
	ask  func(ctx context.Context, c *sdk.Client) (string, error) // what it says, for comparison
	want string                                                   // "code: message" of an error, or what ask returns
	// moto is moto's own answer where it differs; because names the documentation that decides.
	moto, because string
}

// fails is an answer that is none: not in the API's form.
const fails = "fails"

func answer(q question, c *sdk.Client) string {
	got, err := q.ask(context.Background(), c)
	if err != nil && awsjsontest.Message(err) == "" {
		return fails
	}
	if err != nil {
		return awsjsontest.Code(err) + ": " + awsjsontest.Message(err)
	}
	return got
}

func rowA() attributes {
	return attributes{"client_id": str("a"), "role_arn": str("arn:1"), "server_name": str("web-01"), "count": num("7")}
}

// condition asks whether a condition holds for the row "a".
func condition(expression string, names map[string]string, values attributes) func(context.Context, *sdk.Client) (string, error) {
	return func(ctx context.Context, c *sdk.Client) (string, error) {
		_, err := c.PutItem(ctx, &sdk.PutItemInput{TableName: aws.String("clients"), Item: rowA(),
			ConditionExpression: &expression, ExpressionAttributeNames: names, ExpressionAttributeValues: values})
		if awsjsontest.Code(err) == "ConditionalCheckFailedException" {
			return "no", nil
		}
		return "yes", err
	}
}

func questions() []question {
	get := func(key attributes, projection *string) func(context.Context, *sdk.Client) (string, error) {
		return func(ctx context.Context, c *sdk.Client) (string, error) {
			out, err := c.GetItem(ctx, &sdk.GetItemInput{TableName: aws.String("clients"), Key: key, ProjectionExpression: projection, ConsistentRead: aws.Bool(true)})
			if err != nil {
				return "", err
			}
			return show(out.Item), nil
		}
	}
	query := func(in *sdk.QueryInput) func(context.Context, *sdk.Client) (string, error) {
		return func(ctx context.Context, c *sdk.Client) (string, error) {
			in.TableName = aws.String("events")
			out, err := c.Query(ctx, in)
			if err != nil {
				return "", err
			}
			var found []string
			for _, item := range out.Items {
				found = append(found, text(item["n"]))
			}
			return fmt.Sprintf("%s more=%t", strings.Join(found, " "), out.LastEvaluatedKey != nil), nil
		}
	}
	v := func(pairs ...string) attributes {
		out := attributes{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = str(pairs[i+1])
		}
		return out
	}
	return []question{
		{name: "get", ask: get(attributes{"client_id": str("a")}, nil), want: "client_id=a count=7 role_arn=arn:1 server_name=web-01"},
		{name: "get nothing", ask: get(attributes{"client_id": str("zz")}, nil), want: ""},
		{name: "get with projection", ask: get(attributes{"client_id": str("a")}, aws.String("role_arn, gone")), want: "role_arn=arn:1"},
		{name: "get with projection of nothing", ask: get(attributes{"client_id": str("a")}, aws.String("gone")), want: ""},
		{name: "get with a wrong key", ask: get(attributes{"id": str("a")}, nil), want: "ValidationException: The provided key element does not match the schema"},
		{name: "get with a key of another type", ask: get(attributes{"client_id": num("1")}, nil), want: "ValidationException: The provided key element does not match the schema",
			moto: "", because: "moto does not compare types; a key has to match the schema: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html#DDB-GetItem-request-Key"},
		{name: "get with an empty key", ask: get(attributes{"client_id": str("")}, nil),
			want: "ValidationException: One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: client_id"},
		{name: "reserved word", ask: get(attributes{"client_id": str("a")}, aws.String("name")), want: "ValidationException: Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name",
			moto: "ValidationException: ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name", because: "wording alone: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html"},
		{name: "no such table", ask: func(ctx context.Context, c *sdk.Client) (string, error) {
			_, err := c.GetItem(ctx, &sdk.GetItemInput{TableName: aws.String("nowhere"), Key: attributes{"client_id": str("a")}})
			return "", err
		}, want: "ResourceNotFoundException: Requested resource not found"},
		{name: "put without the key", ask: func(ctx context.Context, c *sdk.Client) (string, error) {
			_, err := c.PutItem(ctx, &sdk.PutItemInput{TableName: aws.String("clients"), Item: attributes{"x": str("a")}})
			return "", err
		}, want: "ValidationException: One or more parameter values were invalid: Missing the key client_id in the item"},
		{name: "put with a key of another type", ask: func(ctx context.Context, c *sdk.Client) (string, error) {
			_, err := c.PutItem(ctx, &sdk.PutItemInput{TableName: aws.String("clients"), Item: attributes{"client_id": num("1")}})
			return "", err
		}, want: "ValidationException: One or more parameter values were invalid: Type mismatch for key client_id expected: S actual: N"},

		{name: "exists", ask: condition("attribute_exists(client_id)", nil, nil), want: "yes"},
		{name: "not exists", ask: condition("attribute_not_exists(client_id)", nil, nil), want: "no"},
		{name: "equal", ask: condition("role_arn = :r", nil, v(":r", "arn:1")), want: "yes"},
		{name: "or with brackets", ask: condition("attribute_not_exists(client_id) OR (server_name = :s AND role_arn = :r)", nil, v(":s", "web-01", ":r", "arn:1")), want: "yes"},
		{name: "and before or", ask: condition("role_arn = :r OR role_arn = :x AND role_arn = :x", nil, v(":r", "arn:1", ":x", "x")), want: "yes"},
		{name: "not", ask: condition("NOT role_arn = :r", nil, v(":r", "arn:1")), want: "no"},
		{name: "unequal to what is missing", ask: condition("gone <> :r", nil, v(":r", "x")), want: "yes"},
		{name: "less than what is missing", ask: condition("gone < :r", nil, v(":r", "x")), want: "no"},
		{name: "numbers compare as numbers", ask: condition("#c < :n", map[string]string{"#c": "count"}, attributes{":n": num("10")}), want: "yes"},
		{name: "a number is no string", ask: condition("#c < :n", map[string]string{"#c": "count"}, v(":n", "9")), want: "no",
			moto: fails, because: "moto compares what Python cannot; values of different types are not equal, and no order holds between them: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html"},
		{name: "between", ask: condition("#c BETWEEN :a AND :b", map[string]string{"#c": "count"}, attributes{":a": num("7"), ":b": num("8")}), want: "yes"},
		{name: "in", ask: condition("server_name IN (:a, :b)", nil, v(":a", "x", ":b", "web-01")), want: "yes"},
		{name: "begins_with", ask: condition("begins_with(server_name, :p)", nil, v(":p", "web-")), want: "yes"},
		{name: "contains", ask: condition("contains(server_name, :p)", nil, v(":p", "b-0")), want: "yes"},
		{name: "size", ask: condition("size(server_name) = :n", nil, attributes{":n": num("6")}), want: "yes"},
		{name: "keywords in lower case", ask: condition("role_arn = :r and not server_name in (:x)", nil, v(":r", "arn:1", ":x", "x")), want: "yes"},
		{name: "undefined value", ask: condition("role_arn = :r", nil, v(":x", "x")), want: "ValidationException: Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :r",
			moto: fails, because: "moto answers 500; a malformed expression is a ValidationException: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"},
		{name: "unused value", ask: condition("role_arn = :r", nil, v(":r", "x", ":y", "y")), want: "ValidationException: Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}",
			moto: "no", because: "moto lets a failed condition win; the request is invalid whatever the item: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeValues.html"},
		{name: "undefined name", ask: condition("#x = :r", map[string]string{"#y": "role_arn"}, v(":r", "x")), want: "ValidationException: Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #x",
			moto: fails, because: "moto answers 500; a malformed expression is a ValidationException: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"},
		{name: "syntax error", ask: condition("role_arn = = :r", nil, v(":r", "x")), want: `ValidationException: Invalid ConditionExpression: Syntax error; token: "=", near: "= = :r"`,
			moto: fails, because: "moto answers 500; a malformed expression is a ValidationException: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"},
		{name: "syntax error at the end", ask: condition("role_arn =", nil, v(":r", "x")), want: `ValidationException: Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="`,
			moto: fails, because: "moto answers 500; a malformed expression is a ValidationException: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html"},
		{name: "empty expression", ask: condition("", nil, nil), want: "ValidationException: Invalid ConditionExpression: The expression can not be empty;",
			moto: "yes", because: "moto passes over it; an expression has a condition at least: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html#Expressions.OperatorsAndFunctions.Syntax"},
		{name: "unknown function", ask: condition("is_there(client_id)", nil, nil), want: "ValidationException: Invalid ConditionExpression: Invalid function name; function: is_there",
			moto: fails, because: "moto answers 500; the functions are these: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html#Expressions.OperatorsAndFunctions.Functions"},

		{name: "query", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s"), ExpressionAttributeValues: v(":s", "web-01")}), want: "1 2 10 more=false"},
		{name: "query backwards", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s"), ExpressionAttributeValues: v(":s", "web-01"), ScanIndexForward: aws.Bool(false)}), want: "10 2 1 more=false"},
		{name: "query a range", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s AND n >= :n"), ExpressionAttributeValues: attributes{":s": str("web-01"), ":n": num("2")}}), want: "2 10 more=false"},
		{name: "query a page", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s"), ExpressionAttributeValues: v(":s", "web-01"), Limit: aws.Int32(2)}), want: "1 2 more=true"},
		{name: "query the page behind", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s"), ExpressionAttributeValues: v(":s", "web-01"), Limit: aws.Int32(2),
			ExclusiveStartKey: attributes{"server": str("web-01"), "n": num("2")}}), want: "10 more=false"},
		{name: "query with a filter", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("server = :s"), FilterExpression: aws.String("kind = :k"), ExpressionAttributeValues: v(":s", "web-01", ":k", "put")}), want: "1 10 more=false"},
		{name: "query without the hash key", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("n = :n"), ExpressionAttributeValues: attributes{":n": num("2")}}), want: "ValidationException: Query condition missed key schema element: server"},
		{name: "query by part of the hash key", ask: query(&sdk.QueryInput{KeyConditionExpression: aws.String("begins_with(server, :s)"), ExpressionAttributeValues: v(":s", "web")}), want: "ValidationException: Query key condition not supported"},
	}
}

func show(item attributes) string {
	var out []string
	for name, value := range item {
		out = append(out, name+"="+text(value))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func fill(t *testing.T, c *sdk.Client) {
	t.Helper()
	createTables(t, c)
	put(t, c, "clients", rowA())
	for _, n := range []string{"10", "1", "2"} {
		kind := "put"
		if n == "2" {
			kind = "delete"
		}
		put(t, c, "events", attributes{"server": str("web-01"), "n": num(n), "kind": str(kind)})
	}
	put(t, c, "events", attributes{"server": str("web-02"), "n": num("5")})
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fill(t, w.client)
	for _, q := range questions() {
		if got := answer(q, w.client); got != q.want {
			t.Errorf("%s:\n got %s\nwant %s", q.name, got, q.want)
		}
	}
}

// TestQuestionsAgainstMoto asks moto the same. Where it answers otherwise, the question says why the sandbox does not.
func TestQuestionsAgainstMoto(t *testing.T) {
	t.Parallel()
	c := sdk.NewFromConfig(awsjsontest.Moto(t))
	fill(t, c)
	for _, q := range questions() {
		want := q.want
		if q.because != "" {
			want = q.moto
		}
		if got := answer(q, c); got != want {
			t.Errorf("%s:\nmoto %s\nwant %s", q.name, got, want)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	createTables(t, c)
	out, err := c.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: aws.String("clients")})
	if err != nil || out.Table.TableStatus != types.TableStatusActive || *out.Table.TableArn != "arn:aws:dynamodb:eu-west-1:123456789012:table/clients" ||
		out.Table.BillingModeSummary.BillingMode != types.BillingModePayPerRequest || *out.Table.KeySchema[0].AttributeName != "client_id" {
		t.Errorf("table %+v, %v", out, err)
	}
	_, err = c.CreateTable(ctx, &sdk.CreateTableInput{TableName: aws.String("clients"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: types.KeyTypeHash}}})
	if awsjsontest.Code(err) != "ResourceInUseException" || awsjsontest.Message(err) != "Table already exists: clients" {
		t.Errorf("a second table of the name: %v", err)
	}
	names, err := c.ListTables(ctx, &sdk.ListTablesInput{Limit: aws.Int32(1)})
	if err != nil || len(names.TableNames) != 1 || aws.ToString(names.LastEvaluatedTableName) != "clients" {
		t.Errorf("tables %+v, %v", names, err)
	}
	put(t, c, "arn:aws:dynamodb:eu-west-1:123456789012:table/clients", attributes{"client_id": str("by-arn")})
	if _, err := c.DeleteTable(ctx, &sdk.DeleteTableInput{TableName: aws.String("clients")}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: aws.String("clients")})
	if awsjsontest.Code(err) != "ResourceNotFoundException" || awsjsontest.Message(err) != "Requested resource not found: Table: clients not found" {
		t.Errorf("the deleted table: %v", err)
	}
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	createTables(t, c)
	in := &sdk.PutItemInput{TableName: aws.String("clients"), Item: attributes{"client_id": str("a"), "server_name": str("web-01")},
		ConditionExpression: aws.String("attribute_not_exists(client_id)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	if _, err := c.PutItem(ctx, in); err != nil {
		t.Fatal(err)
	}
	_, err := c.PutItem(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if !asError(err, &failed) || text(failed.Item["server_name"]) != "web-01" {
		t.Errorf("the second put: %v", err)
	}
	in.ReturnValuesOnConditionCheckFailure = ""
	if _, err = c.PutItem(ctx, in); !asError(err, &failed) || failed.Item != nil {
		t.Errorf("without ALL_OLD: %v %v", err, failed.Item)
	}
	_, err = c.DeleteItem(ctx, &sdk.DeleteItemInput{TableName: in.TableName, Key: attributes{"client_id": str("a")}, ConditionExpression: aws.String("server_name = :s"), ExpressionAttributeValues: attributes{":s": str("other")}})
	if awsjsontest.Code(err) != "ConditionalCheckFailedException" {
		t.Errorf("delete of another's: %v", err)
	}
	out, err := c.DeleteItem(ctx, &sdk.DeleteItemInput{TableName: in.TableName, Key: attributes{"client_id": str("a")}, ReturnValues: types.ReturnValueAllOld})
	if err != nil || text(out.Attributes["server_name"]) != "web-01" {
		t.Errorf("delete: %v %v", out, err)
	}
	if _, err := c.DeleteItem(ctx, &sdk.DeleteItemInput{TableName: in.TableName, Key: attributes{"client_id": str("a")}}); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
}

func TestUpdateItem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	createTables(t, w.client)
	for _, u := range []struct {
		expression string
		values     attributes
		want       string // of the item, or the code of the error
	}{
		{"SET a = :x, b = :n", attributes{":x": str("1"), ":n": num("5")}, "a=1 b=5 client_id=u"},
		{"SET b = b + :n REMOVE a", attributes{":n": num("0.5")}, "b=5.5 client_id=u"},
		{"SET b = b - :n, c = if_not_exists(c, :n)", attributes{":n": num("5.5")}, "b=0 c=5.5 client_id=u"},
		{"SET c = if_not_exists(c, :n)", attributes{":n": num("1")}, "b=0 c=5.5 client_id=u"},
		{"SET d = gone", nil, "ValidationException"},
		{"SET client_id = :x", attributes{":x": str("v")}, "ValidationException"},
		{"SET a.b = :x", attributes{":x": str("v")}, "ValidationException"},
		{"SET a = :x, a = :x", attributes{":x": str("v")}, "ValidationException"},
		{"SET a = :x SET e = :x", attributes{":x": str("v")}, "ValidationException"},
		{"ADD b :n", attributes{":n": num("1")}, "ValidationException"},
		{"REMOVE b, c", nil, "client_id=u"},
	} {
		out, err := w.client.UpdateItem(t.Context(), &sdk.UpdateItemInput{TableName: aws.String("clients"), Key: attributes{"client_id": str("u")},
			UpdateExpression: &u.expression, ExpressionAttributeValues: u.values, ReturnValues: types.ReturnValueAllNew})
		got := awsjsontest.Code(err)
		if err == nil {
			got = show(out.Attributes)
		}
		if got != u.want {
			t.Errorf("%s: got %s, want %s (%v)", u.expression, got, u.want, err)
		}
	}
}

func TestScanPagesAndBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, c := t.Context(), w.client
	createTables(t, c)
	var writes []types.WriteRequest
	var keys []attributes
	for n := range 25 {
		key := attributes{"client_id": str(fmt.Sprintf("c%02d", n))}
		writes, keys = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: key}}), append(keys, key)
	}
	w.service.SetBatchLimit(20)
	out, err := c.BatchWriteItem(ctx, &sdk.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"clients": writes}})
	if err != nil || len(out.UnprocessedItems["clients"]) != 5 {
		t.Fatalf("batch write %v, %v", out, err)
	}
	if out, err = c.BatchWriteItem(ctx, &sdk.BatchWriteItemInput{RequestItems: out.UnprocessedItems}); err != nil || len(out.UnprocessedItems) != 0 {
		t.Fatalf("the rest: %v, %v", out, err)
	}
	got, err := c.BatchGetItem(ctx, &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"clients": {Keys: keys, ConsistentRead: aws.Bool(true)}}})
	if err != nil || len(got.Responses["clients"]) != 20 || len(got.UnprocessedKeys["clients"].Keys) != 5 {
		t.Errorf("batch get: %d answered, %v", len(got.Responses["clients"]), err)
	}
	_, err = c.BatchGetItem(ctx, &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"clients": {Keys: []attributes{keys[0], keys[0]}}}})
	if awsjsontest.Message(err) != "Provided list of item keys contains duplicates" {
		t.Errorf("duplicates: %v", err)
	}
	pages, seen := 0, map[string]bool{}
	for p := sdk.NewScanPaginator(c, &sdk.ScanInput{TableName: aws.String("clients"), Limit: aws.Int32(10)}); p.HasMorePages(); pages++ {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			seen[text(item["client_id"])] = true
		}
	}
	if pages != 3 || len(seen) != 25 {
		t.Errorf("%d pages with %d items", pages, len(seen))
	}
}

// TestStaleReads: an eventually consistent read sees the past where the context says so, a consistent one never.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	createTables(t, w.client)
	put(t, w.client, "clients", attributes{"client_id": str("a")})
	w.SetStale(time.Hour)
	for _, consistent := range []bool{true, false} {
		out, err := w.client.GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("clients"), Key: attributes{"client_id": str("a")}, ConsistentRead: &consistent})
		if err != nil || (out.Item != nil) != consistent {
			t.Errorf("consistent %t: %v, %v", consistent, out, err)
		}
	}
}

// TestGuard: every action is decided on, on the table's ARN and with the hash keys as dynamodb:LeadingKeys.
func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	createTables(t, w.client)
	put(t, w.client, "clients", attributes{"client_id": str("mine")})
	mine := sdk.NewFromConfig(w.User(t, "mine", `{"Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:BatchGetItem"],"Resource":"arn:aws:dynamodb:eu-west-1:123456789012:table/clients","Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":["mine"]}}}`))
	get := func(key string) string {
		_, err := mine.GetItem(t.Context(), &sdk.GetItemInput{TableName: aws.String("clients"), Key: attributes{"client_id": str(key)}})
		return awsjsontest.Code(err)
	}
	if got := get("mine"); got != "" {
		t.Errorf("its own key: %s", got)
	}
	if got := get("other"); got != "AccessDeniedException" {
		t.Errorf("another key: %q", got)
	}
	_, err := mine.BatchGetItem(t.Context(), &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"clients": {Keys: []attributes{{"client_id": str("mine")}, {"client_id": str("other")}}}}})
	if awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("batch with another key: %v", err)
	}
	if _, err = mine.PutItem(t.Context(), &sdk.PutItemInput{TableName: aws.String("clients"), Item: attributes{"client_id": str("mine")}}); awsjsontest.Code(err) != "AccessDeniedException" ||
		!strings.Contains(awsjsontest.Message(err), "is not authorized to perform: dynamodb:PutItem on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/clients") {
		t.Errorf("put: %v", err)
	}
	if _, err = mine.Scan(t.Context(), &sdk.ScanInput{TableName: aws.String("clients")}); awsjsontest.Code(err) != "AccessDeniedException" {
		t.Errorf("scan: %v", err)
	}
}

func asError[E error](err error, to *E) bool {
	for err != nil {
		if e, ok := err.(E); ok { //nolint:errorlint // unwrapped below
			*to = e
			return true
		}
		u, ok := err.(interface{ Unwrap() error }) //nolint:errorlint // this is the unwrapping
		if !ok {
			return false
		}
		err = u.Unwrap()
	}
	return false
}
