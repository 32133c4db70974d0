package iam

import (
	"context"
	"encoding/base64"
	"io"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/sandbox/awsquery"
)

type xmlKey struct {
	UserName        string
	AccessKeyId     string //nolint:revive // the API's spelling
	Status          string
	SecretAccessKey string `xml:",omitempty"`
	CreateDate      string
}

func newXMLKey(k accessKey) xmlKey {
	status := "Inactive"
	if k.Active {
		status = "Active"
	}
	return xmlKey{UserName: k.UserName, AccessKeyId: k.ID, Status: status, CreateDate: created(k.Created)}
}

func (d *Directory) keysOf(ctx context.Context, userName string) []accessKey {
	var keys []accessKey
	for _, k := range d.keys.Values(ctx) {
		if k.UserName == userName {
			keys = append(keys, k)
		}
	}
	return keys
}

// NewSecret draws the secret half of a key: 30 random bytes, 40 characters.
func NewSecret(random io.Reader) (string, error) {
	var b [30]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b[:]), nil
}

func (s *Service) createAccessKey(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := s.latest(c.ctx)
	name := c.form.Get("UserName")
	if _, ok := s.user(ctx, name); !ok {
		return nil, userNotFound(name)
	}
	if len(s.keysOf(ctx, name)) >= accessKeyQuota {
		return nil, limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", accessKeyQuota)
	}
	id, err := NewID(s.cfg.Rand, "AKIA", 20)
	if err != nil {
		return nil, err
	}
	secret, err := NewSecret(s.cfg.Rand)
	if err != nil {
		return nil, err
	}
	k := accessKey{ID: id, UserName: name, Active: true, Created: s.cfg.Now(), secret: secret}
	s.keys.Put(id, k)
	x := newXMLKey(k)
	x.SecretAccessKey = secret
	return struct{ AccessKey xmlKey }{x}, nil
}

// changeKey changes the access key that the call names, which has to be the named user's.
func (s *Service) changeKey(c *call, change func(k accessKey) (accessKey, bool, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := c.form.Get("AccessKeyId")
	return s.keys.Update(id, func(k accessKey, exists bool) (accessKey, bool, error) {
		if !exists || k.UserName != c.form.Get("UserName") {
			return k, exists, noSuchEntity("The Access Key with id %s cannot be found.", id)
		}
		return change(k)
	})
}

func (s *Service) deleteAccessKey(c *call) (any, error) {
	return nil, s.changeKey(c, func(k accessKey) (accessKey, bool, error) { return k, false, nil })
}

func (s *Service) updateAccessKey(c *call) (any, error) {
	status := c.form.Get("Status")
	if status != "Active" && status != "Inactive" {
		return nil, validation("1 validation error detected: Value '%s' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", status)
	}
	return nil, s.changeKey(c, func(k accessKey) (accessKey, bool, error) {
		k.Active = status == "Active"
		return k, true, nil
	})
}

func (s *Service) listAccessKeys(c *call) (any, error) {
	u, err := s.namedUser(c)
	if err != nil {
		return nil, err
	}
	page, err := cut(c, s.keysOf(c.ctx, u.Name), func(k accessKey) string { return k.ID })
	if err != nil {
		return nil, err
	}
	var out struct {
		AccessKeyMetadata awsquery.List[xmlKey]
		xmlPage
	}
	out.xmlPage = page.xml()
	for _, k := range page.items {
		out.AccessKeyMetadata.Member = append(out.AccessKeyMetadata.Member, newXMLKey(k))
	}
	return out, nil
}
