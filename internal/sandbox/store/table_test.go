package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/store"
)

func TestReadsAsOfAnEarlierMoment(t *testing.T) {
	now := time.Unix(1000, 0)
	table := store.NewTable[string](func() time.Time { return now })
	table.Put("a", "one")
	now = now.Add(time.Minute)
	table.Put("a", "two")
	table.Put("b", "new")
	now = now.Add(time.Minute)
	table.Delete("a")

	for _, c := range []struct {
		at    time.Duration
		value string
		keys  []string
	}{
		{0, "", nil}, {time.Second, "", nil},
		{1000 * time.Second, "one", []string{"a"}},
		{1059 * time.Second, "one", []string{"a"}},
		{1060 * time.Second, "two", []string{"a", "b"}},
		{1120 * time.Second, "", []string{"b"}},
	} {
		ctx := store.AsOf(context.Background(), time.Unix(0, 0).Add(c.at))
		if got, ok := table.Get(ctx, "a"); got != c.value || ok != (c.value != "") {
			t.Errorf("as of %v: a = %q, %v; want %q", c.at, got, ok, c.value)
		}
		if got := table.Keys(ctx); !slices.Equal(got, c.keys) {
			t.Errorf("as of %v: keys %q, want %q", c.at, got, c.keys)
		}
	}
	if _, ok := table.Get(context.Background(), "a"); ok {
		t.Error("a is still there after Delete")
	}
	if table.Delete("a") {
		t.Error("Delete says that it removed a twice")
	}
}

func TestUpdateKeepsTheTableOnError(t *testing.T) {
	table := store.NewTable[int](time.Now)
	table.Put("n", 1)
	refused := errors.New("refused")
	err := table.Update("n", func(int, bool) (int, bool, error) { return 9, true, refused })
	if !errors.Is(err, refused) {
		t.Fatalf("err = %v", err)
	}
	if got, _ := table.Get(context.Background(), "n"); got != 1 {
		t.Fatalf("n = %d after a refused update", got)
	}
	if err := table.Update("n", func(n int, ok bool) (int, bool, error) { return n + 1, ok, nil }); err != nil {
		t.Fatal(err)
	}
	if got := table.Values(context.Background()); !slices.Equal(got, []int{2}) {
		t.Fatalf("values %v", got)
	}
}
