package mat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	header4  = 20
	maxName4 = 1 << 10
)

// matrix4 is the header of a matrix of version 4: five numbers of 32 bits. Its numbers are all of class double, however they are
// stored.
type matrix4 struct {
	order         binary.ByteOrder
	kind          number
	class         Class
	rows, columns int64
	complex       bool
	name          int64 // its length, with the 0 at its end
}

// parse4 reads "type rows columns imaginary namelength", where type is 1000 M + 100 O + 10 P + T: M the machine, P the precision,
// T the class.
func parse4(b []byte) (matrix4, error) {
	m := matrix4{order: binary.LittleEndian}
	kind := m.order.Uint32(b)
	if kind > 9999 {
		m.order = binary.BigEndian
		kind = m.order.Uint32(b)
	}
	machine, precision, class := kind/1000, kind/10%10, kind%10
	bigMachine := m.order == binary.BigEndian
	if kind > 9999 || kind/100%10 != 0 || precision > 5 || class > 2 {
		return m, fmt.Errorf("matrix of type %d, which is none of a MATLAB file", kind)
	}
	if machine > 1 || machine == 1 != bigMachine {
		return m, fmt.Errorf("matrix of type %d, whose numbers are not those of IEEE in the order of the file", kind)
	}
	m.kind = []number{miDouble, miSingle, miInt32, miInt16, miUint16, miUint8}[precision]
	m.class = []Class{Double, Char, Sparse}[class]
	m.rows, m.columns, m.name = int64(m.order.Uint32(b[4:])), int64(m.order.Uint32(b[8:])), int64(m.order.Uint32(b[16:]))
	m.complex = m.order.Uint32(b[12:]) == 1
	if m.name < 1 || m.name > maxName4 {
		return m, fmt.Errorf("matrix with a name of %d bytes", m.name)
	}
	return m, nil
}

func (r *Reader) next4() (*Array, error) {
	head := make([]byte, header4)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return nil, err // io.EOF is the end of the file
	}
	m, err := parse4(head)
	if err != nil {
		return nil, err
	}
	name := make([]byte, m.name)
	if _, err := io.ReadFull(r.in, name); err != nil {
		return nil, cut(err)
	}
	a := &Array{Name: untilZero(name), Class: m.class, Shape: []int{int(m.rows), int(m.columns)}}
	if err := r.content4(a, m); err != nil {
		return nil, fmt.Errorf("variable %q: %w", a.Name, err)
	}
	return a, nil
}

func (r *Reader) content4(a *Array, m matrix4) error {
	n, err := product(a.Shape)
	if err != nil {
		return err
	}
	if a.real, err = r.numbers4(m, n); err != nil || !m.complex {
		return err
	}
	a.imag, err = r.numbers4(m, n)
	if a.Class == Sparse { // rows of row, column and value: not a matrix of this shape
		a.real, a.imag, a.Shape = numbers{}, numbers{}, nil
	}
	return err
}

func (r *Reader) numbers4(m matrix4, n int64) (numbers, error) {
	data, err := take(r.in, n*int64(m.kind.size()), r.left)
	if m.class == Char && m.kind != miUint8 && err == nil { // text as numbers of any kind
		data = bytesOf(numbers{m.kind, m.order, data})
		m.kind = miUint8
	}
	return numbers{m.kind, m.order, data}, err
}

// bytesOf narrows the codes of text.
func bytesOf(n numbers) []byte {
	out := make([]byte, n.len())
	for i, v := range n.float64s() {
		out[i] = byte(v)
	}
	return out
}

// product multiplies a shape and refuses what no file can hold.
func product(shape []int) (int64, error) {
	const most = 1 << 40
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > 0 && n > most/int64(d) {
			return 0, fmt.Errorf("shape %v is negative or too large", shape)
		}
		n *= int64(d)
	}
	return n, nil
}

// take reads so many bytes. Memory follows what is there.
func take(in io.Reader, n int64, left *int64) ([]byte, error) {
	if n > *left {
		return nil, fmt.Errorf("%d bytes, of the limit %d are left", n, *left)
	}
	*left -= n
	const small = 1 << 20
	if n <= small {
		out := make([]byte, n)
		_, err := io.ReadFull(in, out)
		return out, cut(err)
	}
	out, err := io.ReadAll(io.LimitReader(in, n))
	if err == nil && int64(len(out)) < n {
		err = io.ErrUnexpectedEOF
	}
	return out, cut(err)
}

// cut says that a file ends too early; io.EOF itself would say that all is well.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("file or element is cut short")
	}
	return err
}

func untilZero(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
