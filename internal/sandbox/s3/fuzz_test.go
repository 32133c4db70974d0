package s3

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/sigv4"
)

func FuzzChunkReader(f *testing.F) {
	for _, seed := range []string{
		"", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "-1\r\n", "fffffffffffffffff\r\n",
		"5;chunk-signature=00\r\nhello\r\n0;chunk-signature=00\r\n\r\n", "5\r\nhel", "0\r\na:b\na:c\r\n\r\n", "3fffffffffffffff\r\nx",
	} {
		for kind := range 3 {
			f.Add([]byte(seed), kind)
		}
	}
	kinds := []string{streamingUnsignedTrail, streamingSigned, streamingSignedTrailer}
	f.Fuzz(func(t *testing.T, body []byte, kind int) {
		payload := kinds[uint(kind)%3]
		signed := sigv4.Signed{PayloadHash: payload, SigningKey: []byte("key"), Time: time.Unix(0, 0), Signature: strings.Repeat("0", 64)}
		r := newChunkReader(bytes.NewReader(body), signed)
		data, err := io.ReadAll(r)
		if len(data) > len(body) {
			t.Fatalf("%d bytes out of %d", len(data), len(body))
		}
		if err != nil {
			return
		}
		if payload != streamingUnsignedTrail {
			t.Fatalf("accepted %q, whose signatures nobody with the key has made", body)
		}
		if !bytes.Contains(body, data[:min(len(data), 1)]) || len(r.trailers) > mostTrailers+2 {
			t.Fatalf("read %q and %v from %q", data, r.trailers, body)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=5-", "bytes=-5", "bytes=-0", "bytes=9-1", "bytes=0-1,3-4", "bytes=+1-2", "x", "bytes=99999999999999999999-", "bytes=-9223372036854775807"} {
		f.Add(seed, int64(10))
		f.Add(seed, int64(0))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		size = max(size, 0)
		r, ok := parseRange(header, size)
		if !ok {
			return
		}
		if r.first < 0 || r.size < 0 || r.first > size || r.size > size-r.first {
			t.Fatalf("%q of %d bytes: %+v", header, size, r)
		}
	})
}

func TestParseRange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		header string
		size   int64
		want   byteRange
		ok     bool
	}{
		{"bytes=0-0", 10, byteRange{0, 1}, true},
		{"bytes=2-4", 10, byteRange{2, 3}, true},
		{"bytes=2-", 10, byteRange{2, 8}, true},
		{"bytes=2-99", 10, byteRange{2, 8}, true},
		{"bytes=-3", 10, byteRange{7, 3}, true},
		{"bytes=-99", 10, byteRange{0, 10}, true},
		{"bytes=-0", 10, byteRange{10, 0}, true},
		{"bytes=10-", 10, byteRange{}, true},
		{"bytes=0-", 0, byteRange{}, true},
		{"bytes=4-2", 10, byteRange{}, false},
		{"bytes=0-1,3-4", 10, byteRange{}, false},
		{"items=0-1", 10, byteRange{}, false},
		{"bytes=-", 10, byteRange{}, false},
		{"bytes=+1-2", 10, byteRange{}, false},
	} {
		if got, ok := parseRange(test.header, test.size); got != test.want || ok != test.ok {
			t.Errorf("%s of %d: %+v, %v", test.header, test.size, got, ok)
		}
	}
}

// TestCheckValues compares with the check values of the CRC catalogue (reveng.sourceforge.io/crc-catalogue).
func TestCheckValues(t *testing.T) {
	t.Parallel()
	for a, want := range map[algorithm]string{crc32IEEE: "cbf43926", crc32C: "e3069283", crc64NVME: "ae8b14860a799888"} {
		h := a.new()
		h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: %s", a, got)
		}
	}
}

func TestCombined(t *testing.T) {
	t.Parallel()
	data := []byte(strings.Repeat("combination of checksums ", 4000))
	for _, a := range []algorithm{crc32IEEE, crc32C, crc64NVME} {
		whole := a.new()
		whole.Write(data)
		var pieces []piece
		rest := data
		for _, size := range []int{1, 0, 777, 50_000, 3, len(data)} {
			h, one := a.new(), rest[:min(size, len(rest))]
			h.Write(one)
			pieces, rest = append(pieces, piece{h.Sum(nil), int64(len(one))}), rest[len(one):]
		}
		if got := combined(a, pieces); !bytes.Equal(got, whole.Sum(nil)) {
			t.Errorf("%s: %x, want %x", a, got, whole.Sum(nil))
		}
	}
}
