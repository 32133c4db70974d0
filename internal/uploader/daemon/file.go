package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/disk"
)

// File is a file that is only ever replaced as a whole: a reader sees the old one or the new one.
type File struct {
	Path string
	GID  int // may read it, mode 0640; -1: nobody but the owner, mode 0600
}

// Write replaces the file and makes sure that it is on the disk.
func (f File) Write(content []byte) error {
	if err := f.write(content); err != nil {
		return fmt.Errorf("write %s: %w", f.Path, err)
	}
	return nil
}

func (f File) write(content []byte) error {
	dir := filepath.Dir(f.Path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(f.Path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already where all went well
	_, err = tmp.Write(content)
	if err == nil && f.GID >= 0 {
		err = errors.Join(tmp.Chown(-1, f.GID), tmp.Chmod(0o640))
	}
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := replace(tmp.Name(), f.Path); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}
