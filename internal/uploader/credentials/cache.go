package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/gofrs/flock"
)

// FileCache keeps credentials in a private file, for programs that are started again and again. Callers that find the
// file stale at the same time take turns, and only the first one asks; while the old credentials are good, the others
// have them at once.
type FileCache struct {
	Dir    string // private to this user; empty: no cache
	Name   string // of the file, without extension; differs with all that decides on the credentials
	Now    func() time.Time
	Jitter func(time.Duration) time.Duration
	Warn   func(string)
	Source aws.CredentialsProvider
}

// entry is the file: when the credentials were given out, when they are to be renewed, and the credentials.
type entry struct {
	Version         int // 1
	Issued          time.Time
	RenewAt         time.Time
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// Retrieve implements aws.CredentialsProvider: from the file while it is fresh, from the source otherwise, and from the
// file again where the source fails for now and the old credentials still have some life. A cache that cannot be used
// is no error: it is warned of and done without.
func (c *FileCache) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := c.prepare(); err != nil {
		c.Warn("credentials are not cached: " + err.Error())
		return c.Source.Retrieve(ctx)
	}
	if e, ok := c.read(); ok && c.fresh(e) {
		return e.credentials(), nil
	}
	lock := flock.New(filepath.Join(c.Dir, c.Name+".lock"), flock.SetPermissions(0o600))
	if e, ok := c.read(); ok && usable(e.Expiration, c.Now()) {
		if got, err := lock.TryLock(); err == nil && !got {
			return e.credentials(), nil // somebody is renewing them
		}
	}
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return aws.Credentials{}, ctx.Err()
		}
		c.Warn("credentials are not cached: lock: " + err.Error())
		return c.Source.Retrieve(ctx)
	}
	defer func() { _ = lock.Close() }()
	old, ok := c.read() // somebody may have been faster
	if ok && c.fresh(old) {
		return old.credentials(), nil
	}
	return c.renew(ctx, old, ok)
}

func (c *FileCache) renew(ctx context.Context, old entry, there bool) (aws.Credentials, error) {
	creds, err := c.Source.Retrieve(ctx)
	now := c.Now()
	if err != nil {
		if there && ctx.Err() == nil && !refusal(err) && usable(old.Expiration, now) {
			c.Warn(fmt.Sprintf("using cached credentials until %s: %v", old.Expiration.Format(time.RFC3339), err))
			old.RenewAt = postponed(now, c.Jitter)
			c.save(old)
			return old.credentials(), nil
		}
		return aws.Credentials{}, err
	}
	c.save(entry{Version: 1, Issued: now.UTC(), RenewAt: renewal(now, creds.Expires, c.Jitter).UTC(), AccessKeyID: creds.AccessKeyID,
		SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken, Expiration: creds.Expires})
	return creds, nil
}

func (c *FileCache) save(e entry) {
	if err := c.write(e); err != nil {
		c.Warn("credentials are not cached: " + err.Error())
	}
}

// fresh reports whether it is not yet time to renew. A file of an older version does not say when that is.
func (c *FileCache) fresh(e entry) bool {
	at := e.RenewAt
	if at.IsZero() {
		at = renewal(e.Issued, e.Expiration, func(time.Duration) time.Duration { return 0 })
	}
	return c.Now().Before(at) && usable(e.Expiration, c.Now())
}

func (e entry) credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: e.AccessKeyID, SecretAccessKey: e.SecretAccessKey, SessionToken: e.SessionToken,
		Source: "cache", CanExpire: true, Expires: e.Expiration}
}

// prepare makes the directory, or checks that nobody else can put files into it.
func (c *FileCache) prepare() error {
	if c.Dir == "" {
		return errors.New("no cache directory: set OIDCS3_CACHE_DIR")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(c.Dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", c.Dir)
	case !ownedByUs(info):
		return fmt.Errorf("%s belongs to another user", c.Dir)
	case writableByOthers(info):
		return fmt.Errorf("%s can be written by other users", c.Dir)
	}
	return nil
}

func (c *FileCache) path() string { return filepath.Join(c.Dir, c.Name+".json") }

// read returns what the file holds. A file that is corrupt, or not private to us, is warned of and ignored.
func (c *FileCache) read() (entry, bool) {
	e, err := c.load()
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.Warn("ignoring the credential cache: " + err.Error())
		}
		return entry{}, false
	}
	return e, c.Now().Before(e.Expiration)
}

func (c *FileCache) load() (entry, error) {
	info, err := os.Lstat(c.path())
	switch {
	case err != nil:
		return entry{}, err
	case !info.Mode().IsRegular():
		return entry{}, fmt.Errorf("%s is not a regular file", c.path())
	case !ownedByUs(info):
		return entry{}, fmt.Errorf("%s belongs to another user", c.path())
	case exposed(info):
		return entry{}, fmt.Errorf("%s can be read by other users", c.path())
	}
	text, err := os.ReadFile(c.path())
	if err != nil {
		return entry{}, err
	}
	var e entry
	if json.Unmarshal(text, &e) != nil || e.Version != 1 || e.AccessKeyID == "" || e.SecretAccessKey == "" || e.Expiration.IsZero() {
		return entry{}, fmt.Errorf("%s is corrupt", c.path())
	}
	return e, nil
}

// write replaces the file in one step, so that a reader sees the old one or the new one.
func (c *FileCache) write(e entry) error {
	text, err := json.Marshal(e) // #nosec G117 -- into a file of the owner's alone
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.Dir, "."+c.Name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where all went well
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), c.path())
}
