package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delete KEY…",
		Short: "Delete objects",
		Long:  "Delete each object KEY. One that does not exist is no error. All keys are checked before the first is deleted.",
		Args:  cobra.MinimumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.delete(cmd.Context(), args) },
	}
}

// deleted is the result for one key.
type deleted struct {
	Key     string `json:"key"`
	Deleted bool   `json:"deleted"`
}

func (a *app) delete(ctx context.Context, keys []string) error {
	s, err := a.session(transfer.Options{}, "")
	if err != nil {
		return err
	}
	full := make([]string, len(keys))
	for i, key := range keys {
		if full[i], err = objectkey.Join(s.config.S3PathPrefix, key); err != nil {
			return err
		}
	}
	failed := 0
	for i, key := range keys {
		err := s.engine.Delete(ctx, full[i])
		if err != nil && (len(keys) == 1 || ctx.Err() != nil || hopeless(err)) {
			return err
		}
		if err != nil {
			failed++
			a.fail(ctx, "", key, err)
			continue
		}
		if err := a.result(deleted{key, true}, "deleted "+key); err != nil {
			return err
		}
	}
	if failed > 0 {
		return &someFailed{failed, len(keys)}
	}
	return nil
}
