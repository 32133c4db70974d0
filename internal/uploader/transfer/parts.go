package transfer

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// upload is a multipart upload in progress. send and complete are called by one goroutine.
type upload struct {
	engine  *Engine
	key, id string
	options ObjectOptions
	group   *errgroup.Group
	parts   []*sent
}

// sent is a part and the checksum of what was read for it. Its sender alone writes to it.
type sent struct {
	part  Part
	piece piece
}

// send starts the next part as soon as there is room for a request; done is called when its bytes are no longer needed.
func (u *upload) send(ctx context.Context, src io.ReadSeeker, size int64, m Meter, done func()) error {
	if len(u.parts) >= MaxParts {
		done()
		return &LocalError{Doing: "upload " + u.key, Err: fmt.Errorf("more than %d parts: use a larger --part-size", MaxParts)}
	}
	if err := u.engine.slots.Acquire(ctx, 1); err != nil {
		done()
		return err
	}
	s := &sent{}
	u.parts = append(u.parts, s)
	number := int32(len(u.parts)) // #nosec G115 -- at most MaxParts
	u.group.Go(func() error {
		defer done()
		defer u.engine.slots.Release(1)
		t := u.engine.tap(ctx, src, m)
		part, err := u.engine.store.PutPart(ctx, u.key, u.id, number, Body{t, size}, u.options.Algorithm)
		if err != nil {
			return err
		}
		s.piece = t.piece()
		if s.piece.size != size {
			return fmt.Errorf("object %s: %d of %d bytes of part %d were sent", u.key, s.piece.size, size, number)
		}
		if u.options.Algorithm != None {
			ours := Checksum{u.options.Algorithm, encodeSum(s.piece.sum), false}
			if err := verify(u.key, ours, part.Checksum); err != nil {
				return err
			}
			part.Checksum = ours
		}
		part.Number, part.Size = number, size
		s.part = part
		return nil
	})
	return nil
}

func (u *upload) complete(ctx context.Context) (Object, error) {
	var size int64
	list := make([]Part, len(u.parts))
	pieces := make([]piece, len(u.parts))
	for i, s := range u.parts {
		list[i], pieces[i] = s.part, s.piece
		size += s.piece.size
	}
	whole := u.options.Algorithm.combine(pieces)
	obj, err := u.engine.store.Complete(ctx, u.key, u.id, list, size, whole, u.options)
	if err != nil {
		return Object{}, err
	}
	if err := verify(u.key, whole, obj.Checksum); err != nil {
		return Object{}, err
	}
	obj.Key, obj.Size = u.key, size
	if whole.Value != "" {
		obj.Checksum = whole
	}
	return obj, nil
}
