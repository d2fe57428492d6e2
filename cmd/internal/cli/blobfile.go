package cli

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"syscall"
)

// blobFile is a blob that is hashed where it lies in memory. To copy it out of the page cache first costs a fifth
// of the time that SHA-256 takes.
type blobFile struct {
	*os.File
	size int64
	done func() // before it is closed
}

// window is how much is mapped at once. While one is hashed, the kernel reads the next.
const window = 4 << 20

// WriteTo writes the rest of the file. What is behind the last full window, has come since the file was opened, or cannot be
// mapped, is read as usual.
func (f *blobFile) WriteTo(w io.Writer) (int64, error) {
	var n int64
	from, err := f.Seek(0, io.SeekCurrent)
	if err == nil && from == 0 {
		if n, err = f.mapped(w); err == nil {
			_, err = f.Seek(n, io.SeekStart)
		}
	}
	if err != nil {
		return n, err
	}
	more, err := io.CopyBuffer(w, struct{ io.Reader }{f.File}, make([]byte, min(max(f.size-n, 512), 256<<10)))
	return n + more, err
}

// mapped writes the full windows. A page that cannot be read, because the disk fails or the file was cut, is a fault of
// memory; it becomes an error.
func (f *blobFile) mapped(w io.Writer) (at int64, err error) {
	if f.size < window {
		return 0, nil
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var now, next []byte
	defer func() {
		unmap(now)
		unmap(next)
		if fault := recover(); fault != nil {
			err = f.faulted(fault)
		}
	}()
	for now = f.view(0); now != nil; now, next = next, nil {
		next = f.view(at + window)
		n, err := w.Write(now)
		at += int64(n)
		if err != nil {
			return at, err
		}
		unmap(now)
	}
	return at, nil
}

// faulted tells a fault of the mapped file from a bug.
func (f *blobFile) faulted(fault any) error {
	if _, ok := fault.(interface{ Addr() uintptr }); !ok {
		panic(fault)
	}
	return fmt.Errorf("read %s: %w", f.Name(), syscall.EIO)
}

// view maps a full window, or returns nil.
func (f *blobFile) view(at int64) []byte {
	if at+window > f.size {
		return nil
	}
	b, err := syscall.Mmap(int(f.Fd()), at, window, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	willNeed(b)
	return b
}

func unmap(b []byte) {
	if b != nil {
		_ = syscall.Munmap(b)
	}
}

func (f *blobFile) Close() error {
	f.done()
	return f.File.Close()
}
