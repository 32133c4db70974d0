package daemon

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var creds = aws.Credentials{AccessKeyID: "AK", SecretAccessKey: "SK", SessionToken: "ST"}

const fresh = "aws_access_key_id = AK\naws_secret_access_key = SK\naws_session_token = ST\n"

func TestEdit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":        {"", "[web]\n" + fresh},
		"others":         {"# mine\n[default]\naws_access_key_id = X", "# mine\n[default]\naws_access_key_id = X\n\n[web]\n" + fresh},
		"replaced":       {"[web]\naws_access_key_id=OLD\nAWS_SESSION_TOKEN = OLD\n[b]\nk = v\n", "[web]\n" + fresh + "[b]\nk = v\n"},
		"settings":       {"[ web ] ; ours\n# note\nregion = eu-west-1\naws_secret_access_key = OLD\n", "[ web ] ; ours\n" + fresh + "# note\nregion = eu-west-1\n"},
		"twice":          {"[web]\naws_access_key_id = 1\n[b]\n[web]\naws_access_key_id = 2\n", "[web]\n" + fresh + "[b]\n[web]\n"},
		"longer name":    {"[web2]\naws_access_key_id = 1\n", "[web2]\naws_access_key_id = 1\n\n[web]\n" + fresh},
		"commented head": {"#[web]\n", "#[web]\n\n[web]\n" + fresh},
	} {
		got := edit(tc.text, "web", creds)
		if got != tc.want {
			t.Errorf("%s: got\n%s", name, got)
		}
		if again := edit(got, "web", creds); again != got {
			t.Errorf("%s: the second time it differs:\n%s", name, again)
		}
	}
}

func FuzzEdit(f *testing.F) {
	for _, seed := range []string{"", "[web]\nx=1", "[a]\n[web\n", "\r\n[web]\r\naws_session_token=x\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := edit(text, "web", creds)
		if again := edit(got, "web", creds); again != got {
			t.Errorf("the second time it differs: %q, %q", got, again)
		}
		if strings.Count(got, fresh) < 1 {
			t.Errorf("the credentials are not there: %q", got)
		}
		for line := range strings.Lines(text) { // what is not ours stays
			if !setsOurs(line) && !strings.Contains(got, strings.TrimSuffix(line, "\n")) {
				t.Errorf("line %q is gone", line)
			}
		}
	})
}

func TestCheckProfile(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{"default": true, "web-01.prod_x": true, "": false, "a]b": false, "a b": false, "a\nb": false} {
		if (CheckProfile(name) == nil) != good {
			t.Errorf("%q: %v", name, CheckProfile(name))
		}
	}
}

// TestNobodySeesHalfAFile: two writers and a reader at once; both profiles arrive, and the file is whole at any moment.
func TestNobodySeesHalfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials")
	if err := os.WriteFile(path, []byte("[keep]\nk = v\n"), 0o644); err != nil { // #nosec G306 -- the daemon must tighten it
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		all.Go(func() {
			for range 30 {
				if err := (Profile{File: File{Path: path, GID: -1}, Name: name}).Write(creds); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range 200 {
			text, err := os.ReadFile(path) // #nosec G304 -- the test's own
			if err != nil || !strings.HasPrefix(string(text), "[keep]\nk = v\n") || strings.Count(string(text), "[") != 1+strings.Count(string(text), fresh) {
				t.Errorf("%v, file:\n%s", err, text)
			}
		}
	})
	all.Wait()
	text, err := os.ReadFile(path) // #nosec G304 -- the test's own
	if err != nil || strings.Count(string(text), fresh) != 2 {
		t.Errorf("%v, file:\n%s", err, text)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 { // the file and its lock
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("files have no group here")
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := (File{Path: path, GID: os.Getegid()}).Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestFailedWrite: where the new file cannot be written, the old one stays.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (File{Path: dir, GID: -1}).Write([]byte("x")); err == nil || strings.Contains(err.Error(), "x\n") {
		t.Errorf("a directory was replaced: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}
