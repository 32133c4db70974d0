package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
)

// Version is the version of the report's JSON form. It changes when a field changes its meaning or goes; fields may be
// added, and kinds of findings, without it.
const Version = 1

// Report is who may do what where, and what about it needs a person.
type Report struct {
	Version     int       `json:"version"`
	Generated   time.Time `json:"generated"`
	Project     string    `json:"project"`
	Environment string    `json:"environment"` // empty: all of the project's
	Servers     []Server  `json:"servers"`     // by environment and name
	Findings    []Finding `json:"findings"`    // by kind, then by server and object
	// Unread is what could not be read, so that nothing is known about it. A report in which it is not empty does not say
	// that all is well.
	Unread []Unread `json:"unread"`
}

// Server is one server's access, as role and client have it. What cannot be told is empty.
type Server struct {
	ID                  string              `json:"id"` // <environment>/<server_name>
	Environment         string              `json:"environment"`
	Name                string              `json:"server_name"`
	Phase               onboarding.Phase    `json:"phase"`   // "pending", "ready"; empty: oidcs3 did not make the role
	Enabled             bool                `json:"enabled"` // whether the trust policy lets anybody in
	Bucket              string              `json:"bucket_name"`
	Prefix              string              `json:"s3_path_prefix"`
	Permission          access.Permission   `json:"s3_permissions"`
	KMSKeyARN           string              `json:"kms_key_arn,omitempty"`
	RoleName            string              `json:"role_name"`
	RoleARN             string              `json:"role_arn"`
	TrustPolicy         string              `json:"trust_policy"`         // JSON
	PermissionsPolicy   string              `json:"permissions_policy"`   // JSON: the statements of all inline policies together
	MaxSessionDuration  int64               `json:"max_session_duration"` // seconds
	PermissionsBoundary string              `json:"permissions_boundary,omitempty"`
	Created             time.Time           `json:"created"`
	LastUsed            *time.Time          `json:"last_used"` // null: not within the 400 days for which IAM knows
	IdentityProvider    idp.Kind            `json:"identity_provider"`
	TrustMode           access.Mode         `json:"trust_mode"`
	ClientID            string              `json:"client_id"`
	Authentication      idp.Method          `json:"client_authentication"`
	Credentials         []Credential        `json:"credentials"`
	Tags                map[string]string   `json:"tags"` // the role's, without oidcs3's own
	permissions         *access.Permissions // as the policies grant them; nil where they cannot be read
}

// Credential is something that the client authenticates with, without its value.
type Credential struct {
	ID      string     `json:"id"`
	Method  idp.Method `json:"method"`
	Expires *time.Time `json:"expires"` // null: never
	Former  bool       `json:"former,omitempty"`
}

// Finding is something that needs a person.
type Finding struct {
	Kind    Kind     `json:"kind"`
	Server  string   `json:"server"` // id; empty where it belongs to no server
	Object  string   `json:"object"` // what it is about: "role oidc-s3-dev-web-01"
	Message string   `json:"message"`
	Others  []string `json:"others,omitempty"` // ids of the other servers that have part in it
}

// Unread is something that could not be read.
type Unread struct {
	What string `json:"what"` // "clients of auth0"
	Why  string `json:"why"`
}

// Kind is the kind of a finding.
type Kind string

// The kinds.
const (
	Unfinished        Kind = "unfinished"
	RoleWithoutClient Kind = "role-without-client"
	ClientWithoutRole Kind = "client-without-role"
	RowWithoutRole    Kind = "row-without-role"
	StrayRow          Kind = "row-of-another-client"
	Overlap           Kind = "overlap"
	Reach             Kind = "reach"
	Drift             Kind = "drift"
	Unmanaged         Kind = "unmanaged"
	Expired           Kind = "expired"
	Expiring          Kind = "expiring"
	Unused            Kind = "unused"
)

// meanings says of each kind, in the order of reports, what it means and what is to be done.
var meanings = []struct {
	kind            Kind
	meaning, advice string
}{
	{Drift, "Trust, policies or client are no longer as oidcs3 writes them",
		"Run terraform plan for the server: apply puts back what differs. Find out in CloudTrail who changed it. What others attached to the role stays until they take it off."},
	{StrayRow, "The mapping table lets another client become the server",
		"Delete the row unless somebody can say what it is for: whoever has that client's secret gets the server's access."},
	{Overlap, "Servers get at each other's objects",
		"Give each server a prefix that is not inside another's. Where it is meant, allow_prefix_overlap says so in the configuration."},
	{Reach, "A role reaches objects of servers that are not its own",
		"Narrow the role's policies, or note why it may. The policies alone were looked at: a boundary or the bucket's policy may still deny it."},
	{Unfinished, "An onboarding that was not finished: nobody can assume the role",
		"Run terraform apply for the server: it goes on where the other ended. Or delete the role, and the client if there is one."},
	{RoleWithoutClient, "The client that the role lets in is gone",
		"Run terraform apply for the server, which makes a new client; or destroy the server."},
	{ClientWithoutRole, "A client that belongs to no role",
		"Delete the client at the identity provider, unless something else uses it."},
	{RowWithoutRole, "A row of the mapping table that leads to no server's role",
		"Delete the row: a role that is made anew under the name would be its client's."},
	{Unmanaged, "A role with a server's name that oidcs3 did not make",
		"Import the server into Terraform, or delete the role."},
	{Expired, "What the client authenticates with has expired",
		"Rotate it: rotation_triggers for a secret, a new certificate or key in public_key_pem."},
	{Expiring, "What the client authenticates with expires soon",
		"Rotate it before that day: rotation_triggers for a secret, a new certificate or key beside the old one in public_key_pem."},
	{Unused, "The access has not been used for long",
		"Ask the server's owner; destroy what nobody needs."},
}

// Kinds lists the kinds of findings in the order of reports.
func Kinds() []Kind {
	var kinds []Kind
	for _, m := range meanings {
		kinds = append(kinds, m.kind)
	}
	return kinds
}

// Meaning says in a few words what a finding of the kind is.
func (k Kind) Meaning() string {
	for _, m := range meanings {
		if m.kind == k {
			return m.meaning
		}
	}
	return string(k)
}

// Advice says what to do about a finding of the kind.
func (k Kind) Advice() string {
	for _, m := range meanings {
		if m.kind == k {
			return m.advice
		}
	}
	return ""
}

// ParseKind returns the kind of that name.
func ParseKind(name string) (Kind, error) {
	if kind := Kind(name); slices.Contains(Kinds(), kind) {
		return kind, nil
	}
	var names []string
	for _, kind := range Kinds() {
		names = append(names, string(kind))
	}
	return "", fmt.Errorf("there is no finding of the kind %q; kinds are %s", name, strings.Join(names, ", "))
}

// Of returns the findings of one kind.
func (r Report) Of(kind Kind) []Finding {
	var some []Finding
	for _, f := range r.Findings {
		if f.Kind == kind {
			some = append(some, f)
		}
	}
	return some
}

// About returns what finds the findings that a server has part in.
func (r Report) About() func(server string) []Finding {
	about := map[string][]Finding{}
	for _, f := range r.Findings {
		if f.Server != "" {
			about[f.Server] = append(about[f.Server], f)
		}
		if f.Kind == Reach { // an overlap is found from either side
			for _, other := range f.Others {
				about[other] = append(about[other], f)
			}
		}
	}
	return func(server string) []Finding { return about[server] }
}

// sort puts everything into the order that the fields promise, so that the same state gives the same report.
func (r *Report) sort() {
	order := map[Kind]int{}
	for i, kind := range Kinds() {
		order[kind] = i
	}
	slices.SortFunc(r.Servers, func(a, b Server) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if d := order[a.Kind] - order[b.Kind]; d != 0 {
			return d
		}
		if d := strings.Compare(a.Server, b.Server); d != 0 {
			return d
		}
		return strings.Compare(a.Object, b.Object)
	})
	slices.SortFunc(r.Unread, func(a, b Unread) int { return strings.Compare(a.What+a.Why, b.What+b.Why) })
	r.Unread = slices.Compact(r.Unread)
}
