package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/internal/dossier"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/verify/command"
)

func newDossier() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dossier",
		Short: "Hand over snapshots, with all that a stranger needs to check them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDossierCreate())
	return cmd
}

// dossierOptions are the flags of dossier create.
type dossierOptions struct {
	snapshots, verifiers, recipients   []string
	reference, organization, by        string
	supersedes, created, out           string
	asJSON                             bool
	signKey, custodyDir, custodyWriter string
	custodyStore                       bucketFlags
	actor, to                          string
	stampURLs                          []string
	trust                              command.Trust
}

func newDossierCreate() *cobra.Command {
	var o dossierOptions
	cmd := &cobra.Command{
		Use:   "create --case CASE --snapshot FILE[#PAGE]... --organization NAME --by NAME --out PATH",
		Short: "Make a dossier of snapshots",
		Long: `Create makes a dossier: a folder (BagIt, RFC 8493) or one ZIP file with the
snapshots, a report for people in English and Dutch (HTML and PDF), the same for
programs (CASE/UCO in JSON-LD), per exhibit the screenshot, text, certificates
and tables, and the program that checks it all. The statement of the run is put
in, too, where the snapshot lies in the folder of one.

Each snapshot is checked first: what does not hold is not handed over. The same
snapshots with the same flags give the same bytes, unless they are encrypted. A
dossier is never changed: make a new one with --supersedes.

PAGE is the address of a page in the file, or its ID (crawlctl wacz inspect
--json); it may be left out when the file has one page.`,
		Example: `  crawlctl dossier create --case 2026-17 --organization "An agency" --by "An analyst" \
    --snapshot run/chunks/b1-0-a1-26c0c7b00670-c0.wacz#https://example.org/ads/1 --out 2026-17.zip
  crawlctl verify 2026-17.zip

  # signed, with what the custody log says of each snapshot
  crawlctl dossier create ... --sign-key agency.pem --timestamp-url https://tsa.example/ \
    --custody-bucket crawlfleet-archive --custody-key custody.pub --custody-write-key custody.key \
    --actor analyst-7 --to police-unit-3 --out 2026-17.zip

  # encrypted to who receives it
  crawlctl dossier create ... --recipient age1... --out 2026-17.zip.age
  age -d -i key.txt 2026-17.zip.age > 2026-17.zip`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.snapshots, "snapshot", nil, "a page, as FILE[#PAGE]; may be given many times")
	f.StringVar(&o.reference, "case", "", "number or name of the case")
	f.StringVar(&o.organization, "organization", "", "who hands it over")
	f.StringVar(&o.by, "by", "", "who prepared it")
	f.StringVar(&o.out, "out", "", "where to write it: a folder that is not there yet, NAME.zip, or NAME.zip.age")
	f.StringArrayVar(&o.verifiers, "verifier", nil, "a program that checks dossiers, to be put in; default verify beside crawlctl; may be given many times, such as for each system")
	f.StringArrayVar(&o.recipients, "recipient", nil, "encrypt it to this age recipient (age1...); may be given many times")
	f.StringVar(&o.supersedes, "supersedes", "", "SHA-256 of the tagmanifest-sha256.txt of the dossier that this one takes the place of")
	f.StringVar(&o.created, "created", "", "the time that it says it was made at (RFC 3339); default now")
	f.StringVar(&o.signKey, "sign-key", "", "sign the dossier with the private key in `FILE` (PEM), as keys create makes it")
	f.StringArrayVar(&o.stampURLs, "timestamp-url", nil, "a time-stamp authority that stamps the signature; may be given many times")
	f.StringVar(&o.custodyStore.name, "custody-bucket", "", "`BUCKET` with the custody log, of which the proofs about each snapshot are put in: that of the archive")
	f.StringVar(&o.custodyDir, "custody-dir", "", "`FOLDER` with a copy of the custody log, instead of the store")
	f.StringVar(&o.custodyWriter, "custody-write-key", "", "write into the log, in the store, that the snapshots belong to the case and were exported, with its private key in `FILE`")
	o.custodyStore.add(f)
	f.StringVar(&o.actor, "actor", "", "who exports it, for the custody log: an identifier, not a name")
	f.StringVar(&o.to, "to", "", "whom it is exported to, for the custody log: an identifier, not a name")
	o.trust.Add(f)
	f.BoolVar(&o.asJSON, "json", false, "write JSON: what is in it")
	return cmd
}

func (o *dossierOptions) run(cmd *cobra.Command) error {
	options, recipients, err := o.parse(cmd)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(o.out); err == nil {
		return cli.Input("%s exists: a dossier is never changed; choose another name", o.out)
	}
	dir := o.out
	if o.packed() {
		temp, err := os.MkdirTemp(filepath.Dir(o.out), ".dossier-*")
		if err != nil {
			return cli.Input("--out: %w", err)
		}
		defer os.RemoveAll(temp) // what counts has been packed
		dir = temp
	}
	d, err := dossier.Create(cmd.Context(), dir, options)
	if err != nil {
		return err
	}
	if o.packed() {
		if err := o.pack(os.DirFS(dir), d.Created, recipients); err != nil {
			return err
		}
	}
	if o.asJSON {
		return cli.WriteJSON(cmd.OutOrStdout(), d)
	}
	for _, e := range d.Exhibits {
		fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %s\n", e.Number, cli.OneLine(e.URL), e.Report.Verdict)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d exhibits; %scheck it with crawlctl verify %s\n", o.out, len(d.Exhibits), o.decrypt(), o.plain())
	return nil
}

// plain is the dossier's path once it is decrypted.
func (o *dossierOptions) plain() string { return strings.TrimSuffix(o.out, ".age") }

// decrypt says how to, where the dossier is encrypted: nothing can be done with it before.
func (o *dossierOptions) decrypt() string {
	if o.plain() == o.out {
		return ""
	}
	return "decrypt it with\n" + o.decryption() + "\nand "
}

func (o *dossierOptions) decryption() string {
	return fmt.Sprintf("age -d -i KEY -o %s %s", o.plain(), o.out)
}

// packed reports whether the dossier is to be one file.
func (o *dossierOptions) packed() bool {
	return strings.HasSuffix(o.out, ".zip") || strings.HasSuffix(o.out, ".zip.age")
}

// named says what is missing of what every hand-over has to say.
func (o *dossierOptions) named() error {
	for _, f := range []struct{ name, value string }{{"organization", o.organization}, {"by", o.by}, {"out", o.out}} {
		if strings.TrimSpace(f.value) == "" {
			return cli.Usage("--%s is missing", f.name)
		}
	}
	return nil
}

func (o *dossierOptions) parse(cmd *cobra.Command) (d dossier.Options, recipients []age.Recipient, err error) {
	if strings.TrimSpace(o.reference) == "" {
		return d, nil, cli.Usage("--case is missing")
	}
	if err := o.named(); err != nil {
		return d, nil, err
	}
	if len(o.snapshots) == 0 {
		return d, nil, cli.Usage("--snapshot is missing: name at least one, as FILE[#PAGE]")
	}
	if recipients, err = o.parseRecipients(); err != nil {
		return d, nil, err
	}
	trust, err := o.trust.Evidence()
	if err != nil {
		return d, nil, err
	}
	d = dossier.Options{
		Case: o.reference, Organization: o.organization, PreparedBy: o.by, Supersedes: o.supersedes, Created: time.Now().UTC().Truncate(time.Second),
		Verifier: &verify.Verifier{Trust: trust},
	}
	if o.created != "" {
		if d.Created, err = time.Parse(time.RFC3339, o.created); err != nil {
			return d, nil, cli.Usage("--created: %w", err)
		}
	}
	for _, s := range o.snapshots {
		file, page, _ := strings.Cut(s, "#")
		d.Snapshots = append(d.Snapshots, dossier.Snapshot{Path: file, Page: page})
	}
	if d.Sign, err = o.signer(cmd, d.Created, trust); err != nil {
		return d, nil, err
	}
	if d.Custody, err = o.proofs(d.Created); err != nil {
		return d, nil, err
	}
	d.Verifiers, err = o.programs()
	return d, recipients, err
}

// parseRecipients is whom the one file is encrypted to, nobody when it is not.
func (o *dossierOptions) parseRecipients() (recipients []age.Recipient, err error) {
	if sealed := strings.HasSuffix(o.out, ".age"); sealed != (len(o.recipients) > 0) {
		return nil, cli.Usage("--recipient and a name that ends in .zip.age belong together: --out is %q, with %d recipients", o.out, len(o.recipients))
	}
	for _, r := range o.recipients {
		recipient, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, cli.Usage("--recipient %q: %w; it begins with age1, age-keygen makes one", r, err)
		}
		recipients = append(recipients, recipient)
	}
	return recipients, nil
}

// programs are the verifiers to be put in.
func (o *dossierOptions) programs() ([]string, error) {
	if len(o.verifiers) > 0 {
		return o.verifiers, nil
	}
	beside, err := cli.Beside("verify")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.Input("there is no program verify beside crawlctl to be put in: build it with go build ./cmd/verify, or name one with --verifier")
	}
	return []string{beside}, err
}

// pack writes the one file, whole or not at all.
func (o *dossierOptions) pack(fsys fs.FS, created time.Time, recipients []age.Recipient) (err error) {
	f, err := os.CreateTemp(filepath.Dir(o.out), ".dossier-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := errors.Join(dossier.Pack(f, fsys, created, recipients), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), o.out)
}
