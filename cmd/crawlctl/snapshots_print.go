package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml/kyaml"

	"crawlfleet.dev/crawlfleet/internal/cli"
)

// namePrefix is what -o name writes before an ID.
const namePrefix = "snapshot/"

// output is how something is written.
type output struct {
	format    string
	formats   []string
	noHeaders bool
}

func (o *output) add(cmd *cobra.Command, formats ...string) {
	o.format, o.formats = formats[0], formats
	cmd.Flags().StringVarP(&o.format, "output", "o", formats[0], "`FORMAT`: "+strings.Join(formats, ", "))
	fixed(cmd, "output", formats...)
}

func (o *output) check() error {
	if !slices.Contains(o.formats, o.format) {
		return cli.Usage("--output %q: want %s", o.format, strings.Join(o.formats, ", "))
	}
	return nil
}

// listing is a list that is being written.
type listing struct {
	client *portalClient
	query  url.Values
	// at is the path of the list, empty for all snapshots.
	at     string
	cursor string
	// limit is how many are asked for at once, most how many are shown.
	limit, most int
	out         *printer
	errs        io.Writer
	again       func(cursor string) string
}

func (l *listing) path() string {
	if l.at == "" {
		return "/api/v1/snapshots"
	}
	return l.at
}

// print writes the list page by page, so that a long one begins at once, and tells what is left.
func (l *listing) print(ctx context.Context) error {
	shown, last, begun := 0, new(found), l.cursor == ""
	for {
		page, err := l.ask(ctx, l.most-shown)
		if err == nil {
			err = l.out.page(page)
		}
		if err != nil {
			return err
		}
		if shown == 0 {
			last.Count, last.More, last.Meant, last.Catalog = page.Count, page.More, page.Meant, page.Catalog
		}
		shown += len(page.Items)
		l.cursor, last.Next = page.Next, page.Next
		if page.Next == "" || shown >= l.most {
			break
		}
	}
	if err := l.out.end(last); err != nil {
		return err
	}
	last.Catalog.warn(l.errs)
	l.tell(shown, last, begun)
	return nil
}

// tell says what the list does not show; of how many, when it was begun here.
func (l *listing) tell(shown int, last *found, begun bool) {
	switch {
	case shown == 0:
		fmt.Fprintln(l.errs, "nothing was found")
		if strings.HasPrefix(l.query.Get("q"), "@") || strings.Contains(l.query.Get("q"), " @") {
			fmt.Fprintln(l.errs, "a handle is found where it stands with its @, or in the address of a profile: look for the name without it, too")
		}
	case last.Next != "":
		of := ""
		if begun && last.Count != nil && *last.Count > shown {
			of = fmt.Sprintf(" of %d", *last.Count)
			if last.More {
				of += " or more"
			}
		}
		fmt.Fprintf(l.errs, "%d%s shown; go on with:\n  %s\n", shown, of, l.again(last.Next))
	}
}

// printer writes captures in a format.
type printer struct {
	output
	w     io.Writer
	table *table
	items []json.RawMessage // for formats that are one document
}

func newPrinter(o output, w io.Writer) *printer {
	return &printer{output: o, w: w, items: []json.RawMessage{}, table: newTable(w, o)}
}

// page writes a page of a list.
func (p *printer) page(f *found) error {
	switch p.format {
	case "json", "yaml":
		p.items = append(p.items, f.Items...)
		return nil
	case "jsonl":
		for _, item := range f.Items {
			if err := cli.WriteJSON(p.w, item); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := f.captures()
	if err != nil {
		return err
	}
	if p.format == "name" {
		for _, c := range all {
			if _, err := fmt.Fprintln(p.w, namePrefix+cli.OneLine(c.ID)); err != nil {
				return err
			}
		}
		return nil
	}
	return p.table.add(all)
}

// end writes what could not be written before all was known.
func (p *printer) end(f *found) error {
	if p.format != "json" && p.format != "yaml" {
		return nil
	}
	f.Items = p.items
	return writeAs(p.w, p.format, f)
}

// writeAs writes a value as json, one line, or as yaml.
func writeAs(w io.Writer, format string, v any) error {
	if format == "yaml" {
		return writeYAML(w, v)
	}
	return cli.WriteJSON(w, v)
}

// writeYAML writes a value as KYAML: the YAML in which all strings stand in quotes, so that what
// is not printable can be escaped in it.
func writeYAML(w io.Writer, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	// Escapes of JSON that YAML does not know, such as halves of a character, are resolved.
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return err
	}
	if raw, err = json.Marshal(tree); err != nil {
		return err
	}
	var b strings.Builder
	if err := new(kyaml.Encoder).FromYAML(strings.NewReader(escapeYAML(string(raw))), &b); err != nil {
		return err
	}
	_, err = io.WriteString(w, escapeYAML(b.String()))
	return err
}

// escapeYAML escapes what is not printable in double quotes (YAML 1.2.2 section 5.7).
func escapeYAML(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
