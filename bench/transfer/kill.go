package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// kill uploads a file of half the size, kills the upload at a random moment, resumes it, and checks the object, what was
// sent twice, and that nothing is left. The gateway keeps parts in .sgwtmp below the bucket.
func (b *bench) kill(ctx context.Context) error {
	file := filepath.Join(b.dir, "half")
	if err := noise(file, b.size<<19); err != nil {
		return err
	}
	whole, err := measure(ctx, b.ours("upload", "--resume", file, "half"), b.dir)
	if err != nil {
		return err
	}
	const concurrency, part = 8, 16 << 20
	var kept, identical, afresh, left int
	object := filepath.Join(b.gateway.data, bucket, "ours", "half")
	for n := 0; n < b.kills; {
		b.clear()
		c := b.ours("upload", "--resume", "--json", file, "half")
		first := command(ctx, c)
		if err := first.Start(); err != nil {
			return err
		}
		moment := randomMoment(whole.wall)
		time.Sleep(moment)
		_ = first.Process.Kill()
		if first.Wait() == nil {
			continue // it was done
		}
		n++
		before := stored(filepath.Join(b.gateway.data, bucket))
		second := command(ctx, c)
		text, err := second.Output()
		if err != nil {
			return fmt.Errorf("resume: %w: %s", err, text)
		}
		var result struct{ Kept int64 }
		if err := json.Unmarshal(text, &result); err != nil {
			return err
		}
		switch {
		case result.Kept > 0:
			kept++
		case before > concurrency*part:
			afresh++
		}
		equal, remains := same(file, object), stored(filepath.Join(b.gateway.data, bucket, ".sgwtmp"))
		if equal {
			identical++
		}
		if remains > 0 {
			left++
		}
		if !equal || remains > 0 || before-result.Kept > concurrency*part {
			fmt.Printf("killed after %v: %d bytes were stored, %d kept, %d remain; identical: %t\n", moment, before, result.Kept, remains, equal)
		}
	}
	fmt.Printf("\n%d kills: %d identical objects, %d went on, %d started afresh needlessly, %d left parts behind\n", b.kills, identical, kept, afresh, left)
	return nil
}

func command(ctx context.Context, c client) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...) // #nosec G204 -- our own arguments
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stderr = io.Discard
	return cmd
}

// stored is how many bytes lie below a directory.
func stored(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

func same(one, other string) bool {
	return exec.Command("cmp", "--silent", one, other).Run() == nil // #nosec G204 -- our own files
}
