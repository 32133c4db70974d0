package entra

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/apierror"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

// wantedCertificates reads the certificates that a spec asks for, each once.
func wantedCertificates(spec idp.Spec) ([]certificate, error) {
	if spec.Method != idp.PrivateKeyJWT {
		return nil, nil
	}
	var all []certificate
	for i, text := range spec.PublicKeys {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("public key %d is not an X.509 certificate in PEM, and Entra takes nothing else", i+1)
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("public key %d does not parse as a certificate", i+1)
		}
		one := certificate{thumbprint: thumbprint(parsed.Raw), der: parsed.Raw, end: parsed.NotAfter}
		if !slices.ContainsFunc(all, func(c certificate) bool { return c.thumbprint == one.thumbprint }) {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("private_key_jwt takes at least one certificate")
	}
	return all, nil
}

func thumbprints(certificates []certificate) []string {
	var all []string
	for _, c := range certificates {
		all = append(all, c.thumbprint)
	}
	return all
}

func certificateDeviations(c idp.Client, spec idp.Spec) []string {
	unknown := spec.Method == idp.PrivateKeyJWT && len(spec.PublicKeys) == 0
	if c.Exists() && unknown || !c.Exists() && spec.Method != idp.PrivateKeyJWT {
		return nil
	}
	wanted, err := wantedCertificates(spec)
	if err != nil {
		return []string{err.Error()}
	}
	have := thumbprints(state(c).app.certificates)
	var deviations []string
	for _, print := range thumbprints(wanted) {
		if !slices.Contains(have, print) {
			deviations = append(deviations, "certificate "+print+" is missing")
		}
	}
	for _, print := range have {
		if !slices.Contains(thumbprints(wanted), print) {
			deviations = append(deviations, "certificate "+print+" is not wanted")
		}
	}
	return deviations
}

func (p *Provider) applyCertificates(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	wanted, err := wantedCertificates(spec)
	if err != nil {
		return &apierror.Error{Kind: apierror.Invalid, Service: service, Operation: "PATCH /applications/{id}", Object: "application " + c.ID, Err: err}
	}
	return p.setCertificates(ctx, c, wanted)
}

// setCertificates replaces the certificates, all of them in one call.
func (p *Provider) setCertificates(ctx context.Context, c *idp.Client, wanted []certificate) error {
	credentials := []models.KeyCredentialable{}
	for _, one := range wanted {
		name, kind, usage := certificateName+one.thumbprint, "AsymmetricX509Cert", "Verify"
		credential := models.NewKeyCredential()
		credential.SetDisplayName(&name)
		credential.SetTypeEscaped(&kind)
		credential.SetUsage(&usage)
		credential.SetKey(one.der)
		credentials = append(credentials, credential)
	}
	body := models.NewApplication()
	body.SetKeyCredentials(credentials)
	p.shared.wrote(c.ID)
	err := p.replicated(ctx, c.ID, func(ctx context.Context) error { return p.graph.changeApplication(ctx, state(*c).app.objectID, body) })
	if err == nil {
		renew(c, func(f *found) { f.app.certificates = wanted })
	}
	return err
}

func (p *Provider) revertCertificates(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return nil // the application goes as a whole
	}
	old := state(before).app.certificates
	for _, one := range old {
		if len(one.der) == 0 {
			return &apierror.Error{Kind: apierror.Conflict, Service: service, Operation: "PATCH /applications/{id}", Object: "application " + c.ID,
				Message: "certificate " + one.thumbprint + " is not shown, so that it cannot be put back"}
		}
	}
	if slices.Equal(thumbprints(old), thumbprints(state(*c).app.certificates)) {
		return nil
	}
	return gone(p.setCertificates(ctx, c, old))
}

// current is the password whose secret has reached us.
func current(app application) (password, bool) {
	recorded := tagged(app.tags, tagPassword)
	at := slices.IndexFunc(app.passwords, func(one password) bool { return one.keyID == recorded && recorded != "" })
	if at < 0 {
		return password{}, false
	}
	return app.passwords[at], true
}

// foreign is the password, not made here, that is valid the longest.
func foreign(app application) (last password, ok bool) {
	for _, one := range app.passwords {
		if one.name == passwordName {
			continue // its secret may have been lost on the way
		}
		if !ok || !last.end.IsZero() && (one.end.IsZero() || one.end.After(last.end)) {
			last, ok = one, true
		}
	}
	return last, ok
}

func (p *Provider) secretDeviations(c idp.Client, spec idp.Spec) []string {
	app := state(c).app
	if spec.Method != idp.ClientSecret {
		if tagged(app.tags, tagPassword) != "" {
			return []string{"client secret is not wanted"}
		}
		return nil
	}
	one, ok := current(app)
	if !ok && tagged(app.tags, tagPassword) == "" {
		one, ok = foreign(app) // imported: its host uses a password that was made before
	}
	switch {
	case !ok:
		return []string{"client secret is missing"}
	case !one.end.IsZero() && one.end.Before(p.now()):
		return []string{"client secret expired on " + one.end.UTC().Format(time.DateOnly)}
	default:
		return nil
	}
}

// applySecret makes a new password, records it, and removes those of ours that nobody can be using: whose secret was lost,
// and the one before the former one.
func (p *Provider) applySecret(ctx context.Context, c *idp.Client, spec idp.Spec) error {
	p.shared.wrote(c.ID)
	former := ""
	if one, ok := current(state(*c).app); ok {
		former = one.keyID
	}
	recorded := ""
	if spec.Method == idp.ClientSecret {
		var made password
		var secret string
		err := p.replicated(ctx, c.ID, func(ctx context.Context) (err error) {
			made, secret, err = p.graph.addPassword(ctx, c.ObjectID, p.now().Add(p.lifetime))
			return err
		})
		if err != nil {
			return err
		}
		if secret == "" || made.keyID == "" {
			return &apierror.Error{Kind: apierror.Ambiguous, Service: service, Operation: "POST /applications/{id}/addPassword",
				Object: "application " + c.ID, Message: "the answer shows no secret"}
		}
		renew(c, func(f *found) { f.app.passwords = append(slices.Clone(f.app.passwords), made) })
		c.Secret, recorded = idp.Secret(secret), made.keyID
	} else {
		former, c.Secret = "", ""
	}
	wanted := state(*c).app
	wanted.tags = retag(retag(wanted.tags, tagPassword, recorded), tagFormer, former)
	if err := p.change(ctx, c, wanted); err != nil {
		return err
	}
	return p.removePasswords(ctx, c, func(one password) bool {
		return one.name == passwordName && one.keyID != recorded && one.keyID != former
	})
}

// removePasswords removes those that match.
func (p *Provider) removePasswords(ctx context.Context, c *idp.Client, match func(password) bool) error {
	for _, one := range state(*c).app.passwords {
		if !match(one) {
			continue
		}
		err := p.replicated(ctx, c.ID, func(ctx context.Context) error { return p.graph.removePassword(ctx, c.ObjectID, one.keyID) })
		if noSuchPassword(err) {
			err = nil
		}
		if err != nil {
			return err
		}
		renew(c, func(f *found) {
			f.app.passwords = slices.DeleteFunc(slices.Clone(f.app.passwords), func(other password) bool { return other.keyID == one.keyID })
		})
	}
	return nil
}

// noSuchPassword tells a password that is gone already, which Graph refuses as invalid or not found.
func noSuchPassword(err error) bool {
	return apierror.Is(err, apierror.NotFound) || apierror.Is(err, apierror.Invalid)
}

// revertSecret removes the passwords that have come since, and points back at the one before, which is still valid.
func (p *Provider) revertSecret(ctx context.Context, c *idp.Client, before idp.Client) error {
	if !before.Exists() {
		return nil // the application goes as a whole
	}
	old := state(before).app
	wanted := state(*c).app
	wanted.tags = retag(retag(wanted.tags, tagPassword, tagged(old.tags, tagPassword)), tagFormer, tagged(old.tags, tagFormer))
	if err := p.change(ctx, c, wanted); err != nil {
		return gone(err)
	}
	c.Secret = before.Secret
	return p.removePasswords(ctx, c, func(one password) bool {
		return one.name == passwordName && !slices.ContainsFunc(old.passwords, func(was password) bool { return was.keyID == one.keyID })
	})
}
