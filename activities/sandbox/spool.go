package sandbox

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// spool keeps files that come in any order until it is known where they go. Small ones lie behind one another in one
// file, which is a hundred times faster than a file each; a large one has a file of its own.
type spool struct {
	dir string

	mu    sync.Mutex
	small *os.File
	end   int64
	large int
}

const (
	smallFile = 1 << 20
	smallName = "small"
)

// place is where a spooled file lies: from offset at on among the small ones, or in the file of that number.
type place struct {
	large int // 0 is none
	at    int64
}

func newSpool(dir string) (*spool, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return &spool{dir: dir}, nil
}

// spooled is a file that is being written.
type spooled struct {
	size   int64
	buffer []byte
	number int
	own    *os.File
}

func (f *spooled) write(s *spool, p []byte) (int, error) {
	if f.own == nil && len(f.buffer)+len(p) > smallFile {
		if err := f.grow(s); err != nil {
			return 0, err
		}
	}
	if f.own != nil {
		n, err := f.own.Write(p)
		f.size += int64(n)
		return n, err
	}
	f.buffer = append(f.buffer, p...)
	f.size += int64(len(p))
	return len(p), nil
}

// grow gives a file its own place on disk.
func (f *spooled) grow(s *spool) (err error) {
	s.mu.Lock()
	s.large++
	f.number = s.large
	s.mu.Unlock()
	f.own, err = os.OpenFile(s.largeName(f.number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return pathless(err)
	}
	_, err = f.own.Write(f.buffer)
	f.buffer = nil
	return err
}

func (f *spooled) close(s *spool) (place, error) {
	if f.own != nil {
		return place{large: f.number}, f.own.Close()
	}
	at, file, err := s.reserve(f.size)
	if err == nil {
		_, err = file.WriteAt(f.buffer, at)
	}
	f.buffer = nil
	return place{at: at}, pathless(err)
}

func (f *spooled) drop() {
	if f.own != nil {
		_ = f.own.Close()
	}
	f.buffer = nil
}

// reserve takes room among the small files.
func (s *spool) reserve(size int64) (int64, *os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.small == nil {
		f, err := os.OpenFile(filepath.Join(s.dir, smallName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return 0, nil, err
		}
		s.small = f
	}
	at := s.end
	s.end += size
	return at, s.small, nil
}

func (s *spool) largeName(n int) string { return filepath.Join(s.dir, strconv.Itoa(n)) }

// open reads n bytes of a file.
func (s *spool) open(p place, from, n int64) (io.ReadCloser, error) {
	if p.large == 0 {
		return io.NopCloser(io.NewSectionReader(s.small, p.at+from, n)), nil
	}
	f, err := os.Open(s.largeName(p.large))
	if err != nil {
		return nil, pathless(err)
	}
	_, err = f.Seek(from, io.SeekStart)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s *spool) remove() error {
	var err error
	if s.small != nil {
		err = s.small.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// pathless takes the path of this machine off an error.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
