package entra

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the default customKeyIdentifier is the SHA-1 thumbprint
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// passwordLifetime is that of a password whose end nobody asked for.
// https://learn.microsoft.com/graph/api/application-addpassword
const passwordLifetime = 2 * 365 * 24 * time.Hour

// addPassword makes a password and shows its secret, this once.
func addPassword(c *call) (int, any, error) {
	var body struct {
		Credential *struct {
			DisplayName *string    `json:"displayName"`
			Start       *time.Time `json:"startDateTime"`
			End         *time.Time `json:"endDateTime"`
		} `json:"passwordCredential"`
	}
	if len(bytes.TrimSpace(c.body)) > 0 && json.Unmarshal(c.body, &body) != nil {
		return 0, nil, badValue("passwordCredential")
	}
	now := c.tenant.now()
	made := password{KeyID: c.tenant.guid(), Start: now, End: now.Add(passwordLifetime)}
	if wanted := body.Credential; wanted != nil {
		made.DisplayName = wanted.DisplayName
		if wanted.Start != nil {
			made.Start = wanted.Start.UTC()
		}
		if wanted.End != nil {
			made.End = wanted.End.UTC()
		}
	}
	if !made.End.After(made.Start) {
		return 0, nil, invalid("The end date of a credential must be after its start date.")
	}
	secret, err := newSecret(c.tenant.cfg.Rand)
	if err != nil {
		return 0, nil, err
	}
	made.Hint, made.Hash = secret[:3], sha256.Sum256([]byte(secret))
	err = c.edit(func(app *application) error {
		app.Passwords = append(slices.Clone(app.Passwords), made)
		return nil
	})
	if err != nil {
		return 0, nil, err
	}
	shown := made.properties()
	shown["secretText"] = secret
	shown["@odata.context"] = "https://" + c.tenant.cfg.GraphHost + "/v1.0/$metadata#microsoft.graph.passwordCredential"
	return http.StatusOK, shown, nil
}

func removePassword(c *call) (int, any, error) {
	var body struct {
		KeyID string `json:"keyId"`
	}
	if json.Unmarshal(c.body, &body) != nil || !isGUID(body.KeyID) {
		return 0, nil, badValue("keyId")
	}
	return http.StatusNoContent, nil, c.edit(func(app *application) error {
		kept := slices.DeleteFunc(slices.Clone(app.Passwords), func(one password) bool { return one.KeyID == body.KeyID })
		if len(kept) == len(app.Passwords) {
			return invalid("No password credential found with keyId '%s'.", body.KeyID)
		}
		app.Passwords = kept
		return nil
	})
}

// edit changes the application that the path names.
func (c *call) edit(change func(*application) error) error {
	c.tenant.mu.Lock()
	defer c.tenant.mu.Unlock()
	app, err := c.application()
	if err != nil {
		return err
	}
	return c.change(app.ID, change)
}

func (p password) properties() map[string]any {
	return map[string]any{
		"customKeyIdentifier": nil, "displayName": p.DisplayName, "keyId": p.KeyID, "hint": p.Hint, "secretText": nil,
		"startDateTime": stamp(p.Start), "endDateTime": stamp(p.End),
	}
}

func shownPasswords(all []password) []any {
	shown := []any{}
	for _, one := range all {
		shown = append(shown, one.properties())
	}
	return shown
}

// setKeys replaces the certificates. One that is named by its keyId alone stays as it is.
// https://learn.microsoft.com/graph/api/resources/keycredential
func (a *application) setKeys(value json.RawMessage, now time.Time, id func() string) error {
	var wanted []struct {
		CustomID    []byte     `json:"customKeyIdentifier"`
		DisplayName *string    `json:"displayName"`
		Key         []byte     `json:"key"`
		KeyID       string     `json:"keyId"`
		Type        string     `json:"type"`
		Usage       string     `json:"usage"`
		Start       *time.Time `json:"startDateTime"`
		End         *time.Time `json:"endDateTime"`
	}
	if json.Unmarshal(value, &wanted) != nil {
		return badKey("Key credentials are malformed.")
	}
	var keys []keyCredential
	for _, one := range wanted {
		at := slices.IndexFunc(a.Keys, func(old keyCredential) bool { return old.KeyID == one.KeyID && one.KeyID != "" })
		if len(one.Key) == 0 && at >= 0 {
			keys = append(keys, a.Keys[at])
			continue
		}
		if one.Type != "AsymmetricX509Cert" || one.Usage != "Verify" {
			return badKey("Key credential must have the type AsymmetricX509Cert and the usage Verify.")
		}
		certificate, err := x509.ParseCertificate(one.Key)
		if err != nil {
			return badKey("Key credential value is not a valid certificate.")
		}
		made := keyCredential{
			KeyID: one.KeyID, CustomID: one.CustomID, DisplayName: one.DisplayName, Type: one.Type, Usage: one.Usage,
			Start: certificate.NotBefore.UTC(), End: certificate.NotAfter.UTC(), Certificate: one.Key,
		}
		if made.KeyID == "" {
			made.KeyID = id()
		}
		if len(made.CustomID) == 0 {
			sum := sha1.Sum(one.Key) //nolint:gosec // as above
			made.CustomID = sum[:]
		}
		if made, err = made.within(one.Start, one.End); err != nil {
			return err
		}
		if made.End.Before(now) {
			return &graphError{400, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid: it has passed."}
		}
		if slices.ContainsFunc(keys, func(other keyCredential) bool {
			return other.KeyID == made.KeyID || bytes.Equal(other.Certificate, made.Certificate)
		}) {
			return badKey("Key credentials must not repeat a key.")
		}
		keys = append(keys, made)
	}
	a.Keys = keys
	return nil
}

// within narrows the life of a key to what is asked for, which the certificate's own must contain.
func (k keyCredential) within(start, end *time.Time) (keyCredential, error) {
	if start != nil {
		if start.Before(k.Start) || start.After(k.End) {
			return k, &graphError{400, "KeyCredentialsInvalidStartDate", "Key credential start date is invalid."}
		}
		k.Start = start.UTC()
	}
	if end != nil {
		if end.After(k.End) || end.Before(k.Start) {
			return k, &graphError{400, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid."}
		}
		k.End = end.UTC()
	}
	return k, nil
}

func badKey(message string) *graphError {
	return &graphError{http.StatusBadRequest, "KeyCredentialsInvalidValue", message}
}

func shownKeys(all []keyCredential, withKeys bool) []any {
	shown := []any{}
	for _, one := range all {
		properties := map[string]any{
			"customKeyIdentifier": one.CustomID, "displayName": one.DisplayName, "key": nil, "keyId": one.KeyID, "type": one.Type, "usage": one.Usage,
			"startDateTime": stamp(one.Start), "endDateTime": stamp(one.End),
		}
		if withKeys {
			properties["key"] = one.Certificate
		}
		shown = append(shown, properties)
	}
	return shown
}
