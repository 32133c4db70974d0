package main

import "testing"

// TestSilence keeps the logs of whoever has asked for logs.
func TestSilence(t *testing.T) {
	t.Parallel()
	for variable, silent := range map[string]bool{"HOME=/root": true, "TF_LOG=debug": false, "TF_LOG_PROVIDER=info": false, "TF_LOG_SDK_PROTO=trace": false, "TF_LOG_PATH=x": false} {
		if got := len(silence([]string{"PATH=/bin", variable})) > 0; got != silent {
			t.Errorf("%s: silent %t, want %t", variable, got, silent)
		}
	}
}
