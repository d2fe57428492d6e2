package cas

import (
	"errors"
	"hash"
	"io"
	"sync"
)

// chunk is what is hashed and written at once.
const chunk = 1 << 20

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// stream writes bytes and hashes them, the one while the other. It holds two chunks at most, and starts a
// goroutine only for a chunk that is full.
type stream struct {
	to     io.WriterAt
	hash   hash.Hash
	at     int64        // how many bytes were handed on
	buf    *[chunk]byte // the n bytes after them; nil before the first
	n      int
	other  *[chunk]byte // what behind writes
	behind chan error   // gets the end of the write under way; nil if there is none
	err    error        // sticky: bytes and hash may have parted
}

// room is what is left of a chunk. Chunks end at multiples of their size, whatever the stream began with.
func (s *stream) room() []byte {
	if s.buf == nil {
		s.buf = chunks.Get().(*[chunk]byte)
	}
	return s.buf[s.n : chunk-s.at%chunk]
}

func (s *stream) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) && s.err == nil {
		n := copy(s.room(), p[done:])
		s.add(n)
		done += n
	}
	return done, s.err
}

// ReadFrom reads to the end of r.
func (s *stream) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for s.err == nil {
		n, err := r.Read(s.room())
		s.add(n)
		total += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return total, err
		}
	}
	return total, s.err
}

// add counts bytes that were put into the room. A chunk that is full by then is hashed while it is written.
func (s *stream) add(n int) {
	if s.n += n; len(s.room()) > 0 || s.wait() != nil {
		return
	}
	full, at, behind := s.buf[:s.n], s.at, make(chan error, 1)
	go func() {
		_, err := s.to.WriteAt(full, at)
		behind <- err
	}()
	s.hash.Write(full)
	s.buf, s.other, s.behind = s.other, s.buf, behind
	s.at, s.n = s.at+int64(len(full)), 0
}

// wait for the write under way.
func (s *stream) wait() error {
	if s.behind != nil {
		s.err, s.behind = <-s.behind, nil
	}
	return s.err
}

// flush hands all bytes on.
func (s *stream) flush() error {
	if s.wait() != nil || s.n == 0 {
		return s.err
	}
	_, s.err = s.to.WriteAt(s.buf[:s.n], s.at)
	s.hash.Write(s.buf[:s.n])
	s.at, s.n = s.at+int64(s.n), 0
	return s.err
}

// end waits for the write under way and gives the chunks back. Nothing can follow.
func (s *stream) end() {
	_ = s.wait()
	for _, b := range []*[chunk]byte{s.buf, s.other} {
		if b != nil {
			chunks.Put(b)
		}
	}
	s.buf, s.other, s.n = nil, nil, 0
}
