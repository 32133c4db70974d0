package provider_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// example reads the configuration of an example.
func example(t *testing.T, name string) map[string]string {
	t.Helper()
	files := map[string]string{}
	paths, err := filepath.Glob(filepath.Join("..", "..", "examples", name, "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there is no example %s: %v", name, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = string(text)
	}
	return files
}

// migrants are ten servers of the plain module on one foundation of each identity provider.
func migrants(t *testing.T, prefix string) []*legacyThing {
	t.Helper()
	var made []*legacyThing
	for _, l := range legacyServers(prefix) {
		l.api = ""
		made = append(made, l.build(t))
	}
	return made
}

// variables are what the example is called with.
func variables(t *testing.T, servers []*legacyThing) string {
	t.Helper()
	env := clouds.Env()
	of := func(names map[string]string) object {
		values := object{}
		for attribute, name := range names {
			values[attribute] = env["OIDCS3_SANDBOX_"+name]
		}
		return values
	}
	cognito := of(map[string]string{"user_pool_id": "COGNITO_USER_POOL_ID", "domain": "COGNITO_DOMAIN", "vending_role_arn": "VENDING_ROLE_ARN",
		"vending_url": "VENDING_URL", "client_roles_table_name": "CLIENT_ROLES_TABLE"})
	cognito["allowed_scopes"] = strings.Fields(env["OIDCS3_SANDBOX_COGNITO_SCOPES"])
	all := object{}
	for _, m := range servers {
		all[m.name] = object{"identity_provider": m.idp, "s3_path_prefix": m.prefix, "s3_permissions": m.level, "max_session_duration": m.duration}
	}
	return encoded(t, object{
		"environment": "dev", "bucket_name": env["OIDCS3_SANDBOX_BUCKET"], "servers": all,
		"common_tags": object{"Project": "oidc-s3-uploader", "ManagedBy": "Terraform", "Environment": "dev"},
		"auth0":       of(map[string]string{"audience": "AUTH0_AUDIENCE", "oidc_provider_arn": "AUTH0_OIDC_PROVIDER_ARN"}),
		"entra":       of(map[string]string{"audience": "ENTRA_AUDIENCE", "oidc_provider_arn": "ENTRA_OIDC_PROVIDER_ARN"}),
		"cognito":     cognito,
	})
}

// moduleState is the state that the plain module has of the servers, as far as the stand-ins know its resources, and the
// number of resources in it.
func moduleState(t *testing.T, servers []*legacyThing) (state string, count int) {
	t.Helper()
	var resources []any
	for _, m := range servers {
		add := func(provider, kind, name string, attributes object) {
			resources = append(resources, object{
				"module": fmt.Sprintf("module.server_access[%q]", m.name), "mode": "managed", "type": kind, "name": name,
				"provider":  fmt.Sprintf("provider[%q]", "registry.terraform.io/"+provider),
				"instances": []any{object{"schema_version": 0, "attributes": attributes}},
			})
		}
		add("hashicorp/aws", "aws_iam_role", "server", object{"id": m.role(), "name": m.role(), "arn": m.roleARN, "tags": object{"Server": m.name}})
		add("hashicorp/aws", "aws_iam_role_policy", "s3_objects", object{"id": m.role() + ":s3-object-access", "name": "s3-object-access", "role": m.role()})
		if m.level == "full" {
			add("hashicorp/aws", "aws_iam_role_policy", "s3_list", object{"id": m.role() + ":s3-list-access", "name": "s3-list-access", "role": m.role()})
		}
		switch m.idp {
		case "auth0":
			add("auth0/auth0", "auth0_client", "server", object{"id": m.clientID, "name": m.role(), "client_id": m.clientID})
			add("auth0/auth0", "auth0_client_grant", "server", object{"id": "cgr_1", "client_id": m.clientID})
		case "entra":
			add("hashicorp/azuread", "azuread_application", "server", object{"id": "/applications/" + m.objectID, "client_id": m.clientID})
			add("hashicorp/azuread", "azuread_service_principal", "server", object{"id": "/servicePrincipals/" + m.subject, "client_id": m.clientID})
			add("hashicorp/azuread", "azuread_application_password", "server", object{"id": "password", "application_id": "/applications/" + m.objectID})
		case "cognito":
			add("hashicorp/aws", "aws_cognito_user_pool_client", "server", object{"id": m.clientID, "name": m.role()})
			add("hashicorp/aws", "aws_dynamodb_table_item", "client_role_mapping", object{"id": "item", "hash_key": "client_id"})
		}
	}
	return encoded(t, object{"version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": uuid.NewString(), "outputs": object{}, "resources": resources}), len(resources)
}

func namesOf(servers []*legacyThing) []string {
	var names []string
	for _, m := range servers {
		names = append(names, m.name)
	}
	return names
}

// stillWork checks that every host, with the secret that it has had all along, can do what it could.
func stillWork(t *testing.T, servers []*legacyThing, configuration func(*legacyThing) string) {
	t.Helper()
	for _, m := range servers {
		h := host{secret: m.secret}
		decode(t, configuration(m), &h.configuration)
		if err := h.may(t.Context(), levels[m.level]...); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if err := m.samePassword(t); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestAccMigration_example takes the state of ten servers of the plain module over with the example's configuration.
func TestAccMigration_example(t *testing.T) {
	t.Parallel()
	servers := migrants(t, "mig-")
	state, count := moduleState(t, servers)
	files := example(t, "migration")
	files["terraform.tfvars.json"], files["terraform.tfstate"] = variables(t, servers), state
	w := newWorkspace(t, files, standIns())
	n := len(servers)
	w.expect(map[string]int{"forget": count, "import": n, "update": n})
	w.apply()
	w.clean()
	w.write("migration.tf", "")
	w.clean()
	stillWork(t, servers, func(m *legacyThing) string { return w.configurations()[m.name] })

	// And out again: the example stands in place of the resource.
	for name := range files {
		if strings.HasSuffix(name, ".tf") {
			w.write(name, "")
		}
	}
	configurations := w.configurations()
	w.write("terraform.tfvars.json", "{}")
	for name, text := range example(t, "leaving") {
		w.write(name, text)
	}
	w.expect(map[string]int{"forget": n})
	w.apply()
	w.clean()
	stillWork(t, servers, func(m *legacyThing) string { return configurations[m.name] })
}

// configurations are the hosts' configurations in the state, by server.
func (w *workspace) configurations() map[string]string {
	w.t.Helper()
	var state struct {
		Resources []struct {
			Type      string
			Instances []struct {
				Attributes struct {
					Name          string `json:"server_name"`
					Configuration string `json:"server_configuration"`
				}
			}
		}
	}
	decode(w.t, w.read("terraform.tfstate"), &state)
	found := map[string]string{}
	for _, r := range state.Resources {
		for _, one := range r.Instances {
			if r.Type == serverAccess {
				found[one.Attributes.Name] = one.Attributes.Configuration
			}
		}
	}
	return found
}

// TestAccMigration_moved takes servers over with a moved block from the module's role, and forgets the rest.
func TestAccMigration_moved(t *testing.T) {
	t.Parallel()
	var servers []*legacyThing
	for _, l := range []legacy{{name: "walks-auth0"}, {name: "walks-entra", idp: "entra", level: "full"}, {name: "walks-cognito", idp: "cognito"}} {
		servers = append(servers, l.build(t))
	}
	state, count := moduleState(t, servers)
	files := example(t, "migration")
	files["terraform.tfvars.json"], files["terraform.tfstate"] = variables(t, servers), state
	var moves strings.Builder
	for _, name := range namesOf(servers) {
		fmt.Fprintf(&moves, "moved {\n  from = module.server_access[%q].aws_iam_role.server\n  to   = oidcs3_server_access.this[%q]\n}\n", name, name)
	}
	files["migration.tf"] = moves.String() + strings.Split(files["migration.tf"], "\nimport {")[0]
	w := newWorkspace(t, files, standIns())
	if out, err := w.try("plan", "-no-color", "-refresh=false"); err == nil || !saying("Plan without -refresh=false").MatchString(out) {
		t.Errorf("without a refresh: %v\n%s", err, out)
	}
	w.expect(map[string]int{"forget": count - len(servers), "update": len(servers)})
	w.apply()
	w.clean()
	if got := slices.Sorted(maps.Keys(w.configurations())); !slices.Equal(got, slices.Sorted(slices.Values(namesOf(servers)))) {
		t.Errorf("in the state are %v", got)
	}
	stillWork(t, servers, func(m *legacyThing) string { return w.configurations()[m.name] })
	w.write("migration.tf", "")
	w.clean()
	w.run("destroy", "-no-color", "-auto-approve")
	if err := nothingLeft(t, namesOf(servers)...)(nil); err != nil {
		t.Error(err)
	}
}
