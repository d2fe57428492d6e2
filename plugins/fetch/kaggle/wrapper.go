package kaggle

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/fetch/archive"
)

// unwrapped is a listed file that may come as itself, or in a zip that Kaggle made of it. How many bytes come is not
// known before they do.
func unwrapped(f plugins.SourceFile) plugins.SourceFile {
	listed, expand := f.Size, f.Expand
	f.Size = -1
	f.Expand = func(ctx context.Context, file io.ReaderAt, size int64, out plugins.Output) error {
		unpacked := wraps(file, size, f.Path)
		switch {
		case size != listed && unpacked != listed:
			return &plugins.Fault{Code: plugins.FaultWrongSize, Err: &plugins.MismatchError{What: "size", Want: fmt.Sprint(listed), Got: fmt.Sprint(max(size, unpacked))}}
		case unpacked < 0 && expand == nil:
			return write(out, f.Path, archive.Patient(ctx, io.NewSectionReader(file, 0, size)))
		case unpacked < 0:
			return expand(ctx, file, size, out)
		case expand != nil:
			return errors.New("the publisher has compressed the archive once more, which is not unpacked twice; take it out of unpack")
		}
		return archive.Expand(f.Ref, archive.Options{})(ctx, file, size, named{out, f.Path})
	}
	return f
}

// wraps returns how large a listed file is in the zip that Kaggle made of it, -1 if these bytes are no such zip. What a
// publisher itself has zipped either is called so or holds something of another name.
func wraps(file io.ReaderAt, size int64, listed string) int64 {
	head := make([]byte, 4)
	if _, err := file.ReadAt(head, 0); err != nil || string(head) != "PK\x03\x04" || strings.EqualFold(path.Ext(listed), ".zip") {
		return -1
	}
	z, err := zip.NewReader(file, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) || len(z.File) != 1 || path.Base(z.File[0].Name) != path.Base(listed) {
		return -1
	}
	return int64(min(z.File[0].UncompressedSize64, 1<<62))
}

// write makes one file. After an error it stays open: one that was closed would count.
func write(out plugins.Output, name string, from io.Reader) error {
	w, err := out.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return w.Close()
}

// named is an output of one file, whatever its name in the zip.
type named struct {
	plugins.Output
	name string
}

func (n named) Create(string) (io.WriteCloser, error) { return n.Output.Create(n.name) }
