package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const mib = 1 << 20

func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func fileOf(t *testing.T, content []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// counter is a Meter.
type counter struct{ n atomic.Int64 }

func (c *counter) Add(n int64) { c.n.Add(n) }

func TestUploadAndBack(t *testing.T) {
	t.Parallel()
	for _, a := range []Algorithm{CRC64NVME, CRC32, CRC32C, SHA256, None} {
		for _, size := range []int{0, 1, 16 * mib, 16*mib + 1} {
			s := newFake()
			s.algorithm = a
			e := engineFor(t, s, Options{PartSize: 5 * mib, Algorithm: a, Concurrency: 3})
			content := noise(size)
			name := fileOf(t, content)
			var up, down counter
			obj, err := e.UploadFile(t.Context(), name, "file", ObjectOptions{}, &up)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", a, size, err)
			}
			if !bytes.Equal(s.objects["file"], content) || up.n.Load() != int64(size) || obj.Size != int64(size) || (a != None && obj.Checksum.Value == "") {
				t.Errorf("%s, %d bytes: stored %d, counted %d, %+v", a, size, len(s.objects["file"]), up.n.Load(), obj)
			}
			if _, err := e.UploadStream(t.Context(), bytes.NewReader(content), "stream", ObjectOptions{}, nil); err != nil || !bytes.Equal(s.objects["stream"], content) {
				t.Errorf("%s, stream of %d bytes: %v", a, size, err)
			}
			s.cut = 2
			target := filepath.Join(t.TempDir(), "back")
			if _, err := e.DownloadFile(t.Context(), "file", target, &down); err != nil || down.n.Load() != int64(size) {
				t.Errorf("%s, %d bytes back: %v, counted %d", a, size, err, down.n.Load())
			}
			if got, _ := os.ReadFile(target); !bytes.Equal(got, content) {
				t.Errorf("%s, %d bytes: another file came back", a, size)
			}
			s.cut = 2
			var out bytes.Buffer
			if _, err := e.DownloadStream(t.Context(), "file", &out, nil); err != nil || !bytes.Equal(out.Bytes(), content) {
				t.Errorf("%s, %d bytes to a stream: %v", a, size, err)
			}
			if s.most > 3 || len(s.uploads) > 0 {
				t.Errorf("%d requests at once, %d uploads left", s.most, len(s.uploads))
			}
		}
	}
}

// A retried request reads its body again: progress and checksum count it once (the fake breaks off every part once).
func TestChecksumMismatch(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 20 * mib} {
		s := newFake()
		s.flip = true
		e := engineFor(t, s, Options{PartSize: 5 * mib, Algorithm: CRC64NVME})
		var mismatch *MismatchError
		if _, err := e.UploadFile(t.Context(), fileOf(t, noise(size)), "k", ObjectOptions{}, nil); !errors.As(err, &mismatch) {
			t.Errorf("upload of %d bytes: %v", size, err)
		}
		target := fileOf(t, []byte("old"))
		if _, err := e.DownloadFile(t.Context(), "k", target, nil); !errors.As(err, &mismatch) {
			t.Errorf("download of %d bytes: %v", size, err)
		}
		if got, _ := os.ReadFile(target); string(got) != "old" {
			t.Error("the old file is gone")
		}
		if entries, _ := os.ReadDir(filepath.Dir(target)); len(entries) != 1 {
			t.Errorf("files left: %v", entries)
		}
	}
}

func TestFileThatChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) error{
		"grows":   func(n string) error { return os.WriteFile(n, noise(21*mib), 0o600) },
		"shrinks": func(n string) error { return os.Truncate(n, 3*mib) },
		"touched": func(n string) error { return os.Chtimes(n, time.Time{}, time.Unix(1, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFake()
			file := fileOf(t, noise(20*mib))
			s.beforePart = func(number int32) error {
				if number == 3 {
					return change(file)
				}
				return nil
			}
			e := engineFor(t, s, Options{PartSize: 5 * mib, Concurrency: 1, Algorithm: CRC32})
			var changed *ChangedError
			if _, err := e.UploadFile(t.Context(), file, "k", ObjectOptions{}, nil); !errors.As(err, &changed) {
				t.Errorf("got %v", err)
			}
			if len(s.objects) != 0 || len(s.uploads) != 0 {
				t.Error("something is left at S3")
			}
		})
	}
}

func TestFailedPartAborts(t *testing.T) {
	t.Parallel()
	s := newFake()
	broken := errors.New("broken")
	s.beforePart = func(n int32) error {
		if n == 2 {
			return broken
		}
		return nil
	}
	e := engineFor(t, s, Options{PartSize: 5 * mib, Concurrency: 2})
	if _, err := e.UploadStream(t.Context(), bytes.NewReader(noise(40*mib)), "k", ObjectOptions{}, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if s.aborts != 1 || len(s.uploads) != 0 {
		t.Errorf("%d aborts, %d uploads left", s.aborts, len(s.uploads))
	}
	s.abortErr = errors.New("denied")
	var left *AbortError
	if _, err := e.UploadFile(t.Context(), fileOf(t, noise(20*mib)), "k", ObjectOptions{}, nil); !errors.As(err, &left) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestInterruptAborts(t *testing.T) {
	t.Parallel()
	s := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	s.beforePart = func(int32) error { cancel(); return nil }
	e := engineFor(t, s, Options{PartSize: 5 * mib})
	if _, err := e.UploadFile(ctx, fileOf(t, noise(20*mib)), "k", ObjectOptions{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s.aborts != 1 || len(s.uploads) != 0 {
		t.Errorf("%d aborts, %d uploads left", s.aborts, len(s.uploads))
	}
	r, w := io.Pipe() // a stream that hangs
	defer func() { _ = w.Close() }()
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := e.UploadStream(ctx, r, "k", ObjectOptions{}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a stream that hangs: %v", err)
	}
}

func TestDownloadFailures(t *testing.T) {
	t.Parallel()
	s := newFake()
	s.objects["k"] = noise(12 * mib)
	e := engineFor(t, s, Options{PartSize: 5 * mib})
	target := fileOf(t, []byte("old"))
	s.beforeGet = func() error { return &ChangedError{What: "object k", Err: errors.New("412")} }
	var changed *ChangedError
	if _, err := e.DownloadFile(t.Context(), "k", target, nil); !errors.As(err, &changed) {
		t.Errorf("replaced: %v", err)
	}
	s.beforeGet, s.cut = nil, 1000
	if _, err := e.DownloadStream(t.Context(), "k", io.Discard, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("endless cuts: %v", err)
	}
	s.cut = 0
	var local *LocalError
	if _, err := e.DownloadStream(t.Context(), "k", fullDisk{}, nil); !errors.As(err, &local) {
		t.Errorf("full disk: %v", err)
	}
	if _, err := e.DownloadFile(t.Context(), "k", filepath.Join(target, "below-a-file"), nil); !errors.As(err, &local) {
		t.Errorf("no directory: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(target)); len(entries) != 1 {
		t.Errorf("files left: %v", entries)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestRateLimit(t *testing.T) {
	t.Parallel()
	e := engineFor(t, newFake(), Options{BytesPerSec: 200_000})
	start := time.Now()
	if _, err := e.UploadFile(t.Context(), fileOf(t, noise(140_000)), "k", ObjectOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 300*time.Millisecond {
		t.Errorf("140 kB at 200 kB/s took %v", took)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ size, wanted, part int64 }{
		{0, 0, 16 * mib}, {1, 0, 16 * mib}, {160_000 * mib, 0, 16 * mib}, {160_000*mib + 1, 0, 32 * mib},
		{MaxObject, 0, MaxPartSize}, {5 * mib * MaxParts, 5 * mib, 5 * mib},
		{MaxObject + 1, 0, 0}, {5*mib*MaxParts + 1, 5 * mib, 0},
	} {
		got, err := planPartSize(tc.size, tc.wanted)
		if got != tc.part || (err != nil) != (tc.part == 0) {
			t.Errorf("planPartSize(%d, %d) = %d, %v, want %d", tc.size, tc.wanted, got, err, tc.part)
		}
	}
	var total int64
	for n := range int32(MaxParts) {
		total += streamPartSize(n+1, 0)
	}
	if total != (1000*(8+16+32+64+128)+5000*256)*mib {
		t.Errorf("a stream may be %d bytes long", total)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{Concurrency: -1}, {Concurrency: 257}, {PartSize: mib}, {PartSize: 6 << 30}, {BytesPerSec: -1}} {
		if _, err := New(newFake(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func FuzzCombine(f *testing.F) {
	f.Add([]byte("hello, world"), uint16(5))
	f.Add([]byte(strings.Repeat("\x00", 300)), uint16(299))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, content []byte, cut uint16) {
		at := min(int(cut), len(content))
		for _, a := range []Algorithm{CRC64NVME, CRC32, CRC32C} {
			var pieces []piece
			for _, part := range [][]byte{content[:at], content[at:]} {
				h := a.newHash()
				_, _ = h.Write(part)
				pieces = append(pieces, piece{h.Sum(nil), int64(len(part))})
			}
			if got, want := a.combine(pieces), sumOf(a, content); got != want {
				t.Errorf("%s cut at %d: %v, want %v", a, at, got, want)
			}
		}
	})
}

// The check value of CRC-64/NVME for "123456789" is AE8B14860A799888 (reveng catalogue).
func TestNVMECheckValue(t *testing.T) {
	t.Parallel()
	if got := sumOf(CRC64NVME, []byte("123456789")).Value; got != "rosUhgp5mIg=" {
		t.Errorf("got %s", got)
	}
}
