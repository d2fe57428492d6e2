package artifact

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"time"
)

// epoch is the time of everything: what was made when stands in a record, not in an artifact.
var epoch = time.Unix(0, 0).UTC()

// A tar is made of blocks and ends with two empty ones.
const (
	block   = 512
	trailer = 2 * block
)

var zeros [trailer]byte

// padding is what is missing of the last block of a file.
func padding(size int64) int64 { return -size & (block - 1) }

// headerOf is the header of a file. With no format asked for, the writer uses PAX only for a path or a size that
// plain ustar cannot hold.
func headerOf(f Entry) ([]byte, error) {
	if plainName(f.Path) && f.Size < 1<<33 {
		return plainHeader(f), nil
	}
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Size: f.Size, Mode: 0o644, ModTime: epoch})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return b.Bytes(), nil
}

// plainHeader writes a ustar header as package archive/tar does, only faster: a dataset has a million of them.
func plainHeader(f Entry) []byte {
	h := append(make([]byte, 0, block), plainTemplate...)
	copy(h, f.Path)
	octal(h[124:135], f.Size)
	sum := int64(0)
	for _, b := range h {
		sum += int64(b)
	}
	octal(h[148:154], sum) // of the header with blanks in its place
	h[154] = 0
	return h
}

// plainTemplate is a header without name, size and checksum, for which it has blanks.
var plainTemplate = func() []byte {
	h := make([]byte, block)
	for at, text := range map[int]string{100: "0000644\x00", 108: "0000000\x00", 116: "0000000\x00", 136: "00000000000\x00", 148: "        ",
		156: "0", 257: "ustar\x0000", 329: "0000000\x00", 337: "0000000\x00"} {
		copy(h[at:], text)
	}
	return h
}()

// octal writes a number with leading zeros.
func octal(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n&7)
		n >>= 3
	}
}

// headerSize is the size of a file's header.
func headerSize(f Entry) (int64, error) {
	if plainName(f.Path) && f.Size < 1<<33 {
		return block, nil
	}
	h, err := headerOf(f)
	return int64(len(h)), err
}

// plainName says whether a path fits into the name of a ustar header.
func plainName(path string) bool {
	for i := range len(path) {
		if path[i] >= 0x80 {
			return false
		}
	}
	return len(path) <= 100
}

// Content writes the bytes of files[i] from byte at on, up to its size.
type Content func(i int, at int64, w io.Writer) error

// WriteShard writes files as a tar.
func WriteShard(w io.Writer, files []Entry, content Content) error {
	return writeShard(w, files, -1, content)
}

// ResumeShard writes what is left of a tar when everything before content byte at of files[0] is there.
func ResumeShard(w io.Writer, files []Entry, at int64, content Content) error {
	return writeShard(w, files, at, content)
}

// writeShard begins with content byte at of the first file, or with its header if at is -1.
func writeShard(w io.Writer, files []Entry, at int64, content Content) error {
	for i, f := range files {
		if at < 0 {
			h, err := headerOf(f)
			if err != nil {
				return err
			}
			if _, err := w.Write(h); err != nil {
				return err
			}
			at = 0
		}
		body := &exact{w: w, left: f.Size - at}
		if err := content(i, at, body); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if body.left != 0 {
			return fmt.Errorf("%s: %d of %d bytes are missing", f.Path, body.left, f.Size)
		}
		if _, err := w.Write(zeros[:padding(f.Size)]); err != nil {
			return err
		}
		at = -1
	}
	_, err := w.Write(zeros[:])
	return err
}

// exact refuses more bytes than are left.
type exact struct {
	w    io.Writer
	left int64
}

func (e *exact) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		return 0, fmt.Errorf("there are more bytes than were announced")
	}
	n, err := e.w.Write(p)
	e.left -= int64(n)
	return n, err
}

// places walks over the files of a shard: where the content of each begins. It returns the size of the tar.
func places(files []Entry, visit func(i int, content int64) error) (int64, error) {
	var at int64
	for i, f := range files {
		h, err := headerSize(f)
		if err != nil {
			return 0, err
		}
		if err := visit(i, at+h); err != nil {
			return 0, err
		}
		at += h + f.Size + padding(f.Size)
	}
	return at + trailer, nil
}

// ContentAt returns where in the tar of a shard the content of files[i] begins; of the file after the last one, how
// large the tar is.
func ContentAt(files []Entry, i int) (int64, error) {
	at := int64(0)
	size, err := places(files[:min(i+1, len(files))], func(_ int, content int64) error { at = content; return nil })
	if i == len(files) {
		at = size
	}
	return at, err
}
