package transfer

import (
	"context"
	"errors"
)

// Holds reports whether the object of key has the bytes of the file, by its size and a checksum of the whole object. It
// is false where there is no object, or none with such a checksum. It fails where S3 does not say: a server that may only
// write is refused.
func (e *Engine) Holds(ctx context.Context, file Found, key string) (bool, error) {
	obj, err := e.store.Head(ctx, key)
	if code := errorCode(err); code == "NotFound" || code == "NoSuchKey" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	src, err := openSource(file, false)
	if err != nil {
		return false, err
	}
	defer func() { _ = src.Close() }()
	if obj.Size != src.size() || obj.Checksum.Composite || obj.Checksum.Algorithm.newHash() == nil {
		return false, nil
	}
	if err := e.verifyFile(src.File, obj); err != nil {
		if errors.As(err, new(*MismatchError)) {
			return false, nil
		}
		return false, err
	}
	return true, src.unchanged()
}
