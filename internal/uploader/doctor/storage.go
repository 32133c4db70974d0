package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/retry"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// probe is the key of the doctor's object, below the prefix. It is always the same, so that a server that may not
// delete keeps one such object and no more.
const probe = ".oidcs3-doctor"

const probeText = "written by oidcs3-upload doctor; may be deleted\n"

// grants is what the role was found to be allowed, nil where it could not be tried.
type grants struct{ put, get, list, multipart, delete *bool }

// storage tries every call of the levels of s3_permissions. Which level is meant the host does not know, so a call that
// is refused is a finding only where it does not fit with the others.
func (d *Doctor) storage(ctx context.Context) {
	var g grants
	key := d.config.S3PathPrefix + probe
	etag := ""
	g.put = d.try(ctx, StepPut, "put "+key, func(ctx context.Context) error {
		o, err := d.clouds.Store.Put(ctx, key, transfer.NewBody([]byte(probeText), d.clouds.Algorithm), transfer.ObjectOptions{ContentType: "text/plain", Algorithm: d.clouds.Algorithm})
		etag = o.ETag
		return err
	})
	if g.put == nil || ctx.Err() != nil {
		d.skipStorage(StepGet, StepList, StepMultipart, StepDelete, StepPermissions, StepNeighbour)
		return
	}
	if *g.put {
		g.get = d.get(ctx, key, etag)
		g.multipart = d.multipart(ctx, key)
	} else {
		d.skipStorage(StepGet, StepMultipart)
	}
	g.list = d.try(ctx, StepList, "list "+d.config.S3PathPrefix, func(ctx context.Context) error {
		return first(d.clouds.Store.List(ctx, d.config.S3PathPrefix, func(transfer.Object) error { return errEnough }))
	})
	g.delete = d.remove(ctx, key, *g.put)
	if ctx.Err() != nil {
		return
	}
	d.level(g)
	d.neighbour(ctx)
}

func (d *Doctor) skipStorage(steps ...string) {
	for _, s := range steps {
		d.Report(Finding{Step: s, Status: Skipped, Message: "because " + StepPut + " failed"})
	}
}

// try makes a call and says whether it is granted. Being refused is a failure of put alone; nil stands for an error of
// another kind, which is reported.
func (d *Doctor) try(ctx context.Context, step, what string, call func(context.Context) error) *bool {
	err := d.repeat(ctx, call)
	granted := err == nil
	switch {
	case granted:
		d.ok(step, what+": granted")
	case ctx.Err() != nil:
		return nil
	case denied(err) && step != StepPut:
		d.ok(step, what+": not granted")
	case denied(err):
		d.fail(step, explain.Error(ctx, err))
	default:
		d.fail(step, explain.Error(ctx, err))
		return nil
	}
	return &granted
}

// callTime bounds one call, of a few bytes.
const callTime = 30 * time.Second

// repeat makes a call again while the server is busy or the connection breaks.
func (d *Doctor) repeat(ctx context.Context, call func(context.Context) error) error {
	return d.Retry.Do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		err := call(ctx)
		var api smithy.APIError
		var resp *awshttp.ResponseError
		if err != nil && !errors.As(err, &api) || errors.As(err, &resp) && retry.Transient(resp.HTTPStatusCode()) && resp.HTTPStatusCode() != http.StatusNotImplemented {
			return &retry.Again{Err: err}
		}
		return err
	})
}

// denied reports whether S3 knows who asks and says no; a clock, a region or credentials that are wrong are no such
// answer though their status is the same.
func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "Forbidden")
}

var errEnough = errors.New("enough")

// first turns the stop after one object into success.
func first(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func (d *Doctor) get(ctx context.Context, key, etag string) *bool {
	return d.try(ctx, StepGet, "get "+key, func(ctx context.Context) error {
		body, err := d.clouds.Store.Get(ctx, key, etag, 0, int64(len(probeText)))
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		text, err := io.ReadAll(io.LimitReader(body, 1<<10))
		if err == nil && string(text) != probeText {
			return fmt.Errorf("get object %s: it is not what was put there a moment ago", key)
		}
		return err
	})
}

// multipart begins an upload and gives it up. Each level of s3_permissions grants all that it takes.
func (d *Doctor) multipart(ctx context.Context, key string) *bool {
	id := ""
	err := d.repeat(ctx, func(ctx context.Context) (err error) {
		id, err = d.clouds.Store.Begin(ctx, key, transfer.ObjectOptions{})
		return err
	})
	if err != nil {
		d.because(ctx, StepMultipart, err)
		return nil
	}
	granted := true
	if err := d.repeat(ctx, func(ctx context.Context) error {
		return d.clouds.Store.Parts(ctx, key, id, transfer.None, func(transfer.Part) {})
	}); err != nil && ctx.Err() == nil {
		granted = false
		e := explain.Error(ctx, err)
		d.warn(StepMultipart, "uploads cannot be resumed: "+line(e.Message), line(e.Hint))
	}
	// An upload that was begun is given up though the user has no patience any more.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), reachTime)
	defer cancel()
	if err := d.repeat(last, func(ctx context.Context) error { return d.clouds.Store.Abort(ctx, key, id) }); err != nil {
		granted = false
		e := explain.Error(last, err)
		d.warn(StepMultipart, "an upload without parts stays, for failed uploads cannot be cleaned up: "+line(e.Message),
			line(e.Hint)+"; a lifecycle rule of the bucket for incomplete multipart uploads removes what stays")
	}
	if granted {
		d.ok(StepMultipart, "begin, list the parts of and abort an upload of "+key+": granted")
	}
	return &granted
}

// remove deletes the probe, or says that it stays.
func (d *Doctor) remove(ctx context.Context, key string, there bool) *bool {
	err := d.repeat(ctx, func(ctx context.Context) error { return d.clouds.Store.Delete(ctx, key) })
	granted := err == nil
	switch {
	case granted:
		d.ok(StepDelete, "delete "+key+": granted")
	case ctx.Err() != nil:
		return nil
	case denied(err) && there:
		d.ok(StepDelete, fmt.Sprintf("delete %s: not granted, so this one object of %d bytes stays", key, len(probeText)))
	case denied(err):
		d.ok(StepDelete, "delete "+key+": not granted")
	default:
		d.fail(StepDelete, explain.Error(ctx, err))
		return nil
	}
	return &granted
}

// level names the s3_permissions that what was found amounts to.
func (d *Doctor) level(g grants) {
	if g.get == nil || g.list == nil || g.delete == nil || g.multipart == nil {
		d.Report(Finding{Step: StepPermissions, Status: Skipped, Message: "because not everything could be tried"})
		return
	}
	level := ""
	switch {
	case !*g.get && !*g.list && !*g.delete:
		level = "write"
	case *g.get && !*g.list && !*g.delete:
		level = "read-write"
	case *g.get && *g.list && *g.delete:
		level = "full"
	}
	if level != "" && *g.multipart {
		d.ok(StepPermissions, "the role grants what s3_permissions = "+level+" stands for")
		return
	}
	var granted, missing []string
	for _, c := range []struct {
		name string
		is   bool
	}{{"put", true}, {"get", *g.get}, {"list", *g.list}, {"delete", *g.delete}, {"abort and resume", *g.multipart}} {
		if c.is {
			granted = append(granted, c.name)
		} else {
			missing = append(missing, c.name)
		}
	}
	d.warn(StepPermissions, fmt.Sprintf("granted: %s; not granted: %s: no level of s3_permissions is like that", strings.Join(granted, ", "), strings.Join(missing, ", ")),
		"terraform plan shows whether the role's policy was changed; else a permissions boundary, the bucket's policy or an SCP cuts it")
}
