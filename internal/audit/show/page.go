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

	"github.com/oidcs3/terraform-provider-oidcs3/internal/access"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
	"github.com/oidcs3/terraform-provider-oidcs3/internal/idp"
)

//go:embed page.html
var pageText string

// page lacks what depends on the report.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"anchor": anchor, "as": as, "count": count, "credential": credential, "day": day, "may": may, "pretty": pretty, "recognised": recognised,
	"session": session, "shortened": shortened, "state": state, "visible": visible, "where": where,
	"about": func(string) []audit.Finding { return nil }, "lastUsed": func(audit.Server) string { return "" },
}).Parse(pageText))

// group is the findings of a kind.
type group struct {
	Kind     audit.Kind
	Findings []audit.Finding
}

// Page writes the report as one HTML page that needs nothing else: no script, no font and no image from elsewhere.
func Page(w io.Writer, r audit.Report) error {
	view := struct {
		audit.Report
		Scope    string
		Groups   []group
		Buckets  []*node
		Unplaced []audit.Server // whose prefix cannot be told
	}{Report: r, Scope: scope(r)}
	view.Buckets, view.Unplaced = tree(r.Servers)
	for _, kind := range audit.Kinds() {
		if findings := r.Of(kind); len(findings) > 0 {
			view.Groups = append(view.Groups, group{kind, findings})
		}
	}
	filled, err := page.Clone()
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	filled.Funcs(template.FuncMap{"about": r.About(), "lastUsed": func(s audit.Server) string { return lastUsed(s, r.Generated) }})
	var text bytes.Buffer // so that a mistake leaves no half page
	if err := filled.Execute(&text, view); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	_, err = text.WriteTo(w)
	return err
}

// node is one part of the tree of prefixes: a bucket, or a segment below it.
type node struct {
	Name     string
	Servers  []audit.Server // whose prefix ends here
	Children []*node
	named    map[string]*node
}

// tree sorts servers by bucket and prefix.
func tree(servers []audit.Server) (buckets []*node, unplaced []audit.Server) {
	root := &node{}
	for _, s := range servers {
		if s.Bucket == "" {
			unplaced = append(unplaced, s)
			continue
		}
		at := root.child("s3://" + s.Bucket + "/")
		for _, segment := range strings.SplitAfter(s.Prefix, "/") {
			if segment != "" {
				at = at.child(segment)
			}
		}
		at.Servers = append(at.Servers, s)
	}
	root.sort()
	return root.Children, unplaced
}

func (n *node) child(name string) *node {
	if n.named == nil {
		n.named = map[string]*node{}
	}
	if n.named[name] == nil {
		n.named[name] = &node{Name: name}
		n.Children = append(n.Children, n.named[name])
	}
	return n.named[name]
}

func (n *node) sort() {
	slices.SortFunc(n.Children, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range n.Children {
		c.sort()
	}
}

// shortened reports whether a finding has more servers than its message names.
func shortened(f audit.Finding) bool { return len(f.Others) > audit.NamedOthers }

// state is how far the server's access is open.
func state(s audit.Server) string {
	switch {
	case s.Phase == "":
		return "not made by oidcs3"
	case s.Phase == "pending":
		return "unfinished: nobody can assume the role"
	case !s.Enabled:
		return "disabled: nobody can assume the role"
	}
	return "ready"
}

// recognised is how AWS tells the server's tokens from others.
func recognised(s audit.Server) string {
	switch s.TrustMode {
	case access.Plain:
		return "its token's audience and subject"
	case access.AZP:
		return "its token's client (azp), audience and subject"
	case access.Vending:
		return "the credential vending service, which checks its token"
	}
	return "?"
}

func credential(c audit.Credential) string {
	text := "Client secret"
	if c.Method == idp.PrivateKeyJWT {
		text = "Key"
	}
	if c.Former {
		text += ", former"
	}
	return text
}

func session(s audit.Server) string { return count(int(s.MaxSessionDuration/60), "minute") }

func day(t time.Time) string { return t.Format(time.DateOnly) }

// pretty indents JSON; what is none is shown as it is.
func pretty(document string) string {
	var text bytes.Buffer
	if json.Indent(&text, []byte(document), "", "  ") != nil {
		return visible(document)
	}
	lines := strings.Split(text.String(), "\n")
	for i, line := range lines {
		lines[i] = visible(line)
	}
	return strings.Join(lines, "\n")
}

// anchor is a server's id as the name of a part of the page. No other part's name has a "/".
func anchor(id string) string { return "server/" + id }
