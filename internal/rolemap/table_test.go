package rolemap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/awsanswer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

const table = "client-roles"

// fake is DynamoDB's API with answers by operation, given the request.
type fake struct {
	mu      sync.Mutex
	calls   map[string]int
	answers map[string]func(n int, request map[string]any) (status int, body string)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.mu.Lock()
	f.calls[operation]++
	n := f.calls[operation]
	answer := f.answers[operation]
	f.mu.Unlock()
	status, body := http.StatusOK, "{}"
	if answer != nil {
		status, body = answer(n, request)
	}
	w.Header().Set("X-Amzn-Requestid", "req-1")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func (f *fake) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

type answer = func(int, map[string]any) (int, string)

func start(t *testing.T, answers map[string]answer, opts ...rolemap.Option) (*rolemap.Table, *fake) {
	t.Helper()
	f := &fake{calls: map[string]int{}, answers: answers}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		APIOptions:  awsanswer.Options(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	})
	return rolemap.New(client, opts...), f
}

func item(client, server string) string {
	return fmt.Sprintf(`{"client_id":{"S":%q},"role_arn":{"S":"arn:%s"},"server_name":{"S":%q},"s3_path_prefix":{"S":"%s/"}}`, client, server, server, server)
}

func refuse(code, rest string) answer {
	return func(int, map[string]any) (int, string) {
		return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"refused"` + rest + `}`
	}
}

func say(body string) answer { return func(int, map[string]any) (int, string) { return 200, body } }

func TestKey(t *testing.T) {
	t.Parallel()
	if k := rolemap.Key("", "c"); k != "c" {
		t.Errorf("Cognito: %q", k)
	}
	if k := rolemap.Key("https://t.example.com/", "c"); k != "https://t.example.com/#c" {
		t.Errorf("other issuer: %q", k)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	row := rolemap.Row{ClientID: "c", RoleARN: "arn:web-01", ServerName: "web-01", Prefix: "web-01/"}
	var sent map[string]any
	rows, _ := start(t, map[string]answer{"PutItem": func(_ int, request map[string]any) (int, string) {
		sent = request
		return 200, "{}"
	}})
	if err := rows.Put(t.Context(), table, row); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	if err := json.Unmarshal([]byte(item("c", "web-01")), &want); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(sent["Item"]); got != fmt.Sprint(want) {
		t.Errorf("sent %s", got)
	}
	if condition := sent["ConditionExpression"]; condition != "attribute_not_exists(client_id) OR (server_name = :server AND role_arn = :role)" {
		t.Errorf("condition %v", condition)
	}
	for name, c := range map[string]struct {
		answer answer
		kind   apierror.Kind
		says   string
	}{
		"another's": {refuse("ConditionalCheckFailedException", `,"Item":`+item("c", "db-07")), apierror.Exists, "server db-07 (role arn:db-07)"},
		"unnamed":   {refuse("ConditionalCheckFailedException", ""), apierror.Exists, "another server"},
		"denied":    {refuse("AccessDeniedException", ""), apierror.Denied, "row c of table " + table},
		"no table":  {refuse("ResourceNotFoundException", ""), apierror.NotFound, ""},
		"throttled": {refuse("ProvisionedThroughputExceededException", ""), apierror.Throttled, ""},
		"500":       {func(int, map[string]any) (int, string) { return 500, "{}" }, apierror.Ambiguous, ""},
	} {
		rows, _ := start(t, map[string]answer{"PutItem": c.answer})
		err := rows.Put(t.Context(), table, row)
		if !apierror.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v of kind %v", name, err, apierror.KindOf(err))
		}
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	rows, _ := start(t, map[string]answer{"GetItem": func(n int, request map[string]any) (int, string) {
		if request["ConsistentRead"] != true {
			t.Error("the read is not consistent")
		}
		return 200, []string{`{"Item":` + item("c", "web-01") + `}`, "{}", `{"Item":{"client_id":{"S":"c"},"role_arn":{"N":"1"}}}`}[n-1]
	}})
	row, err := rows.Read(t.Context(), table, "c")
	if want := (rolemap.Row{ClientID: "c", RoleARN: "arn:web-01", ServerName: "web-01", Prefix: "web-01/"}); err != nil || row != want {
		t.Errorf("%+v, %v", row, err)
	}
	if _, err := rows.Read(t.Context(), table, "c"); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("no row: %v", err)
	}
	if _, err := rows.Read(t.Context(), table, "c"); !apierror.Is(err, apierror.Invalid) || !strings.Contains(err.Error(), "role_arn is not a string") {
		t.Errorf("row of another shape: %v", err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	rows, _ := start(t, map[string]answer{"DeleteItem": func(n int, request map[string]any) (int, string) {
		if request["ConditionExpression"] != "role_arn = :role" {
			t.Errorf("condition %v", request["ConditionExpression"])
		}
		if n == 1 {
			return 200, "{}"
		}
		return refuse("ConditionalCheckFailedException", "")(n, request)
	}})
	for range 2 {
		if err := rows.Delete(t.Context(), table, "c", "arn:web-01"); err != nil {
			t.Error(err)
		}
	}
	rows, _ = start(t, map[string]answer{"DeleteItem": refuse("AccessDeniedException", "")})
	if err := rows.Delete(t.Context(), table, "c", "arn:web-01"); !apierror.Is(err, apierror.Denied) {
		t.Errorf("denied: %v", err)
	}
}

// keysOf lists the keys that a BatchGetItem asks for.
func keysOf(request map[string]any) []string {
	var keys []string
	tables, _ := request["RequestItems"].(map[string]any)
	asked, _ := tables[table].(map[string]any)
	list, _ := asked["Keys"].([]any)
	for _, entry := range list {
		key, _ := entry.(map[string]any)
		id, _ := key["client_id"].(map[string]any)
		s, _ := id["S"].(string)
		keys = append(keys, s)
	}
	return keys
}

func TestLookFolds(t *testing.T) {
	t.Parallel()
	rows, f := start(t, map[string]answer{"BatchGetItem": func(n int, request map[string]any) (int, string) {
		keys := keysOf(request)
		if len(keys) > 100 {
			return refuse("ValidationException", "")(n, request)
		}
		var found []string
		left := ""
		for i, key := range keys {
			switch {
			case key == "gone":
			case n == 1 && i == len(keys)-1: // left out the first time
				left = `"` + table + `":{"Keys":[{"client_id":{"S":"` + key + `"}}]}`
			default:
				found = append(found, item(key, "of-"+key))
			}
		}
		return 200, `{"Responses":{"` + table + `":[` + strings.Join(found, ",") + `]},"UnprocessedKeys":{` + left + `}}`
	}}, rolemap.WithWindow(100*time.Millisecond), rolemap.WithSleep(func(context.Context, time.Duration) error { return nil }))
	var group sync.WaitGroup
	for i := range 300 {
		group.Go(func() {
			key := fmt.Sprintf("c%d", i%150) // each twice
			row, err := rows.Look(t.Context(), table, key)
			if err != nil || row.ClientID != key || row.ServerName != "of-"+key {
				t.Errorf("%s: %+v, %v", key, row, err)
			}
		})
	}
	group.Wait()
	if n := f.count("BatchGetItem"); n < 3 || n > 10 {
		t.Errorf("%d calls for 150 keys, one of them left out at first", n)
	}
	if _, err := rows.Look(t.Context(), table, "gone"); !apierror.Is(err, apierror.NotFound) {
		t.Errorf("no row: %v", err)
	}
}

func TestLookGivesUpOnKeysLeftOutForever(t *testing.T) {
	t.Parallel()
	rows, f := start(t, map[string]answer{"BatchGetItem": say(`{"UnprocessedKeys":{"` + table + `":{"Keys":[{"client_id":{"S":"c"}}]}}}`)},
		rolemap.WithSleep(func(context.Context, time.Duration) error { return nil }))
	if _, err := rows.Look(t.Context(), table, "c"); !apierror.Is(err, apierror.Throttled) || f.count("BatchGetItem") != 13 {
		t.Errorf("%d calls, %v", f.count("BatchGetItem"), err)
	}
}

func TestLookWithoutBatches(t *testing.T) {
	t.Parallel()
	var notices []string
	rows, f := start(t, map[string]answer{
		"BatchGetItem": refuse("AccessDeniedException", ""), "GetItem": say(`{"Item":` + item("c", "web-01") + `}`),
	}, rolemap.WithNotice(func(message string) { notices = append(notices, message) }))
	for range 3 {
		if row, err := rows.Look(t.Context(), table, "c"); err != nil || row.ServerName != "web-01" {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if f.count("BatchGetItem") != 1 || f.count("GetItem") != 3 || len(notices) != 1 {
		t.Errorf("calls %v, notices %q", f.calls, notices)
	}
}

func TestLookEndsWithItsLastCaller(t *testing.T) {
	t.Parallel()
	rows, f := start(t, nil, rolemap.WithWindow(time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := rows.Look(ctx, table, "c"); !apierror.Is(err, apierror.Ambiguous) || f.count("BatchGetItem") != 0 {
		t.Errorf("%v, calls %v", err, f.calls)
	}
}

// TestLookScans has a run look for many rows: from the eleventh on one read of the table answers, except for what is not
// there and for what the run itself has changed.
func TestLookScans(t *testing.T) {
	t.Parallel()
	var all []string
	for i := range 40 {
		all = append(all, item(fmt.Sprintf("c%d", i), "web"))
	}
	rows, f := start(t, map[string]answer{
		"BatchGetItem": func(_ int, request map[string]any) (int, string) {
			key := keysOf(request)[0]
			if key == "gone" {
				return 200, `{"Responses":{"` + table + `":[]}}`
			}
			return 200, `{"Responses":{"` + table + `":[` + item(key, "read by key") + `]}}`
		},
		"Scan": func(_ int, request map[string]any) (int, string) {
			if request["ExclusiveStartKey"] == nil {
				return 200, `{"Items":[` + strings.Join(all[:20], ",") + `],"LastEvaluatedKey":{"client_id":{"S":"c19"}}}`
			}
			return 200, `{"Items":[` + strings.Join(all[20:], ",") + `]}`
		},
	}, rolemap.WithWindow(0))
	read := func(key string) string {
		row, err := rows.Look(t.Context(), table, key)
		if err != nil && !apierror.Is(err, apierror.NotFound) {
			t.Fatal(err)
		}
		return row.ServerName
	}
	for i := range 40 {
		want := "web"
		if i < 10 {
			want = "read by key"
		}
		if got := read(fmt.Sprintf("c%d", i)); got != want {
			t.Errorf("row %d: %s, want %s", i, got, want)
		}
	}
	if f.count("Scan") != 2 || f.count("BatchGetItem") != 10 {
		t.Errorf("calls %v", f.calls)
	}
	if err := rows.Put(t.Context(), table, rolemap.Row{ClientID: "c30", RoleARN: "arn:web", ServerName: "web"}); err != nil {
		t.Fatal(err)
	}
	if got := read("c30") + read("gone"); got != "read by key" {
		t.Errorf("a row that was changed and one that is gone: %q", got)
	}
}

func TestLookWithoutScans(t *testing.T) {
	t.Parallel()
	endless := say(`{"Items":[],"LastEvaluatedKey":{"client_id":{"S":"c"}}}`)
	for name, scan := range map[string]answer{"refused": refuse("AccessDeniedException", ""), "too large": endless} {
		rows, f := start(t, map[string]answer{"Scan": scan, "BatchGetItem": say(`{"Responses":{"` + table + `":[` + item("c", "web") + `]}}`)}, rolemap.WithWindow(0))
		for range 30 {
			if row, err := rows.Look(t.Context(), table, "c"); err != nil || row.ServerName != "web" {
				t.Errorf("%s: %+v, %v", name, row, err)
			}
		}
		if n := f.count("Scan"); n != 1 && n != 20 || f.count("BatchGetItem") != 30 {
			t.Errorf("%s: calls %v", name, f.calls)
		}
	}
}

func TestRowsOf(t *testing.T) {
	t.Parallel()
	var from []any
	rows, f := start(t, map[string]answer{"Scan": func(n int, request map[string]any) (int, string) {
		from = append(from, request["ExclusiveStartKey"])
		if n == 1 {
			return 500, `{"__type":"InternalServerError"}`
		}
		if n == 2 {
			return 200, `{"Items":[` + item("a", "web-01") + `,{"client_id":{"N":"1"}}],"LastEvaluatedKey":{"client_id":{"S":"a"}}}`
		}
		return 200, `{"Items":[` + item("b", "web-02") + `,` + item("c", "web-01") + `]}`
	}})
	if _, err := rows.RowsOf(t.Context(), table, "arn:web-01"); err == nil {
		t.Error("a failure is not told")
	}
	for role, want := range map[string]string{"arn:web-01": "[a c]", "arn:web-02": "[b]", "arn:web-03": "[]"} {
		found, err := rows.RowsOf(t.Context(), table, role)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, row := range found {
			ids = append(ids, row.ClientID)
		}
		if got := fmt.Sprint(ids); got != want {
			t.Errorf("%s: %s, want %s", role, got, want)
		}
	}
	if n := f.count("Scan"); n != 3 {
		t.Errorf("%d scans; one of two pages serves everybody", n-1)
	}
	if next := fmt.Sprint(from); next != "[<nil> <nil> map[client_id:map[S:a]]]" {
		t.Errorf("pages begin at %s", next)
	}
}
