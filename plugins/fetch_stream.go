package plugins

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
)

// stream brings one span of a file, over as many connections as it takes, one after the other.
type stream struct {
	*download
	span
	pos   int64     // up to here the bytes are written
	hash  hash.Hash // over those of them that lie in an unfinished block
	since int64     // how many of those have come since the last mark
	best  int64     // the highest pos so far: what is only fetched again is no progress
	alone bool      // no other stream writes to the file
}

const forwardBytes = 1 << 20 // an attempt that came this far counts as progress

func (s *stream) run(ctx context.Context) error {
	if err := s.takeUp(ctx); err != nil {
		return err
	}
	s.best = s.pos
	for {
		err := s.retry.Do(ctx, func(ctx context.Context) (bool, error) {
			best := s.best
			err := s.attempt(ctx)
			if bad := s.mark(); bad != nil {
				return false, bad
			}
			if IsTransient(err) {
				s.note(faultCodeOr(err, FaultCut))
			}
			return s.best-best >= min(forwardBytes, s.part.all.block), err
		})
		if err != nil || s.pos == s.to {
			return err
		}
	}
}

// takeUp reads again what a mark says is there of the first block. If it is not, the block begins anew.
func (s *stream) takeUp(ctx context.Context) error {
	s.hash = digest.SHA256.Hash()
	block := s.from / s.part.all.block
	begin := block * s.part.all.block
	err := copyChunks(ctx, io.NewSectionReader(s.part.file, begin, s.from-begin), func(chunk []byte) error {
		_, err := s.hash.Write(chunk)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return errors.New("read partial file: " + withoutPath(err))
	}
	if s.from == begin || s.part.marked(block) == (mark{s.from, s.sum()}) {
		return nil
	}
	s.note(FaultDisk)
	s.moved(begin - s.from)
	s.part.unmark(block)
	s.hash.Reset()
	s.from, s.pos = begin, begin
	return nil
}

func (s *stream) sum() (sum Sum) {
	s.hash.Sum(sum[:0])
	return sum
}

// mark enters how far the block under way is written, so that a kill costs no more than what comes after.
func (s *stream) mark() error {
	if s.since == 0 {
		return nil
	}
	s.since = 0
	return s.part.mark(s.pos/s.part.all.block, mark{s.pos, s.sum()})
}

func faultCodeOr(err error, other Code) Code {
	if code := FaultCode(err); code != "" {
		return code
	}
	return other
}

// attempt reads on from where the last one stopped. A connection that gives no byte for too long is cut.
func (s *stream) attempt(ctx context.Context) error {
	leave, err := s.hosts.enter(ctx, hostOf(s.file.Ref))
	if err != nil {
		return err
	}
	defer leave()
	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(s.retry.stall(), cancel)
	defer watch.Stop()

	err = s.read(ctx, func() { watch.Reset(s.retry.stall()) })
	if err != nil && ctx.Err() != nil && parent.Err() == nil {
		return &Fault{Code: FaultStalled, Err: fmt.Errorf("no byte for %s after %d bytes", s.retry.stall(), s.pos), Again: true}
	}
	return err
}

func (s *stream) read(ctx context.Context, alive func()) error {
	_, version, _ := s.part.state()
	if s.pos > 0 && !s.vouched(version) {
		if err := s.rewind(); err != nil {
			return err
		}
	}
	a, err := s.open(ctx, s.want(version))
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if err := s.accept(&a); err != nil {
		return err
	}
	return s.copy(ctx, a, alive)
}

// want is the rest of the span. The last bytes of a file are asked for without an end.
func (s *stream) want(version string) Part {
	begun, _, size := s.part.state()
	if s.whole || s.to < 0 || begun && s.to == size {
		return Part{Offset: s.pos, Length: -1, Version: version}
	}
	return Part{Offset: s.pos, Length: s.to - s.pos, Version: version}
}

// rewind goes back to the start of the file.
func (s *stream) rewind() error {
	s.span, s.pos, s.since = span{0, -1}, 0, 0
	s.hash.Reset()
	return s.forget()
}

// accept decides whether an answer can be written behind, or in place of, what is there.
func (s *stream) accept(a *Opened) error {
	if a.Size < 0 && a.To >= 0 {
		a.Size = a.To
	}
	if err := s.sized(a); err != nil {
		return err
	}
	begun, version, size := s.part.state()
	same := begun && a.Version == version && (a.Size == size || size < 0)
	switch {
	case a.From != 0 && a.From != s.pos:
		return &Fault{Code: FaultWrongRange, Err: fmt.Errorf("asked for bytes from %d, received those from %d", s.pos, a.From)}
	case same && a.From == s.pos:
		s.hear(a.Sum)
		return s.learn(size, a.Size)
	case a.From == 0 && s.alone:
		return s.restart(a, begun && a.Version != version)
	case same:
		return errNoRanges
	}
	return errChanged
}

// learn takes note of a size that the first answer did not announce.
func (s *stream) learn(before, now int64) error {
	if before >= 0 || now < 0 {
		return nil
	}
	s.to = now
	s.tell(now)
	return s.part.setSize(now, false)
}

// restart takes an answer that begins at the start of the file.
func (s *stream) restart(a *Opened, changed bool) error {
	part := a.To >= 0 && a.To < a.Size
	if part && !s.vouched(a.Version) {
		return errNoRanges // the rest could be that of another file
	}
	if err := s.notPage(a); err != nil {
		return err
	}
	if changed {
		s.note(FaultChanged)
	}
	if err := s.rewind(); err != nil {
		return err
	}
	s.to = a.Size
	if part {
		s.to = min(a.Size, s.most())
	}
	s.tell(a.Size)
	s.hear(a.Sum)
	return s.part.begin(a.Version, a.Size)
}

// notPage looks at how an answer begins before it takes the place of what is here.
func (s *stream) notPage(a *Opened) error {
	if begun, _, _ := s.part.state(); !begun {
		return nil // it will be looked at when it is here
	}
	ahead := bufio.NewReaderSize(a.Body, sniffBytes)
	head, _ := ahead.Peek(sniffBytes) // an error comes again
	a.Body = peeked{ahead, a.Body}
	return sniff(s.file, head)
}

// peeked is a body of which some has been read ahead.
type peeked struct {
	io.Reader
	io.Closer
}

// sized compares the announced sizes. A page is named as one, whatever its size.
func (s *stream) sized(a *Opened) error {
	want := s.file.Size
	if a.Size < 0 {
		a.Size = want
	}
	if want < 0 || a.Size == want {
		return nil
	}
	head := make([]byte, sniffBytes)
	n, _ := io.ReadFull(a.Body, head)
	if err := sniff(s.file, head[:n]); a.From == 0 && err != nil {
		return err
	}
	return wrongSize(want, a.Size)
}

// copy writes an answer into the partial file, as far as the span goes.
func (s *stream) copy(ctx context.Context, a Opened, alive func()) error {
	end := s.to
	if a.To >= 0 {
		end = min(end, a.To)
	}
	buf := make([]byte, 128<<10)
	for s.pos != end {
		room := buf
		if end >= 0 {
			room = buf[:min(int64(len(buf)), end-s.pos)]
		}
		n, err := a.Body.Read(room)
		if n > 0 {
			alive()
			if err := s.write(room[:n]); err != nil {
				return err
			}
		}
		switch {
		case s.pos == end:
		case errors.Is(err, io.EOF) && end < 0:
			return s.ended(a.Endless)
		case errors.Is(err, io.EOF):
			return s.cut(end)
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
	}
	return s.nothingMore(a, end)
}

// cut is the error of an answer that ended too early, or was too short because it is a page.
func (s *stream) cut(end int64) error {
	head := make([]byte, min(sniffBytes, s.pos))
	if _, err := s.part.file.ReadAt(head, 0); err == nil && s.from == 0 {
		if err := sniff(s.file, head); err != nil {
			return err
		}
	}
	return &Fault{Code: FaultCut, Err: fmt.Errorf("%d of %d bytes: %w", s.pos, end, io.ErrUnexpectedEOF), Again: true}
}

// nothingMore wants the answer to end where the file does. Reading up to there also frees the connection.
func (s *stream) nothingMore(a Opened, end int64) error {
	_, _, size := s.part.state()
	if a.To > end || a.To < 0 && end < size {
		return nil // more is given than was asked for
	}
	head := make([]byte, sniffBytes+1)
	had, _ := s.part.file.ReadAt(head[:min(sniffBytes, end)], 0)
	n, _ := io.ReadAtLeast(a.Body, head[had:], 1)
	if n == 0 {
		return nil
	}
	if err := sniff(s.file, head[:had+n]); err != nil {
		return err
	}
	return wrongSize(end, "more")
}

// ended takes note of the end of a file whose size was not announced.
func (s *stream) ended(endless bool) error {
	s.to, s.endless = s.pos, endless
	s.tell(s.pos)
	if err := s.part.setSize(s.pos, endless); err != nil || s.pos%s.part.all.block == 0 {
		return err
	}
	return s.closeBlock(s.pos / s.part.all.block)
}

func (s *stream) write(b []byte) error {
	for len(b) > 0 {
		block := s.pos / s.part.all.block
		end := s.part.end(block)
		n := min(int64(len(b)), end-s.pos)
		if _, err := s.part.file.WriteAt(b[:n], s.pos); err != nil {
			return errors.New("write partial file: " + withoutPath(err))
		}
		s.hash.Write(b[:n])
		s.pos, s.best, s.since = s.pos+n, max(s.best, s.pos+n), s.since+n
		s.moved(n)
		if err := s.enter(block, end); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// enter notes what has been written of a block.
func (s *stream) enter(block, end int64) error {
	switch {
	case s.pos == end:
		return s.closeBlock(block)
	case s.since >= s.part.all.block/markSteps:
		return s.mark()
	}
	return nil
}

// closeBlock enters a block that is whole, unless it is the beginning of a web page.
func (s *stream) closeBlock(block int64) error {
	if block == 0 {
		head := make([]byte, min(sniffBytes, s.pos))
		if _, err := s.part.file.ReadAt(head, 0); err != nil {
			return errors.New("read partial file: " + withoutPath(err))
		}
		if err := sniff(s.file, head); err != nil {
			return err
		}
	}
	d := digest.NewDigest(digest.SHA256, s.hash)
	s.hash.Reset()
	s.since = 0
	return s.part.put(block, d)
}
