// Command bench measures oidcs3-upload beside the S3 clients that it finds on the PATH (s5cmd, rclone, aws), beside the
// transfer manager of the AWS SDK for Go, and beside one raw PUT or GET of the same bytes with curl, against versitygw over
// TLS, all data on a RAM disk.
//
//	go run ./bench/transfer [-size 2048] [-files 5000] [-runs 5] [-kills 0] [-with FLAGS] [-dir /dev/shm]
//
// versitygw is found on the PATH too: go install github.com/versity/versitygw/cmd/versitygw@v1.8.0. Results go to
// standard output, as a table of medians: wall time, user and system time, peak memory of the client.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// settings are the command line.
type settings struct {
	size        int64 // of the large file, in MiB
	files, runs int
	kills       int
	dir         string
	upload      string // oidcs3-upload
	with        string // more flags for it
	manager     string // bench/transfermanager
}

func main() {
	var s settings
	flag.Int64Var(&s.size, "size", 2048, "size of the large file in MiB")
	flag.IntVar(&s.files, "files", 5000, "number of files of 16 KiB; 0: none")
	flag.IntVar(&s.runs, "runs", 5, "runs, of which the median counts")
	flag.IntVar(&s.kills, "kills", 0, "kill an upload of half the size so often, and resume it each time")
	flag.StringVar(&s.dir, "dir", "/dev/shm", "RAM disk; six times the size has to fit")
	flag.StringVar(&s.upload, "upload", "", "the oidcs3-upload to measure (default: built from this tree)")
	flag.StringVar(&s.with, "with", "", "more flags for oidcs3-upload, such as '--checksum crc32c'")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp(s.dir, "oidcs3-bench-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.upload == "" {
		s.upload = filepath.Join(dir, "oidcs3-upload")
		if err := build(ctx, s.upload, ".", "./cmd/oidcs3-upload"); err != nil {
			return err
		}
	}
	s.manager = filepath.Join(dir, "transfermanager")
	if err := build(ctx, s.manager, "bench/transfermanager", "."); err != nil {
		fmt.Fprintln(os.Stderr, "left out, as a peer that is not on the PATH is:", err)
	}
	if err := touch(filepath.Join(dir, "touched"), 5*s.size<<20); err != nil {
		return err
	}
	g, err := startGateway(ctx, dir)
	if err != nil {
		return err
	}
	defer g.stop()
	b := &bench{settings: s, gateway: g, dir: dir}
	if err := b.makeBucket(); err != nil {
		return err
	}
	if err := b.files16K(filepath.Join(dir, "many")); err != nil {
		return err
	}
	if err := noise(filepath.Join(dir, "large"), s.size<<20); err != nil {
		return err
	}
	if s.runs > 0 {
		if err := b.compare(ctx); err != nil {
			return err
		}
	}
	if s.kills > 0 {
		return b.kill(ctx)
	}
	return nil
}

// build makes a program of a module.
func build(ctx context.Context, program, module, source string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-trimpath", "-ldflags", "-s -w", "-o", program, source) // #nosec G204 -- ours
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", filepath.Base(program), err)
	}
	return nil
}

// bench is one run of the program.
type bench struct {
	settings
	gateway *gateway
	dir     string
}

func (b *bench) files16K(dir string) error {
	for n := range b.files {
		name := filepath.Join(dir, fmt.Sprintf("%02d", n%50), fmt.Sprintf("%05d.log", n))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := noise(name, 16<<10); err != nil {
			return err
		}
	}
	return nil
}

// touch fills the RAM disk once with as much as it will hold, and empties it. The host of a virtual machine gives it memory
// when it is first written to, which takes about twice the time of writing it again; whoever comes first would pay for all.
func touch(name string, size int64) error {
	if err := noise(name, size); err != nil {
		return err
	}
	return os.Remove(name)
}

// noise makes a file that nothing compresses.
func noise(name string, size int64) error {
	f, err := os.Create(name) // #nosec G304 -- ours
	if err != nil {
		return err
	}
	seed := [32]byte{byte(len(name))}
	if _, err := io.CopyN(f, rand.NewChaCha8(seed), size); err != nil {
		return err
	}
	return f.Close()
}

// compare takes turns, so that whatever else the machine does meets all of them.
func (b *bench) compare(ctx context.Context) error {
	for _, task := range b.tasks() {
		results := map[string][]measurement{}
		for range b.runs {
			for _, c := range task.clients {
				if task.before != nil {
					task.before(b)
				}
				m, err := measure(ctx, c, b.dir)
				if err != nil {
					fmt.Fprintf(os.Stderr, "%s, %s: %v\n", task.name, c.name, err)
					continue
				}
				results[c.name] = append(results[c.name], m)
			}
		}
		task.print(results)
	}
	return nil
}

func randomMoment(most time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(most))) // #nosec G404 -- a moment to kill at
}
