package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// neighbour takes one step further than the server may go: what lies beside its prefix must be refused.
func (d *Doctor) neighbour(ctx context.Context) {
	refused := map[string][]string{}
	var wrong []string
	var broken error
	for _, b := range beyond(d.config.S3PathPrefix) {
		switch err := d.repeat(ctx, func(ctx context.Context) error { return d.trespass(ctx, b) }); {
		case ctx.Err() != nil:
			return
		case err == nil:
			wrong = append(wrong, b.doing+" "+b.shown()+d.clean(ctx, b))
		case denied(err):
			refused[b.doing] = append(refused[b.doing], b.shown())
		case b.doing == lookUp && missing(err):
			wrong = append(wrong, b.doing+" "+b.shown()+" (S3 says that it does not exist, which only readers learn)")
		case broken == nil:
			broken = err
		}
	}
	switch {
	case len(wrong) > 0:
		d.note(StepNeighbour, explain.Explanation{Code: explain.S3, Message: "the role reaches beyond its prefix: granted " + strings.Join(wrong, "; "),
			Hint: "the role's policies must end at " + d.config.S3PathPrefix + "*, with the slash: terraform plan shows drift of its own policy; look for further policies on the role and for the bucket's policy"})
	case broken != nil:
		d.because(ctx, StepNeighbour, broken)
	default:
		d.ok(StepNeighbour, fmt.Sprintf("refused, as it must be: put %s; look up %s; list %s",
			strings.Join(refused[put], ", "), strings.Join(refused[lookUp], ", "), strings.Join(refused[list], ", ")))
	}
}

// The calls beyond the prefix.
const (
	put    = "put"
	lookUp = "look up"
	list   = "list"
)

// step is one call that must be refused.
type step struct{ doing, key string }

func (s step) shown() string {
	if s.key == "" {
		return "the whole bucket"
	}
	return s.key
}

// beyond are the calls that must be refused. The prefixes are of names that no server has: one that begins as ours does,
// which a policy without the slash at its end lets in, one beside ours, and one at the bucket's root.
func beyond(prefix string) []step {
	bare := strings.TrimSuffix(prefix, "/")
	parent := bare[:strings.LastIndex(bare, "/")+1]
	steps := []step{
		{put, bare + "-oidcs3-doctor/" + probe},
		{put, parent + "oidcs3-doctor-neighbour/" + probe},
	}
	if parent != "" {
		steps = append(steps, step{put, "oidcs3-doctor-neighbour/" + probe})
	}
	steps = append(steps, step{lookUp, bare + "-oidcs3-doctor/" + probe}, step{lookUp, parent + "oidcs3-doctor-neighbour/" + probe}, step{list, bare + "-oidcs3-doctor/"})
	if parent != "" {
		steps = append(steps, step{list, parent})
	}
	return append(steps, step{list, ""})
}

func (d *Doctor) trespass(ctx context.Context, s step) error {
	switch s.doing {
	case put:
		_, err := d.clouds.Store.Put(ctx, s.key, transfer.NewBody([]byte(probeText), d.clouds.Algorithm), transfer.ObjectOptions{ContentType: "text/plain", Algorithm: d.clouds.Algorithm})
		return err
	case list:
		return first(d.clouds.Store.List(ctx, s.key, func(transfer.Object) error { return errEnough }))
	}
	_, err := d.clouds.Store.Head(ctx, s.key)
	return err
}

// clean takes back what a PUT beyond the prefix has left, and says how that went.
func (d *Doctor) clean(ctx context.Context, s step) string {
	if s.doing != put {
		return ""
	}
	err := d.repeat(context.WithoutCancel(ctx), func(ctx context.Context) error { return d.clouds.Store.Delete(ctx, s.key) })
	if err != nil {
		return fmt.Sprintf(" (%d bytes stay there: %v)", len(probeText), err)
	}
	return " (removed again)"
}

func missing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "NotFound" || api.ErrorCode() == "NoSuchKey")
}
