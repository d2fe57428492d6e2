package cas

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
)

// OpenRaw reads a blob and checks nothing: it is for whoever hashes all bytes in another way. A large blob is read
// ahead of its reader and past the page cache, so that it is the disk that is read.
func (l *Layout) OpenRaw(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
	f, err := l.open(d)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, l.fault("open blob", errors.Join(err, f.Close()))
	}
	if info.Size() < largeBlob {
		return faulty{f, l}, nil
	}
	return l.readAhead(f), nil
}

// Check reads a blob as OpenRaw does. The error is a *MismatchError if the bytes are not what they were.
func (l *Layout) Check(ctx context.Context, d digest.Digest) (int64, error) {
	r, err := l.OpenRaw(ctx, d)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(untilDone{ctx, h}, r)
	if got := digest.NewDigest(digest.SHA256, h); err == nil && got != d {
		err = &MismatchError{Want: d, Got: got}
	}
	return n, err
}

// untilDone ends a copy when its context ends.
type untilDone struct {
	ctx context.Context
	io.Writer
}

func (w untilDone) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// piece is a part of a file, or the error in its place.
type piece struct {
	buf *[chunk]byte
	n   int
	err error
}

// ahead is a file that a goroutine reads ahead of its reader, by a few chunks.
type ahead struct {
	l      *Layout
	file   File
	direct File // the same file, past the page cache; nil if that cannot be done
	pieces chan piece
	done   chan struct{} // tells the goroutine to end
	now    piece
	read   int // of it
}

func (l *Layout) readAhead(f File) *ahead {
	a := &ahead{l: l, file: f, pieces: make(chan piece, 2), done: make(chan struct{})}
	if directFlag != 0 {
		if direct, err := l.fsys.OpenFile(f.Name(), os.O_RDONLY|directFlag, 0); err == nil {
			a.direct = direct
		}
	}
	go a.fetch()
	return a
}

// fetch reads the file to its end, or until nobody wants it.
func (a *ahead) fetch() {
	defer close(a.pieces)
	at := int64(0)
	for {
		p := piece{buf: chunks.Get().(*[chunk]byte)}
		p.n, p.err = a.readAt(p.buf[:], at)
		at += int64(p.n)
		select {
		case a.pieces <- p:
		case <-a.done:
			chunks.Put(p.buf)
			return
		}
		if p.err != nil {
			return
		}
	}
}

// readAt reads directly as long as that works.
func (a *ahead) readAt(b []byte, at int64) (int, error) {
	if a.direct != nil && at%sector == 0 {
		if n, err := a.direct.ReadAt(b, at); err == nil || errors.Is(err, io.EOF) {
			return n, err
		}
	}
	n, err := a.file.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.l.fault("read blob", err)
	}
	return n, err
}

// more waits for bytes to hand out.
func (a *ahead) more() error {
	for a.read == a.now.n {
		if a.now.err != nil {
			return a.now.err
		}
		a.giveBack(a.now)
		a.now, a.read = <-a.pieces, 0
	}
	return nil
}

func (a *ahead) Read(p []byte) (int, error) {
	if err := a.more(); err != nil {
		return 0, err
	}
	n := copy(p, a.now.buf[a.read:a.now.n])
	a.read += n
	return n, nil
}

// WriteTo writes what is left, chunk by chunk and without a copy.
func (a *ahead) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := a.more(); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := w.Write(a.now.buf[a.read:a.now.n])
		a.read += n
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

func (a *ahead) giveBack(p piece) {
	if p.buf != nil {
		chunks.Put(p.buf)
	}
}

// Close ends the reading.
func (a *ahead) Close() error {
	if errors.Is(a.now.err, os.ErrClosed) {
		return a.now.err
	}
	close(a.done)
	for p := range a.pieces {
		a.giveBack(p)
	}
	a.giveBack(a.now)
	a.now, a.read = piece{err: os.ErrClosed}, 0
	if a.direct != nil {
		_ = a.direct.Close() // it was only read
	}
	return a.file.Close()
}
