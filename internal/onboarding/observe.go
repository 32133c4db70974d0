package onboarding

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// Observed is what there is of a server's access.
type Observed struct {
	Role      *iam.Role // nil: gone
	Client    idp.Client
	Row       rolemap.Row // zero: none
	Listed    bool        // the OIDC provider lists the client id
	SecretARN string      // of the stored client secret; empty: not stored
	Journal   Journal
	Drift     []string // what an update mends, in words; what attributes of their own show is not repeated
	Foreign   []string // what is on the role and not ours: shown, never touched
	Resolved  Resolved
}

// Gone reports whether nothing is left.
func (o Observed) Gone() bool {
	return o.Role == nil && !o.Client.Exists() && o.Row == (rolemap.Row{}) && o.SecretARN == ""
}

// Reference says which onboarding is meant, from what was remembered of it.
type Reference struct {
	ClientID     string      // empty: not known
	SecretID     string      // idp.Client's, of the secret that is remembered; empty: the one that the identity provider shows
	OnboardingID string      // empty: not known
	RoleARN      string      // empty: not known
	Storage      Storage     // of the client secret so far
	Table        string      // mapping table in which there may be a row; empty: as is wanted now
	ProviderARN  string      // OIDC provider that may list the client; empty: as is wanted now
	Mode         access.Mode // trust mode so far; empty: not known
}

// remembersSecretOf reports whether who remembers the reference knows better than the identity provider which of the
// client's secrets is in use.
func (r Reference) remembersSecretOf(client idp.Client) bool {
	return r.SecretID != "" && client.ID == r.ClientID
}

// informed adds which secret is in use where the journal knows it better: where the secret is in a storage, which others may
// have put a new one into, and where the caller does not remember.
func (r Reference) informed(j Journal) Reference {
	if j.SecretID != "" && j.ClientID == cmp.Or(r.ClientID, j.ClientID) && (r.SecretID == "" || r.Storage != State) {
		r.ClientID, r.SecretID = j.ClientID, j.SecretID
	}
	return r
}

// Observe reads a server's access and compares it with what is wanted. What is missing is reported as drift; it fails
// only where it cannot tell. Reads may be shared with other servers of the run.
func (c *Controller) Observe(ctx context.Context, want Resolved, ref Reference) (Observed, error) {
	o := Observed{Resolved: want}
	role, err := c.roles.Look(ctx, want.Name())
	if apierror.Is(err, apierror.NotFound) && ref.RoleARN != "" {
		role, err = insist(ctx, c, func() (iam.Role, error) { return c.roles.Read(ctx, want.Name()) })
	}
	switch {
	case err == nil && parseJournal(role.Tags).foreignTo(ref.OnboardingID):
		// The name is another onboarding's now, from another state: nothing of it is this one's to show, change or remove.
	case err == nil:
		o.Role, o.Journal = &role, parseJournal(role.Tags)
		want.Disabled = ShutOut(role) // which is shown by itself, and is no drift besides
		o.Resolved = want
	case !apierror.Is(err, apierror.NotFound):
		return o, fmt.Errorf("read role %s: %w", want.Name(), err)
	}
	if ref.OnboardingID == "" {
		ref.OnboardingID = o.Journal.OnboardingID
	}
	for _, id := range slices.Compact([]string{ref.ClientID, o.Journal.ClientID}) {
		if id == "" || o.Client.Exists() {
			continue
		}
		if o.Client, err = c.lookUp(ctx, want.Desired, id); err != nil {
			return o, err
		}
	}
	if id := cmp.Or(ref.ClientID, o.Journal.ClientID); id != "" && !o.Client.Exists() {
		if o.Client, err = c.insistOnClient(ctx, want.Desired, id); err != nil {
			return o, err
		}
	}
	if ref.OnboardingID != "" && !o.Client.Exists() && (o.Role == nil || ref.ClientID == "") {
		// One that was made and never got to be known by its id: before all is called gone, it is looked for.
		if o.Client, err = c.find(ctx, want.Desired, "", ref.OnboardingID, o.role()); err != nil {
			return o, err
		}
	}
	if ref = ref.informed(o.Journal); ref.remembersSecretOf(o.Client) {
		o.Client.Secret, o.Client.SecretID = "", ref.SecretID
	}
	w := c.begin(want, ref)
	w.id, w.client, w.shared = ref.OnboardingID, o.Client, true
	w.role = o.role()
	if err := c.observeAround(ctx, w, ref.ClientID); err != nil {
		return o, err
	}
	o.Row, o.Listed, o.SecretARN = w.row, w.listed, w.stored
	o.Drift, o.Foreign = w.drift(), w.foreign()
	return o, nil
}

// role is the role that was read; the zero Role where there is none.
func (o Observed) role() iam.Role {
	if o.Role == nil {
		return iam.Role{}
	}
	return *o.Role
}

// lookUp reads a client by its id; the zero Client where it is gone.
func (c *Controller) lookUp(ctx context.Context, d Desired, id string) (idp.Client, error) {
	client, err := c.clients.Find(ctx, idp.Lookup{ID: id, Audience: d.Identity.Audience})
	if apierror.Is(err, apierror.NotFound) {
		return idp.Client{}, nil
	}
	if err != nil {
		return idp.Client{}, fmt.Errorf("read client %s: %w", id, err)
	}
	return client, nil
}

// find reads a client itself, by its id or else by its onboarding; the zero Client where there is none.
// A client is made after its role, so one of the same name that is older than that is another's.
func (c *Controller) find(ctx context.Context, d Desired, id, onboardingID string, role iam.Role) (idp.Client, error) {
	client, err := c.clients.Find(ctx, idp.Lookup{
		ID: id, OnboardingID: onboardingID, Name: d.Name(), Since: role.Created, Audience: d.Identity.Audience, Fresh: true,
	})
	if apierror.Is(err, apierror.NotFound) {
		return idp.Client{}, nil
	}
	if err != nil {
		return idp.Client{}, fmt.Errorf("look for the client of onboarding %s: %w", onboardingID, err)
	}
	return client, nil
}

// observeAround reads what belongs to role and client besides themselves. remembered is the id of the client as the
// state knows it; what still stands for a client that is gone is found by that id or by the journal's.
func (c *Controller) observeAround(ctx context.Context, w *work, remembered string) error {
	was := parseJournal(w.role.Tags)
	w.remembered = cmp.Or(remembered, was.ClientID)
	w.held = cmp.Or(w.held, was.Storage)
	var err error
	if w.stored, w.kept, err = c.readStored(ctx, w.want.Desired, w.want.storage()); err != nil {
		return err
	}
	for _, id := range []string{remembered, was.ClientID} {
		if id != "" && id != w.client.ID {
			w.gone = id
		}
	}
	if w.want.Mode == access.Vending || was.Mode == access.Vending {
		if err := c.observeRow(ctx, w); err != nil {
			return err
		}
	}
	return c.observeList(ctx, w, was)
}

// observeList finds out where the client, or the one that is gone, stands or may stand in the list of an OIDC provider.
// That it does not is believed only of the list that it is to be in: a stale read there costs an addition that has no
// effect, a stale read elsewhere would leave an entry behind for ever.
func (c *Controller) observeList(ctx context.Context, w *work, was Journal) error {
	may := was.Mode == access.AZP || w.was == access.AZP
	if w.role.Name == "" && w.provider != "" { // a role that is gone took its journal along
		list, err := c.list(ctx, w.provider)
		if err != nil {
			return err
		}
		may = slices.Contains(list, w.client.ID) || slices.Contains(list, w.gone)
	}
	if may && w.provider != "" {
		w.unlisted = w.gone
		w.stale = w.client.Exists() && (w.want.Mode != access.AZP || w.want.Identity.ProviderARN != w.provider)
	}
	if w.want.Mode != access.AZP {
		return nil
	}
	list, err := c.list(ctx, w.want.Identity.ProviderARN)
	w.listed = w.client.Exists() && slices.Contains(list, w.client.ID)
	return err
}

// list reads an OIDC provider's client IDs; there are none where there is no provider.
func (c *Controller) list(ctx context.Context, arn string) ([]string, error) {
	provider, err := c.roles.OIDCProvider(ctx, arn)
	if err != nil && !apierror.Is(err, apierror.NotFound) {
		return nil, fmt.Errorf("read the OIDC provider %s: %w", arn, err)
	}
	return provider.ClientIDs, nil
}

// observeRow reads the mapping row of the client, or of the one that is gone.
func (c *Controller) observeRow(ctx context.Context, w *work) error {
	look := c.mappings.Read
	if w.shared {
		look = c.mappings.Look
	}
	for _, id := range []string{w.gone, w.client.ID} {
		if id == "" || w.table == "" {
			continue
		}
		row, err := look(ctx, w.table, c.rowKey(w.want.Issuer, id))
		if apierror.Is(err, apierror.NotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the mapping row of client %s: %w", id, err)
		}
		w.row = row
	}
	return nil
}

// rowKey is the mapping table's key: a client id of Cognito stands alone, others are told apart by their issuer.
func (c *Controller) rowKey(issuer, clientID string) string {
	if c.clients.Kind() == idp.Cognito {
		return clientID
	}
	return rolemap.Key(issuer, clientID)
}

// drift says what an update would mend.
func (w *work) drift() []string {
	var drift []string
	add := func(format string, args ...any) { drift = append(drift, fmt.Sprintf(format, args...)) }
	if w.role.Name == "" {
		add("role %s is missing", w.name())
	} else if j := parseJournal(w.role.Tags); j.Phase == Pending {
		add("onboarding of role %s is not finished", w.name())
	} else if tags := w.missingJournal(); len(tags) > 0 {
		add("role %s has not the tags %v", w.name(), tags)
	}
	if deny, ok := w.role.InlinePolicies[access.RevocationPolicy]; w.role.Name != "" && w.want.Disabled != (ok && access.Equivalent(deny, access.RevokeAll())) {
		if w.want.Disabled {
			add("sessions of role %s are not revoked", w.name())
		} else {
			add("policy %s denies everything to role %s", access.RevocationPolicy, w.name())
		}
	}
	for _, part := range w.c.clients.Parts() {
		drift = append(drift, part.Deviations(w.client, w.spec())...)
	}
	if where := w.want.storage(); where != State && w.stored == "" {
		add("client secret %s is not stored (%s)", w.want.SecretName(), where)
	} else if w.outdated() {
		add("stored client secret %s is not the client's (%s)", w.want.SecretName(), where)
	}
	if w.client.Exists() {
		if w.want.Mode == access.Vending && w.role.Name != "" && w.row != w.wantedRow() {
			add("mapping row of client %s is missing or differs", w.client.ID)
		}
		if w.want.Mode == access.AZP && !w.listed {
			add("OIDC provider %s does not list client %s", w.want.Identity.ProviderARN, w.client.ID)
		}
	}
	return drift
}

// missingJournal lists the journal's tags that are absent or wrong.
func (w *work) missingJournal() []string {
	want := w.finished().taking(w.role.Tags)
	delete(want, tagLock) // who held it last does not matter
	if w.id == "" {
		want[tagID] = "(new)"
	}
	set, _ := difference(w.role.Tags, want)
	return slices.Sorted(maps.Keys(set))
}

// foreign lists what others have put on the role.
func (w *work) foreign() []string {
	var foreign []string
	for _, policy := range slices.Sorted(maps.Keys(w.role.InlinePolicies)) {
		if !isOurs(policy) {
			foreign = append(foreign, "inline policy "+policy)
		}
	}
	for _, arn := range w.role.AttachedPolicies {
		foreign = append(foreign, "attached policy "+arn)
	}
	return foreign
}
