package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/portal/snapshot"
)

func newSnapshots() *cobra.Command {
	var f portalFlags
	cmd := &cobra.Command{
		Use:     "snapshots",
		Aliases: []string{"snapshot", "snap"},
		Short:   "Find, read, download and compare what the archive has",
		Long: `Snapshots asks the portal of the fleet for what was captured: to find captures, to see the facts
of one, to download its picture, its text and its WACZ file, and to compare two.

The portal is named by --portal or $CRAWLFLEET_PORTAL. It is told who you are by the token of
--token-file or $CRAWLFLEET_TOKEN, else by the credentials of your kubeconfig, as far as they are
a token: one that stands in it, a file that it names, or what its exec plugin hands out. A token
goes to the portal that you named and to nobody else, and never over plain http, except to
this machine. Client certificates are not sent.

What you look at is written into the custody log, in your name. Where the portal asks why, say it
with --purpose and --case.`,
		Example: `  # what was captured in the last week with these words, or with a telephone number
  export CRAWLFLEET_PORTAL=https://portal.example.org
  crawlctl snapshots list "room to let" --from 7d
  crawlctl snapshots list 020-1234567 --job research/board

  # see one: its facts, its text, its picture; keep its file and check it
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --text
  crawlctl snapshots get 0f1e2d3c4b5a69788796a5b4c3d2e1f0 --evidence a.zip && crawlctl verify --trust-key agency-keys.txt a.zip

  # what became of a page
  crawlctl snapshots timeline https://example.org/ads/1
  crawlctl snapshots diff https://example.org/ads/1`,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	f.add(cmd)
	cmd.AddCommand(newSnapshotsList(&f), newSnapshotsGet(&f), newSnapshotsOpen(&f), newSnapshotsTimeline(&f), newSnapshotsDiff(&f))
	return cmd
}

// capture is catalog.Capture, as the portal writes it. The catalog itself is a database, which has
// no place in this program.
type capture struct {
	ID        string `json:"id"`
	Namespace string `json:"namespace"`
	Job       string `json:"job"`
	UID       string `json:"uid"`
	snapshot.Page
	// Change is what became of the page, in a timeline, and Parts in what it changed.
	Change string   `json:"change"`
	Parts  []string `json:"parts"`
}

// found is a page of a list: each item as the portal wrote it, and as far as it is known here.
type found struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next,omitempty"`
	Count *int              `json:"count,omitempty"` // a timeline has none
	More  bool              `json:"more,omitempty"`
	Meant json.RawMessage   `json:"meant,omitempty"`
	// Catalog says what the list may lack; a portal of before does not say.
	Catalog *behind `json:"catalog,omitempty"`
}

// behind is how far a portal's catalog is behind the archive.
type behind struct {
	Listed     bool      `json:"listed"`
	Waiting    int       `json:"waiting"`
	Since      time.Time `json:"since,omitzero"`
	Unreadable int       `json:"unreadable"`
}

// warn says what a list may lack: that something was not found does not say that it is not there.
func (b *behind) warn(w io.Writer) {
	if b == nil {
		return
	}
	switch {
	case !b.Since.IsZero():
		fmt.Fprintf(w, "warning: the portal's store has not answered since %s: what was stored meanwhile is not found\n", written(b.Since))
	case !b.Listed:
		fmt.Fprintln(w, "warning: the portal has not listed the archive yet: what is missing here is not known")
	case b.Waiting > 0:
		fmt.Fprintf(w, "warning: files that the portal has still to read: %d; what is in them is not found yet\n", b.Waiting)
	}
	if b.Unreadable > 0 {
		fmt.Fprintf(w, "warning: files of the archive that cannot be read: %d; what is in them is not found, and the portal's page of crawls says why\n", b.Unreadable)
	}
}

// captures reads the items.
func (f *found) captures() ([]capture, error) {
	all := make([]capture, len(f.Items))
	for i, raw := range f.Items {
		if err := json.Unmarshal(raw, &all[i]); err != nil {
			return nil, noPortal(err)
		}
	}
	return all, nil
}

// idForm is how catalog.ID is written.
var idForm = regexp.MustCompile(`^[0-9a-f]{32}$`)

// parseID reads the ID of a snapshot, also as -o name writes it.
func parseID(s string) (string, error) {
	id := strings.ToLower(strings.TrimPrefix(s, namePrefix))
	if !idForm.MatchString(id) {
		return "", cli.Usage("%q is no ID: want 32 hexadecimal digits, as crawlctl snapshots list tells them", s)
	}
	return id, nil
}

func parseIDs(args []string) ([]string, error) {
	ids := make([]string, len(args))
	for i, arg := range args {
		var err error
		if ids[i], err = parseID(arg); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// fixed completes a flag with its values.
func fixed(cmd *cobra.Command, flag string, values ...string) {
	// It fails for a flag that there is not, which the tests of completion would show.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
