package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// accepted turns a rule of package access into a validator. what names the value in the summary.
func accepted(what string, rule func(string) error) validator.String {
	return ruleValidator{what: what, rule: rule}
}

type ruleValidator struct {
	what string
	rule func(string) error
}

func (v ruleValidator) Description(context.Context) string { return "must be a valid " + v.what }

func (v ruleValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (v ruleValidator) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := v.rule(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid "+v.what, sentence(err))
	}
}

// arnOf accepts ARNs of one service whose resource begins as given.
func arnOf(what, service, resource string) validator.String {
	return accepted(what, func(s string) error {
		arn, err := access.ParseARN(s)
		if err != nil {
			return err
		}
		if arn.Service != service || !strings.HasPrefix(arn.Resource, resource) {
			return fmt.Errorf("%q is not the ARN of one: arn:%s:%s:…:%s… is wanted", s, arn.Partition, service, resource)
		}
		return nil
	})
}

// tagsValidator keeps tags within what IAM takes, and apart from the journal's own.
type tagsValidator struct{}

// IAM: at most 50 tags a role, keys of 1 to 128 and values of up to 256 characters.
const (
	maxTags     = 50 - onboarding.JournalTags
	maxTagKey   = 128
	maxTagValue = 256
)

func (tagsValidator) Description(context.Context) string {
	return fmt.Sprintf("at most %d tags, none beginning with %q or %q", maxTags, onboarding.TagPrefix, "aws:")
}

func (v tagsValidator) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (tagsValidator) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	elements := req.ConfigValue.Elements()
	if len(elements) > maxTags {
		resp.Diagnostics.AddAttributeError(req.Path, "Too many tags",
			fmt.Sprintf("There are %d tags. IAM keeps 50 on a role, and oidcs3 needs %d for its journal: %d are left.", len(elements), onboarding.JournalTags, maxTags))
	}
	for _, key := range slices.Sorted(maps.Keys(elements)) {
		at := req.Path.AtMapKey(key)
		switch {
		case strings.HasPrefix(key, onboarding.TagPrefix):
			resp.Diagnostics.AddAttributeError(at, "Reserved tag", fmt.Sprintf("Tags that begin with %q are the provider's journal.", onboarding.TagPrefix))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			resp.Diagnostics.AddAttributeError(at, "Reserved tag", "Tags that begin with \"aws:\" are AWS's own.")
		case key == "" || len([]rune(key)) > maxTagKey:
			resp.Diagnostics.AddAttributeError(at, "Invalid tag", fmt.Sprintf("The key of a tag has 1 to %d characters.", maxTagKey))
		}
		if value, ok := elements[key].(types.String); ok && len([]rune(value.ValueString())) > maxTagValue {
			resp.Diagnostics.AddAttributeError(at, "Invalid tag", fmt.Sprintf("The value of a tag has at most %d characters.", maxTagValue))
		}
	}
}

// sentence makes an error fit for a diagnostic: a capital first and a full stop last.
func sentence(err error) string {
	text := err.Error()
	if text == "" {
		return text
	}
	text = strings.ToUpper(text[:1]) + text[1:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
