package edf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Reader reads a file record by record.
type Reader struct {
	*Header
	in     io.Reader
	buf    bytes.Buffer
	record Record
	first  float64 // when the first record begins
	done   bool
}

// Record is one data record. It is valid until the next one is read.
type Record struct {
	Index       int
	Start       float64      // seconds since the start of the file
	Samples     [][]int16    // one slice a signal, PerRecord long; nil for annotations
	Annotations []Annotation // those that the record holds, which may be about any time
}

// Annotation is a text about a time.
type Annotation struct {
	Onset    float64 // seconds since the start of the file
	Duration float64 // seconds; 0 if it has none
	Text     string
}

// NewReader reads the header.
func NewReader(in io.Reader) (*Reader, error) {
	h, err := ParseHeader(in)
	if err != nil {
		return nil, err
	}
	return &Reader{Header: h, in: in}, nil
}

// Next gives the next record, and io.EOF after the last. A file that ends within a record, before the announced number
// of records or after it is an error.
func (r *Reader) Next() (*Record, error) {
	if r.done {
		return nil, io.EOF
	}
	if r.Records >= 0 && r.record.Index == r.Records {
		return nil, r.end()
	}
	offset := r.size() + int64(r.record.Index)*r.RecordBytes()
	r.buf.Reset()
	// CopyN grows with the bytes that come, so that a header alone takes no memory.
	n, err := io.CopyN(&r.buf, r.in, r.RecordBytes())
	switch {
	case errors.Is(err, io.EOF) && n == 0 && r.Records == UnknownRecords:
		r.done = true
		return nil, io.EOF
	case errors.Is(err, io.EOF):
		return nil, r.short(offset + n)
	case err != nil:
		return nil, fmt.Errorf("record %d: %w", r.record.Index, err)
	}
	if err := r.decode(offset); err != nil {
		return nil, fmt.Errorf("record %d: %w", r.record.Index, err)
	}
	out := r.record
	r.record.Index++
	return &out, nil
}

func (r *Reader) short(at int64) error {
	if r.Records == UnknownRecords {
		return fmt.Errorf("record %d: %w: it ends at byte %d, within the record", r.record.Index, ErrShort, at)
	}
	return fmt.Errorf("record %d: %w: it ends at byte %d, want %d for %d records", r.record.Index, ErrShort, at, r.FileBytes(), r.Records)
}

// end sees to it that nothing follows. It reads to the end, where a tree compares the digest.
func (r *Reader) end() error {
	n, err := io.Copy(io.Discard, r.in)
	if err != nil {
		return fmt.Errorf("after record %d: %w", r.Records, err)
	}
	if n > 0 {
		e := FormatError{Field: "number of records", Signal: -1, Offset: 236, Value: fmt.Sprint(r.Records)}
		e.Want = fmt.Sprintf("as many as there are: %d bytes follow the last record of %d bytes", n, r.RecordBytes())
		return &e
	}
	r.done = true
	return io.EOF
}

// decode turns the bytes of a record, which begin at offset in the file, into samples and annotations.
func (r *Reader) decode(offset int64) error {
	if r.record.Samples == nil {
		r.record.Samples = make([][]int16, len(r.Signals))
	}
	r.record.Annotations = nil
	start, timed := 0.0, false
	rest := r.buf.Bytes()
	for i, s := range r.Signals {
		raw := rest[:2*s.PerRecord]
		if s.Annotations {
			lists := tals{raw: raw, base: offset, signal: i}
			if err := lists.parse(!timed); err != nil {
				return err
			}
			if !timed {
				start, timed = lists.start, true
			}
			r.record.Annotations = append(r.record.Annotations, lists.found...)
		} else {
			r.record.Samples[i] = int16s(r.record.Samples[i], raw)
		}
		offset += int64(len(raw))
		rest = rest[len(raw):]
	}
	return r.keepTime(start)
}

func int16s(to []int16, raw []byte) []int16 {
	if to == nil {
		to = make([]int16, len(raw)/2)
	}
	for k := range to {
		to[k] = int16(binary.LittleEndian.Uint16(raw[2*k:]))
	}
	return to
}

// keepTime sets when the record begins: what its list says in EDF+D, otherwise where the ones before it end. A file that
// calls itself continuous and is more than half a record off is not.
func (r *Reader) keepTime(said float64) error {
	i := float64(r.record.Index)
	if r.record.Index == 0 {
		r.first = said
	}
	due := r.first + float64(i*r.Duration)
	switch {
	case r.Kind == Plain:
		r.record.Start = due
	case r.Kind == Continuous:
		if math.Abs(said-due) > float64(r.Duration/2) {
			return fmt.Errorf("begins at %v s, want %v s: the header says that the file has no gaps", said, due)
		}
		r.record.Start = due
	case r.record.Index > 0 && said < r.record.Start:
		return fmt.Errorf("begins at %v s, before the record before it at %v s", said, r.record.Start)
	default:
		r.record.Start = said
	}
	return nil
}
