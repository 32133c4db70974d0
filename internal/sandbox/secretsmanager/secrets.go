package secretsmanager

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

type tag struct{ Key, Value string }

func tagMap(tags []tag) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 {
			return nil, invalidParameter("Tag key or value is invalid.")
		}
		if _, twice := out[t.Key]; twice {
			return nil, invalidParameter("Duplicate tag keys are not allowed.")
		}
		out[t.Key] = t.Value
	}
	if len(out) > 50 {
		return nil, invalidParameter("The maximum number of tags is 50.")
	}
	return out, nil
}

func tagKeys(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for name, value := range tags {
		keys["aws:RequestTag/"+name] = []string{value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], name)
	}
	return keys
}

func (s *Service) createSecret(c *awsjson.Call) (any, error) {
	var in struct {
		Name, Description, KmsKeyID, ClientRequestToken string

		SecretString *string
		SecretBinary []byte
		Tags         []tag
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	keys := tagKeys(tags)
	keys["secretsmanager:Name"] = []string{in.Name}
	if err := c.Allow(s.arnPrefix()+in.Name, keys); err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		if err := c.AllowAction("TagResource", s.arnPrefix()+in.Name, keys); err != nil {
			return nil, err
		}
	}
	if !nameForm.MatchString(in.Name) {
		return nil, awsjson.Refusal("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	now := s.cfg.Now()
	made := secret{name: in.Name, arn: s.arnPrefix() + in.Name + "-" + awsquery.NewRequestID(s.cfg.Rand)[:6], description: in.Description, kmsKey: in.KmsKeyID,
		tags: tags, created: now, changed: now}
	out := map[string]any{"ARN": made.arn, "Name": made.name}
	if in.SecretString != nil || in.SecretBinary != nil {
		v, err := s.newVersion(in.ClientRequestToken, in.SecretString, in.SecretBinary, []string{current})
		if err != nil {
			return nil, err
		}
		made.versions = []version{v}
		out["VersionId"] = v.id
	}
	err = s.secrets.Update(made.name, func(old secret, exists bool) (secret, bool, error) {
		switch {
		case !exists, s.isGone(old):
			return made, true, nil
		case !old.deletion.IsZero():
			return old, true, invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		return old, true, awsjson.Refusal("ResourceExistsException", "The operation failed because the secret %s already exists.", made.name)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) newVersion(token string, text *string, binary []byte, stages []string) (version, error) {
	switch {
	case (text != nil) == (binary != nil):
		return version{}, invalidParameter("You must provide either SecretString or SecretBinary.")
	case text != nil && (len(*text) < 1 || len(*text) > 65536), len(binary) > 65536:
		return version{}, awsjson.Refusal("ValidationException", "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length between 1 and 65536")
	case token == "":
		token = awsquery.NewRequestID(s.cfg.Rand)
	case !tokenForm.MatchString(token):
		return version{}, invalidParameter("ClientRequestToken must be 32-64 characters long.")
	}
	return version{id: token, text: text, binary: binary, stages: stages, created: s.cfg.Now()}, nil
}

func (v version) same(o version) bool {
	if (v.text == nil) != (o.text == nil) || v.text != nil && *v.text != *o.text {
		return false
	}
	return bytes.Equal(v.binary, o.binary)
}

func (s *Service) putSecretValue(c *awsjson.Call) (any, error) {
	var in struct {
		SecretID, ClientRequestToken string

		SecretString  *string
		SecretBinary  []byte
		VersionStages []string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, nil)
	if err != nil {
		return nil, err
	}
	if len(in.VersionStages) == 0 {
		in.VersionStages = []string{current}
	}
	made, err := s.newVersion(in.ClientRequestToken, in.SecretString, in.SecretBinary, in.VersionStages)
	if err != nil {
		return nil, err
	}
	err = s.change(found.name, func(old secret) (secret, error) {
		if at := slices.IndexFunc(old.versions, func(v version) bool { return v.id == made.id }); at >= 0 {
			if !old.versions[at].same(made) {
				return old, awsjson.Refusal("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", made.id, old.arn)
			}
			made = old.versions[at] // the same call again changes nothing
			return old, nil
		}
		old.changed = s.cfg.Now()
		old.versions = append(moveStages(old.versions, made.stages), made)
		return old, nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"ARN": found.arn, "Name": found.name, "VersionId": made.id, "VersionStages": made.stages}, nil
}

// moveStages takes labels from the versions that have them; what loses AWSCURRENT becomes AWSPREVIOUS. Versions without
// a label are deprecated and dropped, as the service does in time.
func moveStages(old []version, taken []string) []version {
	var out []version
	for _, v := range old {
		wasCurrent := v.has(current)
		v.stages = slices.DeleteFunc(slices.Clone(v.stages), func(stage string) bool {
			return slices.Contains(taken, stage) || stage == previous && slices.Contains(taken, current)
		})
		if wasCurrent && !v.has(current) {
			v.stages = append(v.stages, previous)
		}
		if len(v.stages) > 0 {
			out = append(out, v)
		}
	}
	return out
}

func (s *Service) getSecretValue(c *awsjson.Call) (any, error) {
	var in struct{ SecretID, VersionID, VersionStage string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	stage := in.VersionStage
	if stage == "" {
		stage = current
	}
	found, err := s.allowed(c, in.SecretID, map[string][]string{"secretsmanager:VersionId": optional(in.VersionID), "secretsmanager:VersionStage": {stage}})
	if err != nil {
		return nil, err
	}
	if !found.deletion.IsZero() {
		return nil, invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	for _, v := range found.versions {
		if in.VersionID != "" && v.id != in.VersionID || (in.VersionID == "" || in.VersionStage != "") && !v.has(stage) {
			continue
		}
		out := map[string]any{"ARN": found.arn, "Name": found.name, "VersionId": v.id, "VersionStages": v.stages, "CreatedDate": awsjson.Time(v.created)}
		if v.text != nil {
			out["SecretString"] = *v.text
		} else {
			out["SecretBinary"] = v.binary
		}
		return out, nil
	}
	if in.VersionID != "" {
		return nil, awsjson.Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", in.VersionID)
	}
	return nil, awsjson.Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
}

func optional(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (s *Service) describeSecret(c *awsjson.Call) (any, error) {
	var in struct{ SecretID string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, nil)
	if err != nil {
		return nil, err
	}
	tags, stages := []tag{}, map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(found.tags)) {
		tags = append(tags, tag{name, found.tags[name]})
	}
	for _, v := range found.versions {
		stages[v.id] = v.stages
	}
	out := map[string]any{"ARN": found.arn, "Name": found.name, "Tags": tags, "VersionIdsToStages": stages, "RotationEnabled": false,
		"CreatedDate": awsjson.Time(found.created), "LastChangedDate": awsjson.Time(found.changed)}
	if found.description != "" {
		out["Description"] = found.description
	}
	if found.kmsKey != "" {
		out["KmsKeyId"] = found.kmsKey
	}
	if !found.deletion.IsZero() {
		out["DeletedDate"] = awsjson.Time(found.deletion)
	}
	return out, nil
}

func (s *Service) deleteSecret(c *awsjson.Call) (any, error) {
	var in struct {
		SecretID                   string
		RecoveryWindowInDays       *int
		ForceDeleteWithoutRecovery bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, nil)
	if err != nil {
		return nil, err
	}
	days := 30
	switch {
	case in.RecoveryWindowInDays != nil && in.ForceDeleteWithoutRecovery:
		return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case in.RecoveryWindowInDays != nil:
		if days = *in.RecoveryWindowInDays; days < 7 || days > 30 {
			return nil, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
		}
	}
	now := s.cfg.Now()
	at := now.Add(time.Duration(days) * 24 * time.Hour)
	if in.ForceDeleteWithoutRecovery { // also where it is scheduled already
		at = now
		err = s.secrets.Update(found.name, func(old secret, exists bool) (secret, bool, error) {
			if exists && !old.erasing {
				old.erasing, old.deletion = true, now.Add(s.cfg.Erasing)
			}
			return old, exists && !s.isGone(old), nil
		})
	} else {
		err = s.change(found.name, func(old secret) (secret, error) {
			old.deletion = at
			return old, nil
		})
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"ARN": found.arn, "Name": found.name, "DeletionDate": awsjson.Time(at)}, nil
}

func (s *Service) restoreSecret(c *awsjson.Call) (any, error) {
	var in struct{ SecretID string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, nil)
	if err != nil {
		return nil, err
	}
	err = s.secrets.Update(found.name, func(old secret, exists bool) (secret, bool, error) {
		if !exists || s.isGone(old) {
			return old, exists, notFound()
		}
		if old.erasing {
			return old, true, invalidRequest("You can't perform this operation on the secret because it was deleted.")
		}
		old.deletion = time.Time{}
		return old, true, nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"ARN": found.arn, "Name": found.name}, nil
}

func (s *Service) tagResource(c *awsjson.Call) (any, error) {
	var in struct {
		SecretID string
		Tags     []tag
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	tags, err := tagMap(in.Tags)
	if err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, tagKeys(tags))
	if err != nil {
		return nil, err
	}
	return nil, s.change(found.name, func(old secret) (secret, error) {
		old.tags = maps.Clone(old.tags)
		maps.Copy(old.tags, tags)
		if len(old.tags) > 50 {
			return old, invalidParameter("The maximum number of tags is 50.")
		}
		return old, nil
	})
}

func (s *Service) untagResource(c *awsjson.Call) (any, error) {
	var in struct {
		SecretID string
		TagKeys  []string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := s.allowed(c, in.SecretID, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	return nil, s.change(found.name, func(old secret) (secret, error) {
		old.tags = maps.Clone(old.tags)
		for _, key := range in.TagKeys {
			delete(old.tags, key)
		}
		return old, nil
	})
}
