package transfer

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
)

// host is a machine that uploads one file with a journal, again and again.
type host struct {
	t      *testing.T
	store  *fakeStore
	file   string
	dir    string
	warned []string
}

func newHost(t *testing.T) *host {
	return &host{t: t, store: newFake(), file: fileOf(t, noise(42*mib)), dir: t.TempDir()}
}

func (h *host) upload(ctx context.Context) (Object, error) {
	h.t.Helper()
	warn := func(w string) { h.warned = append(h.warned, w) }
	e := engineFor(h.t, h.store, Options{PartSize: 5 * mib, Concurrency: 2, Algorithm: CRC64NVME, Warn: warn,
		Journal: &journal.Store{Dir: h.dir, Warn: warn}, Scope: "bucket"})
	return e.UploadFile(ctx, h.file, "k", ObjectOptions{}, nil)
}

// cutAt makes the run end when it sends a part, as a signal does.
func (h *host) cutAt(number int32) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	h.store.beforePart = func(n int32) error {
		if n == number {
			cancel()
		}
		return nil
	}
	var resumable *ResumableError
	if _, err := h.upload(ctx); !errors.As(err, &resumable) {
		h.t.Fatalf("a run that is cut off gives %v", err)
	}
	h.store.beforePart = nil
}

// want runs the upload to its end: the object is the file, nothing is left, and so much was kept.
func (h *host) want(kept bool) Object {
	h.t.Helper()
	obj, err := h.upload(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	content, _ := os.ReadFile(h.file)
	if !bytes.Equal(h.store.objects["k"], content) || len(h.store.uploads) != 0 {
		h.t.Errorf("the object is the file: %t; uploads left: %v", bytes.Equal(h.store.objects["k"], content), slices.Collect(maps.Keys(h.store.uploads)))
	}
	if left, _ := os.ReadDir(h.dir); len(left) != 0 {
		h.t.Errorf("files left in the journal: %v", left)
	}
	if (obj.Kept > 0) != kept {
		h.t.Errorf("%d bytes were kept", obj.Kept)
	}
	return obj
}

func (h *host) warns(text string) {
	h.t.Helper()
	if len(h.warned) != 1 || !strings.Contains(h.warned[0], text) {
		h.t.Errorf("warned of %q, want %q", h.warned, text)
	}
}

func TestResumeSendsWhatIsMissing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cutAt(5)
	sent := h.store.received
	obj := h.want(true)
	if obj.Kept > sent || obj.Kept < 15*mib || h.store.received > 42*mib+2*5*mib || h.store.begun != 1 || len(h.warned) > 0 {
		t.Errorf("kept %d of %d; %d bytes were sent in all; %d uploads; %q", obj.Kept, sent, h.store.received, h.store.begun, h.warned)
	}
}

// The notes that a crash took are made up for by reading the file.
func TestResumeWithoutNotes(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cutAt(5)
	names, _ := filepath.Glob(filepath.Join(h.dir, "*.journal"))
	text, _ := os.ReadFile(names[0])
	lines := bytes.SplitAfter(text, []byte("\n"))
	if err := os.WriteFile(names[0], bytes.Join(lines[:2], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if obj := h.want(true); obj.Kept < 15*mib {
		t.Errorf("kept %d bytes", obj.Kept)
	}
}

// The file's device has another number after a restart of the machine.
func TestResumeAfterRestart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cutAt(5)
	e, err := (&journal.Store{Dir: h.dir}).Open(h.file, "bucket", "k")
	if err != nil {
		t.Fatal(err)
	}
	before := e.State
	before.Upload.File.Device++
	if err := errors.Join(e.Begin(before.Upload), e.Started(before.ID)); err != nil {
		t.Fatal(err)
	}
	for _, p := range before.Parts {
		e.Part(p)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if obj := h.want(true); obj.Kept < 15*mib || h.store.begun != 1 || len(h.warned) > 0 {
		t.Errorf("kept %d bytes, %d uploads, %q", obj.Kept, h.store.begun, h.warned)
	}
}

func TestResumeNeverMixes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *host) (warning string){
		"content": func(h *host) string {
			if err := os.WriteFile(h.file, bytes.Repeat([]byte("x"), 42*mib), 0o600); err != nil {
				h.t.Fatal(err)
			}
			return "changed since its upload began"
		},
		"another file of that name, with the old times": func(h *host) string {
			info, _ := os.Stat(h.file)
			if err := errors.Join(os.Rename(h.file, h.file+".old"), os.WriteFile(h.file, bytes.Repeat([]byte("x"), 42*mib), 0o600),
				os.Chtimes(h.file, time.Time{}, info.ModTime())); err != nil {
				h.t.Fatal(err)
			}
			return "changed since its upload began"
		},
		"a part at S3 that is not ours": func(h *host) string {
			for id := range h.store.uploads {
				h.store.uploads[id][1] = bytes.Repeat([]byte("y"), 5*mib)
			}
			return ""
		},
		"the upload is gone": func(h *host) string { clear(h.store.uploads); return "no longer has" },
		"a journal that is damaged": func(h *host) string {
			names, _ := filepath.Glob(filepath.Join(h.dir, "*.journal"))
			if err := os.WriteFile(names[0], []byte("0 damaged\n"), 0o600); err != nil {
				h.t.Fatal(err)
			}
			clear(h.store.uploads) // which nobody can know of any more
			return "ignoring the journal"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.cutAt(4)
			warning := change(h)
			h.want(warning == "")
			if warning != "" {
				h.warns(warning)
			}
		})
	}
}

// A file that is written to while its parts go out is no object, and its parts are removed: going on would mix.
func TestResumableFileThatChanges(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.store.beforePart = func(n int32) error {
		if n == 3 {
			return os.Truncate(h.file, 11*mib)
		}
		return nil
	}
	var changed *ChangedError
	if _, err := h.upload(t.Context()); !errors.As(err, &changed) || len(h.store.uploads)+len(h.store.objects) > 0 {
		t.Errorf("%v; %d uploads, %d objects", err, len(h.store.uploads), len(h.store.objects))
	}
	h.store.beforePart = nil
	h.want(false)
}

func TestResumeAfterLostAnswers(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset")
	t.Run("to begin", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.store.beginErr = lost
		if _, err := h.upload(t.Context()); !errors.Is(err, lost) {
			t.Fatal(err)
		}
		h.store.beginErr = nil
		h.want(false)
	})
	t.Run("to complete", func(t *testing.T) {
		t.Parallel()
		h := newHost(t)
		h.store.completeErr = lost
		if _, err := h.upload(t.Context()); !errors.Is(err, lost) {
			t.Fatal(err)
		}
		h.store.completeErr = nil
		if obj := h.want(true); obj.Kept != 42*mib || h.store.received != 42*mib || len(h.warned) > 0 {
			t.Errorf("kept %d, sent %d bytes, %q", obj.Kept, h.store.received, h.warned)
		}
	})
}

// A server may say yes to the second request to complete while it still works on the first.
func TestResumeWaitsForTheObject(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.store.late, h.store.completeErr = 2, errors.New("connection reset")
	if _, err := h.upload(t.Context()); err == nil {
		t.Fatal("the answer is not lost")
	}
	h.store.completeErr = nil
	h.want(true)
	if h.store.late != 0 {
		t.Errorf("it did not wait: %d", h.store.late)
	}
}

func TestResumeWithoutListing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.cutAt(5)
	h.store.partsErr = refusal("AccessDenied")
	h.want(true)
	h.warns("s3:ListMultipartUploadParts is not permitted")
}

func TestOneResumeAtATime(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.store.beforePart = func(int32) error {
		other := *h
		var locked *journal.LockedError
		if _, err := other.upload(t.Context()); !errors.As(err, &locked) {
			t.Errorf("a second upload of the file at the same time: %v", err)
		}
		return nil
	}
	h.want(false)
}
