package warc

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// Bytes is content in memory. It is not copied.
func Bytes(b []byte) Content { return bytesContent(b) }

// Text is content in memory.
func Text(s string) Content { return bytesContent(s) }

// File is the content of a file of a known size, opened when it is needed. A
// file that turns out to have another size fails the record.
func File(path string, size int64) Content { return fileContent{path, size} }

type bytesContent []byte

func (c bytesContent) Size() int64 { return int64(len(c)) }

func (c bytesContent) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c)), nil
}

type fileContent struct {
	path string
	size int64
}

func (c fileContent) Size() int64 { return c.size }

func (c fileContent) Open() (io.ReadCloser, error) { return os.Open(c.path) }

// errConsumed says that the body of a record that was read is opened again.
var errConsumed = errors.New("the body of a record can be read once, before the next record is")

// onceContent is the body of a record that is being read.
type onceContent struct {
	r    io.Reader
	size int64
	used bool
}

func (c *onceContent) Size() int64 { return c.size }

func (c *onceContent) Open() (io.ReadCloser, error) {
	if c.used {
		return nil, errConsumed
	}
	c.used = true
	return io.NopCloser(c.r), nil
}
