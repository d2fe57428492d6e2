package archive

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

const (
	tarBlock    = 512
	maxTrailing = 1 << 20 // zeros with which writers fill up their last record
)

// broken sorts an error of a reader.
func (u *unpacker) broken(name string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case u.ctx.Err() != nil:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Reason: Truncated, Entry: name, Err: err}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zip.ErrChecksum):
		return &Error{Reason: WrongSize, Entry: name, Err: err}
	case errors.Is(err, zip.ErrAlgorithm):
		return &Error{Reason: Unsupported, Entry: name, Err: err}
	case errors.Is(err, tar.ErrHeader), errors.Is(err, gzip.ErrHeader), errors.Is(err, zip.ErrFormat), errors.As(err, &corrupt):
		return &Error{Reason: BadFormat, Entry: name, Err: err}
	}
	return fmt.Errorf("unpack %q: %w", name, err)
}

func (u *unpacker) tarGzip(r io.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return &Error{Reason: BadFormat, Err: err}
	}
	defer z.Close()
	return u.tar(z)
}

// counter knows how far a stream was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (u *unpacker) tar(r io.Reader) error {
	in := &counter{r: Patient(u.ctx, r)}
	t := tar.NewReader(in)
	var end int64 // where the entries read so far end
	for {
		h, err := t.Next()
		if err == io.EOF {
			return u.tarEnd(in, end)
		}
		if err != nil {
			return u.broken("", err)
		}
		if err := u.tarEntry(h, t); err != nil {
			return err
		}
		end = (in.n + tarBlock - 1) / tarBlock * tarBlock
	}
}

// tarEnd wants the block of zeros that ends an archive, without which it may have been cut between two
// entries, and nothing but zeros behind it. Reading on also makes gzip check its sum.
func (u *unpacker) tarEnd(in *counter, end int64) error {
	if in.n < end+tarBlock {
		return refuse(Truncated, "", "tar has no end mark")
	}
	rest, err := io.ReadAll(io.LimitReader(in, maxTrailing+1))
	if err != nil {
		return u.broken("", err)
	}
	if len(rest) > maxTrailing || strings.Trim(string(rest), "\x00") != "" {
		return refuse(BadFormat, "", "tar goes on after its end mark")
	}
	return nil
}

func (u *unpacker) tarEntry(h *tar.Header, body io.Reader) error {
	if err := u.count(h.Name); err != nil {
		return err
	}
	name := strings.TrimPrefix(h.Name, "./")
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(name, h.Size, body)
	case tar.TypeDir:
		return u.folder(name)
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeSymlink, tar.TypeLink:
		return refuse(Link, name, "is a link to %q", h.Linkname)
	}
	return refuse(Special, name, "is of type %q, neither file nor folder", h.Typeflag)
}
