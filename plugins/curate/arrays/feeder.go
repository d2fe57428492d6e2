package arrays

import (
	"fmt"
	"io"
	"sync"

	"github.com/cairn-bench/cairn/plugins/npy"
)

// keep is how many rows that were passed are held for those who come late: samples are made in the order of their rows, but by several.
const keep = 64

// feeder gives rows of an array that can only be read from its beginning on. It is safe for concurrent use.
type feeder struct {
	open func() (*npy.Reader, io.Closer, error)
	mu   sync.Mutex
	from *npy.Reader
	file io.Closer
	next int               // row
	held map[int][]float64 // rows before next
	line []int             // those that are or were held, the oldest first
}

// row gives a row and its shape.
func (f *feeder) row(i int) ([]float64, []int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x, ok := f.held[i]; ok {
		delete(f.held, i)
		return x, f.from.Shape[1:], nil
	}
	if f.from == nil || i < f.next {
		if err := f.begin(); err != nil {
			return nil, nil, err
		}
	}
	if far := i - keep; far > f.next {
		if err := f.from.Skip((far - f.next) * f.size()); err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", i, err)
		}
		f.next = far
	}
	for {
		x := make([]float64, f.size())
		if err := f.from.Float64(x); err != nil {
			return nil, nil, fmt.Errorf("row %d: %w", f.next, err)
		}
		f.next++
		if f.next > i {
			return x, f.from.Shape[1:], f.end()
		}
		f.hold(f.next-1, x)
	}
}

func (f *feeder) size() int {
	n := 1
	for _, d := range f.from.Shape[1:] {
		n *= d
	}
	return n
}

// begin opens the file again; whoever is later than keep rows costs that.
func (f *feeder) begin() (err error) {
	if f.file != nil {
		f.file.Close()
	}
	f.next, f.held, f.line = 0, map[int][]float64{}, nil
	f.from, f.file, err = f.open()
	return err
}

// hold keeps a row and lets the oldest of too many go.
func (f *feeder) hold(i int, x []float64) {
	f.held[i] = x
	if f.line = append(f.line, i); len(f.line) > keep {
		delete(f.held, f.line[0])
		f.line = f.line[1:]
	}
}

// end closes the file after its last row.
func (f *feeder) end() error {
	if f.next < f.from.Shape[0] {
		return nil
	}
	err := f.from.Close()
	f.file.Close()
	f.file = nil
	return err
}
