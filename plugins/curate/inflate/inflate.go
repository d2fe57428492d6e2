// Package inflate opens files of a tree that publishers pack with gzip or not: what the bytes say counts, and not
// what the file is called, but that a file called .gz has to be one.
//
// The bytes that come out are bounded, so that a bomb is an error and not a full disk or memory.
package inflate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/cairn-bench/cairn/plugins"
)

// ErrTooLong says that a file holds more than its reader takes.
var ErrTooLong = errors.New("too long")

// Open opens a file and unpacks it, if it is packed. After maximum bytes comes an error that wraps ErrTooLong. At the end
// the file itself is read to its end, where a tree has checked its digest.
func Open(in plugins.Tree, file string, maximum int64) (io.ReadCloser, error) {
	raw, err := in.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	r, err := New(raw, file, maximum)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, raw}, nil
}

// New unpacks what raw gives, if it is packed. file names it.
func New(raw io.Reader, file string, maximum int64) (io.Reader, error) {
	text := bufio.NewReaderSize(raw, 1<<16)
	head, err := text.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	out := &reader{from: text, raw: text, file: file, left: maximum}
	switch packed := string(head) == "\x1f\x8b"; {
	case packed:
		if out.from, err = gzip.NewReader(text); err != nil {
			return nil, fmt.Errorf("%s: gzip: %w", file, err)
		}
	case strings.EqualFold(path.Ext(file), ".gz") && len(head) == 0:
		return nil, fmt.Errorf("%s: the file is empty, which no gzip file is", file)
	case strings.EqualFold(path.Ext(file), ".gz"):
		return nil, fmt.Errorf("%s: the file is called .gz and is not packed with gzip", file)
	}
	return out, nil
}

type reader struct {
	from, raw io.Reader
	file      string
	left      int64
	err       error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p)
	if r.left -= int64(n); r.left < 0 {
		n, err = n+int(r.left), fmt.Errorf("%s: %w: more bytes than are read of such a file", r.file, ErrTooLong)
	} else if errors.Is(err, io.EOF) {
		err = r.end()
	} else if err != nil {
		err = fmt.Errorf("read %s: %w", r.file, err)
	}
	r.err = err
	return n, err
}

// end reads what is left of the file itself.
func (r *reader) end() error {
	if _, err := io.Copy(io.Discard, r.raw); err != nil {
		return fmt.Errorf("read %s: %w", r.file, err)
	}
	return io.EOF
}
