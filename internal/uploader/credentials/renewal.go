package credentials

import (
	"errors"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/token"
)

const (
	renewAtMost = 15 * time.Minute // before their end
	usableFor   = time.Minute      // credentials with less life than this are of no use to a caller
	pauseAfter  = 30 * time.Second // at least, after a renewal that failed while the old credentials are good
	pauseFirst  = time.Second      // at most, after the first failure without any; doubles with each
	pauseAtMost = 30 * time.Second
)

// renewal is when credentials are to be renewed: when a quarter of their life is left, 15 minutes at most, less up to a
// third of that by chance. It is drawn once for each set, so that many processes and hosts that got theirs in one moment
// do not renew them in one moment too.
func renewal(issued, expires time.Time, jitter func(time.Duration) time.Duration) time.Time {
	lead := max(0, min(renewAtMost, expires.Sub(issued)/4))
	return expires.Add(jitter(lead/3) - lead)
}

// postponed is when a renewal that failed for now is tried again.
func postponed(now time.Time, jitter func(time.Duration) time.Duration) time.Time {
	return now.Add(pauseAfter + jitter(pauseAfter)).UTC()
}

// pause is for how long nobody is asked again after so many failures before this one, where there are no credentials left.
func pause(failures int, jitter func(time.Duration) time.Duration) time.Duration {
	p := min(pauseAtMost, pauseFirst<<min(failures, 10))
	return p/2 + jitter(p/2)
}

func usable(expires, now time.Time) bool { return expires.Sub(now) > usableFor }

// refusal reports whether somebody said no, which old credentials must not paper over.
func refusal(err error) bool {
	var idp *token.Refused
	var aws *Refused
	return errors.As(err, &idp) || errors.As(err, &aws)
}
