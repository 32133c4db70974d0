package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// troubleshooting is the guide that explains messages, one under each heading of the third level.
const troubleshooting = "docs/guides/troubleshooting.md"

// open is what stands in a heading for what differs from case to case.
const open = "…"

// source is a Go package's files without tests.
func source(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("there is no code in %s: %v", dir, err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// verb is a place in a format that something is put into.
var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// template is the text of an expression that makes a message, with open in place of whatever is not written out; "" where
// nothing is.
func template(expression ast.Expr, constants map[string]string) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return verb.ReplaceAllString(text, open)
		}
	case *ast.BinaryExpr:
		left, right := template(e.X, constants), template(e.Y, constants)
		if left == "" && right == "" {
			return ""
		}
		return strings.ReplaceAll(orOpen(left)+orOpen(right), open+open, open)
	case *ast.Ident:
		return constants[e.Name]
	case *ast.CallExpr:
		if called(e) == "Sprintf" && len(e.Args) > 0 {
			return template(e.Args[0], constants)
		}
	}
	return ""
}

func orOpen(text string) string {
	if text == "" {
		return open
	}
	return text
}

// called is the name of the function that a call calls, without its package or receiver.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// constants are the string constants of a declaration, by their names.
func constants(node ast.Node) map[string]string {
	found := map[string]string{}
	ast.Inspect(node, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if i < len(spec.Values) {
				if text := template(spec.Values[i], nil); text != "" {
					found[name.Name] = text
				}
			}
		}
		return true
	})
	return found
}

// arguments are the templates of one argument of every call of the functions, which maps their names to its position.
func arguments(t *testing.T, dir string, functions map[string]int) []string {
	t.Helper()
	found := map[string]bool{}
	for _, file := range source(t, dir) {
		shared := constants(file)
		for _, declaration := range file.Decls {
			known := maps.Clone(shared)
			maps.Copy(known, constants(declaration))
			ast.Inspect(declaration, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if at, ok := functions[called(call)]; ok && at < len(call.Args) {
					if text := template(call.Args[at], known); text != "" && text != open {
						found[text] = true
					}
				}
				return true
			})
		}
	}
	var all []string
	for text := range found {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// spaced has every run of blanks and line breaks as one blank, and no marks of code.
func spaced(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "`", "")), " ")
}

// explained are the headings of the guide that stand for messages.
func explained(t *testing.T) []heading {
	t.Helper()
	var found []heading
	for _, h := range pageOf(t, troubleshooting).headings {
		if h.level == 3 {
			found = append(found, h)
		}
	}
	if len(found) < 40 {
		t.Fatalf("%s explains %d messages", troubleshooting, len(found))
	}
	return found
}

// TestEveryDiagnosticIsExplained: the summary of each of the provider's diagnostics is a heading of the guide.
func TestEveryDiagnosticIsExplained(t *testing.T) {
	t.Parallel()
	summaries := arguments(t, "internal/provider", map[string]int{
		"AddError": 0, "AddWarning": 0, "AddAttributeError": 1, "AddAttributeWarning": 1, "diagnose": 0, "diagnoseAt": 1,
		"NewErrorDiagnostic": 0, "NewWarningDiagnostic": 0, "NewAttributeErrorDiagnostic": 1, "NewAttributeWarningDiagnostic": 1,
	})
	summaries = append(summaries, fields(t, "internal/provider", "failed")...)
	if len(summaries) < 30 {
		t.Fatalf("the provider has %d summaries: %q", len(summaries), summaries)
	}
	var have []string
	for _, h := range explained(t) {
		have = append(have, spaced(h.text))
	}
	for _, summary := range summaries {
		if !slices.Contains(have, spaced(summary)) {
			t.Errorf("%s has no heading %q", troubleshooting, summary)
		}
	}
}

// shortest is how long a piece of a message must be to be looked for by itself.
const shortest = 12

// pieces are the parts of a message that are written out, as they can be looked for.
func pieces(message string) []string {
	var found []string
	for part := range strings.SplitSeq(spaced(message), open) {
		if part = strings.Trim(part, " ;,:()."); len(part) >= shortest && strings.Contains(part, " ") {
			found = append(found, part)
		}
	}
	return found
}

// TestEveryAnswerIsExplained: what the host binary advises, what credential vending answers and what the controller's typed
// errors say stands in the guide, word by word.
func TestEveryAnswerIsExplained(t *testing.T) {
	t.Parallel()
	text := spaced(pageOf(t, troubleshooting).text)
	check := func(of string, messages []string, atLeast int) {
		n := 0
		for _, message := range messages {
			for _, piece := range pieces(message) {
				n++
				if !strings.Contains(text, piece) {
					t.Errorf("%s says %q, of which %s has nothing", of, piece, troubleshooting)
				}
			}
		}
		if n < atLeast {
			t.Errorf("%s says %d things, and %d were expected at least", of, n, atLeast)
		}
	}
	check("internal/uploader/explain", literals(t, "internal/uploader/explain"), 50)
	check("internal/vending", arguments(t, "internal/vending", map[string]int{"badToken": 1, "denied": 1, "unavailable": 1, "refuse": 2}), 20)
	check("internal/vending", fields(t, "internal/vending", "message"), 5)
	check("internal/onboarding", fields(t, "internal/onboarding", "Reason", "Advice"), 10)
	check("internal/onboarding", errorTexts(t, "internal/onboarding"), 4)
	check("internal/uploader/doctor", arguments(t, "internal/uploader/doctor", map[string]int{"warn": 1, "wrong": 0}), 8)
	check("internal/uploader/doctor", fields(t, "internal/uploader/doctor", "Message"), 8)
}

// literals are all texts in the code of a package.
func literals(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for _, file := range source(t, dir) {
		for _, declaration := range file.Decls {
			if imports, ok := declaration.(*ast.GenDecl); ok && imports.Tok == token.IMPORT {
				continue
			}
			found = append(found, textsIn(declaration)...)
		}
	}
	return found
}

func textsIn(node ast.Node) []string {
	var found []string
	ast.Inspect(node, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if text := template(e, nil); text != "" {
				found = append(found, text)
				return false
			}
		}
		return true
	})
	return found
}

// fields are the texts of these fields in all literals of structs.
func fields(t *testing.T, dir string, names ...string) []string {
	t.Helper()
	var found []string
	for _, file := range source(t, dir) {
		ast.Inspect(file, func(n ast.Node) bool {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && slices.Contains(names, key.Name) {
					found = append(found, textsIn(kv.Value)...)
				}
			}
			return true
		})
	}
	return found
}

// errorTexts are the texts of the Error methods.
func errorTexts(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for _, file := range source(t, dir) {
		for _, declaration := range file.Decls {
			if method, ok := declaration.(*ast.FuncDecl); ok && method.Recv != nil && method.Name.Name == "Error" {
				found = append(found, textsIn(method)...)
			}
		}
	}
	return found
}

// TestHeadingsAreReal: each message of the guide is one that the programs, the layers' HCL or the sandbox's clouds say; of
// Terraform's own, a test of the layers expects them.
func TestHeadingsAreReal(t *testing.T) {
	t.Parallel()
	var said []string
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			name, _ := filepath.Rel(root, path)
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || name == filepath.Join("internal", "docs")):
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go"):
				return nil
			case strings.HasSuffix(path, "_test.go") && filepath.Dir(name) != filepath.Join("internal", "layers"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok {
					if text := template(e, nil); text != "" {
						said = append(said, spaced(text))
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hcl, err := filepath.Glob(filepath.Join(root, "terraform", "*", "*.tf"))
	if err != nil || len(hcl) == 0 {
		t.Fatalf("there is no HCL: %v", err)
	}
	for _, name := range hcl {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, spaced(string(text)))
	}
	for _, h := range explained(t) {
		for part := range strings.SplitSeq(spaced(h.text), open) {
			part = strings.Trim(part, " ")
			if part != "" && !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, part) }) {
				t.Errorf("%s:%d: nothing says %q", troubleshooting, h.line, part)
			}
		}
	}
}
