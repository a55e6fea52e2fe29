package visits

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// sortBytes is how many bytes of lines a Sorter holds before it puts them into a file.
const sortBytes = 32 << 20

// Sorter brings visits into the order of an index. What does not fit into memory is put into
// files, some 150 bytes a visit. Close it in the end.
type Sorter struct {
	// Dir is where the files are made, the system's folder when it is empty.
	Dir string

	limit int // bytes in memory, for tests
	held  []keyed
	bytes int
	files []*os.File
}

// keyed is the line of a visit. Its key is that of the index and, after a zero byte that no
// address has, what orders visits of one address: when they were, and their records.
type keyed struct {
	key  string
	line []byte
}

func order(a, b keyed) int { return cmp.Compare(a.key, b.key) }

// Add takes a visit.
func (s *Sorter) Add(v *Visit) error {
	line, err := encode(v)
	if err != nil {
		return err
	}
	k := keyed{Key(v.URL) + "\x00" + v.At.UTC().Format("20060102150405.000000000") + v.Record, line}
	s.held = append(s.held, k)
	s.bytes += len(k.key) + len(k.line) + 64
	limit := s.limit
	if limit == 0 {
		limit = sortBytes
	}
	if s.bytes < limit {
		return nil
	}
	return s.spill()
}

// spill puts what is held into a file. The file has no name any more: it goes with the
// process.
func (s *Sorter) spill() error {
	slices.SortFunc(s.held, order)
	f, err := os.CreateTemp(s.Dir, "visits-")
	if err != nil {
		return fmt.Errorf("sort visits: %w", err)
	}
	s.files = append(s.files, f)
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("sort visits: %w", err)
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(128<<10), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	for i := range s.held {
		_, err1 := io.WriteString(z, s.held[i].key+"\n")
		_, err2 := z.Write(s.held[i].line)
		if err := errors.Join(err1, err2); err != nil {
			return errors.Join(fmt.Errorf("sort visits: %w", err), z.Close())
		}
	}
	clear(s.held) // the lines are not needed any more
	s.held, s.bytes = s.held[:0], 0
	if err := z.Close(); err != nil {
		return fmt.Errorf("sort visits: %w", err)
	}
	return nil
}

// WriteTo writes every visit in order, once. It does not finish the index.
func (s *Sorter) WriteTo(w *Writer) error {
	slices.SortFunc(s.held, order)
	m := merge{&memory{list: s.held}}
	for _, f := range s.files {
		r, err := openRun(f)
		if err != nil {
			return err
		}
		defer r.close()
		m = append(m, r)
	}
	for i := len(m) - 1; i >= 0; i-- {
		if ok, err := m[i].next(); err != nil {
			return err
		} else if !ok {
			m = slices.Delete(m, i, i+1)
		}
	}
	heap.Init(&m)
	for len(m) > 0 {
		at := m[0].at()
		key, _, _ := strings.Cut(at.key, "\x00")
		if err := w.add(key, at.line); err != nil {
			return err
		}
		switch ok, err := m[0].next(); {
		case err != nil:
			return err
		case ok:
			heap.Fix(&m, 0)
		default:
			heap.Pop(&m)
		}
	}
	return nil
}

// Close removes the files.
func (s *Sorter) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files, s.held = nil, nil
	return errors.Join(errs...)
}

// source is a sorted list of visits.
type source interface {
	// next goes on, and tells whether there was a further visit.
	next() (bool, error)
	// at is the present one.
	at() *keyed
}

type memory struct {
	list    []keyed
	present keyed
}

func (m *memory) next() (bool, error) {
	if len(m.list) == 0 {
		return false, nil
	}
	m.present, m.list = m.list[0], m.list[1:]
	return true, nil
}

func (m *memory) at() *keyed { return &m.present }

// run is a file that a Sorter wrote.
type run struct {
	z       *zstd.Decoder
	lines   *bufio.Scanner
	present keyed
}

func openRun(f *os.File) (*run, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("sort visits: %w", err)
	}
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 16<<10), maxLine)
	return &run{z: z, lines: lines}, nil
}

func (r *run) next() (bool, error) {
	if !r.lines.Scan() {
		if err := r.lines.Err(); err != nil {
			return false, fmt.Errorf("sort visits: %w", err)
		}
		return false, nil
	}
	r.present.key = r.lines.Text()
	if !r.lines.Scan() {
		return false, fmt.Errorf("sort visits: %w", cmp.Or(r.lines.Err(), io.ErrUnexpectedEOF))
	}
	r.present.line = append(bytes.Clone(r.lines.Bytes()), '\n')
	return true, nil
}

func (r *run) at() *keyed { return &r.present }

func (r *run) close() { r.z.Close() }

// merge is a heap of sources by their present visits.
type merge []source

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return order(*m[i].at(), *m[j].at()) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(source)) }

// Pop implements heap.Interface.
func (m *merge) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}
