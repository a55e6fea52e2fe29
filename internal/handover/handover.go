// Package handover hands a run from the archive of one agency to that of another.
//
// What is handed over is a bag ([bagit]) with all that belongs to the run below data/run/, as it lies
// in the archive: the closing statement, the chunks that it names, its lists, and the sidecars with
// signatures and time stamps. Who signs tagmanifest-sha256.txt has signed it all.
//
// The receiver puts the run under the very keys that it had, because its statement names them, and
// beside it, below received/, where it came from: the tag files of the bag with their signature, and
// received.json. Nothing is overwritten.
package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/retention"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// Folder is where the run lies in a bag, below data/.
const Folder = "run/"

// Received is where the archive keeps, below a run, from whom it came.
const Received = "received/"

// ErrOpen is of a run that cannot be handed over as it is.
var ErrOpen = errors.New("not to be handed over")

// maxSmall bounds in bytes what is read whole: statements and the tag files of a bag.
const maxSmall = 256 << 20

// Names are the objects of a run that are handed over, below its prefix, in order. What has been
// erased is not among them, and what is due to be erased must not leave.
func Names(ctx context.Context, store blob.Store, prefix string, now time.Time) ([]string, error) {
	st, err := retention.ReadStatement(ctx, store, prefix)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s has no closing statement (run.json), so nothing says what belongs to it: wait until the run is over", ErrOpen, prefix)
	}
	if err != nil {
		return nil, err
	}
	log, err := retention.Read(ctx, store, prefix)
	if err != nil {
		return nil, err
	}
	var stated []string
	for _, o := range st.Objects {
		stated = append(stated, o.Name)
	}
	fates := retention.Judge(st.Period, log.Decisions, stated)
	wanted := map[string]bool{"run.json": true, "run.json" + verify.SidecarSuffix: true}
	erased, due := false, 0
	for _, name := range stated {
		switch f := fates[name]; {
		case f.Erasing > 0:
			erased = true
		case st.Period.Length > 0 && f.IsDue(now): // of an order without a period nothing is erased
			due++
		default:
			wanted[name], wanted[name+verify.SidecarSuffix] = true, true
		}
	}
	if due > 0 {
		return nil, fmt.Errorf("%w: %d objects of %s are to be erased, because nobody has kept them: if a case needs them, keep them first (crawlctl retention keep)", ErrOpen, due, prefix)
	}
	var names []string
	err = store.List(ctx, prefix, func(o blob.Info) bool {
		name := strings.TrimPrefix(string(o.Key), prefix)
		// Without decisions and proofs what was erased would only be missing.
		if wanted[name] || erased && strings.HasPrefix(name, retention.Folder) {
			names = append(names, name)
		}
		return true
	})
	return names, err
}

// Options say who hands a run over.
type Options struct {
	Organization, PreparedBy string
	Created                  time.Time
	// Check looks at the run before it is signed; its error ends it.
	Check func(ctx context.Context) error
	// Sign signs tagmanifest-sha256.txt, and returns the sidecar; nil leaves the bag unsigned.
	Sign func(ctx context.Context, tagManifest []byte) ([]byte, error)
	// Progress is told of each object before it is copied; nil for nobody.
	Progress func(name string, n, of int)
}

// Take copies a run into a bag in an empty folder.
func Take(ctx context.Context, store blob.Store, prefix string, names []string, dir string, o Options) (err error) {
	bag, err := bagit.Create(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bag.Close()) }()
	for i, name := range names {
		if o.Progress != nil {
			o.Progress(name, i+1, len(names))
		}
		if err := take(ctx, store, prefix, name, bag); err != nil {
			return err
		}
	}
	if err := o.Check(ctx); err != nil {
		return err
	}
	manifest, err := bag.Finish([]bagit.Label{
		{Name: "Source-Organization", Value: o.Organization}, {Name: "Contact-Name", Value: o.PreparedBy},
		{Name: "External-Description", Value: "A run of crawlfleet"}, {Name: "External-Identifier", Value: strings.TrimSuffix(prefix, "/")},
		{Name: "Bagging-Date", Value: o.Created.UTC().Format(time.DateOnly)},
	})
	if err != nil || o.Sign == nil {
		return err
	}
	sidecar, err := o.Sign(ctx, manifest)
	if err != nil {
		return fmt.Errorf("sign the run: %w", err)
	}
	return bag.Attach(bagit.TagManifest+verify.SidecarSuffix, bytes.NewReader(sidecar))
}

func take(ctx context.Context, store blob.Store, prefix, name string, bag *bagit.Bag) (err error) {
	key, err := blob.NewKey(prefix + name)
	if err != nil {
		return err
	}
	body, _, err := store.Get(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	_, err = bag.Add(Folder+name, body)
	return err
}

// Run is a run in a bag.
type Run struct {
	// Prefix is where it lies in an archive, with a slash at its end.
	Prefix string
	// Namespace, Name and UID are those of its CrawlJob.
	Namespace, Name, UID string
	// Organization and PreparedBy are who says to have handed it over, Created when.
	Organization, PreparedBy, Created string
	// Screening is how long captures of it are kept that no case needs; 0 when nothing of it is erased.
	Screening time.Duration
	// SealedAt is when it was over.
	SealedAt time.Time
	// Names are its objects, below the prefix: the closing statement is the last.
	Names []string

	fsys fs.FS
}

// Open reads what a bag says of its run. That the bag is whole, and who signed it, is not looked at:
// that is for [crawlfleet.dev/crawlfleet/internal/dossier.Checker].
func Open(fsys fs.FS) (*Run, error) {
	r := &Run{fsys: fsys}
	info, err := read(fsys, bagit.Info)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(info)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ": ")
		switch name {
		case "Source-Organization":
			r.Organization = value
		case "Contact-Name":
			r.PreparedBy = value
		case "Bagging-Date":
			r.Created = value
		case "External-Identifier":
			r.Prefix = value + "/"
		}
	}
	raw, err := read(fsys, "data/"+Folder+verify.StatementPath)
	if err != nil {
		return nil, err
	}
	var st struct {
		Run, Namespace, Name string
		SealedAt             time.Time
		Retention            struct {
			ScreeningSeconds int64 `json:"screeningSeconds"`
		}
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return nil, fmt.Errorf("run.json: %w", err)
	}
	r.Namespace, r.Name, r.UID, r.SealedAt = st.Namespace, st.Name, st.Run, st.SealedAt
	r.Screening = time.Duration(st.Retention.ScreeningSeconds) * time.Second
	own := path.Join(st.Namespace, st.Name, st.Run) + "/"
	if _, err := blob.NewKey(strings.TrimSuffix(r.Prefix, "/")); err != nil || strings.Count(own, "/") != 3 || r.Prefix != own && !strings.HasSuffix(r.Prefix, "/"+own) {
		return nil, fmt.Errorf("bag-info.txt says that the run lies at %q, and run.json that it is %q: no archive has it so", r.Prefix, own)
	}
	root := "data/" + strings.TrimSuffix(Folder, "/")
	err = fs.WalkDir(fsys, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r.Names = append(r.Names, strings.TrimPrefix(name, root+"/"))
		return nil
	})
	slices.SortStableFunc(r.Names, func(a, b string) int { return last(a) - last(b) })
	return r, err
}

// last puts the closing statement behind all that it names: a run is there once that is.
func last(name string) int {
	if name == verify.StatementPath {
		return 1
	}
	return 0
}

func read(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(b) > maxSmall {
		err = fmt.Errorf("%s has more than %d bytes", name, maxSmall)
	}
	return b, err
}

// Origin is received.json: from whom a run came, and who took it in.
type Origin struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Run     string `json:"run"`
	// From and PreparedBy are as the bag says it, Signer is whose signature of it was trusted,
	// empty when there was none.
	From       string `json:"from"`
	PreparedBy string `json:"preparedBy"`
	Created    string `json:"created"`
	Signer     string `json:"signer,omitempty"`
	// TagManifest is the SHA-256, in hex, of the bag's tagmanifest-sha256.txt.
	TagManifest string `json:"tagManifest"`
	// Verdict is what the check of the bag said, By who took it in, At when.
	Verdict verify.Verdict `json:"verdict"`
	By      string         `json:"by"`
	At      time.Time      `json:"at"`
}
