package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/credentials"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/objectkey"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/tree"
)

// failure is the result of one of several files that failed.
type failure struct {
	Path  string `json:"path,omitempty"`
	Key   string `json:"key"`
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
	Code  int    `json:"code"`
}

// someFailed ends a command of which some files failed. Each of them has been told.
type someFailed struct{ failed, all int }

func (e *someFailed) Error() string { return fmt.Sprintf("%d of %d files failed", e.failed, e.all) }

// Explain implements explain.Self.
func (e *someFailed) Explain() explain.Explanation {
	return explain.Explanation{Code: explain.Some, Message: e.Error()}
}

// leaf is one file of a tree.
type leaf struct {
	path, rel, key string
	object         transfer.Object
	err            error
	done           chan struct{}
}

// tree uploads all regular files below dir. Results are told in the order of the paths.
func (j *uploadJob) tree(ctx context.Context, dir, under string) error {
	leaves, total, err := j.walk(dir, under)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &transfer.LocalError{Doing: "upload " + dir, Err: err}
	}
	defer func() { _ = root.Close() }()
	bar := j.bar(filepath.Base(dir), total)
	defer bar.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	defer workers.Wait()
	queue := make(chan *leaf)
	for range j.atOnce {
		workers.Go(func() {
			for l := range queue {
				l.object, l.err = j.leaf(ctx, root, l, bar)
				if hopeless(l.err) {
					cancel(l.err)
				}
				close(l.done)
			}
		})
	}
	workers.Go(func() {
		defer close(queue)
		for _, l := range leaves {
			queue <- l
		}
	})
	return j.collect(ctx, leaves)
}

// leaf uploads one file. Links that get the name of a file, or of a directory above it, after the tree was read are
// followed where all links are.
func (j *uploadJob) leaf(ctx context.Context, root *os.Root, l *leaf, m transfer.Meter) (transfer.Object, error) {
	full := j.session.config.S3PathPrefix + l.key
	if j.choice.Symlinks == tree.Follow {
		return j.session.engine.UploadFile(ctx, l.path, full, j.typed(l.key), m)
	}
	return j.session.engine.UploadFound(ctx, transfer.Found{Name: l.path, Tree: root, Rel: l.rel}, full, j.typed(l.key), m)
}

func (j *uploadJob) collect(ctx context.Context, leaves []*leaf) error {
	failed := 0
	for _, l := range leaves {
		<-l.done
		if cause := context.Cause(ctx); cause != nil && l.err != nil {
			return cause
		}
		if l.err == nil {
			l.err = j.report(l.path, l.key, l.object)
		}
		if l.err != nil {
			failed++
			j.fail(ctx, l.path, l.key, l.err)
		}
	}
	if failed > 0 {
		return &someFailed{failed, len(leaves)}
	}
	return nil
}

// fail tells of one file that failed while others go on.
func (a *app) fail(ctx context.Context, path, key string, err error) {
	e := explain.Error(ctx, err)
	a.tell(e)
	if a.options.json {
		_ = a.result(failure{path, key, oneLine(e.Message), oneLine(e.Hint), e.Code}, "")
	}
}

// hopeless reports whether every other file would fail for the same reason.
func hopeless(err error) bool {
	var idpRefused *token.Refused
	var idpAway *token.Unavailable
	var refused *credentials.Refused
	var away *credentials.Unavailable
	var wrong *config.Error
	return errors.As(err, &idpRefused) || errors.As(err, &idpAway) || errors.As(err, &refused) || errors.As(err, &away) || errors.As(err, &wrong)
}

// walk lists the files in the order of their paths, and refuses a tree with a name that cannot be a key before
// anything is sent.
func (j *uploadJob) walk(dir, under string) (leaves []*leaf, total int64, err error) {
	options := j.choice
	options.Skipped = func(path, why string) { j.warn(path + " " + why + " and is left out") }
	files, err := tree.List(dir, options)
	if err != nil {
		return nil, 0, &transfer.LocalError{Doing: "upload " + dir, Err: err}
	}
	for _, f := range files {
		key := objectkey.FromPath(under, f.Rel)
		if _, err := objectkey.Join(j.session.config.S3PathPrefix, key); err != nil {
			return nil, 0, err
		}
		total += f.Size
		leaves = append(leaves, &leaf{path: f.Path, rel: f.Rel, key: key, done: make(chan struct{})})
	}
	return leaves, total, nil
}
