package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/provider"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/uploader/cli"
)

// wants are the words that a mark may say: what a block needs that no test has.
var wants = []string{
	"account", // with a cloud or an identity provider
	"root",    // changes users or services of the machine
	"systemd", // a running one
	"time",    // minutes to hours: what it runs is run elsewhere, or by hand
}

// guides are the pages that people follow: all that are not generated from a schema, for which the provider's own tests
// apply the examples.
func guides(t *testing.T) []page {
	t.Helper()
	var found []page
	for _, p := range everyPage(t) {
		if !strings.HasPrefix(p.path, "docs/") || strings.HasPrefix(p.path, "docs/guides/") {
			found = append(found, p)
		}
	}
	return found
}

// isShell tells blocks of commands, which are written as a script: no prompt, no output.
func (b block) isShell() bool { return b.language == "sh" }

// script is the file of the session that runs a page's commands.
func (p page) script() string {
	name := strings.TrimSuffix(strings.TrimPrefix(p.path, "docs/guides/"), ".md")
	return filepath.Join("testdata", "script", strings.ReplaceAll(name, "/", "-")+".txtar")
}

// runs reports whether a session has a line that runs the block.
func runs(session, block string) bool {
	for line := range strings.Lines(session) {
		words := strings.Fields(line)
		if len(words) > 1 && (words[0] == "block" || words[0] == "service") && slices.Contains(words[1:], block) {
			return true
		}
	}
	return false
}

// TestCommandsAreRunOrMarked: no page has a command that neither runs here nor says what it needs. The sessions themselves
// check that they came to each.
func TestCommandsAreRunOrMarked(t *testing.T) {
	t.Parallel()
	sessions, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(sessions) == 0 {
		t.Fatalf("there are no sessions: %v", err)
	}
	for _, p := range guides(t) {
		session, err := os.ReadFile(p.script())
		hasSession := err == nil
		sessions = slices.DeleteFunc(sessions, func(name string) bool { return name == p.script() })
		unmarked := 0
		for _, b := range p.blocks {
			if slices.Contains([]string{"bash", "shell", "console", "zsh"}, b.language) {
				t.Errorf("%s:%d: commands stand in blocks of sh", p.path, b.line)
			}
			for _, need := range b.needs {
				if !slices.Contains(wants, need) {
					t.Errorf("%s:%d: nobody knows the need %q", p.path, b.line, need)
				}
			}
			if !b.isShell() {
				continue
			}
			if len(b.needs) == 0 {
				unmarked++
				if !runs(string(session), b.name) {
					t.Errorf("%s:%d: block %s neither runs in %s nor has a mark", p.path, b.line, b.name, p.script())
				}
			}
			checkCommands(t, p, b)
		}
		if hasSession && unmarked == 0 {
			t.Errorf("%s runs nothing of its page", p.script())
		}
	}
	for _, left := range sessions {
		t.Errorf("%s is of no page", left)
	}
}

// target is a rule of the makefile.
var target = regexp.MustCompile(`(?m)^([a-z]+):`)

// checkCommands looks at each command of a block, so that what is never run here is at least well formed: it is a script, the
// programs of this repository have the commands and flags, and make the targets.
func checkCommands(t *testing.T, p page, b block) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", b.text).CombinedOutput(); err != nil {
		t.Errorf("%s:%d: no script: %v: %s", p.path, b.line, err, out)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "GNUmakefile"))
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", " ")) {
		line, _, _ = strings.Cut(line, " #")
		words := strings.Fields(strings.NewReplacer("$(", " ", ")", " ", `"`, " ").Replace(line))
		for i, word := range words {
			switch word {
			case "make":
				for _, goal := range words[i+1:] {
					if !strings.HasPrefix(goal, "-") && !slices.Contains(targets, goal) {
						t.Errorf("%s:%d: make has no target %s", p.path, b.line, goal)
					}
				}
			case "oidcs3-upload":
				checkUpload(t, p, b, words[i+1:])
			}
		}
	}
}

// checkUpload resolves a command line of the host binary up to its first shell word, without running it.
func checkUpload(t *testing.T, p page, b block, words []string) {
	t.Helper()
	if end := slices.IndexFunc(words, func(w string) bool { return strings.ContainsAny(w, "|<>&;") }); end >= 0 {
		words = words[:end]
	}
	if len(words) == 0 {
		return
	}
	command, rest, err := cli.Commands("test").Find(words)
	if err != nil || !command.HasParent() {
		t.Errorf("%s:%d: oidcs3-upload has no command %s", p.path, b.line, words[0])
		return
	}
	if err := command.ParseFlags(rest); err != nil {
		t.Errorf("%s:%d: oidcs3-upload %s: %v", p.path, b.line, command.Name(), err)
	}
	if err := command.ValidateArgs(command.Flags().Args()); err != nil && command.Args != nil {
		t.Errorf("%s:%d: oidcs3-upload %s: %v", p.path, b.line, command.Name(), err)
	}
}

// TestConfigurations: every block of Terraform is formatted and can be read, and what it sets of oidcs3 exists.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	schemas, err := provider.Server("test")().GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	resource := schemas.ResourceSchemas["oidcs3_server_access"].Block
	checked := 0
	for _, p := range guides(t) {
		for _, b := range p.blocks {
			if b.language != "terraform" && b.language != "hcl" {
				continue
			}
			checked++
			file, diags := hclparse.NewParser().ParseHCL([]byte(b.text), p.path)
			if diags.HasErrors() {
				t.Errorf("%s:%d: %v", p.path, b.line, diags)
				continue
			}
			if formatted := string(hclwrite.Format([]byte(b.text))); formatted != b.text {
				t.Errorf("%s:%d: terraform fmt would write\n%s", p.path, b.line, formatted)
			}
			body := file.Body.(*hclsyntax.Body)
			for _, inner := range body.Blocks {
				if inner.Type == "resource" && inner.Labels[0] == "oidcs3_server_access" {
					checkAttributes(t, p, b, inner.Body.Attributes, resource.Attributes)
				}
			}
			if body.Attributes["client_authentication"] != nil { // a part of the resource
				checkAttributes(t, p, b, body.Attributes, resource.Attributes)
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d configurations were checked", checked)
	}
}

// checkAttributes compares the names that a configuration sets with those of the schema, nested ones included.
func checkAttributes(t *testing.T, p page, b block, set hclsyntax.Attributes, known []*tfprotov6.SchemaAttribute) {
	t.Helper()
	for name, attribute := range set {
		if slices.Contains([]string{"for_each", "count", "provider", "depends_on"}, name) {
			continue
		}
		at := slices.IndexFunc(known, func(k *tfprotov6.SchemaAttribute) bool { return k.Name == name })
		if at < 0 || !known[at].Required && !known[at].Optional {
			t.Errorf("%s:%d: nobody can set %s", p.path, b.line, name)
			continue
		}
		object, isObject := attribute.Expr.(*hclsyntax.ObjectConsExpr)
		if !isObject || known[at].NestedType == nil {
			continue
		}
		inner := hclsyntax.Attributes{}
		for _, item := range object.Items {
			if key := hcl.ExprAsKeyword(item.KeyExpr); key != "" {
				inner[key] = &hclsyntax.Attribute{Name: key, Expr: item.ValueExpr}
			}
		}
		checkAttributes(t, p, b, inner, known[at].NestedType.Attributes)
	}
}
