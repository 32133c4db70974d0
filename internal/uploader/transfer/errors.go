package transfer

import "fmt"

// MismatchError says that the bytes that were sent or received are not the bytes that S3 has.
type MismatchError struct{ Key, Ours, Theirs string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("object %s: checksum mismatch: %s here, %s at S3", e.Key, e.Ours, e.Theirs)
}

// ChangedError says that a file or object changed while it was being transferred.
type ChangedError struct {
	What string
	Err  error // may be nil
}

func (e *ChangedError) Error() string { return e.What + " changed during the transfer" }

func (e *ChangedError) Unwrap() error { return e.Err }

// LocalError is a failure of this host's files: unreadable, no space left.
type LocalError struct {
	Doing string
	Err   error
}

func (e *LocalError) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *LocalError) Unwrap() error { return e.Err }

// AbortError says that an upload failed, and that its parts could not be removed either.
type AbortError struct {
	Key, UploadID string
	Err           error // why the upload failed
	Abort         error // why the parts are still there
}

func (e *AbortError) Error() string {
	return fmt.Sprintf("%v; upload %s of %s could not be aborted and its parts are still stored: %v", e.Err, e.UploadID, e.Key, e.Abort)
}

func (e *AbortError) Unwrap() error { return e.Err }

// ResumableError says that an upload failed, and that a later run can go on with it.
type ResumableError struct {
	Key string
	Err error
}

func (e *ResumableError) Error() string { return e.Err.Error() }

func (e *ResumableError) Unwrap() error { return e.Err }
