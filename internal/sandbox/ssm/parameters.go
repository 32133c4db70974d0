package ssm

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsjson"
)

// parameter is a parameter at its latest version. Values are never changed once they are stored.
type parameter struct {
	name, kind, text, description, keyID, tier, dataType string

	version  int
	modified time.Time
	tags     map[string]string
}

// maxName is in characters: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
const maxName = 1011

type tag struct{ Key, Value string }

var nameForm = regexp.MustCompile(`^[A-Za-z0-9_./-]+$`)

func invalid(format string, args ...any) error {
	return awsjson.Refusal("ValidationException", format, args...)
}

func notFound(name string) error {
	return awsjson.Refusal("ParameterNotFound", "Parameter %s not found.", name)
}

func checkName(name string) error {
	lower := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case !nameForm.MatchString(name), len(name) > maxName, strings.Contains(name, "//"), strings.HasSuffix(name, "/"):
		return invalid("Invalid request provided: Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	case strings.HasPrefix(lower, "aws"), strings.HasPrefix(lower, "ssm"):
		return invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return invalid("Parameter name must be a fully qualified name.")
	case strings.Count(name, "/") > 15:
		return awsjson.Refusal("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
	}
	return nil
}

type putInput struct {
	Name, Description, Value, Type, KeyID, AllowedPattern, Tier, DataType string

	Overwrite bool
	Tags      []tag
}

func (s *Service) putParameter(c *awsjson.Call) (any, error) {
	var in putInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	tags := map[string]string{}
	keys := map[string][]string{"ssm:Overwrite": {strconv.FormatBool(in.Overwrite)}}
	for _, t := range in.Tags {
		tags[t.Key] = t.Value
		keys["aws:RequestTag/"+t.Key] = []string{t.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.Key)
	}
	if err := c.Allow(s.arn(in.Name), keys); err != nil {
		return nil, err
	}
	if len(tags) > 0 {
		if err := c.AllowAction("AddTagsToResource", s.arn(in.Name), keys); err != nil {
			return nil, err
		}
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	var made parameter
	err := s.parameters.Update(in.Name, func(old parameter, exists bool) (parameter, bool, error) {
		var err error
		made, err = in.over(old, exists, tags)
		made.modified = s.cfg.Now()
		if err != nil {
			return old, exists, err
		}
		return made, true, nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"Version": made.version, "Tier": made.tier}, nil
}

func (in *putInput) check() error {
	if err := checkName(in.Name); err != nil {
		return err
	}
	if in.Tier == "" {
		in.Tier = "Standard"
	}
	limit := map[string]int{"Standard": 4096, "Advanced": 8192, "Intelligent-Tiering": 8192}[in.Tier]
	switch {
	case limit == 0:
		return invalid("1 validation error detected: Value '%s' at 'tier' failed to satisfy constraint: Member must satisfy enum value set: [Standard, Advanced, Intelligent-Tiering]", in.Tier)
	case in.Value == "":
		return invalid("1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	case len(in.Value) > limit:
		return invalid("%s tier parameters support a maximum parameter value of %d characters.", in.Tier, limit)
	case in.AllowedPattern != "":
		return invalid("the sandbox does not know AllowedPattern")
	case len(in.Tags) > 0 && in.Overwrite:
		return invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	}
	if in.DataType == "" {
		in.DataType = "text"
	}
	return nil
}

// over is the parameter that a put makes of the old one. The type cannot change between secret and plain.
func (in *putInput) over(old parameter, exists bool, tags map[string]string) (parameter, error) {
	if exists && !in.Overwrite {
		return old, awsjson.Refusal("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	}
	kind := in.Type
	if kind == "" {
		kind = old.kind
	}
	switch {
	case kind == "":
		return old, invalid("A parameter type is required when you create a parameter.")
	case kind != "String" && kind != "StringList" && kind != "SecureString":
		return old, invalid("1 validation error detected: Value '%s' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [SecureString, StringList, String]", kind)
	case exists && kind != old.kind:
		return old, awsjson.Refusal("HierarchyTypeMismatchException", "The parameter type cannot be changed from %s to %s.", old.kind, kind)
	case in.KeyID != "" && kind != "SecureString":
		return old, invalid("KeyId is required for SecureString type parameter only.")
	}
	made := parameter{name: in.Name, kind: kind, text: in.Value, description: in.Description, keyID: in.KeyID, tier: in.Tier, dataType: in.DataType, version: old.version + 1, tags: tags}
	if exists {
		made.tags = old.tags
		if made.description == "" {
			made.description = old.description
		}
	}
	if kind == "SecureString" && made.keyID == "" {
		if made.keyID = old.keyID; made.keyID == "" {
			made.keyID = "alias/aws/ssm"
		}
	}
	return made, nil
}

// show is a parameter as reads return it. A SecureString that is not decrypted is ciphertext, never the value.
func (s *Service) show(p parameter, decrypt bool) map[string]any {
	text := p.text
	if p.kind == "SecureString" && !decrypt {
		text = "ENCRYPTED(" + p.keyID + ")"
	}
	return map[string]any{"ARN": s.arn(p.name), "Name": p.name, "Type": p.kind, "Value": text, "Version": p.version, "DataType": p.dataType,
		"LastModifiedDate": awsjson.Time(p.modified)}
}

func resourceTagKeys(p parameter) map[string][]string {
	keys := map[string][]string{}
	for name, value := range p.tags {
		keys["aws:ResourceTag/"+name] = []string{value}
		keys["ssm:resourceTag/"+name] = []string{value}
	}
	return keys
}

// nameOf takes a parameter's ARN, too.
func (s *Service) nameOf(nameOrARN string) string {
	rest, ok := strings.CutPrefix(nameOrARN, s.arn(""))
	if ok && strings.Contains(rest, "/") {
		return "/" + rest
	}
	return rest
}

func (s *Service) getParameter(c *awsjson.Call) (any, error) {
	var in struct {
		Name           string
		WithDecryption bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	name := s.nameOf(in.Name)
	found, ok := s.parameters.Get(c.Context, name)
	if err := c.Allow(s.arn(name), resourceTagKeys(found)); err != nil {
		return nil, err
	}
	if !ok {
		return nil, awsjson.Refusal("ParameterNotFound", "")
	}
	return map[string]any{"Parameter": s.show(found, in.WithDecryption)}, nil
}

func (s *Service) getParameters(c *awsjson.Call) (any, error) {
	var in struct {
		Names          []string
		WithDecryption bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.Names) < 1 || len(in.Names) > 10 {
		return nil, invalid("1 validation error detected: Value '%v' at 'names' failed to satisfy constraint: Member must have length less than or equal to 10.", in.Names)
	}
	found, missing := []map[string]any{}, []string{}
	for _, asked := range in.Names {
		p, ok := s.parameters.Get(c.Context, s.nameOf(asked))
		if err := c.Allow(s.arn(s.nameOf(asked)), resourceTagKeys(p)); err != nil {
			return nil, err
		}
		if !ok {
			missing = append(missing, asked)
			continue
		}
		found = append(found, s.show(p, in.WithDecryption))
	}
	return map[string]any{"Parameters": found, "InvalidParameters": missing}, nil
}

func (s *Service) deleteParameter(c *awsjson.Call) (any, error) {
	var in struct{ Name string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	name := s.nameOf(in.Name)
	found, _ := s.parameters.Get(c.Context, name)
	if err := c.Allow(s.arn(name), resourceTagKeys(found)); err != nil {
		return nil, err
	}
	if !s.parameters.Delete(name) {
		return nil, awsjson.Refusal("ParameterNotFound", "")
	}
	return nil, nil
}

type tagInput struct {
	ResourceType, ResourceID string

	Tags    []tag
	TagKeys []string
}

// tagged finds the parameter that a call about tags is about, once the guard allows the call.
func (s *Service) tagged(c *awsjson.Call, in *tagInput) (string, error) {
	if err := c.Decode(in); err != nil {
		return "", err
	}
	if in.ResourceType != "Parameter" {
		return "", awsjson.Refusal("InvalidResourceType", "The sandbox knows the tags of parameters alone.")
	}
	name := s.nameOf(in.ResourceID)
	found, ok := s.parameters.Get(c.Context, name)
	keys := resourceTagKeys(found)
	for _, t := range in.Tags {
		keys["aws:RequestTag/"+t.Key] = []string{t.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.Key)
	}
	keys["aws:TagKeys"] = append(keys["aws:TagKeys"], in.TagKeys...)
	if err := c.Allow(s.arn(name), keys); err != nil {
		return "", err
	}
	if !ok {
		return "", awsjson.Refusal("InvalidResourceId", "The resource ID is not valid. Verify that you entered the correct ID and try again.")
	}
	return name, nil
}

func (s *Service) retag(name string, with func(tags map[string]string)) error {
	return s.parameters.Update(name, func(old parameter, exists bool) (parameter, bool, error) {
		if !exists {
			return old, false, notFound(name)
		}
		old.tags = maps.Clone(old.tags)
		with(old.tags)
		if len(old.tags) > 50 {
			return old, true, awsjson.Refusal("TooManyTagsError", "")
		}
		return old, true, nil
	})
}

func (s *Service) addTagsToResource(c *awsjson.Call) (any, error) {
	var in tagInput
	name, err := s.tagged(c, &in)
	if err != nil {
		return nil, err
	}
	return nil, s.retag(name, func(tags map[string]string) {
		for _, t := range in.Tags {
			tags[t.Key] = t.Value
		}
	})
}

func (s *Service) removeTagsFromResource(c *awsjson.Call) (any, error) {
	var in tagInput
	name, err := s.tagged(c, &in)
	if err != nil {
		return nil, err
	}
	return nil, s.retag(name, func(tags map[string]string) {
		for _, key := range in.TagKeys {
			delete(tags, key)
		}
	})
}

func (s *Service) listTagsForResource(c *awsjson.Call) (any, error) {
	var in tagInput
	name, err := s.tagged(c, &in)
	if err != nil {
		return nil, err
	}
	found, _ := s.parameters.Get(c.Context, name)
	tags := []tag{}
	for _, key := range slices.Sorted(maps.Keys(found.tags)) {
		tags = append(tags, tag{key, found.tags[key]})
	}
	return map[string]any{"TagList": tags}, nil
}
