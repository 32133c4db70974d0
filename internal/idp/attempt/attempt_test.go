package attempt_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp/attempt"
)

func TestTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/drop":
			panic(http.ErrAbortHandler)
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, "answer")
		}
	}))
	defer server.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, sent := range map[string]bool{server.URL + "/drop": true, server.URL + "/slow": true, gone.URL: false, "http://host.invalid": false} {
		ctx, watch := attempt.Follow(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		patience := 30 * time.Second
		if strings.HasSuffix(url, "/slow") {
			patience = 3 * time.Second
		}
		_, err = attempt.Transport{Timeout: patience}.RoundTrip(request) //nolint:bodyclose // there is none
		if e, ok := errors.AsType[*attempt.Error](err); !ok || e.Sent != sent {
			t.Errorf("%s: got %v, want sent to be %v", url, err, sent)
		}
		if watch.Unanswered() != sent {
			t.Errorf("%s: unanswered is %v, want %v", url, watch.Unanswered(), sent)
		}
	}
	ctx, watch := attempt.Follow(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := attempt.Transport{Timeout: 30 * time.Second}.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "answer" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if watch.Unanswered() {
		t.Error("an answered request counts as unanswered")
	}
}
