package sandbox

import (
	"io"
)

// pipe writes behind: what it is given is gathered into pieces that another goroutine writes. It is for one writer.
type pipe struct {
	piece []byte
	full  chan []byte   // pieces to write; nil asks for an answer
	empty chan []byte   // pieces that can be filled
	heard chan error    // the answer: the error so far
	ended chan struct{} // closed when the goroutine has ended
	size  int           // of a piece
}

const (
	pieceSize = 256 << 10
	pieces    = 4
)

// newPipe makes a pipe for about size bytes, or more.
func newPipe(w io.Writer, size int64) *pipe {
	p := &pipe{size: int(min(size, pieceSize)), full: make(chan []byte, pieces), empty: make(chan []byte, pieces), heard: make(chan error), ended: make(chan struct{})}
	for range pieces {
		p.empty <- nil
	}
	go p.run(w)
	return p
}

func (p *pipe) run(w io.Writer) {
	defer close(p.ended)
	var failed error
	for piece := range p.full {
		if piece == nil {
			p.heard <- failed
			continue
		}
		if failed == nil {
			_, failed = w.Write(piece)
		}
		p.empty <- piece[:0]
	}
}

// Write takes bytes. An error of the writer comes with drain or close.
func (p *pipe) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if p.piece == nil {
			if p.piece = <-p.empty; p.piece == nil {
				p.piece = make([]byte, 0, p.size)
			}
		}
		k := min(len(b), cap(p.piece)-len(p.piece))
		p.piece, b = append(p.piece, b[:k]...), b[k:]
		if len(p.piece) == cap(p.piece) {
			p.full <- p.piece
			p.piece = nil
		}
	}
	return n, nil
}

// drain waits until everything is written.
func (p *pipe) drain() error {
	if len(p.piece) > 0 {
		p.full <- p.piece
		p.piece = nil
	}
	p.full <- nil
	return <-p.heard
}

// close drains and ends the goroutine.
func (p *pipe) close() error {
	err := p.drain()
	close(p.full)
	<-p.ended
	return err
}
