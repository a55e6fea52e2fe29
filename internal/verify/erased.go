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
	"strings"
)

// CheckRetention is the check that the decisions about how long captures are kept follow from each
// other, and that every proof of erasure proves one of them. A run of which nothing was decided has none.
const CheckRetention = "Retention"

const (
	retentionDir = "retention"
	maxDecision  = 2 << 20
	maxDecisions = 100_000
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
	Seq      int64  `json:"seq"`
	Previous string `json:"previous"`
	Action   string `json:"action"`
	Erasing  []gone `json:"erasing"`
	Voids    int64  `json:"voids"`
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

// checkRetention reads what was decided, and finds what is proven to be erased, by name.
func (v *Verifier) checkRetention(r *Report, fsys fs.FS, run string) (map[string]gone, error) {
	erased, decided, proven := map[string]gone{}, 0, map[int64]bool{}
	previous := ""
	for seq := int64(1); seq <= maxDecisions; seq++ {
		name := fmt.Sprintf("%s/%08d.json", retentionDir, seq)
		var d decision
		sum, err := readRetention(fsys, name, run, &d, &d.header)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err == nil {
			err = d.follows(seq, previous, proven)
		}
		if err != nil {
			r.Add(CheckRetention, name, Fails, err.Error())
			return nil, nil
		}
		decided, previous = decided+1, sum
		if err := v.Signature(r, fsys, name); err != nil {
			return nil, err
		}
		ok, err := checkProof(fsys, run, d, sum, erased)
		if err != nil {
			r.Add(CheckRetention, proofPath(seq), Fails, err.Error())
			return nil, nil
		}
		if !ok {
			continue
		}
		proven[seq] = true
		// A proof is worth as much as who vouches for it.
		if err := v.Signature(r, fsys, proofPath(seq)); err != nil {
			return nil, err
		}
	}
	left, err := fs.Glob(fsys, retentionDir+"/*[0-9].json")
	if err != nil || len(left) != decided+len(proven) {
		r.Add(CheckRetention, retentionDir, Fails, fmt.Sprintf("has %d files, %d decisions and %d proofs follow from each other: some between them are missing", len(left), decided, len(proven)))
		return nil, nil
	}
	if decided > 0 {
		r.Add(CheckRetention, "", Holds, fmt.Sprintf("%s that follow from each other, %s of erasure, of %s", count(decided, "decision"), count(len(proven), "proof"), count(len(erased), "object")))
	}
	return erased, nil
}

// follows checks that a decision is the next one after those before.
func (d *decision) follows(seq int64, previous string, proven map[int64]bool) error {
	if d.Format != "crawlfleet-retention" || d.Seq != seq || d.Previous != previous {
		return errors.New("does not follow from the decision before it")
	}
	if proven[d.Voids] {
		return fmt.Errorf("says that decision %d is void, which is proven to be carried out", d.Voids)
	}
	return nil
}

// checkProof adds what an erasure is proven to have erased, and tells whether there is a proof:
// without one it is under way. Other decisions have none.
func checkProof(fsys fs.FS, run string, d decision, sum string, erased map[string]gone) (bool, error) {
	if d.Action != "Erase" {
		return false, nil
	}
	var p proof
	_, err := readRetention(fsys, proofPath(d.Seq), run, &p, &p.header)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if p.Format != "crawlfleet-erasure" || p.Intent.Seq != d.Seq || p.Intent.SHA256 != sum {
		return false, fmt.Errorf("proves another decision than %d", d.Seq)
	}
	named := map[string]gone{}
	for _, e := range d.Erasing {
		named[e.Name] = e
	}
	for _, o := range p.Objects {
		e, ok := named[o.Name]
		if !ok || e.SHA256 != o.SHA256 {
			return false, fmt.Errorf("proves that %s was erased, which decision %d does not say", o.Name, d.Seq)
		}
		delete(named, o.Name)
		erased[o.Name] = e
	}
	if len(named) > 0 {
		return false, fmt.Errorf("does not prove all of decision %d", d.Seq)
	}
	return true, nil
}

func proofPath(seq int64) string { return fmt.Sprintf("%s/erased-%08d.json", retentionDir, seq) }

// readRetention reads a decision or a proof of a run into v, whose header is h, and returns the
// SHA-256 of the file.
func readRetention(fsys fs.FS, name, run string, v any, h *header) (sum string, err error) {
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
	if h.Version != 1 || h.Run != run {
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
