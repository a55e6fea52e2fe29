package verdict

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/fetch"
)

// Object is an object that a verdict rests upon. Name is its path in the folder of the run.
type Object struct {
	Name string
	blob.Info
}

// Objects are what a verdict on a chunk of a run rests upon: the chunk first, its sidecar, and the statement of
// the run with its own. All but the chunk may be missing.
func Objects(ctx context.Context, archive blob.Store, key blob.Key) ([]Object, error) {
	beside, err := fetch.Beside(key)
	if err != nil {
		return nil, err
	}
	run, _ := catalog.ParseKey(key) // is one, or nothing would lie beside it
	var all []Object
	for _, k := range append([]blob.Key{key}, beside...) {
		info, err := archive.Head(ctx, k)
		if k != key && errors.Is(err, blob.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, Object{strings.TrimPrefix(string(k), run.Folder), info})
	}
	return all, nil
}

// WriteZIP writes objects into a ZIP file, below a folder, as they are: nothing is compressed, so that they can be
// found in the file byte for byte. After an error the file is not whole.
func WriteZIP(ctx context.Context, archive blob.Store, folder string, objects []Object, w io.Writer) error {
	z := zip.NewWriter(w)
	for _, o := range objects {
		if err := addObject(ctx, archive, z, folder, o); err != nil {
			return err
		}
	}
	return z.Close()
}

func addObject(ctx context.Context, archive blob.Store, z *zip.Writer, folder string, o Object) error {
	body, got, err := archive.Get(ctx, o.Key)
	if err != nil {
		return err
	}
	defer body.Close() // read only
	entry, err := z.CreateHeader(&zip.FileHeader{Name: path.Join(folder, o.Name), Method: zip.Store, Modified: o.Modified})
	if err != nil {
		return err
	}
	n, err := io.Copy(entry, body)
	if err == nil && n != got.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
