package show

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"may": may, "as": as, "lastUsed": lastUsed, "count": count, "day": day, "pretty": pretty, "anchor": anchor, "visible": visible,
}).Parse(pageText))

// Page writes the report as one HTML page that needs nothing else: no script, no font and no image from elsewhere.
func Page(w io.Writer, r audit.Report) error {
	type group struct {
		Kind     audit.Kind
		Findings []audit.Finding
	}
	view := struct {
		audit.Report
		Scope   string
		Groups  []group
		Buckets []*node
	}{Report: r, Scope: scope(r), Buckets: tree(r.Servers)}
	for _, kind := range audit.Kinds() {
		if findings := r.Of(kind); len(findings) > 0 {
			view.Groups = append(view.Groups, group{kind, findings})
		}
	}
	var text bytes.Buffer // so that a mistake leaves no half page
	if err := page.Execute(&text, view); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	_, err := text.WriteTo(w)
	return err
}

// node is one part of the tree of prefixes: a bucket, or a segment below it.
type node struct {
	Name     string
	Servers  []audit.Server // whose prefix ends here
	Children []*node
}

// tree sorts servers by bucket and prefix. Those whose prefix is not known are in no bucket.
func tree(servers []audit.Server) []*node {
	root := &node{}
	for _, s := range servers {
		at := root
		if s.Bucket != "" {
			at = at.child("s3://" + s.Bucket + "/")
			for _, segment := range strings.SplitAfter(s.Prefix, "/") {
				if segment != "" {
					at = at.child(segment)
				}
			}
		} else {
			at = at.child("not known")
		}
		at.Servers = append(at.Servers, s)
	}
	root.sort()
	return root.Children
}

func (n *node) child(name string) *node {
	at := slices.IndexFunc(n.Children, func(c *node) bool { return c.Name == name })
	if at < 0 {
		n.Children = append(n.Children, &node{Name: name})
		at = len(n.Children) - 1
	}
	return n.Children[at]
}

func (n *node) sort() {
	slices.SortFunc(n.Children, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range n.Children {
		c.sort()
	}
}

// pretty indents JSON; what is none is shown as it is.
func pretty(document string) string {
	var text bytes.Buffer
	if json.Indent(&text, []byte(document), "", "  ") != nil {
		return visible(document)
	}
	return text.String()
}

// anchor is a server's id as the name of a part of the page.
func anchor(id string) string { return "server-" + strings.ReplaceAll(id, "/", "-") }

func day(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(time.DateOnly)
}
