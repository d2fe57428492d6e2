// Package edf reads recordings in the European Data Format, EDF (Kemp et al. 1992) and EDF+ (Kemp and Olivan
// 2003), continuous and discontinuous.
//
// A file is a header of ASCII fields of fixed width, 256 bytes for the file and 256 for each signal, and data records of
// one duration. A record holds, signal by signal, that signal's samples of the record's time as 16-bit integers in
// little-endian order. Signals of one file may have different rates. In EDF+ a signal named "EDF Annotations" holds text
// instead: lists of annotations with their times, the first of which says when the record begins.
//
// Reader gives one record after the other and holds one at a time. Numbers in a header are claims: what is kept in
// memory follows the bytes that are there. A header or a list that breaks the format is an error that names the field, the
// signal and the offset in the file; nothing is guessed. Only the padding is taken as it comes (blanks or zero bytes), and
// text outside ASCII is read as Latin-1. Dates are kept as written: samples do not depend on them, and anonymised files have
// impossible ones. BDF, the same format with 24 bits, is refused by name.
//
// The format is described at https://www.edfplus.info/specs/edf.html and edfplus.html.
package edf

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Kind is the dialect of a file.
type Kind string

// The dialects.
const (
	Plain         Kind = "EDF"
	Continuous    Kind = "EDF+C"
	Discontinuous Kind = "EDF+D" // there may be gaps between records
)

// UnknownRecords is what Header.Records is while a file is still being written, and for ever if its writer was killed.
const UnknownRecords = -1

const (
	fileHeader   = 256
	signalHeader = 256
	maxSignals   = 4096
	maxRecord    = 32 << 20 // bytes; the format recommends at most 61440

	annotations = "EDF Annotations"
)

// Header is what stands before the records.
type Header struct {
	Kind      Kind
	Patient   string
	Recording string
	Date      string  // dd.mm.yy, as written
	Time      string  // hh.mm.ss, as written
	Records   int     // or UnknownRecords
	Duration  float64 // of a record in seconds; 0 only if there are nothing but annotations
	Signals   []Signal
}

// Signal is one column of the second part of the header.
type Signal struct {
	Label       string
	Transducer  string
	Units       string
	PhysicalMin float64
	PhysicalMax float64
	DigitalMin  int
	DigitalMax  int
	Prefilter   string
	PerRecord   int  // samples a record; of annotations, twice as many bytes
	Annotations bool // holds text, not samples
}

// Physical converts a digital value to the signal's units, with the operations, and so the roundings, of edflib.
func (s Signal) Physical(v int16) float64 {
	bit, offset := s.Scaling()
	return float64(bit * float64(offset+float64(v)))
}

// Scaling gives what Physical computes with: a value v is bit*(offset+v) units.
func (s Signal) Scaling() (bit, offset float64) {
	bit = s.perBit()
	return bit, float64(s.PhysicalMax/bit) - float64(s.DigitalMax)
}

func (s Signal) perBit() float64 {
	return float64(s.PhysicalMax-s.PhysicalMin) / float64(s.DigitalMax-s.DigitalMin)
}

// Rate is the signal's sampling rate in Hz, 0 in a file without a duration.
func (h *Header) Rate(signal int) float64 {
	if h.Duration == 0 {
		return 0
	}
	return float64(h.Signals[signal].PerRecord) / h.Duration
}

// RecordBytes is the size of a record.
func (h *Header) RecordBytes() int64 {
	var n int64
	for _, s := range h.Signals {
		n += 2 * int64(s.PerRecord)
	}
	return n
}

// FileBytes is the size of the file if it has all the records that the header announces, and -1 if it announces none.
func (h *Header) FileBytes() int64 {
	if h.Records == UnknownRecords {
		return -1
	}
	return h.size() + int64(h.Records)*h.RecordBytes()
}

func (h *Header) size() int64 { return fileHeader + signalHeader*int64(len(h.Signals)) }

// FormatError is where a file breaks the format.
type FormatError struct {
	Field  string // such as "digital minimum"
	Signal int    // from 0, or -1 if the field is the file's
	Offset int64  // of the field in the file
	Value  string // what is there
	Want   string // what should be
}

func (e *FormatError) Error() string {
	where := e.Field
	if e.Signal >= 0 {
		where = fmt.Sprintf("%s of signal %d", e.Field, e.Signal)
	}
	return fmt.Sprintf("%s at byte %d is %q: want %s", where, e.Offset, shortened(e.Value), e.Want)
}

func shortened(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most]
	}
	return s
}

// ErrShort says that a file ends before it is complete.
var ErrShort = errors.New("file is short")

// fields cuts a header into its fields and keeps the first error.
type fields struct {
	text []byte
	base int64 // offset of text in the file
	at   int
	err  error
}

// next takes the next field of that width. Zero bytes are padding as blanks are.
func (f *fields) next(width int) (text string, offset int64) {
	raw := f.text[f.at : f.at+width]
	offset = f.base + int64(f.at)
	f.at += width
	return strings.TrimSpace(strings.TrimRight(latin1(raw), " \x00")), offset
}

func latin1(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		b.WriteRune(rune(c))
	}
	return b.String()
}

func (f *fields) fail(e FormatError) {
	if f.err == nil {
		f.err = &e
	}
}

func (f *fields) integer(field string, signal, width, low, high int) int {
	text, offset := f.next(width)
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		f.fail(FormatError{field, signal, offset, text, fmt.Sprintf("a whole number from %d to %d", low, high)})
	}
	return n
}

func (f *fields) number(field string, signal, width int) float64 {
	text, offset := f.next(width)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(text, "xX_pP") {
		f.fail(FormatError{field, signal, offset, text, "a decimal number with a point"})
	}
	return v
}

// ParseHeader reads the header and leaves r at the first record.
func ParseHeader(r io.Reader) (*Header, error) {
	text, err := exactly(r, fileHeader, 0)
	if err != nil {
		return nil, err
	}
	h := &Header{}
	n, err := h.parseFile(&fields{text: text})
	if err != nil {
		return nil, err
	}
	if text, err = exactly(r, n*signalHeader, fileHeader); err != nil {
		return nil, err
	}
	h.Signals = make([]Signal, n)
	f := &fields{text: text, base: fileHeader}
	h.parseSignals(f)
	if f.err == nil {
		h.check(f)
	}
	if f.err != nil {
		return nil, f.err
	}
	return h, nil
}

// exactly reads n bytes that begin at offset.
func exactly(r io.Reader, n int, offset int64) ([]byte, error) {
	text := make([]byte, n)
	got, err := io.ReadFull(r, text)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("header: %w: it ends at byte %d, want %d", ErrShort, offset+int64(got), offset+int64(n))
	}
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return text, nil
}

// parseFile reads the first 256 bytes and gives the number of signals.
func (h *Header) parseFile(f *fields) (signals int, err error) {
	if version, at := f.next(8); version != "0" {
		want := "0"
		if strings.HasSuffix(version, "BIOSEMI") {
			want = "0; this is BDF with 24-bit samples, which is not read"
		}
		f.fail(FormatError{"version", -1, at, version, want})
	}
	h.Patient, _ = f.next(80)
	h.Recording, _ = f.next(80)
	h.Date, _ = f.next(8)
	h.Time, _ = f.next(8)
	size := f.integer("header size", -1, 8, fileHeader, fileHeader+maxSignals*signalHeader)
	sizeAt := f.at - 8
	reserved, at := f.next(44)
	h.Kind = kindOf(reserved)
	if h.Kind == Plain && strings.HasPrefix(reserved, "EDF+") {
		f.fail(FormatError{"reserved", -1, at, reserved, "EDF+C or EDF+D"})
	}
	h.Records = f.integer("number of records", -1, 8, UnknownRecords, math.MaxInt32)
	durationAt := f.at
	if h.Duration = f.number("record duration", -1, 8); h.Duration < 0 {
		f.fail(FormatError{"record duration", -1, int64(durationAt), fmt.Sprint(h.Duration), "no negative number of seconds"})
	}
	signals = f.integer("number of signals", -1, 4, 1, maxSignals)
	if want := fileHeader + signals*signalHeader; size != want {
		f.fail(FormatError{"header size", -1, int64(sizeAt), strconv.Itoa(size), fmt.Sprintf("%d for %d signals", want, signals)})
	}
	return signals, f.err
}

func kindOf(reserved string) Kind {
	for _, k := range []Kind{Continuous, Discontinuous} {
		if strings.HasPrefix(reserved, string(k)) {
			return k
		}
	}
	return Plain
}

// parseSignals reads the fields of the signals, which stand field by field and not signal by signal.
func (h *Header) parseSignals(f *fields) {
	each := func(read func(i int, s *Signal)) {
		for i := range h.Signals {
			read(i, &h.Signals[i])
		}
	}
	each(func(_ int, s *Signal) {
		s.Label, _ = f.next(16)
		s.Annotations = h.Kind != Plain && s.Label == annotations
	})
	each(func(_ int, s *Signal) { s.Transducer, _ = f.next(80) })
	each(func(_ int, s *Signal) { s.Units, _ = f.next(8) })
	each(func(i int, s *Signal) { s.PhysicalMin = f.number("physical minimum", i, 8) })
	each(func(i int, s *Signal) { s.PhysicalMax = f.number("physical maximum", i, 8) })
	each(func(i int, s *Signal) {
		s.DigitalMin = f.integer("digital minimum", i, 8, math.MinInt16, math.MaxInt16)
	})
	each(func(i int, s *Signal) {
		s.DigitalMax = f.integer("digital maximum", i, 8, math.MinInt16, math.MaxInt16)
	})
	each(func(_ int, s *Signal) { s.Prefilter, _ = f.next(80) })
	each(func(i int, s *Signal) { s.PerRecord = f.integer("samples a record", i, 8, 1, maxRecord/2) })
}

// Offsets of the fields within a signal's 256 bytes, for each of which all signals stand together.
const (
	physicalMaxAt = 16 + 80 + 8 + 8
	digitalMaxAt  = physicalMaxAt + 8 + 8
	perRecordAt   = digitalMaxAt + 8 + 80
)

// check compares fields with each other.
func (h *Header) check(f *fields) {
	at := func(field, i int) int64 { return fileHeader + int64(field*len(h.Signals)+8*i) }
	samples, times := false, false
	for i, s := range h.Signals {
		times = times || s.Annotations
		if s.Annotations {
			continue
		}
		samples = true
		if s.DigitalMax <= s.DigitalMin {
			f.fail(FormatError{"digital maximum", i, at(digitalMaxAt, i), strconv.Itoa(s.DigitalMax), fmt.Sprintf("more than the minimum, %d", s.DigitalMin)})
		}
		if bit := s.perBit(); bit == 0 || math.IsInf(bit, 0) {
			f.fail(FormatError{"physical maximum", i, at(physicalMaxAt, i), fmt.Sprint(s.PhysicalMax), fmt.Sprintf("another value than the minimum, %v", s.PhysicalMin)})
		}
	}
	if samples && h.Duration == 0 {
		f.fail(FormatError{"record duration", -1, 244, "0", "a positive number of seconds"})
	}
	if h.Kind != Plain && !times {
		f.fail(FormatError{"label", -1, fileHeader, "no signal", "an " + annotations + " signal, which EDF+ must have"})
	}
	if n := h.RecordBytes(); n > maxRecord {
		f.fail(FormatError{"samples a record", -1, at(perRecordAt, 0), strconv.FormatInt(n, 10), fmt.Sprintf("no more than %d bytes in all", maxRecord)})
	}
}
