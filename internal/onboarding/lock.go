package onboarding

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// A claim on a pending role runs out, so that a crash does not lock a server for ever. Its holder renews it while at
// work; another apply takes over only when it has run out. The times are the holders' own clocks: they must agree to
// within claimSlack.
const (
	claimTime  = 30 * time.Second
	claimRenew = 10 * time.Second // before its end
	claimSlack = 5 * time.Second
	claimPoll  = 2 * time.Second
)

// claim is this process's hold on the lock of one server.
type claim struct {
	c      *Controller
	role   string
	holder string

	mu    sync.Mutex
	until time.Time // zero: not held
}

func (k *claim) expiry() time.Time { return k.c.clock.Now().Add(claimTime).Truncate(time.Second) }

func (k *claim) took(until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = until
}

// release lets go of the claim, and returns how long it would have lasted.
func (k *claim) release() (until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	until, k.until = k.until, time.Time{}
	return until
}

// keep makes sure that the claim is still ours, renewing it when it is about to run out. It fails with *Lost where
// another apply has taken the role over.
func (k *claim) keep(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.c.clock.Now()
	if k.until.IsZero() || now.Before(k.until.Add(-claimRenew)) {
		return nil
	}
	if !now.Before(k.until) { // it ran out: somebody may have come
		role, err := k.c.roles.Read(ctx, k.role)
		if apierror.Is(err, apierror.NotFound) {
			return &Lost{Role: k.role}
		}
		if err != nil {
			return fmt.Errorf("look who holds role %s: %w", k.role, err)
		}
		if j := parseJournal(role.Tags); j.Holder != k.holder {
			return &Lost{Role: k.role, Holder: j.Holder}
		}
	}
	until := k.expiry()
	j := Journal{Holder: k.holder, Until: until}
	if err := k.c.roles.Tag(ctx, k.role, map[string]string{tagLock: j.lock()}); err != nil {
		return fmt.Errorf("renew the hold on role %s: %w", k.role, err)
	}
	k.until = until
	return nil
}

// renew keeps the claim until the context ends. A failure is left for the next keep to report.
func (k *claim) renew(ctx context.Context) {
	for k.c.clock.Sleep(ctx, claimRenew) == nil {
		_ = k.keep(ctx)
	}
}

// takeOver makes an unfinished onboarding, whose role was found, this process's own. It waits while the claim on it
// lasts and fails with *Busy where its holder is alive, with *Owned where it is finished.
func (k *claim) takeOver(ctx context.Context, d Desired, role iam.Role) (iam.Role, error) {
	first := parseJournal(role.Tags)
	for {
		j := parseJournal(role.Tags)
		if err := resumable(d, k.c.clients.Kind(), role, j); err != nil {
			return iam.Role{}, err
		}
		if j.Until.After(first.Until) || j.OnboardingID != first.OnboardingID {
			return iam.Role{}, &Busy{Role: role.Name, Holder: j.Holder}
		}
		if j.Holder == "" || k.c.clock.Now().After(j.Until.Add(claimSlack)) {
			break
		}
		if err := k.c.clock.Sleep(ctx, claimPoll); err != nil {
			return iam.Role{}, fmt.Errorf("wait for the apply that holds role %s: %w", role.Name, err)
		}
		var err error
		if role, err = k.c.roles.Read(ctx, role.Name); err != nil {
			return iam.Role{}, fmt.Errorf("look who holds role %s: %w", k.role, err)
		}
	}
	until := k.expiry()
	mark := Journal{Holder: k.holder, Until: until}
	if err := k.c.roles.Tag(ctx, role.Name, map[string]string{tagLock: mark.lock()}); err != nil {
		return iam.Role{}, fmt.Errorf("take over role %s: %w", role.Name, err)
	}
	// Two that come at once both write; whoever is seen after both have written has won.
	if err := k.c.clock.Sleep(ctx, claimPoll); err != nil {
		return iam.Role{}, err
	}
	role, err := k.c.roles.Read(ctx, role.Name)
	if err != nil {
		return iam.Role{}, fmt.Errorf("take over role %s: %w", k.role, err)
	}
	if j := parseJournal(role.Tags); j.Holder != k.holder {
		return iam.Role{}, &Busy{Role: role.Name, Holder: j.Holder}
	}
	k.took(until)
	return role, nil
}

// resumable refuses a role that is not an unfinished onboarding of the server at the identity provider.
func resumable(d Desired, kind idp.Kind, role iam.Role, j Journal) error {
	switch {
	case j.Phase == Pending && j.Provider != "" && j.Provider != kind:
		return &Refusal{Reason: fmt.Sprintf("role %s carries an onboarding at %s that was not finished, and its client is there", role.Name, j.Provider),
			Advice: "Apply the configuration that began it, or apply and destroy it; then apply this one."}
	case j.Phase == Unknown, j.OnboardingID == "":
		return &Owned{Role: role.Name, ImportID: d.ID(), Reason: "it was not made by oidcs3"}
	case j.Server != d.Server || j.Environment != d.Environment:
		return &Owned{Role: role.Name, Reason: fmt.Sprintf("it belongs to server %s of environment %s", j.Server, j.Environment)}
	case j.Phase == Ready:
		return &Owned{Role: role.Name, ImportID: d.ID(), Reason: "the server has been onboarded already"}
	}
	return nil
}

// Owned means that the role's name is taken by something that this apply must not touch.
type Owned struct {
	Role     string
	Reason   string
	ImportID string // what to import, where that is the way on
}

func (o *Owned) Error() string { return fmt.Sprintf("role %s exists: %s", o.Role, o.Reason) }

// Busy means that another apply is onboarding the same server right now.
type Busy struct {
	Role   string
	Holder string
}

func (b *Busy) Error() string {
	return fmt.Sprintf("role %s is held by another apply that is at work (%s)", b.Role, b.Holder)
}

// Lost means that another apply has taken over what this one had begun, after this one stood still for too long.
type Lost struct {
	Role   string
	Holder string // empty: the role is gone
}

func (l *Lost) Error() string {
	if l.Holder == "" {
		return fmt.Sprintf("role %s was removed by another apply", l.Role)
	}
	return fmt.Sprintf("role %s was taken over by another apply (%s)", l.Role, l.Holder)
}
