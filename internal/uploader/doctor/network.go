package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/explain"
)

// Names of the services, as findings have them.
const (
	idpName     = "the identity provider"
	issuerName  = "whoever gives credentials"
	storageName = "S3"
)

const (
	reachTime = 20 * time.Second // for one host
	// STS takes a token until five minutes after its end, so a clock may be off by that; S3 takes a quarter of an hour.
	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
	clockLimit = 5 * time.Minute
	clockWarn  = time.Minute
)

// measured is what one server's clock is ahead of ours.
type measured struct {
	host  string
	ahead time.Duration
}

// network reaches each host the way the commands do: name, proxy, connection, certificate, an answer of any kind.
func (d *Doctor) network(ctx context.Context) {
	c := d.clouds
	for _, s := range []struct {
		service string
		host    Host
	}{{idpName, c.IDP}, {issuerName, c.Issuer}, {storageName, c.S3}} {
		if ctx.Err() != nil {
			return
		}
		found, err := d.reach(ctx, s.host)
		if err != nil {
			d.failed[networkOf(s.service)] = true
			e := explain.Explanation{Code: s.host.Code, Message: s.host.Name + ", " + found + ": " + explain.Cause(err), Hint: explain.Network(err)}
			if ctx.Err() == nil {
				d.note(StepNetwork, e)
			}
			continue
		}
		d.ok(StepNetwork, s.host.Name+", "+found)
	}
}

// reach asks a host for its front page. The text says how far it came.
func (d *Doctor) reach(ctx context.Context, h Host) (text string, err error) {
	u, err := url.Parse(h.URL)
	if err != nil {
		return "its URL", err
	}
	text = u.Host
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var way path
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, way.trace()), http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return text, err
	}
	if p := proxyOf(h.Client, r); p != "" {
		text += " through proxy " + p
	}
	if h.CA != "" {
		text += " (CAs: " + h.CA + ")"
	}
	sent := d.Now()
	resp, err := h.Client.Do(r)
	text += way.String()
	if err != nil {
		return text, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10)) // HEAD has no body; servers that send one are let be
	d.measured(u.Host, resp.Header, sent, d.Now())
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return text, fmt.Errorf("the proxy answers %s", resp.Status)
	}
	if resp.TLS != nil {
		text += certificate(resp.TLS)
	}
	return text, nil
}

// path is how far a request came.
type path struct{ address string }

func (p *path) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { p.address = c.Conn.RemoteAddr().String() }}
}

func (p *path) String() string {
	if p.address == "" {
		return ""
	}
	return " at " + p.address
}

// proxyOf is the proxy that a request would take, without its password.
func proxyOf(client *http.Client, r *http.Request) string {
	t, ok := client.Transport.(*http.Transport)
	if !ok || t.Proxy == nil {
		return ""
	}
	proxy, err := t.Proxy(r)
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Scheme + "://" + proxy.Host
}

func certificate(state *tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	leaf := state.PeerCertificates[0]
	issuer := leaf.Issuer.CommonName
	if len(leaf.Issuer.Organization) > 0 {
		issuer = strings.Join(leaf.Issuer.Organization, " ")
	}
	return fmt.Sprintf(", %s, certificate by %s until %s", tls.VersionName(state.Version), issuer, leaf.NotAfter.UTC().Format(time.DateOnly))
}

// measured notes what the Date of an answer says of our clock. Answers out of a cache have an old date.
func (d *Doctor) measured(host string, h http.Header, sent, received time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" {
		return
	}
	// Date has whole seconds, rounded down.
	ahead := date.Add(500 * time.Millisecond).Sub(sent.Add(received.Sub(sent) / 2))
	d.measure = append(d.measure, measured{host, ahead})
}

// clock compares our clock with those of the servers.
func (d *Doctor) clock(context.Context) {
	if len(d.measure) == 0 {
		d.warn(StepClock, "no server says what time it is", "check that the clock is kept by NTP (timedatectl, chronyc tracking)")
		return
	}
	worst := d.measure[0]
	for _, m := range d.measure[1:] {
		if m.ahead.Abs() > worst.ahead.Abs() {
			worst = m
		}
	}
	d.offset = worst.ahead
	const hint = "set the clock, and keep it by NTP (chronyc makestep, timedatectl set-ntp true, w32tm /resync)"
	switch off := worst.ahead.Abs(); {
	case off >= clockLimit:
		d.fail(StepClock, explain.Explanation{Code: explain.Other, Message: fmt.Sprintf("%s: tokens and signatures will be refused", said(worst)), Hint: hint})
	case off >= clockWarn:
		d.warn(StepClock, fmt.Sprintf("%s: at %v and more tokens are refused", said(worst), clockLimit), hint)
	default:
		d.ok(StepClock, fmt.Sprintf("within %v of the servers' clocks", (off+time.Second).Truncate(time.Second)))
	}
}

func said(m measured) string {
	direction := "behind"
	if m.ahead < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("this host's clock is %v %s that of %s", m.ahead.Abs().Round(time.Second), direction, m.host)
}
