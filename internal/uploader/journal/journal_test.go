package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func open(t *testing.T, s *Store) *Entry {
	t.Helper()
	e, err := s.Open("/data/file", "bucket", "web-01/file")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func sample() Upload {
	return Upload{File: Identity{Path: "/data/file", Inode: 7, Size: 99, Modified: time.Unix(1, 2).UTC()}, Bucket: "bucket", Key: "web-01/file",
		PartSize: 10, Began: time.Unix(3, 0).UTC()}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := &Store{Dir: filepath.Join(t.TempDir(), "deep", "state"), Warn: func(w string) { t.Error(w) }}
	e := open(t, s)
	if e.State != nil {
		t.Fatalf("a state from nowhere: %+v", e.State)
	}
	if err := errors.Join(e.Begin(sample()), e.Started("id-1")); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for n := range int32(50) {
		writers.Go(func() { e.Part(Part{Number: n + 1, Size: 10, ETag: "e", Sum: []byte{1, 2}}) })
	}
	writers.Wait()
	if err := errors.Join(e.Completing(), e.Close()); err != nil {
		t.Fatal(err)
	}
	e = open(t, s)
	if e.State == nil || e.State.ID != "id-1" || len(e.State.Parts) != 50 || !e.State.Completing || !e.State.Upload.File.Same(sample().File) {
		t.Fatalf("read back %+v", e.State)
	}
	e.Part(Part{Number: 51, Size: 9, ETag: "last"})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, s)
	if e.State.Parts[51].ETag != "last" {
		t.Errorf("a line appended by a second run is lost: %+v", e.State.Parts)
	}
	if err := errors.Join(e.Remove(), e.Close()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(s.Dir); len(left) != 0 {
		t.Errorf("files left: %v", left)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	s := &Store{Dir: t.TempDir()}
	e := open(t, s)
	var locked *LockedError
	if _, err := s.Open("/data/file", "bucket", "web-01/file"); !errors.As(err, &locked) {
		t.Errorf("a second process gets %v", err)
	}
	other, err := s.Open("/data/file", "bucket", "web-01/other")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Begin(sample()), other.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), func(*Entry) error { t.Error("a journal in use is shown"); return nil }); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := s.Each(t.Context(), func(e *Entry) error { seen++; return e.Remove() }); err != nil || seen != 1 {
		t.Errorf("%d journals, %v", seen, err)
	}
	if e = open(t, s); e.State != nil {
		t.Error("it is there after Remove")
	}
	_ = e.Close()
}

// Whatever a crash or a disk does to a journal, it is read as far as it is certain, or not at all.
func TestDamage(t *testing.T) {
	t.Parallel()
	good := bytes.Join([][]byte{encode(record{Version: 1, Upload: new(sample())}), encode(record{ID: "id"}), encode(record{Part: &Part{Number: 1, Size: 10}})}, nil)
	for name, tc := range map[string]struct {
		text  []byte
		parts int // -1: of no use
	}{
		"whole":          {good, 1},
		"last line cut":  {good[:len(good)-3], 0},
		"bit flipped":    {append(append([]byte{}, good[:40]...), append([]byte{good[40] ^ 4}, good[41:]...)...), -1},
		"zeros":          {append(append([]byte{}, good...), 0, 0, 0, '\n'), -1},
		"empty":          {nil, -1},
		"no header":      {encode(record{ID: "id"}), -1},
		"future version": {encode(record{Version: 2, Upload: new(sample())}), -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warned := 0
			s := &Store{Dir: t.TempDir(), Warn: func(string) { warned++ }}
			e := open(t, s)
			path := e.path
			_ = e.Close()
			if err := os.WriteFile(path, tc.text, 0o600); err != nil {
				t.Fatal(err)
			}
			e = open(t, s)
			defer func() { _ = e.Close() }()
			if tc.parts < 0 {
				if e.State != nil || warned != 1 {
					t.Errorf("read %+v, %d warnings", e.State, warned)
				}
				if err := e.Begin(sample()); err != nil {
					t.Errorf("no fresh start: %v", err)
				}
				return
			}
			if e.State == nil || len(e.State.Parts) != tc.parts || warned != 0 {
				t.Fatalf("read %+v, %d warnings", e.State, warned)
			}
			e.Part(Part{Number: 2, Size: 10})
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			text, _ := os.ReadFile(path)
			if again, err := parse(text); err != nil || len(again.Parts) != tc.parts+1 {
				t.Errorf("after another line: %+v, %v", again, err)
			}
		})
	}
}

func TestForeignJournalIsIgnored(t *testing.T) {
	t.Parallel()
	warned := 0
	s := &Store{Dir: t.TempDir(), Warn: func(string) { warned++ }}
	e := open(t, s)
	_ = e.Begin(sample())
	_ = e.Close()
	if err := os.Chmod(e.path, 0o666); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(e.path); private(info) {
		t.Skip("this system has no such modes")
	}
	if e = open(t, s); e.State != nil || warned != 1 {
		t.Errorf("read %+v, %d warnings", e.State, warned)
	}
	_ = e.Close()
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "f")
	identify := func() Identity {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		id, err := Identify(name, info)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	first := identify()
	if !first.Same(identify()) {
		t.Error("a file differs from itself")
	}
	mounted := identify()
	if mounted.Device++; !first.Same(mounted) {
		t.Error("a file differs from itself after another mount")
	}
	if err := os.Chtimes(name, time.Time{}, first.Modified.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if first.Same(identify()) {
		t.Error("another time of modification is not seen")
	}
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	write("two")
	_ = os.Chtimes(name, time.Time{}, first.Modified)
	if first.Same(identify()) {
		t.Error("another file under the name, of the same size and time, is not seen")
	}
}

func TestTimeOutOfRange(t *testing.T) {
	t.Parallel()
	e := open(t, &Store{Dir: t.TempDir()})
	defer func() { _ = e.Close() }()
	u := sample()
	u.File.Modified = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := e.Begin(u); err == nil {
		t.Error("it is written")
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"OIDCS3_STATE_DIR": "/a", "STATE_DIRECTORY": "/b"}, "/a"},
		{map[string]string{"STATE_DIRECTORY": "/b" + string(filepath.ListSeparator) + "/c"}, "/b"},
		{nil, ""},
	} {
		got, err := StateDir(func(k string) string { return tc.env[k] })
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%v: %q, %v", tc.env, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(record{Version: 1, Upload: new(sample())}))
	f.Add(append(encode(record{Version: 1, Upload: new(sample())}), encode(record{Part: &Part{Number: 3}})...))
	f.Add([]byte("00000000 {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parse(text)
		if (s == nil) == (err == nil) {
			t.Fatalf("parse gives %+v and %v", s, err)
		}
		if s != nil && (s.Upload.PartSize <= 0 || s.Parts == nil) {
			t.Errorf("accepted %+v", s.Upload)
		}
	})
}
