// Package show writes a report of package audit: as text for a terminal, as JSON for machines, and as one HTML page for
// people who review it. What a report says is not decided here.
package show

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/oidcs3/terraform-provider-oidcs3/internal/audit"
)

// JSON writes the report as one JSON object.
func JSON(w io.Writer, r audit.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// Text writes the report for a terminal: a line for each server, then the findings by kind.
func Text(w io.Writer, r audit.Report) error {
	out := &writer{to: w}
	out.printf("%s at %s: %s, %s\n", scope(r), r.Generated.Format(time.RFC3339), count(len(r.Servers), "server"), count(len(r.Findings), "finding"))
	if len(r.Servers) > 0 {
		out.printf("\n")
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "SERVER\tMAY\tWHERE\tAS\tLAST USED")
		for _, s := range r.Servers {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", visible(s.ID), visible(may(s)), visible(where(s)), visible(as(s)), lastUsed(s, r.Generated))
		}
		_ = table.Flush()
	}
	for _, kind := range audit.Kinds() {
		findings := r.Of(kind)
		if len(findings) == 0 {
			continue
		}
		out.printf("\n%s: %s\n", kind, lower(kind.Meaning()))
		for _, f := range findings {
			out.printf("  %s\n", visible(strings.TrimSpace(f.Server+"  "+f.Object)))
			out.printf("    %s\n", visible(f.Message))
		}
		out.printf("  %s\n", kind.Advice())
	}
	if len(r.Unread) > 0 {
		out.printf("\nnot read, so that nothing is known about it:\n")
	}
	for _, u := range r.Unread {
		out.printf("  %s: %s\n", visible(u.What), visible(u.Why))
	}
	return out.err
}

// writer keeps the first error.
type writer struct {
	to  io.Writer
	err error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.to.Write(p)
	w.err = err
	return n, err
}

func (w *writer) printf(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// scope says which servers a report is about.
func scope(r audit.Report) string {
	if r.Environment == "" {
		return r.Project + ", all environments"
	}
	return r.Project + " " + r.Environment
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// may is what the server may do, and whether anybody may.
func may(s audit.Server) string {
	switch {
	case s.Phase == "pending":
		return "nothing yet"
	case !s.Enabled:
		return "nothing, disabled"
	case s.Permission == "":
		return "?"
	}
	return string(s.Permission)
}

func where(s audit.Server) string {
	if s.Bucket == "" {
		return "?"
	}
	return "s3://" + s.Bucket + "/" + s.Prefix
}

// as is how the server proves who it is.
func as(s audit.Server) string {
	text := string(s.IdentityProvider)
	if text == "" {
		return "?"
	}
	if s.Authentication != "" {
		text += " " + string(s.Authentication)
	}
	if s.TrustMode == "vending" {
		text += ", vending"
	}
	return text
}

// lastUsed says no more than IAM does, which forgets.
func lastUsed(s audit.Server, now time.Time) string {
	switch {
	case s.LastUsed != nil:
		return s.LastUsed.Format(time.DateOnly)
	case now.Sub(s.Created) > audit.Remembered:
		return "not for 400 days"
	}
	return "never"
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// visible keeps names that somebody else chose from steering the terminal.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}
