package onboarding

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// TagPrefix begins the key of every tag that is the journal's own. Users' tags must not begin with it.
const TagPrefix = "oidcs3:"

// The journal's tags. IAM keeps at most 50 tags on a role; these take JournalTags of them.
const (
	tagServer      = TagPrefix + "server"
	tagEnvironment = TagPrefix + "environment"
	tagProvider    = TagPrefix + "identity-provider"
	tagID          = TagPrefix + "onboarding-id"
	tagClient      = TagPrefix + "client-id"
	tagMode        = TagPrefix + "trust-mode"
	tagPhase       = TagPrefix + "phase"
	tagStorage     = TagPrefix + "secret-storage"
	tagSecret      = TagPrefix + "client-secret-id"
	tagLock        = TagPrefix + "lock"

	JournalTags = 10
)

// Phase is how far an onboarding has come.
type Phase string

// The phases.
const (
	Pending Phase = "pending" // begun and not committed: nobody can assume the role
	Ready   Phase = "ready"   // committed
	Unknown Phase = ""        // the role has no journal: something else made it
)

// Journal is what the role's tags say about its onboarding.
type Journal struct {
	Server, Environment string
	Provider            idp.Kind
	OnboardingID        string
	ClientID            string // empty until the client exists
	Mode                access.Mode
	Storage             Storage // of the client secret
	SecretID            string  // idp.Client's, of the secret in use; empty: the identity provider tells
	Phase               Phase
	Holder              string    // who is at work; empty: nobody
	Until               time.Time // when the holder's claim ends
}

// parseJournal reads the tags of a role. What does not parse counts as absent.
func parseJournal(tags map[string]string) Journal {
	j := Journal{
		Server:       tags[tagServer],
		Environment:  tags[tagEnvironment],
		Provider:     idp.Kind(tags[tagProvider]),
		OnboardingID: tags[tagID],
		ClientID:     tags[tagClient],
		Mode:         access.Mode(tags[tagMode]),
	}
	if storage := tags[tagStorage]; storage != stateTag {
		j.Storage = Storage(storage)
	}
	if secret := tags[tagSecret]; secret != noSecretTag {
		j.SecretID = secret
	}
	switch phase := Phase(tags[tagPhase]); phase {
	case Pending, Ready:
		j.Phase = phase
	}
	if holder, until, ok := strings.Cut(tags[tagLock], "@"); ok {
		if seconds, err := strconv.ParseInt(until, 10, 64); err == nil {
			j.Holder, j.Until = holder, time.Unix(seconds, 0)
		}
	}
	return j
}

// JournalOf reads the journal of a role; it is zero where the role has none.
func JournalOf(role iam.Role) Journal { return parseJournal(role.Tags) }

// taking is the journal's tags, with those that a role has from before and that do not hold any more made to say so: a tag's
// value is not empty, and removing one takes a call of its own.
func (j Journal) taking(have map[string]string) map[string]string {
	tags := j.tags()
	for key, nothing := range map[string]string{tagStorage: stateTag, tagSecret: noSecretTag} {
		if tags[key] == "" && have[key] != "" {
			tags[key] = nothing
		}
	}
	return tags
}

// foreignTo reports whether the journal is that of another onboarding than the one of the id, where both are known.
func (j Journal) foreignTo(onboardingID string) bool {
	return onboardingID != "" && j.OnboardingID != "" && j.OnboardingID != onboardingID
}

// tags writes the journal, so that parseJournal reads it back. Times are kept in whole seconds.
func (j Journal) tags() map[string]string {
	tags := map[string]string{
		tagServer:      j.Server,
		tagEnvironment: j.Environment,
		tagProvider:    string(j.Provider),
		tagID:          j.OnboardingID,
		tagMode:        string(j.Mode),
		tagPhase:       string(j.Phase),
		tagLock:        j.lock(),
	}
	if j.ClientID != "" {
		tags[tagClient] = j.ClientID
	}
	if j.Storage != State {
		tags[tagStorage] = string(j.Storage)
	}
	if j.SecretID != "" {
		tags[tagSecret] = j.SecretID
	}
	return tags
}

func (j Journal) lock() string {
	if j.Holder == "" {
		return "none"
	}
	return fmt.Sprintf("%s@%d", j.Holder, j.Until.Unix())
}

// userTags returns the tags of a role that are not the journal's.
func userTags(tags map[string]string) map[string]string {
	user := maps.Clone(tags)
	maps.DeleteFunc(user, func(key, _ string) bool { return strings.HasPrefix(key, TagPrefix) })
	if user == nil {
		user = map[string]string{}
	}
	return user
}

// UserTags returns the tags of the role that are not the journal's.
func (Journal) UserTags(tags map[string]string) map[string]string { return userTags(tags) }

// difference returns what must be set and which keys removed to make have into want.
func difference(have, want map[string]string) (set map[string]string, remove []string) {
	set = map[string]string{}
	for key, value := range want {
		if old, ok := have[key]; !ok || old != value {
			set[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			remove = append(remove, key)
		}
	}
	return set, remove
}
