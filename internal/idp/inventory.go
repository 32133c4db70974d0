package idp

import (
	"context"
	"time"
)

// Inventory lists clients, for whoever looks for those that belong to nothing any more. Providers implement it besides
// Provider.
type Inventory interface {
	Kind() Kind
	// Clients lists the clients that carry oidcs3's marks, or where clients carry none (Cognito), that the name picks. It
	// keeps no secret. It fails with *apierror.Error.
	Clients(ctx context.Context, named func(name string) bool) ([]Entry, error)
}

// Entry is a client as an inventory lists it.
type Entry struct {
	ID           string
	Name         string
	OnboardingID string // empty where the client does not say
	Server       string // as the client says; empty where it does not
	Environment  string // as the client says; empty where it does not
	Audience     string // of the API that the client was made for; empty where the client does not say
	Method       Method // empty: not known
	Credentials  []Credential
	// Undated is why Credentials lacks those that expire, where they could not be read.
	Undated error
}

// Credential is something that a client authenticates with, without its value.
type Credential struct {
	ID      string // as the identity provider names it
	Method  Method
	Expires time.Time // zero: never
	Former  bool      // a newer one has taken its place, and it stays valid only until every host has that
}
