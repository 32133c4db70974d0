package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/onboarding"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/rolemap"
)

// orphans finds clients and rows that belong to no server.
func (a *audit) orphans() {
	a.clientsWithoutRole()
	for _, row := range a.rows {
		a.examineRow(row)
	}
}

func (a *audit) clientsWithoutRole() {
	belongs := map[string]bool{} // ids of clients
	begun := map[string]bool{}   // ids of onboardings that have not recorded their client yet
	for _, s := range a.servers {
		belongs[s.shown.ClientID], belongs[s.client.ID] = true, true
		if s.journal.ClientID == "" && s.journal.OnboardingID != "" {
			begun[s.journal.OnboardingID] = true
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(a.entries)) {
		for _, id := range slices.Sorted(maps.Keys(a.entries[kind])) {
			if entry := a.entries[kind][id]; a.ours(entry) && !belongs[id] && !begun[entry.OnboardingID] {
				a.find(a.clientWithoutRole(kind, entry))
			}
		}
	}
}

// ours reports whether a client was made for a server of the environment: by its marks, or else by its name.
func (a *audit) ours(entry idp.Entry) bool {
	if entry.Environment == "" || entry.Server == "" {
		return a.named(entry.Name)
	}
	return entry.Name == access.Name(a.Project, entry.Environment, entry.Server) && (a.Environment == "" || a.Environment == entry.Environment)
}

func (a *audit) clientWithoutRole(kind idp.Kind, entry idp.Entry) Finding {
	f := Finding{Kind: ClientWithoutRole, Object: fmt.Sprintf("%s client %s (%s)", kind, entry.ID, entry.Name), Message: "no role lets it in"}
	for _, s := range a.servers {
		if s.role.Name == entry.Name {
			f.Server = s.id()
			f.Message = "role " + s.role.Name + " lets in another client"
			if s.shown.ClientID != "" {
				f.Message += ", " + s.shown.ClientID
			}
		}
	}
	return f
}

// examineRow finds out whose a row is.
func (a *audit) examineRow(row rolemap.Row) {
	at := slices.IndexFunc(a.servers, func(s *subject) bool { return s.role.ARN == row.RoleARN })
	object := "row " + row.ClientID + " of table " + a.Table
	if at < 0 {
		if message := a.strayed(row); message != "" {
			a.find(Finding{Kind: RowWithoutRole, Object: object, Message: message})
		}
		return
	}
	s := a.servers[at]
	if s.journal.Phase == onboarding.Pending || s.shown.ClientID == "" {
		return
	}
	if row.ClientID != s.shown.ClientID && !strings.HasSuffix(row.ClientID, "#"+s.shown.ClientID) {
		a.find(Finding{Kind: StrayRow, Server: s.id(), Object: object,
			Message: fmt.Sprintf("it leads to role %s, whose client is %s", s.role.Name, s.shown.ClientID)})
	}
}

// strayed says where a row leads that leads to no server of the environment; nothing where it is another environment's.
func (a *audit) strayed(row rolemap.Row) string {
	arn, err := access.ParseARN(row.RoleARN)
	path, isRole := strings.CutPrefix(arn.Resource, "role/")
	if err != nil || !isRole {
		return fmt.Sprintf("%q is not the ARN of a role", row.RoleARN)
	}
	name := path[strings.LastIndex(path, "/")+1:]
	role, there := a.roles[name]
	switch {
	case there && role.ARN == row.RoleARN && onboarding.JournalOf(role).Phase != onboarding.Unknown:
		return "" // of another environment or project
	case there && role.ARN == row.RoleARN:
		return "role " + name + " is no server's"
	case !a.named(name) && strings.HasPrefix(name, a.Project+"-"):
		return "" // of another environment, which may have a report of its own
	}
	return "there is no role " + row.RoleARN + " in the account"
}

// rowsOf lists the rows that lead to a role.
func (a *audit) rowsOf(roleARN string) []rolemap.Row {
	return slices.DeleteFunc(slices.Clone(a.rows), func(row rolemap.Row) bool { return row.RoleARN != roleARN })
}
