package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

func (a *app) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "List the objects below the server's prefix",
		Long:  "List size in bytes, time of modification and key, relative to the server's prefix, of all objects whose key begins with PREFIX.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			begins := ""
			if len(args) == 1 {
				begins = args[0]
			}
			return a.list(cmd.Context(), begins)
		},
	}
}

// listed is one object of a listing.
type listed struct {
	Key      string    `json:"key"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	ETag     string    `json:"etag"`
}

func (a *app) list(ctx context.Context, begins string) error {
	s, err := a.session(transfer.Options{}, "")
	if err != nil {
		return err
	}
	full, err := objectkey.JoinPrefix(s.config.S3PathPrefix, begins)
	if err != nil {
		return err
	}
	return s.engine.List(ctx, full, func(o transfer.Object) error {
		key, ours := objectkey.Relative(s.config.S3PathPrefix, o.Key)
		if !ours {
			return nil
		}
		return a.result(listed{key, o.Size, o.Modified, o.ETag},
			fmt.Sprintf("%14d  %s  %s", o.Size, o.Modified.Format(time.RFC3339), printable(key)))
	})
}

// printable keeps a key from moving the cursor or looking like two lines.
func printable(key string) string {
	for _, r := range key {
		if r < 0x20 || r == 0x7f {
			return fmt.Sprintf("%q", key)
		}
	}
	return key
}
