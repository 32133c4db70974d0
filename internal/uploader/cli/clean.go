package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// cleanFlags are the flags of clean.
type cleanFlags struct {
	olderThan time.Duration
	dryRun    bool
}

func (a *app) cleanCommand() *cobra.Command {
	c := &cleanFlags{}
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Abort unfinished uploads that nobody goes on with",
		Long: "Abort the multipart uploads below the server's prefix that are older than --older-than: those that this host has noted\n" +
			"(counted from the last part that was sent), and all others, where s3:ListBucketMultipartUploads is permitted. Their parts\n" +
			"cost storage until then. Uploads that another process works on are left alone.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.clean(cmd.Context(), c) },
	}
	cmd.Flags().DurationVar(&c.olderThan, "older-than", 24*time.Hour, "age of the uploads to abort")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "say what would be aborted, and abort nothing")
	return cmd
}

// cleaned is the result for one upload.
type cleaned struct {
	Key      string    `json:"key"`
	UploadID string    `json:"upload_id"`
	Began    time.Time `json:"began"`
	Aborted  bool      `json:"aborted"`
}

// cleaning is one run of clean.
type cleaning struct {
	*app
	*cleanFlags
	session     session
	all, failed int
}

func (a *app) clean(ctx context.Context, flags *cleanFlags) error {
	if flags.olderThan < 0 {
		return &usageError{err: errors.New("--older-than is negative")}
	}
	notes, err := a.journal()
	if err != nil {
		return err
	}
	s, err := a.session(transfer.Options{}, "")
	if err != nil {
		return err
	}
	c := &cleaning{app: a, cleanFlags: flags, session: s}
	if err := c.noted(ctx, notes); err != nil {
		return err
	}
	if err := c.listed(ctx, notes); err != nil {
		return err
	}
	if c.failed > 0 {
		return &someFailed{c.failed, c.all}
	}
	return nil
}

// noted aborts the uploads that this host knows of.
func (c *cleaning) noted(ctx context.Context, notes *journal.Store) error {
	return notes.Each(ctx, func(e *journal.Entry) error {
		up := e.State.Upload
		ours := up.Bucket == c.session.scope && strings.HasPrefix(up.Key, c.session.config.S3PathPrefix)
		if !ours || c.Now().Sub(e.State.Touched) < c.olderThan {
			return nil
		}
		if e.State.ID != "" {
			aborted, err := c.abort(ctx, transfer.Pending{Key: up.Key, UploadID: e.State.ID, Began: up.Began})
			if err != nil || !aborted {
				return err
			}
		}
		if c.dryRun {
			return nil
		}
		return e.Remove()
	})
}

// listed aborts the uploads that S3 knows of and no journal here does.
func (c *cleaning) listed(ctx context.Context, notes *journal.Store) error {
	known, err := notes.IDs()
	if err != nil {
		return err
	}
	var stale []transfer.Pending
	err = c.session.engine.Pending(ctx, c.session.config.S3PathPrefix, func(p transfer.Pending) {
		if !known[p.UploadID] && c.Now().Sub(p.Began) >= c.olderThan {
			stale = append(stale, p)
		}
	})
	if transfer.Denied(err) {
		c.warn("s3:ListBucketMultipartUploads is not permitted: only uploads that this host has noted are looked at")
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range stale {
		if _, err := c.abort(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// abort tells of one upload, and reports whether it is gone. The error ends the command.
func (c *cleaning) abort(ctx context.Context, p transfer.Pending) (bool, error) {
	key, _ := objectkey.Relative(c.session.config.S3PathPrefix, p.Key)
	c.all++
	done := "would abort"
	if !c.dryRun {
		done = "aborted"
		if err := c.session.engine.Abort(ctx, p); err != nil {
			if ctx.Err() != nil || hopeless(err) {
				return false, err
			}
			c.failed++
			c.fail(ctx, "", key, err)
			return false, nil
		}
	}
	return !c.dryRun, c.result(cleaned{key, p.UploadID, p.Began.UTC(), !c.dryRun},
		fmt.Sprintf("%s %s (upload %s, began %s)", done, printable(key), p.UploadID, p.Began.UTC().Format(time.RFC3339)))
}
