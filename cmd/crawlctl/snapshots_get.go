package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

// getFlags say what is got of snapshots.
type getFlags struct {
	output                            output
	text, force                       bool
	textFile, picture, wacz, evidence string
}

func newSnapshotsGet(p *portalFlags) *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get ID...",
		Short: "See the facts of snapshots, or download their text, picture and file",
		Long: `Get shows what is known of a snapshot: what was asked for, where that led, when, with what answer,
by which crawl, and in which file of the archive it is. With -o json all is there that the portal knows, one
line a snapshot; -o name writes the IDs of those that are there, as list does.

With --text the text that the page showed is printed, line by line, without control characters and
marks that turn the direction of writing. --text-file, --picture and --wacz write files, exactly
as they are in the archive, and replace none unless --force is given. A large file that could not
be downloaded to its end is gone on with by the same command; where the portal tells its SHA-256, it
is checked. --evidence writes that file with what it takes to check it: its signature, and the
statement of its run. Give that to crawlctl verify.

Exit codes: 0 when all was there; 1 when something was not, or could not be had; 2 when the
command line made no sense.`,
		Example: `  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 -o json | jq .links
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --text | less
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --evidence ad.zip && crawlctl verify --trust-key agency-keys.txt ad.zip
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --picture ad.png --wacz ad.wacz --purpose VictimIdentification --case 17/2026`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usage("want at least one ID: crawlctl snapshots list tells them")
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := f.check(args)
			if err != nil {
				return err
			}
			client, err := p.connect()
			if err != nil {
				return err
			}
			return f.get(cmd, client, ids)
		},
	}
	f.output.add(cmd, "text", "json", "yaml", "name")
	fl := cmd.Flags()
	fl.BoolVar(&f.text, "text", false, "print the text that the page showed")
	fl.StringVar(&f.textFile, "text-file", "", "write the text to `FILE`")
	fl.StringVar(&f.picture, "picture", "", "write the picture, PNG, to `FILE`")
	fl.StringVar(&f.wacz, "wacz", "", "write the WACZ file that the snapshot is in, with the pages that were captured beside it, to `FILE`")
	fl.StringVar(&f.evidence, "evidence", "", "write that file with its signature and the statement of its run, for crawlctl verify, to `FILE`, a ZIP file")
	fl.BoolVar(&f.force, "force", false, "replace files that are there")
	return cmd
}

// files are those that are written: of which part, and where.
func (f *getFlags) files() (files []download) {
	for _, d := range []download{
		{part: "text", path: f.textFile}, {part: "picture", path: f.picture}, {part: "wacz", path: f.wacz, resume: true}, {part: "evidence.zip", path: f.evidence},
	} {
		if d.path != "" {
			files = append(files, d)
		}
	}
	return files
}

func (f *getFlags) check(args []string) ([]string, error) {
	ids, err := parseIDs(args)
	if err != nil {
		return nil, err
	}
	files := f.files()
	switch {
	case len(files) > 0 && len(ids) > 1:
		return nil, cli.Usage("files are written of one snapshot at a time: give one ID")
	case f.text && f.output.format != "text":
		return nil, cli.Usage("--text prints text, so --output %s says nothing: leave one out", f.output.format)
	case f.evidence != "" && !strings.HasSuffix(f.evidence, ".zip"):
		return nil, cli.Usage("--evidence writes a ZIP file: give it a name that ends in .zip, by which crawlctl verify knows it")
	case f.force && len(files) == 0:
		return nil, cli.Usage("--force is for --text-file, --picture, --wacz and --evidence")
	}
	paths := map[string]bool{}
	for _, d := range files {
		if paths[d.path] {
			return nil, cli.Usage("two things would be written to %s", d.path)
		}
		paths[d.path] = true
		if !f.force {
			if err := d.free(); err != nil {
				return nil, err
			}
		}
	}
	return ids, f.output.check()
}

// get does what the flags say: the facts are shown when nothing else is asked for.
func (f *getFlags) get(cmd *cobra.Command, client *portalClient, ids []string) error {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	files := f.files()
	var failed error
	for i, id := range ids {
		if i > 0 && !f.text && f.output.format == "text" {
			fmt.Fprintln(w)
		}
		var err error
		switch {
		case f.text:
			err = printText(cmd, client, id)
		case len(files) == 0:
			var raw []byte
			if raw, err = client.read(ctx, "/api/v1/snapshots/"+id, nil, "application/json"); err == nil {
				err = f.show(w, raw)
			}
		}
		if interrupted := (*cli.Error)(nil); errors.As(err, &interrupted) {
			return err
		}
		if err != nil && len(ids) > 1 {
			err = fmt.Errorf("%s: %w", id, err)
		}
		failed = errors.Join(failed, err)
	}
	for _, d := range files {
		d.id, d.force = ids[0], f.force
		got, err := client.download(ctx, d, newStatus(cmd.ErrOrStderr()))
		if err != nil {
			return errors.Join(failed, err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), got)
	}
	return failed
}

// printText writes the text of a snapshot as a terminal may show it.
func printText(cmd *cobra.Command, client *portalClient, id string) error {
	raw, err := client.read(cmd.Context(), "/api/v1/snapshots/"+id+"/text", nil, "text/plain")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(raw) {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), cli.OneLine(strings.TrimRight(string(line), "\r\n"))); err != nil {
			return err
		}
	}
	return nil
}

// depth is a snapshot as the portal writes it: what the catalog knows of it and what its file says.
type depth struct {
	Capture capture `json:"capture"`
	snapshot.Snapshot
}

// show writes the facts of a snapshot.
func (f *getFlags) show(w io.Writer, raw []byte) error {
	var d depth
	if err := json.Unmarshal(raw, &d); err != nil {
		return noPortal(err)
	}
	if d.Capture.ID == "" {
		return noPortal(errors.New("a snapshot without a capture"))
	}
	switch f.output.format {
	case "text":
	case "name":
		_, err := fmt.Fprintln(w, namePrefix+cli.OneLine(d.Capture.ID))
		return err
	default:
		return writeAs(w, f.output.format, json.RawMessage(raw))
	}
	b := block{w: w}
	b.page(&d)
	b.answer(&d)
	b.origin(&d)
	return b.err
}

// block is a list of facts, each with its name.
type block struct {
	w   io.Writer
	err error
}

// line writes a fact, unless there is none.
func (b *block) line(name string, words ...string) {
	value := strings.Join(compact(words), " ")
	if value != "" && b.err == nil {
		_, b.err = fmt.Fprintf(b.w, "%-10s  %s\n", name, cli.OneLine(value))
	}
}

// page is what was captured.
func (b *block) page(d *depth) {
	b.line("id", d.Capture.ID)
	b.line("url", d.URL)
	for _, r := range d.Redirects {
		b.line("  leads to", r.To, number(r.Status))
	}
	if len(d.Redirects) == 0 && d.FinalURL != d.URL {
		b.line("  leads to", d.FinalURL)
	}
	b.line("title", d.Title)
	b.line("time", d.Time.UTC().Format(time.RFC3339Nano))
	b.line("kind", string(d.Kind), d.Language)
	b.line("outcome", d.Outcome, d.Reason, d.Detail)
	if d.Superseded {
		b.line("", "another capture of the same visit counts instead of this one")
	}
	for _, l := range d.Limits {
		b.line("incomplete", l.Name, l.Detail)
	}
}

// answer is what came, and from where.
func (b *block) answer(d *depth) {
	b.line("answer", number(d.Status), d.MIME, d.Digest)
	if s := d.Server; s != nil {
		b.line("server", s.Remote)
		b.line("proxy", s.Proxy)
		if s.TLS != nil {
			b.line("tls", s.TLS.Version, s.TLS.VerifyError)
		}
	}
	b.line("text", d.TextDigest)
	if d.Picture {
		b.line("picture", "yes", d.PictureDigest)
	}
	b.line("requests", number(len(d.Exchanges)))
	b.line("links", number(len(d.Links)))
	if d.Compared != nil {
		b.line("compared", d.Compared.Verdict, d.Compared.By)
	}
}

// origin is why it was captured, by whom, and where it is.
func (b *block) origin(d *depth) {
	b.line("job", d.Capture.Namespace+"/"+d.Capture.Job)
	b.line("run", d.Capture.UID)
	if w := d.Why; w != nil && w.Depth == 0 {
		b.line("seed", "yes")
	} else if w != nil {
		b.line("seed", w.Seed, fmt.Sprintf("(%d links away)", w.Depth))
	}
	if a := d.Authorization; a != nil {
		b.line("authorised", a.Reference+", "+a.Purpose+", requested by "+a.RequestedBy)
	}
	if s := d.Software; s != nil {
		b.line("software", s.Name, s.Version)
	}
	b.line("file", string(d.Chunk))
	b.line("page", d.ID)
}

// number is empty for none.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
