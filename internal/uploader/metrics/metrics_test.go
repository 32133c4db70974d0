package metrics_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/metrics"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/serve"
)

func TestSpool(t *testing.T) {
	t.Parallel()
	m := metrics.NewSpool("/var/spool/uploads", "1.2.3")
	m.Uploaded.Add(3)
	m.Waiting.Set(7)
	l, err := serve.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(ctx, l) }()
	t.Run("over HTTP", func(t *testing.T) {
		resp, err := http.Get("http://" + l.Addr().String() + "/metrics") //nolint:noctx // a test's
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		check(t, resp.Body)
	})
	t.Run("in OpenMetrics", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(string(text), "# EOF\n") {
			t.Errorf("%s: %s, %v", resp.Header.Get("Content-Type"), text, err)
		}
	})
	t.Run("in a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "oidcs3.prom")
		for range 2 {
			if err := m.WriteFile(path); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Open(path) //nolint:gosec // a test's
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		check(t, f)
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// check reads the figures with Prometheus's own parser.
func check(t *testing.T, text io.Reader) {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	uploaded, waiting := families["oidcs3_spool_uploaded_files_total"], families["oidcs3_spool_waiting_files"]
	if uploaded == nil || uploaded.Metric[0].Counter.GetValue() != 3 || waiting == nil || waiting.Metric[0].Gauge.GetValue() != 7 {
		t.Errorf("got %v, %v", uploaded, waiting)
	}
	if label := uploaded.Metric[0].Label[0]; label.GetName() != "dir" || label.GetValue() != "/var/spool/uploads" {
		t.Errorf("got the label %v", label)
	}
}
