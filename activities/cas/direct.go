package cas

import "os"

const (
	// largeBlob is the size from which the rest of a blob goes to the disk and not to the page cache first.
	// There the kernel takes longer to find and clear pages than the disk to write, and what others have
	// cached would be pushed out by bytes that nobody reads soon.
	largeBlob = 16 << 20
	// sector is what a direct write must be a multiple of, in place, size and memory.
	sector = 4 << 10
)

// blobFile is a file that is written once.
type blobFile struct {
	File
	fsys   FS
	direct File // the same file, opened to be written past the page cache
	cached bool // the file system does not do that
}

// WriteAt writes large pieces of a large file directly. They are in memory of their own, which Go aligns by pages.
func (f *blobFile) WriteAt(p []byte, at int64) (int, error) {
	if at < largeBlob || len(p) < chunk/2 || len(p)%sector != 0 || at%sector != 0 || !f.straight() {
		return f.File.WriteAt(p, at)
	}
	n, err := f.direct.WriteAt(p, at)
	if err == nil {
		return n, nil
	}
	f.cached = true // the error, if it is one, comes again
	return f.File.WriteAt(p, at)
}

// straight opens the file for direct writes, if that can be done.
func (f *blobFile) straight() bool {
	if f.direct != nil || f.cached || directFlag == 0 {
		return f.direct != nil && !f.cached
	}
	direct, err := f.fsys.OpenFile(f.Name(), os.O_WRONLY|directFlag, 0)
	f.direct, f.cached = direct, err != nil
	return !f.cached
}

// Close closes the file.
func (f *blobFile) Close() error {
	if f.direct != nil {
		_ = f.direct.Close() // Sync has told what there is to tell
	}
	return f.File.Close()
}
