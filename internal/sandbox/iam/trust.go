package iam

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

var (
	accountForm = regexp.MustCompile(`^\d{12}$`)
	serviceForm = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
)

// checkTrust validates a trust policy as IAM does when it is written, and returns the unique ids of its principals.
func (d *Directory) checkTrust(ctx context.Context, document string) (map[string]string, error) {
	if n := size(document); n > trustQuota {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", trustQuota)
	}
	parsed, err := parsed(document, policy.Trust)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{}
	for _, statement := range parsed.Statements {
		p := statement.Principal
		for _, name := range p.AWS {
			id, ok := d.principalID(ctx, name)
			if !ok {
				return nil, malformedPolicy("Invalid principal in policy: \"AWS\":\"%s\"", name)
			}
			if id != "" {
				ids[name] = id
			}
		}
		for _, name := range p.Federated {
			if !d.federates(ctx, name) {
				return nil, malformedPolicy("Invalid principal in policy: \"FEDERATED\":\"%s\"", name)
			}
		}
		for _, name := range p.Service {
			if !serviceForm.MatchString(name) {
				return nil, malformedPolicy("Invalid principal in policy: \"SERVICE\":\"%s\"", name)
			}
		}
		if len(p.CanonicalUser) > 0 {
			return nil, malformedPolicy("Invalid principal in policy: \"CANONICALUSER\":\"%s\"", p.CanonicalUser[0])
		}
	}
	return ids, nil
}

// principalID reports whether an AWS principal exists, and its unique id where it is a user, a role or a role's session.
// Other accounts are not known here, so only their root can be named.
func (d *Directory) principalID(ctx context.Context, name string) (id string, ok bool) {
	if name == "*" || accountForm.MatchString(name) {
		return "", true
	}
	parts := strings.SplitN(name, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != d.cfg.Partition || !accountForm.MatchString(parts[4]) {
		return "", false
	}
	service, account, resource := parts[2], parts[4], parts[5]
	switch {
	case service == "iam" && resource == "root":
		return "", true
	case account != d.cfg.AccountID:
		return "", false
	case service == "iam" && strings.HasPrefix(resource, "role/"):
		r, ok := d.role(ctx, resource[strings.LastIndex(resource, "/")+1:])
		return r.ID, ok && r.ARN == name
	case service == "iam" && strings.HasPrefix(resource, "user/"):
		u, ok := d.user(ctx, resource[strings.LastIndex(resource, "/")+1:])
		return u.ID, ok && u.ARN == name
	case service == "sts" && strings.HasPrefix(resource, "assumed-role/"):
		session := strings.Split(resource, "/")
		if len(session) != 3 || session[2] == "" {
			return "", false
		}
		r, ok := d.role(ctx, session[1])
		return r.ID, ok
	}
	return "", false
}

// federates reports whether a federated principal can be named: a provider of the account, or one of the identity
// providers that AWS knows by their domain.
func (d *Directory) federates(ctx context.Context, name string) bool {
	switch name {
	case "cognito-identity.amazonaws.com", "accounts.google.com", "www.amazon.com", "graph.facebook.com":
		return true
	}
	url, ok := strings.CutPrefix(name, d.arn("oidc-provider/"))
	if !ok {
		return false
	}
	_, ok = d.providers.Get(ctx, url)
	return ok
}

// renderTrust returns a role's trust policy as IAM shows and applies it: a principal that was deleted since it was
// written stands there by its unique id, which nobody has any more.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (d *Directory) renderTrust(ctx context.Context, r role) string {
	gone := map[string]string{}
	for arn, id := range r.principals {
		if now, ok := d.principalID(ctx, arn); !ok || now != id {
			gone[arn] = id
		}
	}
	if len(gone) == 0 {
		return r.Trust
	}
	return replacePrincipals(r.Trust, gone)
}

func replacePrincipals(document string, by map[string]string) string {
	var tree map[string]any
	if err := json.Unmarshal([]byte(document), &tree); err != nil {
		return document // it parsed when it was written
	}
	statements, isList := tree["Statement"].([]any)
	if !isList {
		statements = []any{tree["Statement"]}
	}
	for _, statement := range statements {
		fields, _ := statement.(map[string]any)
		principals, ok := fields["Principal"].(map[string]any)
		if !ok {
			continue
		}
		switch value := principals["AWS"].(type) {
		case string:
			if id, ok := by[value]; ok {
				principals["AWS"] = id
			}
		case []any:
			value = slices.Clone(value)
			for i, one := range value {
				if name, isText := one.(string); isText && by[name] != "" {
					value[i] = by[name]
				}
			}
			principals["AWS"] = value
		}
	}
	out, err := json.Marshal(tree)
	if err != nil {
		return document
	}
	return string(out)
}
