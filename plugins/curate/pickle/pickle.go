package pickle

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/cairn-bench/cairn/plugins/npy"
)

// Limits of a pickle.
const (
	maxAxes  = 32
	maxLen   = 1 << 40 // elements; they need not be there
	maxStack = 1 << 20
	maxText  = 1 << 20
)

// Dictionary reads a .npy file that holds one object, a dictionary of arrays. No more than limit bytes are kept.
func Dictionary(r io.Reader, limit int64) (map[string]*Array, error) {
	b := bufio.NewReaderSize(r, 1<<16)
	shape, err := npy.Objects(b)
	if err != nil {
		return nil, err
	}
	if product(shape) != 1 {
		return nil, fmt.Errorf("shape %v, want one object", shape)
	}
	m := &machine{r: b, left: limit}
	v, err := m.run()
	if err != nil {
		return nil, fmt.Errorf("pickle: %w", err)
	}
	if whole, ok := v.(*Array); ok && len(whole.items) == 1 {
		v = whole.items[0]
	}
	d, ok := v.(*dict)
	if !ok {
		return nil, errors.New("pickle: the object is no dictionary")
	}
	out := map[string]*Array{}
	for _, e := range d.entries {
		name, named := e[0].(string)
		if a, is := e[1].(*Array); named && is {
			out[name] = a
		}
	}
	return out, nil
}

// cut says that a file ends too early; io.EOF itself would say that all is well.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut off")
	}
	return err
}

// The objects of a machine, beside string, []byte, int64, float64, bool, nil and *Array.
type (
	mark   struct{}
	global string
	tuple  []any
	list   struct{ items []any }
	dict   struct{ entries [][2]any }
	dtype  struct {
		name string // without the order of bytes
		big  bool
	}
)

// machine understands what a pickle of arrays says.
type machine struct {
	r interface {
		io.Reader
		io.ByteReader
	}
	left  int64
	stack []any
	memo  map[uint32]any
}

func (m *machine) run() (any, error) {
	m.memo = map[uint32]any{}
	for {
		op, err := m.r.ReadByte()
		if err != nil {
			return nil, cut(err)
		}
		if m.left--; m.left < 0 {
			return nil, errors.New("more bytes than are kept")
		}
		if op == '.' {
			return m.pop()
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
		if len(m.stack) > maxStack || len(m.memo) > maxStack {
			return nil, fmt.Errorf("more than %d objects", maxStack)
		}
	}
}

func (m *machine) push(v any) error {
	m.stack = append(m.stack, v)
	return nil
}

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("the stack is empty")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// take pops n objects.
func (m *machine) take(n int) ([]any, error) {
	if len(m.stack) < n {
		return nil, errors.New("the stack is empty")
	}
	out := append([]any{}, m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return out, nil
}

// marked pops what lies above the last mark, and the mark.
func (m *machine) marked() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, is := m.stack[i].(mark); is {
			out := append([]any{}, m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return out, nil
		}
	}
	return nil, errors.New("no mark")
}

// number reads a little-endian number without a sign.
func (m *machine) number(size int) (uint64, error) {
	b := make([]byte, 8)
	if _, err := io.ReadFull(m.r, b[:size]); err != nil {
		return 0, cut(err)
	}
	return binary.LittleEndian.Uint64(b), nil
}

// bytes reads a length and as many bytes; memory follows what is there.
func (m *machine) bytes(size int) ([]byte, error) {
	n, err := m.number(size)
	if err != nil {
		return nil, err
	}
	if n > math.MaxInt64 || int64(n) > m.left {
		return nil, errors.New("more bytes than are kept")
	}
	m.left -= int64(n)
	var b bytes.Buffer
	if _, err := io.CopyN(&b, m.r, int64(n)); err != nil {
		return nil, cut(err)
	}
	return b.Bytes(), nil
}

func (m *machine) text(size int) error {
	b, err := m.bytes(size)
	if err != nil {
		return err
	}
	return m.push(string(b))
}

func (m *machine) blob(size int) error {
	b, err := m.bytes(size)
	if err != nil {
		return err
	}
	return m.push(b)
}

// step does one instruction. The letters are those of Python's pickle.py.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := m.number(1)
		return err
	case 0x95: // FRAME
		_, err := m.number(8)
		return err
	case '(':
		return m.push(mark{})
	case 'N':
		return m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88)
	case 'K', 'M', 'J': // BININT1, BININT2, BININT
		n, err := m.number(map[byte]int{'K': 1, 'M': 2, 'J': 4}[op])
		if op == 'J' {
			n = uint64(int64(int32(n)))
		}
		return errors.Join(err, m.push(int64(n)))
	case 0x8a: // LONG1
		return m.long()
	case 'G': // BINFLOAT
		n, err := m.number(8)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		return errors.Join(err, m.push(math.Float64frombits(binary.BigEndian.Uint64(b[:]))))
	case 'X', 0x8c, 0x8d: // BINUNICODE and its kin
		return m.text(map[byte]int{'X': 4, 0x8c: 1, 0x8d: 8}[op])
	case 'B', 'C', 0x8e: // BINBYTES and its kin
		return m.blob(map[byte]int{'B': 4, 'C': 1, 0x8e: 8}[op])
	case ']':
		return m.push(&list{})
	case '}':
		return m.push(&dict{})
	case ')':
		return m.push(tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items, err := m.take(int(op) - 0x84)
		return errors.Join(err, m.push(tuple(items)))
	}
	return m.structure(op)
}

// structure does the instructions that work on objects that are there.
func (m *machine) structure(op byte) error {
	switch op {
	case 't':
		items, err := m.marked()
		return errors.Join(err, m.push(tuple(items)))
	case 'a':
		items, err := m.take(1)
		return errors.Join(err, m.extend(items))
	case 'e':
		items, err := m.marked()
		return errors.Join(err, m.extend(items))
	case 's':
		items, err := m.take(2)
		return errors.Join(err, m.set(items))
	case 'u':
		items, err := m.marked()
		return errors.Join(err, m.set(items))
	case '0':
		_, err := m.pop()
		return err
	case 'q', 'r', 0x94: // BINPUT, LONG_BINPUT, MEMOIZE
		return m.put(op)
	case 'h', 'j': // BINGET, LONG_BINGET
		n, err := m.number(map[byte]int{'h': 1, 'j': 4}[op])
		v, known := m.memo[uint32(n)]
		if err == nil && !known {
			err = errors.New("an object that is not there is asked for")
		}
		return errors.Join(err, m.push(v))
	case 'c': // GLOBAL
		module, err := m.line()
		name, err2 := m.line()
		return errors.Join(err, err2, m.push(global(module+"."+name)))
	case 0x93: // STACK_GLOBAL
		items, err := m.take(2)
		if err != nil {
			return err
		}
		return m.push(global(fmt.Sprintf("%.100v.%.100v", items[0], items[1])))
	case 'R':
		return m.reduce()
	case 'b':
		return m.build()
	}
	return fmt.Errorf("instruction %#x is none of a plain array", op)
}

func (m *machine) line() (string, error) {
	var b strings.Builder
	for b.Len() < maxText {
		c, err := m.r.ReadByte()
		if err != nil {
			return "", cut(err)
		}
		if c == '\n' {
			return b.String(), nil
		}
		b.WriteByte(c)
	}
	return "", errors.New("a name is too long")
}

func (m *machine) long() error {
	b, err := m.bytes(1)
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return errors.New("a whole number of more than 64 bits")
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1] >= 0x80 {
		v -= 1 << (8 * n)
	}
	return m.push(v)
}

func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, errors.New("the stack is empty")
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) put(op byte) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	n := uint64(len(m.memo))
	if op != 0x94 {
		if n, err = m.number(map[byte]int{'q': 1, 'r': 4}[op]); err != nil {
			return err
		}
	}
	m.memo[uint32(n)] = v
	return nil
}

func (m *machine) extend(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	l, is := v.(*list)
	if !is || len(l.items)+len(items) > maxStack {
		return errors.New("items for what is no list, or too many")
	}
	l.items = append(l.items, items...)
	return nil
}

func (m *machine) set(items []any) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	d, is := v.(*dict)
	if !is || len(items)%2 != 0 {
		return errors.New("entries for what is no dictionary")
	}
	for i := 0; i < len(items); i += 2 {
		if len(d.entries) == maxStack {
			return errors.New("too many entries")
		}
		d.entries = append(d.entries, [2]any{items[i], items[i+1]})
	}
	return nil
}

// reduce makes what a known function of NumPy makes of its arguments.
func (m *machine) reduce() error {
	items, err := m.take(2)
	if err != nil {
		return err
	}
	f, _ := items[0].(global)
	args, _ := items[1].(tuple)
	switch f {
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct":
		return m.push(&Array{})
	case "numpy.dtype":
		if name, is := first(args).(string); is {
			return m.push(&dtype{name: name})
		}
	case "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar":
		if len(args) == 2 {
			of, is := args[0].(*dtype)
			data, bytes := args[1].([]byte)
			if is && bytes {
				a := &Array{}
				return errors.Join(a.build(tuple{int64(1), tuple{}, of, false, data}), m.push(a))
			}
		}
	case "_codecs.encode": // bytes as protocol 2 has them
		if text, is := first(args).(string); is {
			b := make([]byte, 0, len(text))
			for _, r := range text {
				b = append(b, byte(r))
			}
			return m.push(b)
		}
	}
	return fmt.Errorf("%.60q is asked for, which is nothing of a plain array", string(f))
}

func first(args tuple) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// build gives an array or a type its state.
func (m *machine) build() error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	args, _ := state.(tuple)
	switch v := v.(type) {
	case *dtype:
		if len(args) > 1 {
			v.big = args[1] == ">"
			return nil
		}
	case *Array:
		return v.build(args)
	}
	return errors.New("a state for what has none")
}

// build takes (version, shape, type, Fortran order, data).
func (a *Array) build(state tuple) error {
	if len(state) != 5 {
		return errors.New("the state of an array has no five parts")
	}
	dims, _ := state[1].(tuple)
	of, known := state[2].(*dtype)
	if !known || len(dims) > maxAxes {
		return errors.New("an array without a type")
	}
	n := 1
	*a = Array{Shape: []int{}}
	for _, d := range dims {
		size, is := d.(int64)
		if !is || size < 0 || size > 0 && int64(n) > maxLen/size {
			return errors.New("an array without a shape")
		}
		a.Shape, n = append(a.Shape, int(size)), n*int(max(size, 1))
	}
	a.fort, _ = state[3].(bool)
	if l, is := state[4].(*list); is {
		if of.name[:min(1, len(of.name))] != "O" || len(l.items) != a.Len() {
			return errors.New("objects that do not fill their array")
		}
		a.items = l.items
		return nil
	}
	data, is := state[4].([]byte)
	if !is {
		return errors.New("an array without data")
	}
	return a.fill(*of, data)
}

func (a *Array) fill(of dtype, data []byte) error {
	if width, is := strings.CutPrefix(of.name, "U"); is {
		return a.fillText(width, of.big, data)
	}
	order := "<"
	if of.big {
		order = ">"
	}
	h, err := npy.TypeOf(order + of.name)
	if err != nil {
		return nil //nolint:nilerr // an array of something else, which nobody may ask for
	}
	if a.Len() > len(data) || a.Len()*h.Size != len(data) {
		return fmt.Errorf("shape %v does not fill %d bytes", a.Shape, len(data))
	}
	a.of, a.data = h, data
	return nil
}

// fillText reads text of 32 bits a character, filled up with zeros.
func (a *Array) fillText(width string, big bool, data []byte) error {
	var n int
	if _, err := fmt.Sscanf(width, "%d", &n); err != nil || n < 0 || n > maxText || a.Len() > len(data) || a.Len()*n*4 != len(data) || a.Len() > maxStack {
		return errors.New("text that does not fill its array")
	}
	var order binary.ByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	a.text = make([]string, a.Len())
	for i := range a.text {
		var b strings.Builder
		for c := range n {
			r := rune(order.Uint32(data[(i*n+c)*4:]))
			if r == 0 {
				break
			}
			if r < 0 || utf16.IsSurrogate(r) {
				r = '\ufffd'
			}
			b.WriteRune(r)
		}
		a.text[i] = b.String()
	}
	return nil
}
