package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// CheckRetention is the check that the decisions about how long captures are kept follow from each
// other, and that every proof of erasure proves one of them. A run of which nothing was decided has none.
const CheckRetention = "Retention"

const (
	retentionDir = "retention"
	maxDecision  = 2 << 20
	maxDecisions = 100_000
	// What calls an erasure void came with version 2 of decisions; all else is of version 1.
	maxDecisionVersion = 2
	maxProofVersion    = 1
)

// The actions that are told apart here.
const (
	actionErase   = "Erase"
	actionVoid    = "Void"
	actionHold    = "Hold"
	actionRelease = "Release"
)

// header is what a decision and a proof begin with.
type header struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Run     string `json:"run"`
}

// decision is a decision as far as it is checked.
type decision struct {
	header
	Seq      int64    `json:"seq"`
	Previous string   `json:"previous"`
	Action   string   `json:"action"`
	Objects  []string `json:"objects"` // none are all
	Case     string   `json:"case"`
	Erasing  []gone   `json:"erasing"`
	Voids    int64    `json:"voids"`
}

// proof is a proof of erasure as far as it is checked.
type proof struct {
	header
	Intent struct {
		Seq    int64  `json:"seq"`
		SHA256 string `json:"sha256"`
	} `json:"intent"`
	Objects []gone `json:"objects"`
}

// gone is an object that was to be erased, and was.
type gone struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Missing is set when it was gone before anybody decided that.
	Missing bool `json:"missing"`
}

// history is what was decided and proven, as far as it was read.
type history struct {
	fsys      fs.FS
	run       string
	decisions []decision
	last      string // SHA-256 of the last decision in hex
	proven    map[int64]bool
	erased    map[string]gone
}

// checkRetention reads what was decided, and finds what is proven to be erased, by name.
func (v *Verifier) checkRetention(r *Report, fsys fs.FS, run string) (map[string]gone, error) {
	h := &history{fsys: fsys, run: run, proven: map[int64]bool{}, erased: map[string]gone{}}
	for seq := int64(1); seq <= maxDecisions; seq++ {
		name := fmt.Sprintf("%s/%08d.json", retentionDir, seq)
		err := h.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			r.Add(CheckRetention, name, Fails, err.Error())
			return nil, nil
		}
		if err := v.Signature(r, fsys, name); err != nil {
			return nil, err
		}
		if err := h.readProof(); err != nil {
			r.Add(CheckRetention, proofPath(seq), Fails, err.Error())
			return nil, nil
		}
		if !h.proven[seq] {
			continue
		}
		// A proof is worth as much as who vouches for it.
		if err := v.Signature(r, fsys, proofPath(seq)); err != nil {
			return nil, err
		}
	}
	decided := len(h.decisions)
	left, err := fs.Glob(fsys, retentionDir+"/*[0-9].json")
	if err != nil || len(left) != decided+len(h.proven) {
		r.Add(CheckRetention, retentionDir, Fails, fmt.Sprintf("has %d files, %d decisions and %d proofs follow from each other: some between them are missing", len(left), decided, len(h.proven)))
		return nil, nil
	}
	if decided > 0 {
		r.Add(CheckRetention, "", Holds, fmt.Sprintf("%s that follow from each other, %s of erasure, of %s", count(decided, "decision"), count(len(h.proven), "proof"), count(len(h.erased), "object")))
	}
	return h.erased, nil
}

// read reads the next decision.
func (h *history) read(name string) error {
	var d decision
	sum, err := readRetention(h.fsys, name, h.run, &d, &d.header, maxDecisionVersion)
	if err != nil {
		return err
	}
	if d.Format != "crawlfleet-retention" || d.Seq != int64(len(h.decisions)+1) || d.Previous != h.last {
		return errors.New("does not follow from the decision before it")
	}
	if err := h.checkVoid(&d); err != nil {
		return err
	}
	h.decisions, h.last = append(h.decisions, d), sum
	return nil
}

// checkVoid checks that what a decision calls void is an erasure before it that was not carried out.
func (h *history) checkVoid(d *decision) error {
	if (d.Action == actionVoid) != (d.Voids > 0) {
		return errors.New("names an erasure that is void, and is another decision, or does not name one")
	}
	if d.Action != actionVoid {
		return nil
	}
	if d.Voids > int64(len(h.decisions)) || h.decisions[d.Voids-1].Action != actionErase {
		return fmt.Errorf("says that decision %d is void, which is no erasure before it", d.Voids)
	}
	if h.proven[d.Voids] {
		return fmt.Errorf("says that decision %d is void, which is proven to be carried out", d.Voids)
	}
	return nil
}

// readProof adds what the last decision is proven to have erased. Without a proof an erasure is
// under way; other decisions have none.
func (h *history) readProof() error {
	d := &h.decisions[len(h.decisions)-1]
	if d.Action != actionErase {
		return nil
	}
	var p proof
	_, err := readRetention(h.fsys, proofPath(d.Seq), h.run, &p, &p.header, maxProofVersion)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.Format != "crawlfleet-erasure" || p.Intent.Seq != d.Seq || p.Intent.SHA256 != h.last {
		return fmt.Errorf("proves another decision than %d", d.Seq)
	}
	named := map[string]gone{}
	for _, e := range d.Erasing {
		named[e.Name] = e
	}
	for _, o := range p.Objects {
		e, ok := named[o.Name]
		if !ok || e.SHA256 != o.SHA256 {
			return fmt.Errorf("proves that %s was erased, which decision %d does not say", o.Name, d.Seq)
		}
		if h.isHeld(o.Name) {
			return fmt.Errorf("proves that %s was erased, which was held when decision %d was made", o.Name, d.Seq)
		}
		delete(named, o.Name)
		h.erased[o.Name] = e
	}
	if len(named) > 0 {
		return fmt.Errorf("does not prove all of decision %d", d.Seq)
	}
	h.proven[d.Seq] = true
	return nil
}

// isHeld tells whether an object is held after all decisions that were read: by those that name its
// chunk, or all that the run has.
func (h *history) isHeld(name string) bool {
	by := map[string]bool{}
	for i := range h.decisions {
		d := &h.decisions[i]
		if len(d.Objects) > 0 && !slices.Contains(d.Objects, chunkOf(name)) {
			continue
		}
		switch d.Action {
		case actionHold:
			by[d.Case] = true
		case actionRelease:
			delete(by, d.Case)
		}
	}
	return len(by) > 0
}

// chunkOf is the chunk that an object is decided about with, itself or what it lies beside.
func chunkOf(name string) string {
	const suffix = ".wacz"
	if before, _, ok := strings.Cut(name, suffix); ok {
		return before + suffix
	}
	return name
}

func proofPath(seq int64) string { return fmt.Sprintf("%s/erased-%08d.json", retentionDir, seq) }

// readRetention reads a decision or a proof of a run into v, whose header is h and whose version
// is not newer than this program, and returns the SHA-256 of the file.
func readRetention(fsys fs.FS, name, run string, v any, h *header, newest int) (sum string, err error) {
	f, size, err := Open(fsys, name)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	if size > maxDecision {
		return "", fmt.Errorf("has %d bytes; such a file has at most %d", size, maxDecision)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxDecision))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return "", fmt.Errorf("is not as it should be: %w", err)
	}
	if h.Version < 1 || h.Version > newest || h.Run != run {
		return "", fmt.Errorf("is of version %d and the run %q", h.Version, h.Run)
	}
	digest := sha256.Sum256(raw)
	return hex.EncodeToString(digest[:]), nil
}

// isErased tells whether an object is not there because it was erased, which is proven. One that
// was gone before anybody decided that is missing all the same.
func (st *statement) isErased(fsys fs.FS, o object) bool {
	name := path.Join(path.Base(path.Dir(o.Key)), path.Base(o.Key))
	e, ok := st.erased[name]
	if !ok || e.Missing || !strings.EqualFold(e.SHA256, o.SHA256) || e.Size != o.Size {
		return false
	}
	_, err := fs.Stat(fsys, name)
	return errors.Is(err, fs.ErrNotExist)
}

// erasedOf counts those of a list that are erased, in words.
func (st *statement) erasedOf(fsys fs.FS, list []object) (left int, words string) {
	left = len(list)
	for _, o := range list {
		if st.isErased(fsys, o) {
			left--
		}
	}
	if n := len(list) - left; n > 0 {
		words = fmt.Sprintf("; %d more are erased, which is proven", n)
	}
	return left, words
}
