package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/transfer"
)

// Values of --checksum-mode, named as the SDKs' AWS_REQUEST_CHECKSUM_CALCULATION.
const (
	whenSupported = "when_supported"
	whenRequired  = "when_required"
)

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// Explain implements explain.Self.
func (e *usageError) Explain() explain.Explanation {
	return explain.Explanation{Code: explain.Usage, Message: e.Error(), Hint: "see oidcs3-upload --help"}
}

// bytesValue is a flag in bytes: "16MiB", "16M", "100kB", "8388608".
type bytesValue int64

func (b *bytesValue) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (*bytesValue) Type() string { return "SIZE" }

func (b *bytesValue) Set(text string) error {
	n, err := parseBytes(text)
	*b = bytesValue(n)
	return err
}

// parseBytes reads a number of bytes. K, M, G, T and KiB… are powers of 1,024, kB, MB… of 1,000.
func parseBytes(text string) (int64, error) {
	digits := strings.TrimRight(text, "kKMGTiBb")
	unit := strings.ToLower(text[len(digits):])
	value, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || value < 0 || math.IsInf(value, 0) || math.IsNaN(value) {
		return 0, fmt.Errorf("%q is not a size such as 16MiB", text)
	}
	factor := map[string]float64{"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
		"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12}[unit]
	if factor == 0 || value*factor > 1<<50 {
		return 0, fmt.Errorf("%q is not a size such as 16MiB", text)
	}
	return int64(value * factor), nil
}

// moveFlags are the flags of commands that move bytes.
type moveFlags struct {
	partSize, limitRate bytesValue
	concurrency         int
	stall               time.Duration
}

func (m *moveFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&m.partSize, "part-size", "size of a part, 5MiB to 5GiB (default: from the size of the file)")
	f.Var(&m.limitRate, "limit-rate", "bytes a second at most, for all requests together")
	f.IntVar(&m.concurrency, "concurrency", transfer.DefaultConcurrency, "requests at once, 1 to 256")
	f.DurationVar(&m.stall, "stall-timeout", transfer.DefaultStall, "give up a request, and repeat it, when no byte has moved for so long")
}

func (m *moveFlags) options() (transfer.Options, error) {
	if m.concurrency < 1 {
		return transfer.Options{}, &usageError{err: fmt.Errorf("--concurrency: %d is not within 1 to 256", m.concurrency)}
	}
	if m.stall < time.Second {
		return transfer.Options{}, &usageError{err: fmt.Errorf("--stall-timeout: %v is less than 1s", m.stall)}
	}
	return transfer.Options{Stall: m.stall, Concurrency: m.concurrency, PartSize: int64(m.partSize), BytesPerSec: int64(m.limitRate)}, nil
}

// metadata reads the values of --metadata.
func metadata(pairs []string) (map[string]string, error) {
	m := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" || strings.ContainsFunc(p, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return nil, &usageError{err: fmt.Errorf("--metadata: %q is not name=value in printable ASCII", p)}
		}
		m[strings.ToLower(k)] = v
	}
	return m, nil
}

// tags reads the values of --tag.
func tags(pairs []string) (map[string]string, error) {
	if len(pairs) > 10 {
		return nil, &usageError{err: fmt.Errorf("--tag: an object has at most 10 tags, not %d", len(pairs))}
	}
	m := map[string]string{}
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" || utf8.RuneCountInString(k) > 128 || utf8.RuneCountInString(v) > 256 || !utf8.ValidString(p) {
			return nil, &usageError{err: fmt.Errorf("--tag: %q is not key=value of at most 128 and 256 characters", p)}
		}
		m[k] = v
	}
	return m, nil
}
