package iam

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

var thumbprintForm = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)

// CreateOIDCProvider registers an OIDC identity provider and returns its ARN. issuer is its URL with https://; it may
// carry a port here, and its trailing slash counts. Errors are *authz.Error.
func (d *Directory) CreateOIDCProvider(ctx context.Context, issuer string, clientIDs []string) (arn string, err error) {
	p, err := d.makeProvider(ctx, issuer, provider{ClientIDs: clientIDs})
	return p.ARN, err
}

func (d *Directory) makeProvider(ctx context.Context, issuer string, p provider) (provider, error) {
	bare, err := providerURL(issuer)
	if err != nil {
		return provider{}, err
	}
	for _, id := range p.ClientIDs {
		if err := checkClientID(id); err != nil {
			return provider{}, err
		}
	}
	if len(p.ClientIDs) > clientIDQuota {
		return provider{}, tooManyClientIDs()
	}
	if err := checkThumbprints(p.Thumbprints); err != nil {
		return provider{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, exists := d.providers.Get(d.latest(ctx), bare); exists {
		return provider{}, alreadyExists("Provider with url %s already exists.", issuer)
	}
	p.URL, p.ARN, p.Created = bare, d.arn("oidc-provider/"+bare), d.cfg.Now()
	d.providers.Put(bare, p)
	return p, nil
}

// providerURL checks the URL of a provider and takes its scheme off.
func providerURL(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	switch {
	case len(issuer) > maxProviderURL:
		return "", validation("1 validation error detected: Value at 'url' failed to satisfy constraint: Member must have length less than or equal to %d", maxProviderURL)
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(issuer, "?#*"):
		return "", invalidInput("Invalid Open ID Connect Provider URL")
	}
	return strings.TrimPrefix(issuer, "https://"), nil
}

func checkClientID(id string) error {
	if n := utf8.RuneCountInString(id); n < 1 || n > maxClientID {
		return validation("1 validation error detected: Value at 'clientID' failed to satisfy constraint: Member must have length between 1 and %d", maxClientID)
	}
	return nil
}

func checkThumbprints(list []string) error {
	if len(list) > thumbprintQuota {
		return invalidInput("Thumbprint list must contain fewer than %d entries.", thumbprintQuota+1)
	}
	for _, thumbprint := range list {
		if !thumbprintForm.MatchString(thumbprint) {
			return invalidInput("Invalid thumbprint: 40 hexadecimal digits are expected.")
		}
	}
	return nil
}

func tooManyClientIDs() error {
	return limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", clientIDQuota)
}

func (s *Service) newProviderTarget(c *call) (target, error) {
	bare, err := providerURL(c.form.Get("Url"))
	if err != nil {
		return target{}, err
	}
	tags, err := c.tags()
	if err != nil {
		return target{}, err
	}
	t := target{resource: s.arn("oidc-provider/" + bare), keys: requestTagKeys(tags)}
	if len(tags) > 0 {
		t.also = []string{"TagOpenIDConnectProvider"}
	}
	return t, nil
}

func (s *Service) providerTarget(c *call) (target, error) {
	arn := c.form.Get("OpenIDConnectProviderArn")
	bare, ok := strings.CutPrefix(arn, s.arn("oidc-provider/"))
	if !ok || bare == "" {
		return target{}, invalidInput("ARN %s is not valid.", arn)
	}
	keys := map[string][]string{}
	if p, ok := s.providers.Get(s.latest(c.ctx), bare); ok {
		addResourceTagKeys(keys, p.Tags)
	}
	return target{resource: arn, keys: keys}, nil
}

func (s *Service) providerTagTarget(c *call) (target, error) {
	t, err := s.providerTarget(c)
	if err != nil {
		return t, err
	}
	tags, err := c.tags()
	maps.Copy(t.keys, requestTagKeys(tags))
	return t, err
}

func (s *Service) providerNotFound(c *call) error {
	return noSuchEntity("OpenIDConnect Provider not found for arn %s", c.form.Get("OpenIDConnectProviderArn"))
}

func (s *Service) providerURLOf(c *call) string {
	return strings.TrimPrefix(c.form.Get("OpenIDConnectProviderArn"), s.arn("oidc-provider/"))
}

func (s *Service) namedProvider(c *call) (provider, error) {
	p, ok := s.providers.Get(c.ctx, s.providerURLOf(c))
	if !ok {
		return p, s.providerNotFound(c)
	}
	return p, nil
}

func (s *Service) changeProvider(c *call, change func(p *provider) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.providers.Get(s.latest(c.ctx), s.providerURLOf(c))
	if !ok {
		return s.providerNotFound(c)
	}
	p = p.clone()
	if err := change(&p); err != nil {
		return err
	}
	s.providers.Put(p.URL, p)
	return nil
}

func (s *Service) createProvider(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	p, err := s.makeProvider(c.ctx, c.form.Get("Url"), provider{
		ClientIDs: awsquery.Members(c.form, "ClientIDList"), Thumbprints: awsquery.Members(c.form, "ThumbprintList"), Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	return struct {
		OpenIDConnectProviderArn string
		Tags                     awsquery.List[awsquery.Tag]
	}{p.ARN, xmlTags(p.Tags)}, nil
}

func (s *Service) getProvider(c *call) (any, error) {
	p, err := s.namedProvider(c)
	if err != nil {
		return nil, err
	}
	return struct {
		Url            string //nolint:revive // the API's spelling
		ClientIDList   awsquery.List[string]
		ThumbprintList awsquery.List[string]
		CreateDate     string
		Tags           awsquery.List[awsquery.Tag]
	}{p.URL, awsquery.ListOf(p.ClientIDs), awsquery.ListOf(p.Thumbprints), created(p.Created), xmlTags(p.Tags)}, nil
}

func (s *Service) listProviders(c *call) (any, error) {
	type entry struct{ Arn string }
	var out struct {
		OpenIDConnectProviderList awsquery.List[entry]
	}
	for _, p := range s.providers.Values(c.ctx) {
		out.OpenIDConnectProviderList.Member = append(out.OpenIDConnectProviderList.Member, entry{p.ARN})
	}
	return out, nil
}

func (s *Service) deleteProvider(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.providers.Delete(s.providerURLOf(c)) {
		return nil, s.providerNotFound(c)
	}
	return nil, nil
}

// addClientID succeeds on an id that is there already, as IAM does.
func (s *Service) addClientID(c *call) (any, error) {
	id := c.form.Get("ClientID")
	if err := checkClientID(id); err != nil {
		return nil, err
	}
	return nil, s.changeProvider(c, func(p *provider) error {
		if slices.Contains(p.ClientIDs, id) {
			return nil
		}
		if len(p.ClientIDs) >= clientIDQuota {
			return tooManyClientIDs()
		}
		p.ClientIDs = append(p.ClientIDs, id)
		return nil
	})
}

// removeClientID succeeds on an id that is not there, as IAM does.
func (s *Service) removeClientID(c *call) (any, error) {
	id := c.form.Get("ClientID")
	if err := checkClientID(id); err != nil {
		return nil, err
	}
	return nil, s.changeProvider(c, func(p *provider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(have string) bool { return have == id })
		return nil
	})
}

func (s *Service) updateThumbprint(c *call) (any, error) {
	list := awsquery.Members(c.form, "ThumbprintList")
	if err := checkThumbprints(list); err != nil {
		return nil, err
	}
	return nil, s.changeProvider(c, func(p *provider) error {
		p.Thumbprints = list
		return nil
	})
}

func (s *Service) tagProvider(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, s.changeProvider(c, func(p *provider) (err error) {
		p.Tags, err = withTags(p.Tags, tags)
		return err
	})
}

func (s *Service) untagProvider(c *call) (any, error) {
	return nil, s.changeProvider(c, func(p *provider) error {
		for _, key := range awsquery.Members(c.form, "TagKeys") {
			delete(p.Tags, key)
		}
		return nil
	})
}

func (s *Service) listProviderTags(c *call) (any, error) {
	p, err := s.namedProvider(c)
	if err != nil {
		return nil, err
	}
	return tagPage(c, p.Tags)
}
