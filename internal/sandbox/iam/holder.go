package iam

import (
	"context"
	"slices"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/policy"
)

// kind words what users and roles have in common for each of them.
type kind struct {
	word, title string // role, Role
	quota       int    // of all inline policies together
}

var (
	roleKind = kind{"role", "Role", roleInlineQuota}
	userKind = kind{"user", "User", userInlineQuota}
)

// putInline adds or overwrites an inline policy.
func (h *holder) putInline(k kind, name, document string) error {
	if _, err := parsed(document, policy.Identity); err != nil {
		return err
	}
	total := size(document)
	for other, existing := range h.Inline {
		if other != name {
			total += size(existing)
		}
	}
	if total > k.quota {
		return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", k.quota, k.word, h.Name)
	}
	if h.Inline == nil {
		h.Inline = map[string]string{}
	}
	h.Inline[name] = document
	return nil
}

func (h *holder) deleteInline(k kind, name string) error {
	if _, ok := h.Inline[name]; !ok {
		return noSuchEntity("The %s policy with name %s cannot be found.", k.word, name)
	}
	delete(h.Inline, name)
	return nil
}

func (h *holder) attach(ctx context.Context, d *Directory, k kind, arn string) error {
	if _, ok := d.policies.Get(ctx, arn); !ok {
		return noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	}
	if slices.Contains(h.Attached, arn) {
		return nil
	}
	if len(h.Attached) >= attachedQuota {
		return limitExceeded("Cannot exceed quota for PoliciesPer%s: %d", k.title, attachedQuota)
	}
	h.Attached = append(h.Attached, arn)
	return nil
}

func (h *holder) detach(arn string) error {
	i := slices.Index(h.Attached, arn)
	if i < 0 {
		return noSuchEntity("Policy %s was not found.", arn)
	}
	h.Attached = slices.Delete(h.Attached, i, i+1)
	return nil
}

func (d *Directory) checkBoundary(ctx context.Context, arn string) error {
	if _, ok := d.policies.Get(ctx, arn); !ok {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", arn)
	}
	return nil
}

// deletable refuses to delete what still has policies.
func (h *holder) deletable() error {
	switch {
	case len(h.Attached) > 0:
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(h.Inline) > 0:
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	return nil
}

// keys are the condition keys of an action on the holder.
func (h *holder) keys() map[string][]string {
	keys := map[string][]string{"iam:PermissionsBoundary": nil}
	if h.Boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{h.Boundary}
	}
	addResourceTagKeys(keys, h.Tags)
	return keys
}
