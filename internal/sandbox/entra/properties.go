package entra

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of properties, in characters.
// https://learn.microsoft.com/graph/api/resources/application
const (
	maxName        = 256
	maxDescription = 1024
	maxTag         = 256
	maxIdentifier  = 255
	maxUniqueName  = 255
)

var signInAudiences = []string{"AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"}

// otherProperties are kept as they are written: they mean nothing to what the sandbox does.
var otherProperties = []string{"addIns", "defaultRedirectUri", "disabledByMicrosoftStatus", "groupMembershipClaims", "info", "isDeviceOnlyAuthSupported",
	"isFallbackPublicClient", "nativeAuthenticationApisEnabled", "notes", "oauth2RequirePostResponse", "optionalClaims", "parentalControlSettings", "publicClient",
	"requestSignatureVerification", "requiredResourceAccess", "samlMetadataUrl", "serviceManagementReference", "servicePrincipalLockConfiguration",
	"spa", "tokenEncryptionKeyId", "verifiedPublisher", "web"}

// apply sets what a body asks for. id makes new ids.
func (a *application) apply(body map[string]json.RawMessage, now time.Time, id func() string) error {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if err := a.set(name, body[name], now, id); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) set(name string, value json.RawMessage, now time.Time, id func() string) error {
	switch name {
	case "displayName":
		return setText(name, value, &a.DisplayName, maxName)
	case "description":
		return setText(name, value, &a.Description, maxDescription)
	case "uniqueName":
		before := a.UniqueName
		if err := setText(name, value, &a.UniqueName, maxUniqueName); err != nil {
			return err
		}
		if before != "" && before != a.UniqueName {
			return invalid("Property 'uniqueName' is immutable once it is set.")
		}
		return nil
	case "signInAudience":
		if err := setText(name, value, &a.SignInAudience, maxName); err != nil {
			return err
		}
		if !slices.Contains(signInAudiences, a.SignInAudience) {
			return badValue(name)
		}
		return nil
	case "tags":
		return setTags(value, &a.Tags)
	case "identifierUris":
		return a.setIdentifiers(value)
	case "api":
		return a.setAPI(value)
	case "appRoles":
		return a.setRoles(value)
	case "keyCredentials":
		return a.setKeys(value, now, id)
	case "passwordCredentials":
		if text := string(value); text != "[]" && text != "null" {
			return invalid("Passwords cannot be set here: use addPassword.")
		}
		return nil
	}
	if !slices.Contains(otherProperties, name) {
		return invalid("Invalid property '%s'.", name)
	}
	a.Others = maps.Clone(a.Others)
	if a.Others == nil {
		a.Others = map[string]json.RawMessage{}
	}
	a.Others[name] = value
	return nil
}

func badValue(property string) *graphError {
	return invalid("Invalid value specified for property '%s' of resource 'Application'.", property)
}

func setText(name string, value json.RawMessage, into *string, longest int) error {
	var text *string
	if json.Unmarshal(value, &text) != nil {
		return badValue(name)
	}
	*into = ""
	if text != nil {
		*into = *text
	}
	if utf8.RuneCountInString(*into) > longest {
		return invalid("Property '%s' is too long: its maximum length is %d.", name, longest)
	}
	return nil
}

func setTags(value json.RawMessage, into *[]string) error {
	var tags []string
	if json.Unmarshal(value, &tags) != nil {
		return badValue("tags")
	}
	for _, tag := range tags {
		if tag == "" || utf8.RuneCountInString(tag) > maxTag {
			return badValue("tags")
		}
	}
	*into = tags
	return nil
}

func (a *application) setIdentifiers(value json.RawMessage) error {
	var uris []string
	if json.Unmarshal(value, &uris) != nil {
		return badValue("identifierUris")
	}
	for _, text := range uris {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" || len(text) > maxIdentifier || strings.ContainsAny(text, " #") {
			return badValue("identifierUris")
		}
	}
	slices.Sort(uris)
	if len(slices.Compact(slices.Clone(uris))) != len(uris) {
		return badValue("identifierUris")
	}
	a.IdentifierURIs = uris
	return nil
}

func (a *application) setAPI(value json.RawMessage) error {
	var settings map[string]json.RawMessage
	if json.Unmarshal(value, &settings) != nil {
		return badValue("api")
	}
	api := apiSettings{TokenVersion: a.API.TokenVersion, Others: maps.Clone(a.API.Others)}
	if api.Others == nil {
		api.Others = map[string]json.RawMessage{}
	}
	for name, setting := range settings {
		switch {
		case name == "requestedAccessTokenVersion":
			var version *int
			if json.Unmarshal(setting, &version) != nil || version != nil && *version != 1 && *version != 2 {
				return badValue("api.requestedAccessTokenVersion")
			}
			api.TokenVersion = version
		case strings.Contains(name, "@odata."):
		case slices.Contains([]string{"acceptMappedClaims", "knownClientApplications", "oauth2PermissionScopes", "preAuthorizedApplications"}, name):
			api.Others[name] = setting
		default:
			return invalid("Invalid property '%s'.", name)
		}
	}
	a.API = api
	return nil
}

func (a *application) setRoles(value json.RawMessage) error {
	var roles []appRole
	if json.Unmarshal(value, &roles) != nil {
		return badValue("appRoles")
	}
	ids, values := map[string]bool{}, map[string]bool{}
	for i, role := range roles {
		if !isGUID(role.ID) || ids[role.ID] || role.DisplayName == "" || len(role.AllowedMemberTypes) == 0 || role.Value != nil && values[*role.Value] {
			return badValue("appRoles")
		}
		for _, kind := range role.AllowedMemberTypes {
			if kind != "User" && kind != "Application" {
				return badValue("appRoles")
			}
		}
		ids[role.ID] = true
		if role.Value != nil {
			values[*role.Value] = true
		}
		roles[i].Origin = "Application"
	}
	for _, old := range a.AppRoles {
		if old.IsEnabled && !ids[old.ID] {
			return &graphError{400, "CannotDeleteOrUpdateEnabledEntitlement", "Property value cannot be deleted unless it is disabled first."}
		}
	}
	a.AppRoles = roles
	return nil
}

func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, r := range text {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// properties is the application as Graph shows it. The keys of its certificates are null unless asked for.
func (a application) properties(withKeys bool) map[string]any {
	shown := map[string]any{
		"id": a.ID, "appId": a.AppID, "uniqueName": orNull(a.UniqueName), "displayName": a.DisplayName, "description": orNull(a.Description),
		"signInAudience": a.SignInAudience, "identifierUris": list(a.IdentifierURIs), "tags": list(a.Tags), "publisherDomain": nil,
		"createdDateTime": stamp(a.Created), "deletedDateTime": stamp(a.Deleted), "appRoles": list(a.AppRoles), "api": a.API.properties(),
		"passwordCredentials": shownPasswords(a.Passwords), "keyCredentials": shownKeys(a.Keys, withKeys),
	}
	for _, name := range otherProperties {
		shown[name] = nil
		if value, ok := a.Others[name]; ok {
			shown[name] = value
		}
	}
	return shown
}

func (a apiSettings) properties() map[string]any {
	shown := map[string]any{"acceptMappedClaims": nil, "knownClientApplications": []string{}, "oauth2PermissionScopes": []string{}, "preAuthorizedApplications": []string{}}
	for name, value := range a.Others {
		shown[name] = value
	}
	shown["requestedAccessTokenVersion"] = a.TokenVersion
	return shown
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// list is never null.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}
