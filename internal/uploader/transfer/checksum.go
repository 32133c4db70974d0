package transfer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/minio/crc64nvme"
)

// Algorithm is a checksum algorithm, as --checksum names it.
type Algorithm string

// The algorithms. CRCs of parts combine to the CRC of the whole object; SHA-256 does not, and S3 then keeps the
// checksum of the parts' checksums.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
const (
	None      Algorithm = ""
	CRC64NVME Algorithm = "crc64nvme"
	CRC32     Algorithm = "crc32"
	CRC32C    Algorithm = "crc32c"
	SHA256    Algorithm = "sha256"
)

// nvme is the reversed polynomial of CRC-64/NVME.
const nvme = 0x9a6c9329ac4bc9b5

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

// ParseAlgorithm reads a name as users write it.
func ParseAlgorithm(name string) (Algorithm, error) {
	switch a := Algorithm(strings.ToLower(name)); a {
	case CRC64NVME, CRC32, CRC32C, SHA256:
		return a, nil
	}
	return None, fmt.Errorf("%q is not crc64nvme, crc32, crc32c or sha256", name)
}

// fullObject reports whether the checksums of parts combine.
func (a Algorithm) fullObject() bool { return a == CRC64NVME || a == CRC32 || a == CRC32C }

// newHash is nil for None.
func (a Algorithm) newHash() hash.Hash {
	switch a {
	case CRC64NVME:
		return crc64nvme.New() // forty times the speed of hash/crc64, which has no instructions for it
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoliTable)
	case SHA256:
		return sha256.New()
	}
	return nil
}

// size is the length of a checksum in bytes.
func (a Algorithm) size() int {
	switch a {
	case CRC64NVME:
		return 8
	case CRC32, CRC32C:
		return 4
	case SHA256:
		return sha256.Size
	}
	return 0
}

func encodeSum(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// piece is the checksum of consecutive bytes.
type piece struct {
	sum  []byte
	size int64
}

// combine is the checksum of an object from those of its pieces, in order.
func (a Algorithm) combine(pieces []piece) Checksum {
	switch a {
	case None:
		return Checksum{}
	case SHA256:
		h := sha256.New()
		for _, p := range pieces {
			_, _ = h.Write(p.sum)
		}
		return Checksum{a, fmt.Sprintf("%s-%d", encodeSum(h.Sum(nil)), len(pieces)), true}
	}
	var whole uint64
	for _, p := range pieces {
		whole = a.shift(whole, p.size) ^ number(p.sum)
	}
	if a == CRC64NVME {
		return Checksum{a, encodeSum(binary.BigEndian.AppendUint64(nil, whole)), false}
	}
	return Checksum{a, encodeSum(binary.BigEndian.AppendUint32(nil, uint32(whole))), false} // #nosec G115 -- 32 bits by construction
}

func number(sum []byte) (n uint64) {
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// shift is the CRC after size zero bytes: crc · x^(8·size) modulo the polynomial. Both CRCs of a concatenation start and
// end with all bits inverted, which cancels out.
func (a Algorithm) shift(crc uint64, size int64) uint64 {
	poly, one := uint64(nvme), uint64(1)<<63
	switch a {
	case CRC32:
		poly, one = crc32.IEEE, 1<<31
	case CRC32C:
		poly, one = crc32.Castagnoli, 1<<31
	}
	square := one >> 8 // x^8, bits reversed
	factor := one      // x^0
	for ; size > 0; size >>= 1 {
		if size&1 == 1 {
			factor = multiply(factor, square, poly, one)
		}
		square = multiply(square, square, poly, one)
	}
	return multiply(crc, factor, poly, one)
}

// multiply is a·b modulo poly, all with their bits reversed; one is the highest bit of that width.
func multiply(a, b, poly, one uint64) (product uint64) {
	for bit := one; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= poly
		}
	}
	return product
}
