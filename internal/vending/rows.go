package vending

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

const (
	rowTimeout = 3 * time.Second
	// missTTL is how long a client without a row is told so from memory: short, as a host may ask right before its
	// onboarding ends.
	missTTL = 5 * time.Second
)

// rowCache reads rows and remembers them for a short while, and their absence for a shorter one.
type rowCache struct {
	rows  Rows
	table string
	ttl   time.Duration
	now   func() time.Time

	flights singleflight.Group
	mu      sync.Mutex
	held    *recent[heldRow]
}

type heldRow struct {
	row   rolemap.Row
	miss  bool
	until time.Time
}

func newRowCache(rows Rows, table string, ttl time.Duration, now func() time.Time) *rowCache {
	return &rowCache{rows: rows, table: table, ttl: ttl, now: now, held: newRecent[heldRow](maxClients)}
}

// get returns the row of a verified client. The error is a *refusal.
func (c *rowCache) get(ctx context.Context, key string) (rolemap.Row, error) {
	held, ok := c.peek(key)
	if !ok {
		// The read serves all that wait for it, so it must not end with the first of them.
		flight := c.flights.DoChan(key, func() (any, error) { return c.read(context.WithoutCancel(ctx), key) })
		select {
		case <-ctx.Done():
			return rolemap.Row{}, unavailable("timeout", "the mapping table did not answer in time", ctx.Err())
		case result := <-flight:
			if result.Err != nil {
				return rolemap.Row{}, result.Err
			}
			held, _ = result.Val.(heldRow) // read returns nothing else
		}
	}
	if held.miss {
		return rolemap.Row{}, denied("no_row", "the token is good, but its client is not mapped to a role")
	}
	return held.row, nil
}

func (c *rowCache) peek(key string) (heldRow, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, ok := c.held.get(key)
	return held, ok && c.now().Before(held.until)
}

func (c *rowCache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.remove(key)
}

func (c *rowCache) read(ctx context.Context, key string) (heldRow, error) {
	ctx, cancel := context.WithTimeout(ctx, rowTimeout)
	defer cancel()
	row, err := c.rows.Read(ctx, c.table, key)
	held := heldRow{row: row, until: c.now().Add(c.ttl)}
	switch {
	case apierror.Is(err, apierror.NotFound) && ctx.Err() == nil:
		held = heldRow{miss: true, until: c.now().Add(min(missTTL, c.ttl))}
	case apierror.Is(err, apierror.Invalid):
		return held, badRow(err)
	case err != nil:
		return held, unavailable("mapping_table", "the mapping table cannot be read", err)
	default:
		if err := checkRow(row, key); err != nil {
			return held, badRow(err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.put(key, held)
	return held, nil
}

func badRow(err error) *refusal {
	return &refusal{status: http.StatusForbidden, code: "AccessDenied", reason: "bad_row", err: err,
		message: "the client's row in the mapping table is not usable"}
}

// checkRow takes nothing from the table on trust: what it says ends in a policy and in a session's name.
func checkRow(row rolemap.Row, key string) error {
	if row.ClientID != key {
		return fmt.Errorf("the row's client_id is not the key it was read by")
	}
	arn, err := access.ParseARN(row.RoleARN)
	if err != nil {
		return fmt.Errorf("role_arn: %w", err)
	}
	if arn.Service != "iam" || len(arn.Resource) <= len("role/") || arn.Resource[:len("role/")] != "role/" || arn.Account == "" {
		return fmt.Errorf("role_arn: %q is not the ARN of a role", row.RoleARN)
	}
	if err := access.ValidateServerName(row.ServerName); err != nil {
		return fmt.Errorf("server_name: %w", err)
	}
	if err := access.ValidatePrefix(row.Prefix); err != nil {
		return fmt.Errorf("s3_path_prefix: %w", err)
	}
	return nil
}
