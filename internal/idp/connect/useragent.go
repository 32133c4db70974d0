package connect

import (
	"net/http"
	"strings"
)

// Named returns a transport that tells servers who asks: clients of token endpoints have no setting for it. What a client
// says of itself stays behind it. A nil base is the default transport.
func Named(base http.RoundTripper, userAgent string) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if userAgent == "" {
		return base
	}
	return named{base, userAgent}
}

type named struct {
	base      http.RoundTripper
	userAgent string
}

// RoundTrip implements http.RoundTripper.
func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	if own := r.UserAgent(); !strings.Contains(own, n.userAgent) {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", strings.TrimSpace(n.userAgent+" "+own))
	}
	return n.base.RoundTrip(r)
}

// client is the HTTP client of an adapter.
func (o Options) client() *http.Client {
	var base http.RoundTripper
	if o.HTTPClient != nil {
		base = o.HTTPClient.Transport
	}
	return &http.Client{Transport: Named(base, o.UserAgent)}
}
