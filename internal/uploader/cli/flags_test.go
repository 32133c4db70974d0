package cli

import "testing"

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"8388608": 8388608, "8MiB": 8 << 20, "8M": 8 << 20, "8MB": 8e6, "1.5k": 1536, "100kB": 100e3, "2G": 2 << 30, "1T": 1 << 40, "0": 0, "7B": 7} {
		if got, err := parseBytes(text); got != want || err != nil {
			t.Errorf("parseBytes(%s) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "M", "-1", "1X", "1MM", "NaN", "Inf", "1e99", "2000T"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("parseBytes(%s) = %d", text, got)
		}
	}
}

func FuzzParseBytes(f *testing.F) {
	for _, seed := range []string{"8MiB", "1e3", ".5k", "-0", "9999999999999999T"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseBytes(text); err == nil && (n < 0 || n > 1<<50) {
			t.Errorf("parseBytes(%q) = %d", text, n)
		}
	})
}
