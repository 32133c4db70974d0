package entra

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// Find implements idp.Provider.
func (p *Provider) Find(ctx context.Context, which idp.Lookup) (idp.Client, error) {
	f := &found{}
	if which.Audience != "" {
		api, err := p.protected(ctx, which.Audience)
		if err != nil && !apierror.Is(err, apierror.NotFound) {
			return idp.Client{}, err
		}
		f.api = api
	}
	if which.ID != "" && !which.Fresh && p.shared.find(ctx, which.ID, f) {
		return client(f), nil
	}
	app, err := p.findApplication(ctx, which)
	if err != nil {
		return idp.Client{}, err
	}
	f.app = *app
	f.principal, err = p.graph.principal(ctx, app.appID)
	if apierror.Is(err, apierror.NotFound) {
		f.principal, err = nil, nil
	}
	if err != nil {
		return idp.Client{}, err
	}
	if f.principal != nil && f.api != nil && f.api.principal.assignmentRequired {
		if f.assignments, err = p.graph.assignments(ctx, f.principal.id); err != nil {
			return idp.Client{}, err
		}
	}
	return client(f), nil
}

func (p *Provider) findApplication(ctx context.Context, which idp.Lookup) (*application, error) {
	switch {
	case which.ID != "":
		app, err := p.graph.application(ctx, which.ID)
		if err == nil && app.appID != which.ID {
			err = &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "GET /applications(appId)",
				Object: "application " + which.ID, Message: "the answer is about another application"}
		}
		return app, err
	case which.OnboardingID != "":
		app, err := p.graph.applicationNamed(ctx, uniqueName(which.OnboardingID))
		if apierror.Is(err, apierror.NotFound) || apierror.Is(err, apierror.Invalid) {
			return p.byTag(ctx, which.OnboardingID) // imported, or in a cloud without alternate keys
		}
		return app, err
	case which.Subject != "":
		return p.ofSubject(ctx, which.Subject)
	case which.Name != "":
		return p.only(ctx, "displayName eq "+quoted(which.Name), which.Name)
	default:
		return nil, &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: "GET /applications", Message: "nothing says which application is meant"}
	}
}

// byTag searches for the application of an onboarding.
func (p *Provider) byTag(ctx context.Context, onboardingID string) (*application, error) {
	return p.only(ctx, "tags/any(t:t eq "+quoted(tagOnboarding+onboardingID)+")", "of onboarding "+onboardingID)
}

// ofSubject finds the application whose service principal is the sub of its tokens. A principal whose application is in
// another tenant has none here.
func (p *Provider) ofSubject(ctx context.Context, subject string) (*application, error) {
	principals, err := p.graph.listPrincipals(ctx, "id eq "+quoted(subject))
	if err != nil {
		return nil, err
	}
	if len(principals) != 1 || principals[0].id != subject {
		return nil, &apierror.Error{Kind: apierror.NotFound, Service: service, Operation: "GET /servicePrincipals",
			Object: "service principal " + subject, Message: "there is none of this object id"}
	}
	return p.graph.application(ctx, principals[0].appID)
}

// only finds the one application that the filter matches.
func (p *Provider) only(ctx context.Context, filter, what string) (*application, error) {
	applications, err := p.graph.listApplications(ctx, filter)
	if err != nil {
		return nil, err
	}
	fault := &apierror.Error{Service: service, Operation: "GET /applications", Object: "application " + what}
	switch len(applications) {
	case 0:
		fault.Kind, fault.Message = apierror.NotFound, "there is none"
		return nil, fault
	case 1:
		return &applications[0], nil
	default:
		var ids []string
		for _, app := range applications {
			ids = append(ids, app.appID)
		}
		slices.Sort(ids)
		fault.Kind, fault.Message = apierror.Conflict, fmt.Sprintf("there are several: [%s]", strings.Join(ids, " "))
		return nil, fault
	}
}
