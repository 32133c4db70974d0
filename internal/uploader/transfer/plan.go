package transfer

import "fmt"

// planPartSize is the size of all parts but the last for a file of size bytes: the wanted size where it is given,
// otherwise the default, doubled until MaxParts parts suffice.
func planPartSize(size, wanted int64) (int64, error) {
	if size > MaxObject {
		return 0, fmt.Errorf("%d bytes are more than the %d that one S3 object holds", size, int64(MaxObject))
	}
	if wanted > 0 {
		if parts(size, wanted) > MaxParts {
			return 0, fmt.Errorf("%d bytes in parts of %d are more than %d parts: use larger parts", size, wanted, MaxParts)
		}
		return wanted, nil
	}
	part := int64(DefaultPartSize)
	for parts(size, part) > MaxParts {
		part = min(2*part, MaxPartSize)
	}
	return part, nil
}

func parts(size, part int64) int64 { return (size + part - 1) / part }

// streamPartSize is the size of a part of a stream whose end nobody knows: it doubles every 1,000 parts, so that a
// stream starts with small buffers and may still become 1.5 TiB long (parts of 8 MiB to 256 MiB).
func streamPartSize(number int32, wanted int64) int64 {
	if wanted > 0 {
		return wanted
	}
	return 8 << 20 << min((number-1)/1000, 5)
}
