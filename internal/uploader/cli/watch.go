package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/journal"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/metrics"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/spool"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	uploadFlags
	once, remove     bool
	moveTo           string
	keepAtMost       bytesValue
	settle, interval time.Duration
	metrics          metricsFlags
}

func (a *app) watchCommand() *cobra.Command {
	w := &watchFlags{}
	cmd := &cobra.Command{
		Use:   "watch DIR [KEY]",
		Short: "Upload what is put into a directory",
		Long: "Upload each file below DIR once it is complete, under its relative path with KEY before it, and keep it, delete it or\n" +
			"move it then. A file is complete when it has not changed for the time of --settle; with --settle 0 files must be renamed\n" +
			"into DIR. A name that is used again for other content is uploaded again. What has been done is remembered across\n" +
			"restarts and crashes: a file is uploaded once, and none is lost. A file that fails is tried again, later each time, and\n" +
			"does not stop the others. Links and special files are left alone, and so are hidden files and those named *.tmp, *.part,\n" +
			"*.partial, *.swp or *~. SIGHUP reads configuration and secret again, and tries at once what has failed.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.watch(cmd.Context(), w, args) },
	}
	w.add(cmd)
	w.addObject(cmd)
	f := cmd.Flags()
	f.BoolVar(&w.remove, "delete", false, "delete a file when it is uploaded")
	f.StringVar(&w.moveTo, "move-to", "", "move a file into this directory, of the same file system, when it is uploaded")
	f.Var(&w.keepAtMost, "keep-at-most", "of the files that are uploaded and kept, delete the oldest when they take more than so many bytes")
	f.DurationVar(&w.settle, "settle", 5*time.Second, "take a file that has not changed for so long; 0 where files are renamed into the directory")
	f.DurationVar(&w.interval, "interval", time.Second, "look at the directory so often")
	f.BoolVar(&w.once, "once", false, "end when all files are uploaded, or have failed once")
	f.StringArrayVar(&w.include, "include", nil, "only files that match, such as *.log or logs/**; may be repeated")
	f.StringArrayVar(&w.exclude, "exclude", nil, "no file or directory that matches; may be repeated, and beats --include")
	w.metrics.add(cmd)
	return cmd
}

// spool makes the watched directory that the command line describes, without what the process adds.
func (w *watchFlags) spool(a *app, dir string) (*spool.Spool, error) {
	s := &spool.Spool{Settle: w.settle, Interval: w.interval, Workers: w.concurrency, Once: w.once, After: spool.Keep, KeepAtMost: int64(w.keepAtMost)}
	var err error
	if s.Dir, err = filepath.Abs(dir); err != nil {
		return nil, &usageError{err: err}
	}
	if err := directory(s.Dir, "watch "+dir); err != nil {
		return nil, err
	}
	if w.once && !a.flags.Changed("interval") {
		s.Interval = 50 * time.Millisecond // somebody waits
	}
	if w.settle < 0 || w.interval < 10*time.Millisecond {
		return nil, &usageError{err: errors.New("--settle is less than 0, or --interval less than 10ms")}
	}
	switch {
	case w.remove && w.moveTo != "":
		return nil, &usageError{err: errors.New("--delete and --move-to exclude each other")}
	case w.keepAtMost > 0 && (w.remove || w.moveTo != ""):
		return nil, &usageError{err: errors.New("--keep-at-most is for files that are kept")}
	case w.remove:
		s.After = spool.Delete
	case w.moveTo != "":
		s.After = spool.Move
		if s.MoveTo, err = outside(w.moveTo, s.Dir); err != nil {
			return nil, err
		}
	}
	if s.Include, err = compile("--include", w.include); err != nil {
		return nil, err
	}
	if s.Exclude, err = compile("--exclude", append(spool.Unfinished, w.exclude...)); err != nil {
		return nil, err
	}
	state, err := journal.StateDir(a.Getenv)
	if err != nil {
		return nil, &config.Error{Where: "state", Err: err}
	}
	sum := sha256.Sum256([]byte(s.Dir))
	s.Ledger = filepath.Join(state, "watch", hex.EncodeToString(sum[:16])+".db")
	return s, nil
}

// directory checks that a path is one. Something else there is a mistake on the command line; nothing there, or a network
// file system that does not answer, may be otherwise by the next time, which a service is to have.
func directory(path, doing string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return &transfer.LocalError{Doing: doing, Err: pathCause(err)}
	case !info.IsDir():
		return &usageError{err: fmt.Errorf("%s: not a directory", doing)}
	}
	return nil
}

// outside is the absolute path of the directory of --move-to, which must not lie in the one that is watched, by whatever
// links: what is moved there would be found again, and moved deeper, without end.
func outside(dir, watched string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return "", &usageError{err: fmt.Errorf("--move-to: %w", err)}
	}
	if err := directory(path, "--move-to "+dir); err != nil {
		return "", err
	}
	from, err := filepath.EvalSymlinks(watched)
	to, toErr := filepath.EvalSymlinks(path)
	if err = errors.Join(err, toErr); err != nil {
		return "", &usageError{err: fmt.Errorf("--move-to: %w", err)}
	}
	if rel, err := filepath.Rel(from, to); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", &usageError{err: fmt.Errorf("--move-to: %s lies in the directory that is watched", dir)}
	}
	return path, nil
}

func (a *app) watch(ctx context.Context, w *watchFlags, args []string) error {
	options, object, err := w.parse()
	if err != nil {
		return err
	}
	s, err := w.spool(a, args[0])
	if err != nil {
		return err
	}
	if options.Journal, err = a.journal(); err != nil {
		return err
	}
	if !w.once {
		if err := a.logAsService(); err != nil {
			return err
		}
	}
	under := ""
	if len(args) == 2 {
		under = args[1]
	}
	s.Open = func() (spool.Store, error) {
		session, err := a.session(options, w.checksumMode)
		return &spoolStore{uploadJob{app: a, session: session, object: object}, under}, err
	}
	s.Systemic, s.Log, s.Now, s.Sleep, s.Jitter = systemic, a.log, a.Now, time.After, retry.FullJitter
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.observe(ctx, w, s); err != nil {
		return err
	}
	reload, stop := a.reloads()
	defer stop()
	s.Reload = reload
	defer a.notify("STOPPING=1")
	return explained(s.Run(ctx))
}

// observe has the spool tell systemd and Prometheus how it goes.
func (a *app) observe(ctx context.Context, w *watchFlags, s *spool.Spool) error {
	watchdog, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		return &usageError{err: fmt.Errorf("WATCHDOG_USEC: %w", err)}
	}
	m := metrics.NewSpool(s.Dir, a.Version)
	publish, err := a.shows(ctx, w.metrics, m.Figures)
	if err != nil {
		return err
	}
	s.Alive = func() {
		if watchdog > 0 {
			a.notify("WATCHDOG=1")
		}
	}
	s.Ready = func() { a.notify("READY=1") }
	status := ""
	s.Events = spool.Events{
		Uploaded: func(bytes int64) {
			m.Uploaded.Inc()
			m.UploadedBytes.Add(float64(bytes))
			m.LastUpload.Set(float64(a.Now().Unix()))
		},
		Failed: m.Failures.Inc,
		Looked: func(st spool.State) {
			m.Waiting.Set(float64(st.Waiting))
			m.WaitingBytes.Set(float64(st.WaitingBytes))
			m.OldestSeconds.Set(st.Oldest.Seconds())
			m.Failing.Set(float64(st.Failing))
			m.Kept.Set(float64(st.Kept))
			m.KeptBytes.Set(float64(st.KeptBytes))
			publish()
			now := fmt.Sprintf("STATUS=%d files waiting, %d of them failing", st.Waiting, st.Failing)
			if now != status {
				status = now
				a.notify(status)
			}
		},
	}
	return nil
}

// explained gives the spool's own errors their exit codes.
func explained(err error) error {
	var failed *spool.FailedError
	if errors.As(err, &failed) {
		return &spoolFailed{failed}
	}
	return err
}

type spoolFailed struct{ *spool.FailedError }

// Explain implements explain.Self.
func (e *spoolFailed) Explain() explain.Explanation {
	return explain.Explanation{Code: explain.Some, Message: e.Error(), Hint: "the log says why for each of them"}
}

// systemic reports whether other files would fail for the same reason: without credentials, or without S3.
func systemic(err error) bool {
	var network *url.Error
	return hopeless(err) || errors.As(err, &network)
}

// spoolStore uploads files of a spool.
type spoolStore struct {
	uploadJob
	under string
}

func (s *spoolStore) key(rel string) (key, full string, err error) {
	key = objectkey.FromPath(s.under, rel)
	full, err = objectkey.Join(s.session.config.S3PathPrefix, key)
	return key, full, err
}

func (s *spoolStore) Where() string {
	return s.session.scope + "/" + s.session.config.S3PathPrefix + s.under
}

func (s *spoolStore) Upload(ctx context.Context, path, rel string, is journal.Identity) error {
	key, full, err := s.key(rel)
	if err != nil {
		return err
	}
	object, err := s.session.engine.UploadFound(ctx, transfer.Found{Name: path, Is: &is}, full, s.typed(key), nil)
	if err != nil {
		return err
	}
	if s.options.json {
		return s.report(path, key, object)
	}
	return nil
}

func (s *spoolStore) Holds(ctx context.Context, path, rel string, is journal.Identity) (bool, error) {
	_, full, err := s.key(rel)
	if err != nil {
		return false, err
	}
	return s.session.engine.Holds(ctx, transfer.Found{Name: path, Is: &is}, full)
}
