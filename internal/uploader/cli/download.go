package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
)

func (a *app) downloadCommand() *cobra.Command {
	m := &moveFlags{}
	cmd := &cobra.Command{
		Use:   "download KEY [PATH|-]",
		Short: "Download an object to a file or to standard output",
		Long: "Download the object KEY to PATH, by default the last segment of KEY in the current directory. A file that exists is\n" +
			"replaced, in one step, only once the whole object is there and its checksum is right.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.download(cmd.Context(), m, args) },
	}
	m.add(cmd)
	return cmd
}

// downloaded is the result of a download to a file.
type downloaded struct {
	Key      string `json:"key"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	ETag     string `json:"etag"`
	Checksum string `json:"checksum,omitempty"`
}

func (a *app) download(ctx context.Context, m *moveFlags, args []string) error {
	options, err := m.options()
	if err != nil {
		return err
	}
	s, err := a.session(options, "")
	if err != nil {
		return err
	}
	key := args[0]
	full, err := objectkey.Join(s.config.S3PathPrefix, key)
	if err != nil {
		return err
	}
	target := path.Base(key)
	if len(args) == 2 {
		target = args[1]
	}
	if target == "-" {
		_, err := s.engine.DownloadStream(ctx, full, a.Stdout, nil) // the content alone belongs on standard output
		return err
	}
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		target = filepath.Join(target, path.Base(key))
	}
	if info, err := os.Stat(target); err == nil && !info.Mode().IsRegular() {
		return &usageError{err: fmt.Errorf("%s is not a regular file: take the content from standard output (-)", target)}
	}
	bar := a.bar(key, 0)
	var obj, failed = s.engine.DownloadFile(ctx, full, target, bar)
	bar.Done()
	if failed != nil {
		return failed
	}
	return a.result(downloaded{Key: key, Path: target, Size: obj.Size, ETag: obj.ETag, Checksum: obj.Checksum.Value},
		fmt.Sprintf("%s\t%d", target, obj.Size))
}
