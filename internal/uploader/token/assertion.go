package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/config"
)

// assertionLife is how long a client assertion is good for; Auth0 takes no more than five minutes.
const assertionLife = 4 * time.Minute

// signer makes client assertions (RFC 7523) with the host's private key.
type signer struct{ jose jose.Signer }

// newSigner reads the PEM text of an RSA key. Auth0 verifies RS256 with the registered public key; Entra wants PS256
// and the thumbprint of the registered certificate, which stands beside the key.
// https://auth0.com/docs/get-started/authentication-and-authorization-flow/authenticate-with-private-key-jwt
// https://learn.microsoft.com/entra/identity-platform/certificate-credentials
func newSigner(provider string, text config.Secret) (*signer, error) {
	key, certificate, err := parseKey([]byte(text.Reveal()))
	if err != nil {
		return nil, &config.Error{Where: "private key", Err: err, Hint: "make a key pair with: oidcs3-upload keygen"}
	}
	algorithm := jose.RS256
	options := (&jose.SignerOptions{}).WithType("JWT")
	switch provider {
	case config.Entra:
		if certificate == nil {
			return nil, &config.Error{Where: "private key", Err: errors.New("no certificate beside it"),
				Hint: "Entra finds the key by its certificate: append the certificate's PEM to the key file"}
		}
		algorithm = jose.PS256
		sum := sha256.Sum256(certificate.Raw)
		options = options.WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:]))
	case config.Cognito:
		return nil, &config.Error{Where: "private key", Err: errors.New("cognito does not authenticate clients by key"), Hint: "use a client secret"}
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		return nil, &config.Error{Where: "private key", Err: err}
	}
	return &signer{jose: s}, nil
}

// assertion is a fresh one, with an id of its own.
func (s *signer) assertion(clientID, audience string, now time.Time) (string, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	claims := jwt.Claims{
		Issuer: clientID, Subject: clientID, Audience: jwt.Audience{audience}, ID: hex.EncodeToString(id),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	}
	return jwt.Signed(s.jose).Claims(claims).Serialize()
}

func parseKey(text []byte) (key *rsa.PrivateKey, certificate *x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, nil, errors.New("the PKCS #8 key cannot be parsed")
			}
			rsaKey, ok := parsed.(*rsa.PrivateKey)
			if !ok {
				return nil, nil, fmt.Errorf("an RSA key is wanted, this is %T", parsed)
			}
			key = rsaKey
		case "RSA PRIVATE KEY":
			if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
				return nil, nil, errors.New("the PKCS #1 key cannot be parsed")
			}
		case "ENCRYPTED PRIVATE KEY":
			return nil, nil, errors.New("it is encrypted, and nobody is there to type the passphrase")
		case "CERTIFICATE":
			if certificate != nil {
				continue // the first one is the key's own, others are its chain
			}
			if certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
				return nil, nil, errors.New("the certificate cannot be parsed")
			}
		}
	}
	if key == nil {
		return nil, nil, errors.New("no PEM block with a private key")
	}
	if certificate != nil && !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, nil, errors.New("the certificate belongs to another key")
	}
	return key, certificate, nil
}
