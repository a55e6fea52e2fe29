package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/internal/blob"
)

// Folder are the chains below a folder of a bucket. Their names are NAMESPACE/NAME. It is safe for
// concurrent use, and there may be any number of them, in any number of programs.
type Folder[E Event] struct {
	Store Store
	// Root is the folder with a slash at its end, such as "cases/".
	Root string
	// Format is what entries call themselves.
	Format string
	// Now is the clock; time.Now when it is nil.
	Now func() time.Time

	cache cache[E]
}

// Log is a chain as it was read. It is not to be changed: others may have the same.
type Log[E Event] struct {
	// Name is NAMESPACE/NAME.
	Name string
	// Entries are all entries in their order; of a chain that is erased the stub alone.
	Entries []Entry[E]
	// Left is how many objects an erasure has left, which did not come to its end.
	Left int

	last string // SHA-256 of the last entry
}

// Version is the number of the last entry; 0 when there is none.
func (l *Log[E]) Version() int64 {
	if len(l.Entries) == 0 {
		return 0
	}
	return l.Entries[len(l.Entries)-1].Seq
}

// Erased is the stub of a chain that is erased, else nil.
func (l *Log[E]) Erased() *Entry[E] {
	if n := len(l.Entries); n > 0 && l.Entries[n-1].Erased != nil {
		return &l.Entries[n-1]
	}
	return nil
}

// Listing is a chain as a listing of the bucket tells it.
type Listing struct {
	Name    string
	objects []object
}

// object is an entry as it was listed.
type object struct {
	seq int64
	// tag is its size and ETag: another content has another one.
	tag string
}

// Fingerprint changes when anything of the chain does.
func (l *Listing) Fingerprint() string {
	var b strings.Builder
	for _, o := range l.objects {
		fmt.Fprintf(&b, "%d %s\n", o.seq, o.tag)
	}
	return hash([]byte(b.String()))
}

// The bounds of what is read at once.
const (
	maxListed = 1_000_000
	readers   = 8
)

// List lists the chains of a namespace in the order of their names, with one listing of the bucket.
func (f *Folder[E]) List(ctx context.Context, namespace string) ([]Listing, error) {
	if err := Name(namespace); err != nil {
		return nil, err
	}
	return f.list(ctx, namespace+"/")
}

// All lists the chains of all namespaces, as List does.
func (f *Folder[E]) All(ctx context.Context) ([]Listing, error) { return f.list(ctx, "") }

// Namespaces are those that have chains, in order, with one listing of the bucket.
func (f *Folder[E]) Namespaces(ctx context.Context) (all []string, err error) {
	err = f.Store.List(ctx, f.Root, func(o blob.Info) bool {
		namespace, _, _ := strings.Cut(strings.TrimPrefix(string(o.Key), f.Root), "/")
		if Name(namespace) == nil && (len(all) == 0 || all[len(all)-1] != namespace) {
			all = append(all, namespace)
		}
		return true
	})
	return all, err
}

func (f *Folder[E]) list(ctx context.Context, prefix string) (found []Listing, err error) {
	n := 0
	err = f.Store.List(ctx, f.Root+prefix, func(o blob.Info) bool {
		parts := strings.Split(strings.TrimPrefix(string(o.Key), f.Root), "/")
		if len(parts) != 3 || Name(parts[0]) != nil || Name(parts[1]) != nil {
			return true // nothing of ours
		}
		seq, ok := numbered(parts[2])
		if !ok {
			return true
		}
		name := parts[0] + "/" + parts[1]
		if len(found) == 0 || found[len(found)-1].Name != name {
			found = append(found, Listing{Name: name})
		}
		l := &found[len(found)-1]
		l.objects = append(l.objects, object{seq, fmt.Sprintf("%d %s", o.Size, o.ETag)})
		n++
		return n <= maxListed
	})
	if err != nil {
		return nil, err
	}
	if n > maxListed {
		return nil, fmt.Errorf("%s%s has more than %d entries, which are not listed", f.Root, prefix, maxListed)
	}
	for i := range found {
		slices.SortFunc(found[i].objects, func(a, b object) int { return int(a.seq - b.seq) })
	}
	return found, nil
}

// fullName is NAMESPACE/NAME.
func fullName(namespace, name string) (string, error) {
	return namespace + "/" + name, errors.Join(Name(namespace), Name(name))
}

// Read reads a chain and checks that its entries follow from each other. What was read before and
// did not change is not read again.
func (f *Folder[E]) Read(ctx context.Context, namespace, name string) (*Log[E], error) {
	full, err := fullName(namespace, name)
	if err != nil {
		return nil, err
	}
	return f.read(ctx, full)
}

// relists is how often a chain is listed anew whose objects go while it is read.
const relists = 5

func (f *Folder[E]) read(ctx context.Context, name string) (*Log[E], error) {
	var failed error
	for range relists {
		found, err := f.list(ctx, name+"/")
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		l, err := f.Load(ctx, found[0])
		if !errors.Is(err, blob.ErrNotFound) {
			return l, err
		}
		failed = err // it is being erased
	}
	return nil, fmt.Errorf("%w: %w", ErrBroken, failed)
}

// link is an entry that was read.
type link[E Event] struct {
	tag, sum string
	size     int64
	entry    Entry[E]
}

// Load reads a chain that was listed. The error is blob.ErrNotFound when an object is gone since.
func (f *Folder[E]) Load(ctx context.Context, from Listing) (*Log[E], error) {
	objects := from.objects
	if len(objects) > MaxEntries+1 {
		return nil, fmt.Errorf("%s: %w: there are more than %d", from.Name, ErrBroken, MaxEntries)
	}
	whole := objects[len(objects)-1].seq == int64(len(objects))
	if !whole {
		objects = objects[len(objects)-1:]
	}
	links, err := f.fetch(ctx, from.Name, objects)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from.Name, err)
	}
	last := &links[len(links)-1]
	l := &Log[E]{Name: from.Name, last: last.sum}
	switch {
	case last.entry.Erased != nil && last.entry.Chain == from.Name && last.entry.Seq == objects[len(objects)-1].seq:
		f.cache.drop(from.Name) // what is erased is not remembered either
		l.Entries, l.Left = []Entry[E]{last.entry}, len(from.objects)-1
		return l, nil
	case !whole:
		return nil, fmt.Errorf("%s: %w: an entry before number %d is missing", from.Name, ErrBroken, objects[0].seq)
	}
	if err := follow(from.Name, links); err != nil {
		return nil, fmt.Errorf("%s: %w", from.Name, err)
	}
	for i := range links {
		l.Entries = append(l.Entries, links[i].entry)
	}
	f.cache.put(from.Name, links)
	return l, nil
}

// follow checks that entries follow from each other.
func follow[E Event](name string, links []link[E]) error {
	previous := ""
	for i := range links {
		e := &links[i].entry
		if e.Chain != name || e.Seq != int64(i+1) {
			return fmt.Errorf("%w: number %d belongs to another place", ErrBroken, i+1)
		}
		if e.Previous != previous {
			return fmt.Errorf("%w: number %d does not follow the one before it", ErrBroken, i+1)
		}
		if e.Erased != nil && i < len(links)-1 {
			return fmt.Errorf("%w: number %d follows an erasure", ErrBroken, i+2)
		}
		previous = links[i].sum
	}
	return nil
}

// fetch reads entries, a few at once, but those that are known.
func (f *Folder[E]) fetch(ctx context.Context, name string, objects []object) ([]link[E], error) {
	known := f.cache.get(name)
	links := make([]link[E], len(objects))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, o := range objects {
		if o.seq <= int64(len(known)) && known[o.seq-1].tag == o.tag {
			links[i] = known[o.seq-1]
			continue
		}
		g.Go(func() error {
			data, err := f.get(ctx, f.key(name, o.seq))
			if err != nil {
				return err
			}
			e, err := decode[E](data, f.Format)
			if err != nil {
				return fmt.Errorf("%w: number %d: %w", ErrBroken, o.seq, err)
			}
			links[i] = link[E]{tag: o.tag, sum: hash(data), size: int64(len(data)), entry: e}
			return nil
		})
	}
	return links, g.Wait()
}

func (f *Folder[E]) key(name string, seq int64) blob.Key {
	return blob.Key(f.Root + name + "/" + objectName(seq))
}

// get reads an entry.
func (f *Folder[E]) get(ctx context.Context, key blob.Key) ([]byte, error) {
	data, err := readAll(ctx, f.Store, key)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", key, err)
	}
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("%w: %q has more than %d bytes", ErrBroken, key, MaxEntry)
	}
	return data, nil
}
