package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// examine compares one server's access with what oidcs3 would write.
func (a *audit) examine(ctx context.Context, s *subject) {
	switch s.journal.Phase {
	case onboarding.Pending:
		a.unfinished(s)
		a.note(s, s.shown.IdentityProvider, s.shown.ClientID)
		return // what is missing of it is no news
	case onboarding.Unknown:
		a.find(Finding{Kind: Unmanaged, Server: s.id(), Object: s.object(), Message: "it has the name and the policies of a server and none of oidcs3's tags"})
	}
	a.examineRole(s)
	kind, which, err := a.whose(s)
	switch {
	case errors.Is(err, errNobody): // examineRole has said why
		return
	case err != nil:
		a.drift(s, s.object(), err.Error())
		return
	}
	clients, ok := a.observers[kind]
	switch {
	case slices.Contains(a.Ignored, kind):
		a.note(s, kind, which.ID)
		return
	case !ok:
		a.note(s, kind, which.ID)
		a.unread("clients of "+string(kind), cmp.Or(a.Absent[kind], errAbsent))
		return
	}
	a.examineClient(ctx, s, clients, which)
}

var (
	errAbsent = errors.New("servers use it, and nothing says where it is")
	errNobody = errors.New("neither the tags nor the trust policy tell whom the role lets in")
)

// unfinished reports an onboarding that was begun.
func (a *audit) unfinished(s *subject) {
	message := "its onboarding was begun and not finished"
	if s.journal.Holder != "" && s.journal.Until.After(a.Now) {
		message = "its onboarding is under way, or was until a moment ago"
	}
	a.find(Finding{Kind: Unfinished, Server: s.id(), Object: s.object(), Message: message})
}

func (a *audit) drift(s *subject, object, message string) {
	a.find(Finding{Kind: Drift, Server: s.id(), Object: object, Message: message})
}

// examineRole compares what the role says by itself.
func (a *audit) examineRole(s *subject) {
	switch {
	case !s.opened() && !s.trust.Disabled:
		a.drift(s, s.object(), "its trust policy lets nobody in")
	case s.untold != nil:
		a.drift(s, s.object(), s.untold.Error())
	case s.edited != "":
		a.drift(s, s.object(), s.edited)
	case s.trust.Mode == access.Vending && !strings.HasPrefix(s.trust.VendingRoleARN, "arn:"):
		a.drift(s, s.object(), "trust policy: the role of the vending service that it names has been deleted")
	case s.trust.Mode == access.Vending && s.trust.ServerName == "":
		a.drift(s, s.object(), "trust policy: it lets the vending service in under any session name")
	}
	if s.unclear != nil {
		a.drift(s, s.object(), s.unclear.Error())
	}
	for _, deviation := range s.deviations {
		a.drift(s, s.object(), deviation)
	}
}

// whose tells which client the server's is: as the journal has it, or as the trust policy does.
func (a *audit) whose(s *subject) (idp.Kind, idp.Lookup, error) {
	if s.journal.Provider != "" && s.journal.ClientID != "" {
		return s.journal.Provider, idp.Lookup{ID: s.journal.ClientID}, nil
	}
	if s.untold != nil {
		return "", idp.Lookup{}, errNobody
	}
	kind, which, err := onboarding.ClientOf(s.role, s.trust)
	if err == nil && which == (idp.Lookup{}) {
		which, err = onboarding.ClientOfRows(s.role, a.rowsOf(s.role.ARN))
	}
	return kind, which, err
}

// note shows what the inventory knows of a client.
func (a *audit) note(s *subject, kind idp.Kind, id string) {
	s.shown.IdentityProvider, s.shown.ClientID = kind, id
	entry, ok := a.entries[kind][id]
	if !ok {
		return
	}
	s.shown.Authentication = entry.Method
	for _, c := range entry.Credentials {
		s.shown.Credentials = append(s.shown.Credentials, Credential{ID: c.ID, Method: c.Method, Expires: dated(c.Expires), Former: c.Former})
	}
}

// examineClient looks for the client, and compares it and what is around it.
func (a *audit) examineClient(ctx context.Context, s *subject, clients *observer, which idp.Lookup) {
	kind := clients.Kind()
	which.Audience = a.audience(s, kind, which.ID)
	client, err := clients.Find(ctx, which)
	switch {
	case apierror.Is(err, apierror.NotFound):
		a.note(s, kind, which.ID)
		a.find(Finding{Kind: RoleWithoutClient, Server: s.id(), Object: s.object(), Message: fmt.Sprintf("%s has no client %s", kind, named(which))})
		return
	case err != nil:
		a.note(s, kind, which.ID)
		a.unread("client of "+s.id(), err)
		return
	}
	s.client = client
	a.note(s, kind, client.ID)
	s.shown.Authentication = client.Method
	if s.journal.Phase == onboarding.Ready && s.untold == nil && s.unclear == nil && which.Audience != "" {
		a.compare(ctx, s, kind)
	}
}

func named(which idp.Lookup) string {
	switch {
	case which.ID != "":
		return which.ID
	case which.Subject != "":
		return "whose tokens have the subject " + which.Subject
	}
	return "named " + which.Name
}

// audience is the API that the client's tokens are for; empty where nothing tells.
func (a *audit) audience(s *subject, kind idp.Kind, clientID string) string {
	switch {
	case kind == idp.Cognito:
		return a.Cognito.PoolID
	case s.untold == nil && s.trust.Mode != access.Vending:
		return s.trust.Audience
	}
	return a.entries[kind][clientID].Audience
}

// compare has the controller say what an update would mend.
func (a *audit) compare(ctx context.Context, s *subject, kind idp.Kind) {
	controller := a.controllers[kind]
	resolved, err := controller.Resolve(ctx, a.wanted(s, kind))
	if err == nil {
		err = controller.Check(ctx, resolved)
	}
	if refusal, ok := errors.AsType[*onboarding.Refusal](err); ok {
		a.drift(s, s.object(), refusal.Reason)
		return
	}
	var o onboarding.Observed
	if err == nil {
		o, err = controller.Observe(ctx, resolved, onboarding.Reference{ClientID: s.client.ID, RoleARN: s.role.ARN})
	}
	if err != nil {
		a.unread("what server "+s.id()+" should have", err)
		return
	}
	for _, deviation := range o.Drift {
		if !strings.HasPrefix(deviation, expiredSecret) { // it is a finding of its own
			a.drift(s, s.object(), deviation)
		}
	}
	for _, foreign := range o.Foreign {
		a.drift(s, s.object(), "it carries the "+foreign+", which oidcs3 did not put there")
	}
	if (s.opened() || s.trust.Disabled) && s.edited == "" && !access.Equivalent(s.role.TrustPolicy, resolved.TrustPolicy(o.Client)) {
		a.drift(s, s.object(), s.wrongTrust(o.Client, resolved))
	}
}

// expiredSecret begins what the adapter of Entra ID says of a password that has expired.
const expiredSecret = "client secret expired"

// wrongTrust says how a trust policy that can be read differs from the right one.
func (s *subject) wrongTrust(client idp.Client, want onboarding.Resolved) string {
	switch t := s.trust; {
	case t.Mode == access.Vending && t.VendingRoleARN != want.Identity.Vending.RoleARN:
		return fmt.Sprintf("trust policy: it lets in %s instead of the vending service's role %s", t.VendingRoleARN, want.Identity.Vending.RoleARN)
	case t.Mode == access.Vending:
		return fmt.Sprintf("trust policy: it lets the vending service in for %q instead of %q", t.ServerName, s.server.Name)
	case t.Subject != client.Subject:
		return fmt.Sprintf("trust policy: it lets in the subject %s; that of the server's client is %s", t.Subject, client.Subject)
	case t.Mode == access.AZP && t.ClientID != client.ID:
		return fmt.Sprintf("trust policy: it lets in the client %s; the server's is %s", t.ClientID, client.ID)
	}
	return "trust policy: it is not what oidcs3 writes for this server"
}

// wanted is the configuration that would give the server what it has.
func (a *audit) wanted(s *subject, kind idp.Kind) onboarding.Desired {
	d := onboarding.Desired{
		Project: a.Project, Environment: s.server.Environment, Server: s.server.Name, Region: a.Region,
		Partition: s.permissions.Partition, Bucket: s.permissions.Bucket, Prefix: s.permissions.Prefix,
		Permission: s.permissions.Permission, KMSKeyARN: s.permissions.KMSKeyARN,
		MaxSessionDuration: s.role.MaxSessionDuration, PermissionsBoundary: s.role.PermissionsBoundary, Tags: s.shown.Tags,
		Method: s.client.Method, Storage: s.journal.Storage, Disabled: s.trust.Disabled,
		Identity: onboarding.Identity{
			Audience: a.audience(s, kind, s.client.ID), ProviderARN: s.trust.ProviderARN, Mode: s.trust.Mode,
		},
	}
	if s.trust.Mode == access.Vending {
		d.Identity.Vending = onboarding.Vending{RoleARN: s.trust.VendingRoleARN, Table: a.Table}
		if a.VendingRoleARN != "" {
			d.Identity.Vending.RoleARN = a.VendingRoleARN
		}
	}
	if kind == idp.Cognito {
		d.Identity.Domain, d.Identity.Scopes = a.Cognito.Domain, s.client.Scopes
	}
	return d
}
