package docs_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// root is the repository.
const root = "../.."

// page is a Markdown file of the repository.
type page struct {
	path     string // below the repository, with slashes
	headings []heading
	blocks   []block
	links    []link
	text     string
}

type heading struct {
	level        int
	text, anchor string
	line         int
}

// block is a fenced block of code.
type block struct {
	name     string // unique in its page: by the heading above it
	language string
	text     string
	needs    []string // of the mark before it
	line     int
}

type link struct {
	to   string
	line int
}

// mark is a comment that says what a block's commands need and a test has not.
var mark = regexp.MustCompile(`^<!-- needs: ([a-z, ]+) -->\s*$`)

// markdown has what the registry and GitHub have beyond CommonMark.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

// pages are all Markdown files that git knows, or would with the next git add; the sources of generated ones are left out.
var pages = sync.OnceValues(func() ([]page, error) {
	out, err := exec.Command("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "*.md").Output()
	if err != nil {
		return nil, fmt.Errorf("list the pages: %w", err)
	}
	var all []page
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		if strings.HasPrefix(path, "templates/") || strings.HasPrefix(path, "bench/") && strings.Contains(path, "testdata") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(root, path))
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		if err != nil {
			return nil, err
		}
		all = append(all, parse(path, source))
	}
	return all, nil
})

// everyPage is every page; a repository without git is no place for these tests.
func everyPage(t *testing.T) []page {
	t.Helper()
	all, err := pages()
	if err != nil {
		t.Skip(err)
	}
	if len(all) < 20 {
		t.Fatalf("there are %d pages", len(all))
	}
	return all
}

// pageOf is the page of a path below the repository.
func pageOf(t *testing.T, path string) page {
	t.Helper()
	for _, p := range everyPage(t) {
		if p.path == path {
			return p
		}
	}
	t.Fatalf("there is no page %s", path)
	return page{}
}

func parse(path string, source []byte) page {
	body := source
	if rest, ok := bytes.CutPrefix(source, []byte("---\n")); ok { // front matter; its lines stay, blank, so that lines are counted right
		if end := bytes.Index(rest, []byte("\n---\n")); end >= 0 {
			end += len("---\n\n---\n")
			body = append(bytes.Repeat([]byte("\n"), bytes.Count(source[:end], []byte("\n"))), source[end:]...)
		}
	}
	p := page{path: path, text: string(body)}
	lineAt := func(offset int) int { return 1 + bytes.Count(body[:offset], []byte("\n")) }
	anchors, names := map[string]int{}, map[string]int{}
	_ = ast.Walk(markdown.Parser().Parse(text.NewReader(body)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			h := heading{level: n.Level, text: plain(n, body), line: lineAt(n.Lines().At(0).Start)}
			h.anchor = slug(h.text)
			if again := anchors[h.anchor]; again > 0 {
				anchors[h.anchor]++
				h.anchor += fmt.Sprintf("-%d", again)
			} else {
				anchors[h.anchor] = 1
			}
			p.headings = append(p.headings, h)
		case *ast.FencedCodeBlock:
			p.blocks = append(p.blocks, fenced(n, body, p, names, lineAt))
		case *ast.Link:
			p.links = append(p.links, link{string(n.Destination), lineAt(firstOffset(n))})
		case *ast.Image:
			p.links = append(p.links, link{string(n.Destination), lineAt(firstOffset(n))})
		}
		return ast.WalkContinue, nil
	})
	return p
}

// fenced is a block, named by the heading that it stands under and, from the second of a language on, a number.
func fenced(n *ast.FencedCodeBlock, body []byte, p page, names map[string]int, lineAt func(int) int) block {
	b := block{language: string(n.Language(body))}
	under := "top"
	if len(p.headings) > 0 {
		under = p.headings[len(p.headings)-1].anchor
	}
	b.name = under + "." + b.language
	if names[b.name]++; names[b.name] > 1 {
		b.name = fmt.Sprintf("%s-%d.%s", under, names[b.name], b.language)
	}
	if n.Lines().Len() > 0 {
		b.line = lineAt(n.Lines().At(0).Start)
		b.text = string(n.Lines().Value(body))
	}
	if before, ok := n.PreviousSibling().(*ast.HTMLBlock); ok {
		if m := mark.FindSubmatch(before.Lines().Value(body)); m != nil {
			for _, need := range strings.Split(string(m[1]), ",") {
				b.needs = append(b.needs, strings.TrimSpace(need))
			}
		}
	}
	return b
}

// firstOffset is where the text of an inline node begins.
func firstOffset(n ast.Node) int {
	offset := 0
	_ = ast.Walk(n, func(n ast.Node, _ bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok {
			offset = t.Segment.Start
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return offset
}

// plain is the text of a node without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// slug is the anchor that GitHub and the registry give a heading: lower case, words joined by hyphens, no punctuation.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// repository is the address of the files that pages of the registry, which has none, link to.
var repository = regexp.MustCompile(`^https://github\.com/oidcs3/terraform-provider-oidcs3/(?:blob|tree)/main/(.*)$`)

// named is a target that a page has without a heading: the schemas' own.
var named = regexp.MustCompile(`<a id="([^"]+)">`)

// TestLinks: what a page links to is there, files and headings alike. Addresses of others are not asked.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := everyPage(t)
	anchors := map[string]map[string]bool{}
	for _, p := range all {
		anchors[p.path] = map[string]bool{}
		for _, h := range p.headings {
			anchors[p.path][h.anchor] = true
		}
		for _, m := range named.FindAllStringSubmatch(p.text, -1) {
			anchors[p.path][m[1]] = true
		}
	}
	checked := 0
	for _, p := range all {
		for _, l := range p.links {
			to, err := url.Parse(l.to)
			if err != nil {
				t.Errorf("%s:%d: %v", p.path, l.line, err)
				continue
			}
			target := filepath.ToSlash(filepath.Join(filepath.Dir(p.path), to.Path))
			if m := repository.FindStringSubmatch(l.to); m != nil {
				target = strings.Split(m[1], "#")[0]
			} else if to.IsAbs() {
				continue
			}
			if to.Path == "" {
				target = p.path
			}
			checked++
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s:%d: %s leads nowhere", p.path, l.line, l.to)
				continue
			}
			if to.Fragment != "" && strings.HasSuffix(target, ".md") && !anchors[target][to.Fragment] {
				t.Errorf("%s:%d: %s has no heading #%s", p.path, l.line, target, to.Fragment)
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d links were checked", checked)
	}
}

// TestParse: the reader of pages sees what the other tests look at.
func TestParse(t *testing.T) {
	t.Parallel()
	const sample = "---\ntitle: x\n---\n\n# A `code` heading\n\n<!-- needs: root, systemd -->\n```sh\nfirst\n```\n\n```sh\nsecond\n```\n\n## Again\n\n## Again\n\n[a](b.md#c)\n"
	p := parse("docs/guides/sample.md", []byte(sample))
	if len(p.headings) != 3 || p.headings[0].anchor != "a-code-heading" || p.headings[2].anchor != "again-1" || p.headings[0].line != 5 {
		t.Errorf("the headings are %+v", p.headings)
	}
	if len(p.blocks) != 2 || p.blocks[0].name != "a-code-heading.sh" || p.blocks[1].name != "a-code-heading-2.sh" || p.blocks[0].line != 9 {
		t.Errorf("the blocks are %+v", p.blocks)
	} else if len(p.blocks[0].needs) != 2 || p.blocks[0].needs[1] != "systemd" || len(p.blocks[1].needs) != 0 {
		t.Errorf("the blocks need %q and %q", p.blocks[0].needs, p.blocks[1].needs)
	}
	if len(p.links) != 1 || p.links[0].to != "b.md#c" || p.links[0].line != 20 {
		t.Errorf("the links are %+v", p.links)
	}
}
