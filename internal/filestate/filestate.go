// Package filestate tells whether files have changed since they were read, such as those of a
// mounted Secret, so that a rotated key counts without a restart.
//
// A file has changed when another one is in its place, or its time or size is another. One that is
// written over with as many bytes in the same tick of the file system's clock is not noticed: put
// another file in its place, as Kubernetes does.
package filestate

import (
	"io/fs"
	"os"
	"slices"
)

// Seen is what files were when somebody looked. The zero Seen is that nobody has looked yet, and
// the same as no other.
type Seen struct {
	files []fs.FileInfo // nil for one that is not there
}

// Look looks at files, before they are read: a change meanwhile is seen the next time. It has no
// error, for reading tells what is wrong with a file.
func Look(paths ...string) Seen {
	s := Seen{files: make([]fs.FileInfo, 0, len(paths))}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		s.files = append(s.files, info)
	}
	return s
}

// Of is what one file is, such as an open one.
func Of(info fs.FileInfo) Seen { return Seen{files: []fs.FileInfo{info}} }

// Same tells whether the same files are as they were.
func (s Seen) Same(now Seen) bool {
	return len(s.files) > 0 && slices.EqualFunc(s.files, now.files, same)
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
