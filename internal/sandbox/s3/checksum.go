package s3

import (
	"crypto/sha1" // #nosec G505 -- one of S3's checksums
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"math/bits"
	"strconv"
	"strings"
)

// algorithm is one of S3's additional checksums, in S3's spelling.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
type algorithm string

const (
	crc32IEEE algorithm = "CRC32"
	crc32C    algorithm = "CRC32C"
	crc64NVME algorithm = "CRC64NVME"
	sha1Sum   algorithm = "SHA1"
	sha256Sum algorithm = "SHA256"

	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"

	// nvme is the reflected polynomial of CRC-64/NVME.
	nvme = 0x9A6C9329AC4BC9B5
)

var (
	algorithms     = []algorithm{crc32IEEE, crc32C, crc64NVME, sha1Sum, sha256Sum}
	nvmeTable      = crc64.MakeTable(nvme)
	castagnoli     = crc32.MakeTable(crc32.Castagnoli)
	checksumPrefix = "x-amz-checksum-"
)

// header is the name of the header or trailer with the value, in lower case.
func (a algorithm) header() string { return checksumPrefix + strings.ToLower(string(a)) }

func (a algorithm) known() bool {
	for _, one := range algorithms {
		if a == one {
			return true
		}
	}
	return false
}

func (a algorithm) new() hash.Hash {
	switch a {
	case crc32IEEE:
		return crc32.NewIEEE()
	case crc32C:
		return crc32.New(castagnoli)
	case sha1Sum:
		return sha1.New() // #nosec G401 -- the client asked for it
	case sha256Sum:
		return sha256.New()
	}
	return crc64.New(nvmeTable)
}

// types returns the checksum types that a multipart upload may have, the default first.
func (a algorithm) types() []string {
	switch a {
	case crc64NVME:
		return []string{fullObject}
	case crc32IEEE, crc32C:
		return []string{composite, fullObject}
	}
	return []string{composite}
}

// checksum is a value with its algorithm. Composite values end in "-" and the number of parts.
type checksum struct {
	algorithm algorithm
	kind      string // fullObject or composite
	value     string // base64
}

func encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// compositeOf is the checksum of the parts' checksums.
func compositeOf(a algorithm, sums [][]byte) string {
	h := a.new()
	for _, sum := range sums {
		h.Write(sum)
	}
	return encode(h.Sum(nil)) + "-" + strconv.Itoa(len(sums))
}

// piece is the CRC of one part and the part's size in bytes.
type piece struct {
	sum  []byte
	size int64
}

// combined is the CRC of all pieces in a row.
func combined(a algorithm, pieces []piece) []byte {
	width, polynomial := 32, uint64(crc32.IEEE)
	switch a {
	case crc32C:
		polynomial = crc32.Castagnoli
	case crc64NVME:
		width, polynomial = 64, nvme
	}
	f := field{width, polynomial}
	var crc uint64
	for _, p := range pieces {
		crc = f.times(f.shift(p.size), crc) ^ number(p.sum)
	}
	out := binary.BigEndian.AppendUint64(nil, crc)
	return out[8-width/8:]
}

func number(sum []byte) uint64 {
	var n uint64
	for _, b := range sum {
		n = n<<8 | uint64(b)
	}
	return n
}

// field is the arithmetic of polynomials over GF(2) modulo a CRC's own polynomial. The highest bit is the coefficient of
// x^0, as in every reflected CRC. The CRC of A followed by B is CRC(A)·x^(8·len(B)) + CRC(B).
type field struct {
	width      int
	polynomial uint64
}

func (f field) times(a, b uint64) uint64 {
	var product uint64
	for bit := uint64(1) << (f.width - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		b ^= carry * f.polynomial
	}
	return product
}

// shift is x^(8·n).
func (f field) shift(n int64) uint64 {
	result := uint64(1) << (f.width - 1)
	square := uint64(1) << (f.width - 1 - 8)
	for n := uint64(max(n, 0)); bits.Len64(n) > 0; n >>= 1 { //nolint:gosec // never negative
		if n&1 != 0 {
			result = f.times(result, square)
		}
		square = f.times(square, square)
	}
	return result
}
