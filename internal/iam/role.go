// Package iam is the adapter of AWS IAM: roles with their inline policies, and the client-ID lists of OIDC providers.
//
// It turns calls and answers, decides which calls may be repeated, and shares reads within a run. What a policy says
// and in which order things change is decided elsewhere.
package iam

import "time"

// Role is an IAM role as it was found. Policy documents are decoded JSON text, not the URL-encoded form of the API.
type Role struct {
	Name                string
	ARN                 string
	TrustPolicy         string
	InlinePolicies      map[string]string // name → document
	AttachedPolicies    []string          // ARNs of managed policies
	Tags                map[string]string
	MaxSessionDuration  time.Duration
	PermissionsBoundary string // ARN, or empty
	Description         string
	LastUsed            time.Time // zero where IAM does not say
	Created             time.Time
}

// RoleSpec is what CreateRole takes.
type RoleSpec struct {
	Name                string
	Description         string
	TrustPolicy         string
	MaxSessionDuration  time.Duration
	PermissionsBoundary string
	Tags                map[string]string
}

// OIDCProvider is an OIDC identity provider of the account.
type OIDCProvider struct {
	ARN       string
	URL       string   // without https://, as IAM returns it
	ClientIDs []string // audiences it accepts; quota 100
}
