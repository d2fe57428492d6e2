package artifact

import (
	"archive/tar"
	"fmt"
	"io"
	"time"
)

// epoch is the time of everything: what was made when stands in a record, not in an artifact.
var epoch = time.Unix(0, 0).UTC()

// trailer is what a tar ends with.
const trailer = 1024

// header is that of every file. With no format asked for, the writer uses PAX only for a path or a size that plain
// ustar cannot hold.
func header(path string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o644, ModTime: epoch}
}

// WriteShard writes files as a tar. content writes the bytes of files[i], as many as its Size says. Every file lies
// for itself in a tar, so that what was interrupted can go on with the files that are left.
func WriteShard(w io.Writer, files []Entry, content func(i int, w io.Writer) error) error {
	t := tar.NewWriter(w)
	for i, f := range files {
		err := t.WriteHeader(header(f.Path, f.Size))
		if err == nil {
			err = content(i, t)
		}
		if err == nil {
			err = t.Flush() // says so if there were too few bytes
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return t.Close()
}

// places walks over the files of a shard: where the content of each begins and where the file ends, padding included.
func places(files []Entry, visit func(i int, content, end int64) error) (int64, error) {
	var at int64
	for i, f := range files {
		h, err := headerSize(f)
		if err != nil {
			return 0, err
		}
		end := at + h + (f.Size+511)/512*512
		if err := visit(i, at+h, end); err != nil {
			return 0, err
		}
		at = end
	}
	return at + trailer, nil
}

// FilesIn returns how many of the files of a shard lie within its first n bytes, and where the last of them ends.
func FilesIn(files []Entry, n int64) (count int, end int64, err error) {
	_, err = places(files, func(i int, _, e int64) error {
		if e <= n {
			count, end = i+1, e
		}
		return nil
	})
	return count, end, err
}

// headerSize is the size of a file's header.
func headerSize(f Entry) (int64, error) {
	if plainName(f.Path) && f.Size < 1<<33 {
		return 512, nil
	}
	var n counter
	if err := tar.NewWriter(&n).WriteHeader(header(f.Path, f.Size)); err != nil {
		return 0, fmt.Errorf("%s: %w", f.Path, err)
	}
	return int64(n), nil
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

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
