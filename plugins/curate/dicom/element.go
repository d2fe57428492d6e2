package dicom

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits above which a file is taken for hostile.
const (
	maxDepth    = 32        // of sequences in sequences
	maxValue    = 128 << 10 // bytes of a value that is kept: a table has at most 65,536 entries
	maxInflated = 2 << 30   // bytes that a deflated data set unpacks to
)

const undefined = 0xffffffff

// tag is group and element.
type tag uint32

// Tags that matter (PS3.6).
const (
	tagSyntax      tag = 0x00020010
	tagImageType   tag = 0x00080008
	tagModality    tag = 0x00080060
	tagPatient     tag = 0x00100020
	tagInstance    tag = 0x00080018
	tagStudy       tag = 0x0020000d
	tagSeries      tag = 0x0020000e
	tagCineRate    tag = 0x00180040 // frames a second
	tagFrameTime   tag = 0x00181063 // ms
	tagPosition    tag = 0x00200032
	tagOrientation tag = 0x00200037
	tagPaired      tag = 0x00200060 // which of two parts of a body a series is of
	tagSide        tag = 0x00200062 // which of them an image is of
	tagSamples     tag = 0x00280002
	tagPhotometric tag = 0x00280004
	tagPlanar      tag = 0x00280006
	tagFrames      tag = 0x00280008
	tagRows        tag = 0x00280010
	tagColumns     tag = 0x00280011
	tagAllocated   tag = 0x00280100
	tagStored      tag = 0x00280101
	tagHighBit     tag = 0x00280102
	tagSigned      tag = 0x00280103
	tagCenter      tag = 0x00281050
	tagWidth       tag = 0x00281051
	tagFunction    tag = 0x00281056
	tagIntercept   tag = 0x00281052
	tagSlope       tag = 0x00281053
	tagPixels      tag = 0x7fe00010
	tagItem        tag = 0xfffee000
	tagItemEnd     tag = 0xfffee00d
	tagSequenceEnd tag = 0xfffee0dd
)

func (t tag) String() string { return fmt.Sprintf("(%04X,%04X)", uint32(t)>>16, uint32(t)&0xffff) }

// wanted are the tags whose values are kept.
var wanted = map[tag]bool{
	tagPaired: true, tagSide: true,
	tagSyntax: true, tagImageType: true, tagModality: true, tagPatient: true, tagInstance: true, tagStudy: true, tagSeries: true,
	tagCineRate: true, tagFrameTime: true, tagPosition: true, tagOrientation: true, tagSamples: true, tagPhotometric: true, tagPlanar: true, tagFrames: true,
	tagRows: true, tagColumns: true, tagAllocated: true, tagStored: true, tagHighBit: true, tagSigned: true,
	tagCenter: true, tagWidth: true, tagFunction: true, tagIntercept: true, tagSlope: true,
	tagPaletteDescriptor: true, tagPaletteDescriptor + 1: true, tagPaletteDescriptor + 2: true,
	tagPalette: true, tagPalette + 1: true, tagPalette + 2: true, tagLUTDescriptor: true, tagLUT: true,
}

// encoding is how the elements of a data set are written (PS3.5, 7.1).
type encoding struct {
	order    binary.ByteOrder
	explicit bool
}

// element is the head of a data element.
type element struct {
	tag    tag
	vr     string // "" if the encoding is implicit
	length uint32
}

// scanner reads elements out of a stream.
type scanner struct {
	r   *bufio.Reader
	enc encoding
	at  int64 // bytes of elements read so far
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 1<<15), enc: encoding{binary.LittleEndian, true}}
}

// inflate goes on with what a deflated data set unpacks to.
func (s *scanner) inflate() {
	s.r = bufio.NewReaderSize(io.LimitReader(flate.NewReader(s.r), maxInflated), 1<<15)
}

func (s *scanner) bytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.r, b)
	s.at += int64(n)
	return b, short(err)
}

func (s *scanner) skip(n int64) error {
	_, err := io.CopyN(io.Discard, s.r, n)
	s.at += n
	return short(err)
}

// group is that of the next element, 0 at the end.
func (s *scanner) group() uint16 {
	b, err := s.r.Peek(2)
	if err != nil {
		return 0
	}
	return s.enc.order.Uint16(b)
}

// next reads the head of the next element. io.EOF is the regular end.
func (s *scanner) next() (element, error) {
	if _, err := s.r.Peek(1); err != nil {
		return element{}, err
	}
	b, err := s.bytes(8)
	if err != nil {
		return element{}, err
	}
	e := element{tag: tag(s.enc.order.Uint16(b))<<16 | tag(s.enc.order.Uint16(b[2:])), length: s.enc.order.Uint32(b[4:])}
	if !s.enc.explicit || e.tag>>16 == tagItem>>16 {
		return e, nil
	}
	if e.vr = string(b[4:6]); !strings.Contains(representations, e.vr) || e.vr[0] < 'A' || e.vr[1] < 'A' {
		return e, fmt.Errorf("%v: value representation %q is none of the standard's", e.tag, e.vr)
	}
	e.length = uint32(s.enc.order.Uint16(b[6:]))
	if strings.Contains(long, e.vr) {
		if b, err = s.bytes(4); err != nil {
			return e, err
		}
		e.length = s.enc.order.Uint32(b)
	}
	return e, nil
}

// The value representations of PS3.5, 6.2; long ones have a length of 32 bits.
const (
	long            = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
	representations = long + " AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
)

// value reads the value of an element that is wanted.
func (s *scanner) value(e element) (string, error) {
	if e.length > maxValue {
		return "", fmt.Errorf("%v: value of %d bytes, the limit is %d", e.tag, e.length, maxValue)
	}
	b, err := s.bytes(int(e.length))
	return string(b), err
}

// pass passes over the value of an element, and over all that is in it.
func (s *scanner) pass(e element, depth int) error {
	if e.length != undefined {
		return s.skip(int64(e.length))
	}
	if depth == maxDepth {
		return fmt.Errorf("%v: more than %d sequences in one another", e.tag, maxDepth)
	}
	if e.vr == "UN" { // its items are implicit whatever the rest is (PS3.5, 6.2.2)
		defer func(enc encoding) { s.enc = enc }(s.enc)
		s.enc = encoding{binary.LittleEndian, false}
	}
	return s.until(tagSequenceEnd, depth+1)
}

// until passes over elements to the given delimiter.
func (s *scanner) until(end tag, depth int) error {
	for {
		e, err := s.next()
		if err != nil {
			return short(err)
		}
		switch {
		case e.tag == end:
			return nil
		case e.tag == tagItem && e.length == undefined:
			if depth >= maxDepth {
				return fmt.Errorf("%v: more than %d sequences in one another", e.tag, maxDepth)
			}
			err = s.until(tagItemEnd, depth+1)
		default:
			err = s.pass(e, depth)
		}
		if err != nil {
			return err
		}
	}
}

// short says that a file ended too early in a way that does not look like a regular end.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("file is cut off")
	}
	return err
}

// values holds what was read, as it stands in the file.
type values struct {
	text  map[tag]string
	order binary.ByteOrder
}

// strings are the parts of a text value, without the blanks and zeros that pad it.
func (v values) strings(t tag) []string {
	text := strings.Trim(v.text[t], " \x00")
	if text == "" {
		return nil
	}
	parts := strings.Split(text, `\`)
	for i := range parts {
		parts[i] = strings.Trim(parts[i], " \x00")
	}
	return parts
}

func (v values) first(t tag) string {
	if parts := v.strings(t); len(parts) > 0 {
		return parts[0]
	}
	return ""
}

// numbers reads decimal strings. There are want of them, or any number if want is 0; none is no error.
func (v values) numbers(t tag, want int) ([]float64, error) {
	parts := v.strings(t)
	if want > 0 && len(parts) > 0 && len(parts) != want {
		return nil, fmt.Errorf("%v: %d numbers, want %d", t, len(parts), want)
	}
	out := make([]float64, len(parts))
	for i, p := range parts {
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || strings.ContainsAny(p, "xXnN_") || !(f > -1e30 && f < 1e30) {
			return nil, fmt.Errorf("%v: %.40q is not a decimal number", t, p)
		}
		out[i] = f
	}
	return out, nil
}

// short reads an unsigned 16-bit number, otherwise if there is none.
func (v values) short(t tag, otherwise int) (int, error) {
	b, ok := v.text[t]
	if !ok || b == "" {
		return otherwise, nil
	}
	if len(b) != 2 {
		return 0, fmt.Errorf("%v: value of %d bytes, want 2", t, len(b))
	}
	return int(v.order.Uint16([]byte(b))), nil
}
