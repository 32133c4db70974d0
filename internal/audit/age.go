package audit

import (
	"fmt"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// age finds what has not been used for long, and what ends soon.
func (a *audit) age(s *subject) {
	if s.journal.Phase != onboarding.Pending {
		a.unused(s)
	}
	for _, credential := range s.shown.Credentials {
		a.expiry(s, credential)
	}
}

// Remembered is how long IAM knows of the last session of a role.
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html
const Remembered = 400 * 24 * time.Hour

// unused goes by the last session of the role, which IAM shows some hours late, or by its creation.
func (a *audit) unused(s *subject) {
	since, message := s.role.LastUsed, "it was last used on "
	if since.IsZero() {
		since, message = s.role.Created, "it has not been used since it was made on "
		if !since.IsZero() && a.Now.Sub(since) > Remembered {
			since, message = a.Now.Add(-Remembered), "it has not been used since "
		}
	}
	if a.UnusedAfter <= 0 || since.IsZero() || a.Now.Sub(since) < a.UnusedAfter {
		return
	}
	a.find(Finding{Kind: Unused, Server: s.id(), Object: s.object(), Message: message + day(since) + days(a.Now.Sub(since))})
}

func days(d time.Duration) string { return fmt.Sprintf(", %d days ago", int(d/(24*time.Hour))) }

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// expiry judges one credential. That a former one ends is as it should be.
func (a *audit) expiry(s *subject, c Credential) {
	if c.Expires == nil || c.Former || c.Expires.After(a.Now.Add(a.ExpiresWithin)) {
		return
	}
	what := "client secret"
	if c.Method == idp.PrivateKeyJWT {
		what = "key"
	}
	f := Finding{Kind: Expiring, Server: s.id(), Object: fmt.Sprintf("%s %s of client %s", what, c.ID, s.shown.ClientID),
		Message: "it expires on " + day(*c.Expires)}
	if !c.Expires.After(a.Now) {
		f.Kind, f.Message = Expired, "it expired on "+day(*c.Expires)
	}
	a.find(f)
}
