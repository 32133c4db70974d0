package dynamodb

import (
	"cmp"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// maxPage is how much of the table one Query or Scan reads, in bytes.
const maxPage = 1 << 20

type searchInput struct {
	TableName                 string
	KeyConditionExpression    *string // Query
	ScanIndexForward          *bool   // Query
	FilterExpression          *string
	ProjectionExpression      *string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]value
	ExclusiveStartKey         item
	Limit                     *int
	Select                    string
	ConsistentRead            bool
	ReturnConsumedCapacity    string
}

// search is a parsed Query or Scan.
type search struct {
	in     searchInput
	table  *table
	keys   condition // Query
	filter condition
	paths  []path
}

func (s *Service) query(c *awsjson.Call) (any, error) {
	var in searchInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	n := &names{attributes: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, used: map[string]bool{}}
	keys, err := parseCondition("KeyConditionExpression", *in.KeyConditionExpression, n)
	if err != nil {
		return nil, err
	}
	t, err := s.allowedTable(c, in.TableName, hashValues(keys), notFound)
	if err != nil {
		return nil, err
	}
	if err := t.checkKeyCondition(keys); err != nil {
		return nil, err
	}
	return s.search(c, &search{in: in, table: t, keys: keys}, n)
}

func (s *Service) scan(c *awsjson.Call) (any, error) {
	var in searchInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.KeyConditionExpression != nil || in.ScanIndexForward != nil {
		return nil, awsjson.Refusal("SerializationException", "Scan does not take one of the members")
	}
	t, err := s.allowedTable(c, in.TableName, nil, notFound)
	if err != nil {
		return nil, err
	}
	n := &names{attributes: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, used: map[string]bool{}}
	return s.search(c, &search{in: in, table: t}, n)
}

func (s *Service) search(c *awsjson.Call, q *search, n *names) (any, error) {
	if err := q.parse(n); err != nil {
		return nil, err
	}
	if q.in.ExclusiveStartKey != nil {
		if err := q.table.checkKey(q.in.ExclusiveStartKey); err != nil {
			return nil, invalid("The provided starting key is invalid: %s", "The provided key element does not match the schema")
		}
	}
	all := q.table.items.Values(s.consistent(c.Context, q.in.ConsistentRead))
	return q.page(q.order(all)), nil
}

func (q *search) parse(n *names) (err error) {
	if q.in.FilterExpression != nil {
		if q.filter, err = parseCondition("FilterExpression", *q.in.FilterExpression, n); err != nil {
			return err
		}
	}
	if q.paths, err = projection(q.in.ProjectionExpression, n); err != nil {
		return err
	}
	if err := n.checkPlaceholders(q.keys != nil || q.filter != nil || q.paths != nil); err != nil {
		return err
	}
	switch {
	case q.in.Limit != nil && *q.in.Limit < 1:
		return invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *q.in.Limit)
	case q.in.Select != "" && q.in.Select != "COUNT" && q.in.Select != "ALL_ATTRIBUTES" && q.in.Select != "SPECIFIC_ATTRIBUTES":
		return invalid("the sandbox does not know Select %s", q.in.Select)
	case q.in.Select == "ALL_ATTRIBUTES" && q.paths != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES")
	case q.in.ReturnConsumedCapacity != "" && q.in.ReturnConsumedCapacity != "NONE":
		return invalid("the sandbox does not count capacity")
	}
	return nil
}

// order leaves what the key condition selects, in the order of the keys. DynamoDB orders a Scan by a hash of the hash
// key; nobody may rely on it, and here it is the hash key itself.
func (q *search) order(all []item) []item {
	if q.keys != nil {
		all = slices.DeleteFunc(slices.Clone(all), func(i item) bool { return !q.keys.holds(i) })
	}
	slices.SortStableFunc(all, q.byKey)
	if q.in.ScanIndexForward != nil && !*q.in.ScanIndexForward {
		slices.Reverse(all)
	}
	return all
}

func (q *search) byKey(a, b item) int {
	for _, k := range q.table.keys {
		order, _ := compare(a[k.AttributeName], b[k.AttributeName])
		if order != 0 {
			return order
		}
	}
	return 0
}

func (q *search) page(all []item) map[string]any {
	direction := 1
	if q.in.ScanIndexForward != nil && !*q.in.ScanIndexForward {
		direction = -1
	}
	found, count, scanned, bytes := []item{}, 0, 0, 0
	out := map[string]any{}
	for _, i := range all {
		if q.in.ExclusiveStartKey != nil && cmp.Compare(q.byKey(i, q.in.ExclusiveStartKey)*direction, 0) <= 0 {
			continue
		}
		scanned++
		bytes += i.size()
		if q.filter == nil || q.filter.holds(i) {
			count++
			found = append(found, project(i, q.paths))
		}
		if q.in.Limit != nil && scanned == *q.in.Limit || bytes >= maxPage { // also where nothing follows, as DynamoDB does
			out["LastEvaluatedKey"] = q.table.key(i)
			break
		}
	}
	out["Count"], out["ScannedCount"] = count, scanned
	if q.in.Select != "COUNT" {
		out["Items"] = found
	}
	return out
}

// checkKeyCondition takes: hash key = value, alone or AND a condition of the range key.
func (t *table) checkKeyCondition(c condition) error {
	parts := conjuncts(c)
	if len(parts) > 2 {
		return invalid("Conditions can be of length 1 or 2 only")
	}
	var hash, rest []condition
	for _, part := range parts {
		name, ok := keyName(part)
		r, isRelation := part.(relation)
		switch {
		case !ok:
			return invalid("Invalid operator used in KeyConditionExpression")
		case name == t.keys[0].AttributeName && isRelation && r.operator == "=":
			hash = append(hash, part)
		case name == t.keys[0].AttributeName:
			return invalid("Query key condition not supported")
		case len(t.keys) == 2 && name == t.keys[1].AttributeName:
			rest = append(rest, part)
		default:
			return invalid("Query condition missed key schema element: %s", t.keys[len(t.keys)-1].AttributeName)
		}
	}
	if len(hash) != 1 || len(rest) > 1 {
		return invalid("Query condition missed key schema element: %s", t.keys[0].AttributeName)
	}
	if r, ok := hash[0].(relation); ok {
		if l, ok := r.right.(literal); ok && l.is.kind != t.types[t.keys[0].AttributeName] {
			return invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
	}
	return nil
}

func conjuncts(c condition) []condition {
	if b, ok := c.(both); ok {
		return append(conjuncts(b.a), conjuncts(b.b)...)
	}
	return []condition{c}
}

// keyName is the one attribute that a condition of a key is about.
func keyName(c condition) (string, bool) {
	var of operand
	switch c := c.(type) {
	case relation:
		if _, isLiteral := c.right.(literal); !isLiteral || c.operator == "<>" {
			return "", false
		}
		of = c.left
	case within:
		of = c.of
	case test:
		if c.name != "begins_with" {
			return "", false
		}
		of = c.args[0]
	default:
		return "", false
	}
	p, ok := of.(path)
	if !ok || len(p) != 1 {
		return "", false
	}
	return p[0].name, true
}

// hashValues are what a key condition compares with "=": one of them is the hash key's value.
func hashValues(c condition) []string {
	out := []string{}
	for _, part := range conjuncts(c) {
		if r, ok := part.(relation); ok && r.operator == "=" {
			if l, ok := r.right.(literal); ok {
				out = append(out, l.is.text)
			}
		}
	}
	return out
}
