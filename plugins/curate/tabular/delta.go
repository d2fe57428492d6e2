package tabular

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// maxBlock is the block of differences above which the library reads none.
const maxBlock = 1 << 16

// delta looks at a page of differences before its decoder does. How many values the page has stands inside, and a value of
// DELTA_BYTE_ARRAY that begins as the one before costs a few bits, so that a page's values may be as many bytes as its own
// size squared. What they are decoded counts as what is unpacked does: no more is taken than for the same file in PLAIN.
// https://parquet.apache.org/docs/file-format/data-pages/encodings/
func (p *pages) delta(c content, of parquet.Type) error {
	n, err := c.present()
	if err == nil {
		switch kind := of.Kind(); {
		case c.encoding == format.DeltaBinaryPacked && kind == parquet.Int32: // of.Length() is 8 if they are small
			err = p.deltaNumbers(c.text, 32, n)
		case c.encoding == format.DeltaBinaryPacked && kind == parquet.Int64:
			err = p.deltaNumbers(c.text, 64, n)
		case c.encoding == format.DeltaLengthByteArray && kind == parquet.ByteArray:
			err = p.deltaLengths(c.text, n)
		case c.encoding == format.DeltaByteArray && kind == parquet.ByteArray:
			err = p.deltaStrings(c.text, n, -1)
		case c.encoding == format.DeltaByteArray && kind == parquet.FixedLenByteArray:
			err = p.deltaStrings(c.text, n, int64(of.Length()))
		default:
			err = fmt.Errorf("its values are of type %s, which that is not for", kind)
		}
	}
	if err != nil {
		return fmt.Errorf("a page encoded as %s: %w", c.encoding, err)
	}
	return nil
}

// present says how many values of a page are not null: the differences are of these only. A page of the second version says it,
// too, and has to say the same, as the library goes by that.
func (c content) present() (int64, error) {
	n := c.values
	if c.optional {
		n = ones(c.levels, c.values)
	}
	if c.nulls >= 0 && c.values-c.nulls != n {
		return 0, fmt.Errorf("%d of %d values are null by its header, %d by its levels", c.nulls, c.values, c.values-n)
	}
	return n, nil
}

// ones counts those of the first n levels that are 1, which stand in runs that hold together: runs has seen that.
func ones(levels []byte, n int64) (count int64) {
	for n > 0 && len(levels) > 0 {
		head, used := binary.Uvarint(levels)
		levels = levels[used:]
		if head&1 == 0 {
			if levels[0] == 1 {
				count += min(n, int64(head>>1))
			}
			levels, n = levels[1:], n-int64(head>>1)
			continue
		}
		for _, group := range levels[:head>>1] {
			if n < 8 {
				group &= 1<<max(n, 0) - 1
			}
			count, n = count+int64(bits.OnesCount8(group)), n-8
		}
		levels = levels[head>>1:]
	}
	return count
}

func (p *pages) deltaNumbers(text []byte, size uint, n int64) error {
	d, err := openDiffs(text, size, n)
	if err == nil {
		_, err = d.end()
	}
	if err != nil {
		return err
	}
	return p.take(n * int64(size) / 8)
}

// deltaLengths looks at lengths, and the bytes of all values after them, which are used where they are.
func (p *pages) deltaLengths(text []byte, n int64) error {
	if err := p.take(4 * n); err != nil { // the lengths, which PLAIN has, too
		return err
	}
	lengths, rest, err := openLengths(text, n)
	if err != nil {
		return err
	}
	var sum int64
	for range n {
		length, err := lengths.next()
		if err != nil {
			return err
		}
		if length < 0 {
			return fmt.Errorf("a value of %d bytes", length)
		}
		sum += int64(length)
	}
	if sum != int64(len(rest)) {
		return fmt.Errorf("values of %d bytes, and there are %d", sum, len(rest))
	}
	return nil
}

// deltaStrings looks at how many bytes each value shares with the one before, how many it has of its own, and these. All values
// have to be of size bytes, unless that is negative.
func (p *pages) deltaStrings(text []byte, n, size int64) error {
	if err := p.take(4 * n); err != nil {
		return err
	}
	shared, rest, err := openLengths(text, n)
	if err != nil {
		return fmt.Errorf("prefixes: %w", err)
	}
	own, rest, err := openLengths(rest, n)
	if err != nil {
		return fmt.Errorf("suffixes: %w", err)
	}
	var last, sum int64
	for range n {
		prefix, err := shared.next()
		if err != nil {
			return err
		}
		suffix, err := own.next()
		if err != nil {
			return err
		}
		if prefix < 0 || suffix < 0 {
			return fmt.Errorf("a value with a prefix of %d bytes and a suffix of %d", prefix, suffix)
		}
		if int64(prefix) > last {
			return fmt.Errorf("a prefix of %d bytes, and the value before has %d", prefix, last)
		}
		last, sum = int64(prefix)+int64(suffix), sum+int64(suffix)
		if size >= 0 && last != size {
			return fmt.Errorf("a value of %d bytes, want %d", last, size)
		}
		if err := p.take(last); err != nil { // at once: the rest of it may take minutes
			return err
		}
	}
	if sum != int64(len(rest)) {
		return fmt.Errorf("suffixes of %d bytes, and there are %d", sum, len(rest))
	}
	return nil
}

// openLengths finds lengths, and what is after them.
func openLengths(text []byte, n int64) (lengths diffs, rest []byte, err error) {
	if lengths, err = openDiffs(text, 32, n); err == nil {
		rest, err = lengths.end()
	}
	return lengths, rest, err
}

// diffs are numbers as DELTA_BINARY_PACKED has them: a first one, and the differences from one to the next, less their least,
// in blocks of miniblocks of numbers of so many bits.
type diffs struct {
	size  uint // bits of a number
	block int  // numbers in a block
	mini  int  // numbers in a miniblock
	count int64

	text   []byte // after the miniblock that is being read
	value  int64
	least  int64  // of the differences of the block
	widths []byte // of the block's miniblocks after this one
	body   []byte // this miniblock
	width  uint
	at     int   // in this miniblock
	given  int64 // of all numbers
}

// openDiffs reads what is before the first block, by the letter of the format.
func openDiffs(text []byte, size uint, n int64) (d diffs, err error) {
	var head [3]uint64
	for i := range head {
		v, used := binary.Uvarint(text)
		if used <= 0 {
			return d, cut("its header")
		}
		head[i], text = v, text[used:]
	}
	first, used := binary.Varint(text)
	block, minis, count := head[0], head[1], head[2]
	switch {
	case used <= 0:
		return d, cut("its first number")
	case block == 0 || block%128 != 0 || block > maxBlock:
		return d, fmt.Errorf("blocks of %d numbers, want a multiple of 128 up to %d", block, maxBlock)
	case minis == 0 || block%minis != 0 || block/minis%32 != 0:
		return d, fmt.Errorf("%d miniblocks in a block of %d numbers, want a multiple of 32 numbers in each", minis, block)
	case count != uint64(n):
		return d, fmt.Errorf("%d numbers, and %d values of the page are not null", count, n)
	case size == 32 && (first < math.MinInt32 || first > math.MaxInt32):
		return d, fmt.Errorf("it begins with %d, which has more than 32 bits", first)
	}
	d = diffs{size: size, block: int(block), mini: int(block / minis), count: n, text: text[used:], value: first}
	d.at = d.mini // the first block is yet to be read
	return d, nil
}

func cut(what string) error { return fmt.Errorf("%w: %s is cut off", errPage, what) }

// end looks at all blocks, and gives what is after them. It is called before next.
func (d diffs) end() (rest []byte, err error) {
	for left := d.count - 1; left > 0; left -= int64(d.mini) {
		if err := d.turn(); err != nil {
			return nil, err
		}
	}
	return d.text, nil
}

// turn goes to the next miniblock. Those that the last block does not need have a width, and no bytes.
func (d *diffs) turn() error {
	if len(d.widths) == 0 {
		least, used := binary.Varint(d.text)
		minis := d.block / d.mini
		if used <= 0 || len(d.text)-used < minis {
			return cut("the head of a block")
		}
		d.least, d.widths, d.text = least, d.text[used:used+minis], d.text[used+minis:]
	}
	if d.width, d.widths = uint(d.widths[0]), d.widths[1:]; d.width > d.size {
		return fmt.Errorf("differences of %d bits between numbers of %d", d.width, d.size)
	}
	bytes := d.mini / 8 * int(d.width)
	if bytes > len(d.text) {
		return fmt.Errorf("%w: a miniblock of %d bytes, and there are %d", errPage, bytes, len(d.text))
	}
	d.body, d.text, d.at = d.text[:bytes], d.text[bytes:], 0
	return nil
}

// next gives a number of 32 bits, as often as there are numbers. Sums wrap around, as the format wants it.
func (d *diffs) next() (int32, error) {
	if d.given++; d.given == 1 {
		return int32(d.value), nil
	}
	if d.at == d.mini {
		if err := d.turn(); err != nil {
			return 0, err
		}
	}
	from := uint(d.at) * d.width
	var word [8]byte // a number may stand in five bytes
	copy(word[:], d.body[from/8:])
	diff := binary.LittleEndian.Uint64(word[:]) >> (from % 8) & (1<<d.width - 1)
	d.value += d.least + int64(diff)
	d.at++
	return int32(d.value), nil
}
