package entra

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Names of the parts.
const (
	partApplication = "application"
	partPrincipal   = "service principal"
	partAssignment  = "app role assignment"
	partCertificate = "certificate"
	partSecret      = "client secret"
)

// Parts implements idp.Provider.
func (p *Provider) Parts() []idp.Part {
	return []idp.Part{
		{Name: partApplication, Deviations: applicationDeviations, Apply: p.applyApplication, Revert: p.revertApplication},
		{Name: partPrincipal, Deviations: principalDeviations, Apply: p.applyPrincipal, Revert: p.revertPrincipal},
		{Name: partAssignment, Deviations: assignmentDeviations, Apply: p.applyAssignment, Revert: p.revertAssignment},
		{Name: partCertificate, Deviations: certificateDeviations, Apply: p.applyCertificates, Revert: p.revertCertificates},
		{Name: partSecret, Deviations: p.secretDeviations, Apply: p.applySecret, Revert: p.revertSecret},
	}
}

func applicationDeviations(c idp.Client, spec idp.Spec) []string {
	if !c.Exists() {
		return []string{"application " + spec.Name + " is missing"}
	}
	app := state(c).app
	var deviations []string
	for _, one := range []struct{ property, have, want string }{
		{"displayName", app.name, spec.Name},
		{"description", app.description, description(spec)},
		{"signInAudience", app.audience, singleTenant},
	} {
		if one.have == "" && one.want != "" {
			one.have = "empty"
		}
		if one.have != one.want {
			deviations = append(deviations, fmt.Sprintf("%s is %s instead of %s", one.property, one.have, one.want))
		}
	}
	for _, tag := range wantedTags(app.tags, spec) {
		if !slices.Contains(app.tags, tag) {
			deviations = append(deviations, "tag "+tag+" is missing")
		}
	}
	return deviations
}

// applyApplication makes the application, or mends what deviates and nothing else.
func (p *Provider) applyApplication(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	if !c.Exists() {
		return p.makeApplication(ctx, c, spec)
	}
	app := state(*c).app
	wanted := app
	wanted.name, wanted.description, wanted.audience, wanted.tags = spec.Name, description(spec), singleTenant, wantedTags(app.tags, spec)
	return p.change(ctx, c, wanted)
}

// change brings name, description, audience and tags of an application to what is wanted.
func (p *Provider) change(ctx context.Context, c *idp.Client, wanted application) error {
	app, body, changed := state(*c).app, models.NewApplication(), false
	for _, one := range []struct {
		have, want string
		set        func(*string)
	}{{app.name, wanted.name, body.SetDisplayName}, {app.description, wanted.description, body.SetDescription}, {app.audience, wanted.audience, body.SetSignInAudience}} {
		if one.have != one.want {
			one.set(&one.want)
			changed = true
		}
	}
	if !sameSet(app.tags, wanted.tags) {
		body.SetTags(append([]string{}, wanted.tags...))
		changed = true
	}
	if !changed {
		return nil
	}
	p.shared.wrote(c.ID)
	err := p.replicated(ctx, c.ID, func(ctx context.Context) error { return p.graph.changeApplication(ctx, app.objectID, body) })
	if err == nil {
		renew(c, func(f *found) {
			f.app.name, f.app.description, f.app.audience, f.app.tags = wanted.name, wanted.description, wanted.audience, wanted.tags
		})
	}
	return err
}

func (p *Provider) makeApplication(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	api, err := p.protected(ctx, spec.Audience)
	if err != nil {
		return err
	}
	body := models.NewApplication()
	name, text, audience := spec.Name, description(spec), singleTenant
	body.SetDisplayName(&name)
	body.SetDescription(&text)
	body.SetSignInAudience(&audience)
	body.SetTags(wantedTags(nil, spec))
	app, err := p.create(ctx, spec, body)
	if err != nil {
		return err
	}
	if app.appID == "" || app.objectID == "" {
		return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "PATCH /applications(uniqueName)",
			Object: "application " + spec.Name, Message: "the answer names no application"}
	}
	p.shared.wrote(app.appID)
	p.mu.Lock()
	p.made[app.appID] = p.now()
	p.mu.Unlock()
	*c = client(&found{app: *app, api: api})
	return nil
}

// create makes the application by its alternate key, or in a cloud that lacks it, by a search and a plain create.
func (p *Provider) create(ctx context.Context, spec idp.Spec, body models.Applicationable) (*application, error) {
	p.mu.Lock()
	plain := p.noUpsert
	p.mu.Unlock()
	if !plain {
		app, err := p.graph.upsertApplication(ctx, uniqueName(spec.OnboardingID), body)
		if err == nil && app == nil {
			return p.graph.applicationNamed(ctx, uniqueName(spec.OnboardingID))
		}
		if !apierror.Is(err, apierror.Invalid) && !apierror.Is(err, apierror.NotFound) {
			return app, err
		}
	}
	app, err := p.byTag(ctx, spec.OnboardingID)
	if !apierror.Is(err, apierror.NotFound) {
		return app, err
	}
	app, err = p.graph.createApplication(ctx, spec.Name, body)
	if err == nil {
		p.mu.Lock()
		p.noUpsert = true
		p.mu.Unlock()
	}
	return app, err
}

func (p *Provider) revertApplication(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return p.Delete(ctx, *c)
	}
	return gone(p.change(ctx, c, state(before).app))
}

func principalDeviations(c idp.Client, _ idp.Spec) []string {
	switch principal := state(c).principal; {
	case !c.Exists() || principal == nil:
		return []string{"service principal is missing"}
	case !principal.enabled:
		return []string{"service principal is disabled"}
	default:
		return nil
	}
}

// applyPrincipal makes the service principal, or enables it. That the application is not known everywhere yet is no
// failure but waited out; what refuses it has had no effect.
func (p *Provider) applyPrincipal(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	p.shared.wrote(c.ID)
	if principal := state(*c).principal; principal != nil {
		err := p.graph.enablePrincipal(ctx, principal.id, true)
		if err == nil {
			renew(c, func(f *found) { enabled := *principal; enabled.enabled = true; f.principal = &enabled })
		}
		return err
	}
	var made *principal
	err := p.replicated(ctx, c.ID, func(ctx context.Context) (err error) {
		made, err = p.graph.createPrincipal(ctx, c.ID, []string{tagMarker})
		return err
	})
	if apierror.Is(err, apierror.Exists) {
		made, err = p.graph.principal(ctx, c.ID)
	}
	if err != nil {
		return err
	}
	if made.id == "" {
		return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "POST /servicePrincipals",
			Object: "service principal of application " + c.ID, Message: "the answer names no service principal"}
	}
	renew(c, func(f *found) { f.principal = made })
	return p.seen(ctx, "service principal of application "+c.ID, func(ctx context.Context) error {
		_, err := p.graph.principal(ctx, c.ID)
		return err
	})
}

func (p *Provider) revertPrincipal(ctx context.Context, c *idp.Client, before idp.Client) error {
	principal := state(*c).principal
	if principal == nil {
		return nil
	}
	p.shared.wrote(c.ID)
	if old := state(before).principal; old != nil {
		if old.enabled == principal.enabled {
			return nil
		}
		return gone(p.graph.enablePrincipal(ctx, old.id, old.enabled))
	}
	return gone(p.graph.deletePrincipal(ctx, principal.id))
}

func assignmentDeviations(c idp.Client, spec idp.Spec) []string {
	f := state(c)
	if f.api == nil || !f.api.principal.assignmentRequired {
		return nil
	}
	if _, ok := assignedTo(f); ok {
		return nil
	}
	return []string{"app role assignment at " + spec.Audience + " is missing"}
}

func (p *Provider) applyAssignment(ctx context.Context, c *idp.Client, _ idp.Spec) error {
	f := state(*c)
	if f.api == nil || f.principal == nil {
		return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "POST /servicePrincipals/{id}/appRoleAssignments",
			Object: "application " + c.ID, Message: "the API or the service principal is missing"}
	}
	p.shared.wrote(c.ID)
	var made assignment
	err := p.replicated(ctx, c.ID, func(ctx context.Context) (err error) {
		made, err = p.graph.assign(ctx, f.principal.id, f.api.principal.id, f.api.principal.role)
		return err
	})
	if apierror.Is(err, apierror.Exists) || alreadyAssigned(err) {
		all, readErr := p.graph.assignments(ctx, f.principal.id)
		if readErr != nil {
			return err
		}
		renew(c, func(f *found) { f.assignments = all })
		if c.GrantID == "" {
			return err
		}
		return nil
	}
	if err == nil {
		renew(c, func(f *found) { f.assignments = append(slices.Clone(f.assignments), made) })
	}
	return err
}

// alreadyAssigned tells a second assignment, which Graph refuses as invalid: "Permission being assigned already exists on
// the object".
func alreadyAssigned(err error) bool {
	return apierror.Is(err, apierror.Invalid) && strings.Contains(err.Error(), "already exists")
}

func (p *Provider) revertAssignment(ctx context.Context, c *idp.Client, before idp.Client) error {
	f := state(*c)
	if f.principal == nil || before.GrantID != "" {
		return nil
	}
	p.shared.wrote(c.ID)
	all, err := p.graph.assignments(ctx, f.principal.id)
	if err != nil {
		return gone(err)
	}
	renew(c, func(f *found) { f.assignments = all })
	if c.GrantID == "" {
		return nil
	}
	return gone(p.graph.unassign(ctx, f.principal.id, c.GrantID))
}

// Limits of patience with replication: about two minutes.
const (
	replicationTries = 30
	firstPause       = 500 * time.Millisecond
	maxPause         = 5 * time.Second
	timesSeen        = 3 // in a row, before an object counts as known everywhere
	fresh            = 5 * time.Minute
)

// replicated makes a call on an application. Where this process has made the application a moment ago, refusals that come
// of it not being known everywhere are waited out: they have no effect.
func (p *Provider) replicated(ctx context.Context, appID string, do func(context.Context) error) error {
	p.mu.Lock()
	made, ok := p.made[appID]
	p.mu.Unlock()
	young := ok && p.now().Sub(made) < fresh
	pause := firstPause
	for try := 1; ; try++ {
		err := do(ctx)
		if err == nil || !young || !unknownYet(err) || try == replicationTries || p.graph.pause(ctx, pause) != nil {
			return err
		}
		pause = min(maxPause, pause*3/2)
	}
}

// unknownYet tells the answers of servers that have not heard of an application yet. The third is a misleading one, given
// to callers with Application.ReadWrite.OwnedBy.
func unknownYet(err error) bool {
	text := err.Error()
	return apierror.Is(err, apierror.NotFound) ||
		apierror.Is(err, apierror.Invalid) && (strings.Contains(text, "does not reference a valid application object") || strings.Contains(text, "NoBackingApplicationObject")) ||
		apierror.Is(err, apierror.Denied) && strings.Contains(text, "backing application")
}

// seen waits until an object that was just made has been read several times in a row.
func (p *Provider) seen(ctx context.Context, object string, read func(context.Context) error) error {
	pause, row := firstPause, 0
	for range replicationTries {
		switch err := read(ctx); {
		case err == nil:
			if row++; row == timesSeen {
				return nil
			}
		case apierror.Is(err, apierror.NotFound):
			row = 0
		default:
			return ambiguous(err)
		}
		if err := p.graph.pause(ctx, pause); err != nil {
			return ambiguous(err)
		}
		if row == 0 {
			pause = min(maxPause, pause*3/2)
		}
	}
	return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "wait for replication", Object: object,
		Message: "it was made, but cannot be read everywhere yet"}
}

// ambiguous marks a failure after the object was made.
func ambiguous(err error) error {
	return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "wait for replication", Err: err}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
