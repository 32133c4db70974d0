// Package serve gives credentials to programs on the same host over loopback: in the form of the container credentials
// endpoint, or of the EC2 instance metadata service, version 2.
//
// A loopback port is open to every user and every web page on the host, so each request proves three things: it comes
// from a loopback address, it means this host by name (which a rebound DNS name does not), and it knows the token.
// Nothing here asks for credentials: that is the provider's work.
package serve

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options are what both forms work with. All fields but Network are required.
type Options struct {
	Address  string                  // host:port that the listener has
	Provider aws.CredentialsProvider // with a cache of its own
	RoleARN  string                  // shown beside the credentials
	Now      func() time.Time
	Log      *slog.Logger
	Network  bool // serve other hosts too, under the address that they connect to
}

// answer has the names that SDKs read in both forms.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
type answer struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
	RoleARN         string `json:"RoleArn,omitempty"`
	Code            string `json:",omitempty"` // instance metadata only: Success
	Type            string `json:",omitempty"`
	LastUpdated     string `json:",omitempty"`
}

func (o Options) answer(r *http.Request) (answer, error) {
	c, err := o.Provider.Retrieve(r.Context())
	if err != nil {
		return answer{}, err
	}
	return answer{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Token: c.SessionToken,
		Expiration: c.Expires.UTC().Format(time.RFC3339)}, nil
}

// guarded lets through what a program on this host sends by itself, and nothing that a browser, a proxy or, without
// Network, another host does.
func (o Options) guarded(next http.Handler) http.Handler {
	hosts := names(o.Address)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch {
		case !o.Network && !loopback(r.RemoteAddr):
			refuse(w, http.StatusForbidden, "NotLoopback", "only programs on this host are served")
		case !hosts[strings.ToLower(r.Host)] && (!o.Network || !connectedTo(r)):
			refuse(w, http.StatusForbidden, "WrongHost", "the Host header names another host")
		case forwarded(r.Header):
			refuse(w, http.StatusForbidden, "Forwarded", "requests through a proxy are not served")
		case browser(r.Header):
			refuse(w, http.StatusForbidden, "Browser", "requests of a web page are not served")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// connectedTo reports whether the Host header is the very address that the request came in at, which no name is.
func connectedTo(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && names(local.String())[strings.ToLower(r.Host)]
}

// names are the Host headers that mean the listener.
func names(address string) map[string]bool {
	hosts := map[string]bool{address: true}
	if host, port, err := net.SplitHostPort(address); err == nil {
		hosts["localhost:"+port] = true
		if port == "80" {
			hosts[host], hosts["localhost"] = true, true
		}
	}
	return hosts
}

func loopback(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

func forwarded(h http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"} {
		if _, there := h[name]; there {
			return true
		}
	}
	return false
}

// browser knows the headers that no SDK sends and no page can leave out.
func browser(h http.Header) bool {
	for _, name := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Cookie"} {
		if _, there := h[name]; there {
			return true
		}
	}
	return false
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, message})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that is gone has no use for an error
}
