package wfdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Annotations is what an annotation file in MIT format says.
type Annotations struct {
	Frequency float64          // samples a second that the file says it counts in, 0 if it does not
	Symbols   map[uint8]string // codes that the file defines for itself
	List      []Annotation
}

// Annotation is a mark at a time.
type Annotation struct {
	Sample  int64 // since the start of the record
	Code    uint8
	Symbol  string // of the code: the file's own, or else the one of ecgcodes.h
	Sub     int8
	Channel uint8
	Number  int8
	Note    string
}

// Codes that are not annotations but say something of the one before or after.
const (
	codeNote    = 22
	codeSkip    = 59
	codeNumber  = 60
	codeSub     = 61
	codeChannel = 62
	codeAux     = 63
)

// symbols are those of ecgcodes.h, from code 1 on; "" is a code without one.
var symbols = []string{
	"N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s", "T", "*", "D",
	`"`, "=", "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f", "(", ")", "r",
}

// ReadAnnotations reads an annotation file of at most limit bytes. A file without its end mark is an error.
func ReadAnnotations(r io.Reader, limit int64) (*Annotations, error) {
	capped := &io.LimitedReader{R: r, N: limit}
	a := annotationReader{in: bufio.NewReader(capped)}
	for {
		more, err := a.next()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = errors.New("file ends without an end mark")
				if capped.N <= 0 {
					err = fmt.Errorf("file has more than the limit of %d bytes", limit)
				}
			}
			return nil, fmt.Errorf("annotation %d: %w", len(a.list), err)
		}
		if !more {
			return a.finish(), finish(r)
		}
	}
}

type annotationReader struct {
	in   *bufio.Reader
	time int64
	list []Annotation
	open bool // the last of the list may still be told more of
}

func (a *annotationReader) word() (uint16, error) {
	var b [2]byte
	_, err := io.ReadFull(a.in, b[:])
	return binary.LittleEndian.Uint16(b[:]), err
}

// next reads one item: six bits of code, ten of a number.
func (a *annotationReader) next() (more bool, err error) {
	w, err := a.word()
	if err != nil || w == 0 {
		return false, err
	}
	code, n := uint8(w>>10), w&0x3ff
	switch {
	case code < codeSkip:
		a.begin(code, int64(n))
		return true, nil
	case code == codeSkip:
		return true, a.skip()
	case !a.open:
		return false, fmt.Errorf("code %d stands before any annotation", code)
	}
	last := &a.list[len(a.list)-1]
	switch code {
	case codeNumber:
		last.Number = int8(n)
	case codeSub:
		last.Sub = int8(n)
	case codeChannel:
		last.Channel = uint8(n)
	case codeAux:
		last.Note, err = a.note(int(n & 0xff))
	}
	return true, err
}

// begin adds an annotation, which has the channel and the number of the one before unless it says otherwise.
func (a *annotationReader) begin(code uint8, after int64) {
	a.time += after
	one := Annotation{Sample: a.time, Code: code}
	if a.open {
		last := a.list[len(a.list)-1]
		one.Channel, one.Number = last.Channel, last.Number
	}
	a.list, a.open = append(a.list, one), true
}

// skip moves the time by a signed number of 32 bits, of which the higher word comes first.
func (a *annotationReader) skip() error {
	high, err := a.word()
	if err != nil {
		return err
	}
	low, err := a.word()
	a.time += int64(int32(uint32(high)<<16 | uint32(low)))
	return err
}

// note reads text, which is padded to an even number of bytes.
func (a *annotationReader) note(n int) (string, error) {
	b := make([]byte, n+n%2)
	if _, err := io.ReadFull(a.in, b); err != nil {
		return "", err
	}
	text := make([]rune, n) // Latin-1
	for i := range text {
		text[i] = rune(b[i])
	}
	return string(text), nil
}

var (
	resolution = regexp.MustCompile(`^## time resolution: (\d+(?:\.\d*)?)`)
	definition = regexp.MustCompile(`^(\d+) (\S+) `)
)

// finish takes the notes at the start that are about the file, and names the codes.
func (a *annotationReader) finish() *Annotations {
	out := &Annotations{Symbols: map[uint8]string{}}
	for _, one := range a.list {
		switch {
		case one.Sample == 0 && one.Code == codeNote:
			out.define(one.Note)
		case one.Code != 0:
			out.List = append(out.List, one)
		}
	}
	for i := range out.List {
		one := &out.List[i]
		if s, own := out.Symbols[one.Code]; own {
			one.Symbol = s
		} else if int(one.Code) <= len(symbols) {
			one.Symbol = symbols[one.Code-1]
		}
	}
	return out
}

func (a *Annotations) define(note string) {
	if m := resolution.FindStringSubmatch(note); m != nil {
		a.Frequency, _ = strconv.ParseFloat(m[1], 64)
		return
	}
	if m := definition.FindStringSubmatch(strings.TrimSpace(note)); m != nil {
		if code, err := strconv.ParseUint(m[1], 10, 6); err == nil {
			a.Symbols[uint8(code)] = m[2]
		}
	}
}
