package ratelimit

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Constants of patience with a service that refuses without saying for how long.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	// spreadBelow is the share of the limit under which the rest is spread over the time until the reset; above it,
	// requests go as they come.
	spreadBelow = 4 // limit/4
	// cautious is the share of the rate at which a bucket was seen to fill that is counted on.
	cautious = 0.95
	// A bucket is watched until it has filled by enough, for figures are whole numbers, but no longer than longSample.
	shortSample = time.Second
	longSample  = 10 * time.Second
	enough      = 8
	// soon is how far ahead the reset of a bucket lies that fills all the time, whose next request is what it waits for; one
	// that is filled at once names the end of its window.
	soon = 2 * time.Second
	// firstWindow is the number of requests in flight before the first answer, which tells what is left.
	firstWindow = 4
	// fullWindow is the number of requests in flight at which the slow start after a refusal ends.
	fullWindow = 64
	// maxAhead is how far ahead a reset may lie; one beyond is not believed.
	maxAhead = time.Hour

	untilAnswer time.Duration = -1
)

// pacer decides when the next request may be sent, from every answer so far. It is safe for concurrent use.
type pacer struct {
	gap time.Duration // between two requests, by our own rate

	mu       sync.Mutex
	next     time.Time // our own rate and the spread of what is left allow no request before
	paused   time.Time // the service allows no request before
	refusals int       // in a row
	window   int       // requests in flight allowed; 0: any number
	flight   int       // requests in flight
	limit    int       // the service's, as last told
	left     int       // requests that the service still takes before reset; meaningful where told
	told     bool
	sent     uint64        // requests let go so far, which numbers them
	heard    uint64        // the newest request whose answer said what is left
	mark     mark          // from where on the bucket is watched
	filling  float64       // requests a second by which it filled when last watched
	rate     float64       // requests a second by which the bucket fills; 0: not known
	at       time.Time     // when that answer came, from which on the bucket fills
	reset    time.Time     // by our clock
	period   int64         // the reset as told, by the service's clock
	changed  chan struct{} // closed and replaced whenever an answer comes
}

// mark is what the answer to one request said.
type mark struct {
	at     time.Time // zero: nothing yet
	number uint64
	left   int
}

func newPacer(perSecond float64) *pacer {
	p := &pacer{changed: make(chan struct{}), window: firstWindow}
	if perSecond > 0 {
		p.gap = time.Duration(float64(time.Second) / perSecond)
	}
	return p
}

// start lets one request go and returns its number and no wait, or returns how long to wait before asking again:
// untilAnswer where only an answer can let it go. changed is closed when one comes.
func (p *pacer) start(now time.Time) (number uint64, wait time.Duration, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// How much there is after a reset only an answer tells: no less than before it, and where that is used up, one
	// request asks and the others wait for it.
	refill := p.refill()
	asking := p.told && p.left <= 0 && !now.Before(refill) && p.flight > 0
	if asking || p.window > 0 && p.flight >= p.window {
		return 0, untilAnswer, p.changed
	}
	at := later(p.paused, p.next)
	if p.told && p.left <= 0 {
		at = later(at, refill)
	}
	if at.After(now) {
		return 0, at.Sub(now), p.changed
	}
	p.flight++
	p.next = now.Add(p.spacing(now))
	if p.told {
		p.left--
	}
	p.sent++
	return p.sent, 0, nil
}

// refill is when there is something again once nothing is left: at the reset, which is told in whole seconds, or sooner
// where it is known how fast the bucket fills.
func (p *pacer) refill() time.Time {
	if p.rate > 0 {
		if at := p.at.Add(p.interval()); at.Before(p.reset) {
			return at
		}
	}
	return p.reset
}

// interval is the time in which the bucket fills by one request.
func (p *pacer) interval() time.Duration { return time.Duration(float64(time.Second) / p.rate) }

// watch works out how fast the bucket fills, from answers to the newest requests of their time. A full bucket does not
// fill, and of two looks in a row the lower one counts. One whose reset lies further ahead is filled at once.
func (p *pacer) watch(number uint64, now time.Time, limit, left int, ahead time.Duration) {
	m := mark{now, number, left}
	took := now.Sub(p.mark.at)
	switch {
	case ahead > soon:
		p.rate, p.filling, p.mark = 0, 0, mark{}
	case p.mark.at.IsZero() || p.mark.left >= limit-1:
		p.mark = m
	case took >= shortSample:
		filled := float64(left-p.mark.left) + float64(number-p.mark.number) - 1
		if filled < enough && took < longSample {
			return
		}
		before := p.filling
		p.filling, p.mark = max(0, filled/took.Seconds()), m
		p.rate = cautious * min(p.filling, before)
	}
}

// spacing is the time to leave before the next request: our own gap, or the even spread of the few that are left.
func (p *pacer) spacing(now time.Time) time.Duration {
	if !p.told || !now.Before(p.reset) || p.left > max(1, p.limit/spreadBelow) {
		return p.gap
	}
	if p.rate > 0 {
		return max(p.gap, p.interval())
	}
	return max(p.gap, p.reset.Sub(now)/time.Duration(max(0, p.left)+1))
}

// failed takes note of a request that got no answer.
func (p *pacer) failed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight--
	p.wake()
}

// answered learns from the answer to the request of that number. jitter, in [0, 1), lengthens a pause by up to a quarter.
func (p *pacer) answered(number uint64, now time.Time, response *http.Response, jitter float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight--
	defer p.wake()
	limit, left, period, told := limits(response)
	if told {
		p.learn(number, now, response, limit, left, period)
	}
	if response.StatusCode != http.StatusTooManyRequests {
		p.refusals = 0
		if p.window > 0 {
			p.window *= 2
		}
		if p.window >= fullWindow {
			p.window = 0
		}
		return
	}
	p.refusals++
	p.rate, p.filling, p.mark = 0, 0, mark{} // it was taken for faster than it is, or others take from it too
	p.window = 1
	pause, ok := retryAfter(now, response)
	if !ok && told && p.reset.After(now) {
		pause, ok = p.reset.Sub(now), true
	}
	if !ok {
		pause = min(maxPause, firstPause<<min(p.refusals-1, 10))
	}
	pause += time.Duration(jitter * float64(min(pause, maxPause)) / 4)
	p.paused = later(p.paused, now.Add(pause))
}

// learn takes over what the service says is left until period.
func (p *pacer) learn(number uint64, now time.Time, response *http.Response, limit, left int, period int64) {
	newest, ahead := number > p.heard, time.Unix(period, 0).Sub(date(now, response))
	if newest {
		p.watch(number, now, limit, left, ahead)
		p.at = now
	}
	left = max(0, left-p.flight) // it does not know of the requests on their way
	p.heard = max(p.heard, number)
	if p.told && period <= p.period {
		// A bucket fills all the time, so the newest request may find more than before. Answers overtake each other: an
		// older one knows nothing of what was taken since, and is believed only where it says that less is left.
		if newest || left < p.left {
			p.left = left
		}
		return
	}
	if ahead > maxAhead {
		return
	}
	p.told, p.limit, p.left, p.period, p.reset = true, limit, left, period, now.Add(ahead)
}

// pausedFor is how long the service takes no request.
func (p *pacer) pausedFor(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.paused.Sub(now))
}

func (p *pacer) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// limits reads x-ratelimit-limit, -remaining and -reset, the last in unix seconds of the service's clock.
// https://auth0.com/docs/troubleshoot/customer-support/operational-policies/rate-limit-policy
func limits(response *http.Response) (limit, left int, reset int64, ok bool) {
	limit, err := strconv.Atoi(response.Header.Get("X-Ratelimit-Limit"))
	if err != nil || limit < 1 {
		return 0, 0, 0, false
	}
	left, err = strconv.Atoi(response.Header.Get("X-Ratelimit-Remaining"))
	if err != nil || left < 0 {
		return 0, 0, 0, false
	}
	reset, err = strconv.ParseInt(response.Header.Get("X-Ratelimit-Reset"), 10, 64)
	return limit, left, reset, err == nil
}

// retryAfter reads Retry-After in both of its forms: seconds, and a date of the service's clock.
func retryAfter(now time.Time, response *http.Response) (time.Duration, bool) {
	value := strings.TrimSpace(response.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(date(now, response))), true
}

// date is the service's clock at the answer, so that a wrong clock on this side does no harm.
func date(now time.Time, response *http.Response) time.Time {
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return now
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
