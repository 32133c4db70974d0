package onboarding

import (
	"fmt"
	"strings"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/iam"
)

// Server is whose role a role is.
type Server struct {
	Environment string
	Name        string
}

// RoleNames lists the roles that an import id may mean, the likeliest first. An id is <server_name>,
// <environment>/<server_name>, the name of the role, or its ARN; environment may be empty where the provider has none.
func RoleNames(id, project, environment string) ([]string, error) {
	if strings.HasPrefix(id, "arn:") {
		arn, err := access.ParseARN(id)
		if err != nil {
			return nil, fmt.Errorf("import id %q: %w", id, err)
		}
		path, ok := strings.CutPrefix(arn.Resource, "role/")
		if arn.Service != "iam" || !ok {
			return nil, fmt.Errorf("import id %q is not the ARN of a role", id)
		}
		return []string{path[strings.LastIndex(path, "/")+1:]}, nil
	}
	if env, server, ok := strings.Cut(id, "/"); ok {
		if err := access.ValidateEnvironment(env); err != nil {
			return nil, fmt.Errorf("import id %q: %w", id, err)
		}
		if err := access.ValidateServerName(server); err != nil {
			return nil, fmt.Errorf("import id %q: %w", id, err)
		}
		return []string{access.Name(project, env, server)}, nil
	}
	if err := access.ValidateServerName(id); err != nil {
		return nil, fmt.Errorf("import id %q is none of <server_name>, <environment>/<server_name>, a role's name or its ARN: %w", id, err)
	}
	if environment == "" || strings.HasPrefix(id, project+"-") {
		names := []string{id}
		if environment != "" {
			names = append(names, access.Name(project, environment, id))
		}
		return names, nil
	}
	return []string{access.Name(project, environment, id), id}, nil
}

// Tags by which plain modules named a server.
const (
	legacyServer      = "Server"
	legacyEnvironment = "Environment"
)

// ServerOf tells whose a role is: by its journal, by the tags of a plain module, or by its name.
func ServerOf(role iam.Role, project, environment string) (Server, error) {
	j := parseJournal(role.Tags)
	candidates := []Server{
		{Environment: j.Environment, Name: j.Server},
		{Environment: role.Tags[legacyEnvironment], Name: role.Tags[legacyServer]},
		{Environment: environment, Name: strings.TrimPrefix(role.Name, access.Name(project, environment, ""))},
	}
	for _, s := range candidates {
		if s.Environment != "" && s.Name != "" && access.Name(project, s.Environment, s.Name) == role.Name {
			return s, nil
		}
	}
	return Server{}, fmt.Errorf("role %s is not named %s, so it cannot be told which server it belongs to",
		role.Name, access.Name(project, "<environment>", "<server_name>"))
}

// ParseServerID tells which server an import id means, without looking at roles: in a role's name the environment is one of
// those given, the longest that fits, and without any the first word after the project. Environment is empty where the id
// is a server's name alone.
func ParseServerID(id, project string, environments []string) (Server, error) {
	names, err := RoleNames(id, project, "")
	if err != nil {
		return Server{}, err
	}
	if env, server, ok := strings.Cut(id, "/"); ok && !strings.HasPrefix(id, "arn:") {
		return Server{Environment: env, Name: server}, nil
	}
	rest, isRole := strings.CutPrefix(names[0], project+"-")
	if !isRole {
		if strings.HasPrefix(id, "arn:") {
			return Server{}, fmt.Errorf("role %s is not of the project %q", names[0], project)
		}
		return Server{Name: id}, nil
	}
	if len(environments) == 0 {
		first, _, _ := strings.Cut(rest, "-")
		environments = []string{first}
	}
	found := Server{}
	for _, env := range environments {
		if server, ok := strings.CutPrefix(rest, env+"-"); ok && len(env) > len(found.Environment) && access.ValidateServerName(server) == nil {
			found = Server{Environment: env, Name: server}
		}
	}
	if found == (Server{}) {
		return Server{}, fmt.Errorf("role %s is not named %s", names[0], access.Name(project, "<environment>", "<server_name>"))
	}
	return found, nil
}
