package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
)

const zipEncrypted = 1 // bit 0 of the general purpose flags, APPNOTE 4.4.4

func (u *unpacker) zip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged one by one
		return u.broken("", err)
	}
	for _, f := range z.File {
		if err := u.zipCheck(f); err != nil {
			return err
		}
	}
	if err := zipOverlap(z.File); err != nil {
		return err
	}
	for _, f := range z.File {
		if err := u.zipEntry(f); err != nil {
			return err
		}
	}
	return nil
}

// zipCheck judges an entry by what the directory says of it, before anything is unpacked.
func (u *unpacker) zipCheck(f *zip.File) error {
	if err := u.count(f.Name); err != nil {
		return err
	}
	mode := f.Mode()
	switch {
	case mode&fs.ModeSymlink != 0:
		return refuse(Link, f.Name, "is a symbolic link")
	case mode.Type()&^fs.ModeDir != 0:
		return refuse(Special, f.Name, "is neither file nor folder")
	case f.Flags&zipEncrypted != 0:
		return refuse(Encrypted, f.Name, "needs a password")
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return refuse(Unsupported, f.Name, "compression method %d", f.Method)
	case f.UncompressedSize64 > 1<<62:
		return refuse(TooLarge, f.Name, "announces %d bytes", f.UncompressedSize64)
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
		return refuse(WrongSize, f.Name, "is stored, yet announces %d bytes packed and %d unpacked", f.CompressedSize64, f.UncompressedSize64)
	}
	return nil
}

// zipOverlap refuses entries that share compressed bytes, the trick of a zip bomb that needs no recursion.
func zipOverlap(files []*zip.File) error {
	type span struct {
		from, to int64
		name     string
	}
	var spans []span
	for _, f := range files {
		from, err := f.DataOffset()
		if err != nil {
			return &Error{Reason: BadFormat, Entry: f.Name, Err: err}
		}
		if f.CompressedSize64 > 0 {
			spans = append(spans, span{from, from + int64(f.CompressedSize64), f.Name})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			return refuse(Overlap, spans[i].name, "shares compressed bytes with %q", spans[i-1].name)
		}
	}
	return nil
}

func (u *unpacker) zipEntry(f *zip.File) error {
	if strings.HasSuffix(f.Name, "/") {
		return u.folder(f.Name)
	}
	body, err := f.Open()
	if err != nil {
		return u.broken(f.Name, err)
	}
	defer body.Close()
	return u.file(f.Name, int64(f.UncompressedSize64), body)
}
