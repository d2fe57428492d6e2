package wfdb

import (
	"errors"
	"fmt"
	"math"
)

// Segment is one line of the header of a record of segments.
type Segment struct {
	Name   string // of the record that it is, "~" for a gap
	Frames int
}

const (
	gap         = "~"
	maxSegments = 1 << 16
)

// IsGap says whether nothing was recorded.
func (s Segment) IsGap() bool { return s.Name == gap }

// part is where a segment lies in its record, and which of its signals is each of the record's, -1 for none.
type part struct {
	*Record
	start int // frames
	at    []int
}

// readSegments reads the segments. In a fixed layout all have the signals of the first; in a variable layout the first, of length 0,
// is a header alone that says which signals the record has, and those of the others are found by name.
func (h *Header) readSegments(open Opener, limit int64) (*Record, error) {
	whole := *h
	out := &Record{Header: &whole}
	read := reader{open: open, limit: limit, records: map[string]*Record{}}
	variable := h.Segments[0].Frames == 0
	start := 0
	for i, s := range h.Segments {
		if s.IsGap() {
			start += s.Frames
			continue
		}
		p, err := read.segment(s, h.Frequency, i == 0 && variable)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", s.Name, err)
		}
		if whole.Signals == nil {
			whole.Signals, out.invalid = p.Signals, make([]coding, len(p.Signals))
		}
		if i == 0 && variable {
			continue
		}
		at, err := whole.match(p.Header, variable)
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", s.Name, err)
		}
		out.parts = append(out.parts, part{p, start, at})
		start += s.Frames
	}
	return out, whole.bounded(limit)
}

// bounded refuses a record whose gaps would make it larger than what is read of any.
func (h *Header) bounded(limit int64) error {
	var perFrame int64
	for _, s := range h.Signals {
		perFrame += int64(s.PerFrame)
	}
	if perFrame == 0 {
		return errors.New("no segment has signals")
	}
	if int64(h.Frames) > limit/4/perFrame {
		return fmt.Errorf("segments have %d frames of %d samples, the limit is %d samples", h.Frames, perFrame, limit/4)
	}
	return nil
}

// reader reads each segment once, however often it is named.
type reader struct {
	open    Opener
	limit   int64 // what is left of it
	records map[string]*Record
}

func (r *reader) segment(s Segment, frequency float64, layout bool) (*Record, error) {
	if rec, ok := r.records[s.Name]; ok && rec.Frames == s.Frames && !layout {
		return rec, nil
	}
	h, err := r.header(s.Name)
	if err != nil {
		return nil, err
	}
	if h.Frequency != frequency {
		return nil, fmt.Errorf("%v frames a second, the record has %v", h.Frequency, frequency)
	}
	if layout {
		return &Record{Header: h}, nil
	}
	if h.Frames == 0 {
		h.Frames = s.Frames
	}
	if h.Frames != s.Frames {
		return nil, fmt.Errorf("its header announces %d frames, the record's %d", h.Frames, s.Frames)
	}
	rec, err := h.Read(r.open, r.limit)
	if err != nil {
		return nil, err
	}
	for _, samples := range rec.Samples {
		r.limit -= 4 * int64(len(samples))
	}
	r.records[s.Name] = rec
	return rec, nil
}

func (r *reader) header(name string) (*Header, error) {
	f, err := r.open(name + ".hea")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := ParseHeader(f)
	if err != nil {
		return nil, err
	}
	if len(h.Segments) > 0 {
		return nil, errors.New("a segment cannot have segments")
	}
	return h, finish(f)
}

// match finds the signals of a record in a segment of it. They must have the units and the samples a frame of the record's;
// gain and baseline may be of their own.
func (h *Header) match(segment *Header, byName bool) ([]int, error) {
	if !byName && len(segment.Signals) != len(h.Signals) {
		return nil, fmt.Errorf("it has %d signals, the record has %d", len(segment.Signals), len(h.Signals))
	}
	at := make([]int, len(h.Signals))
	for i, want := range h.Signals {
		at[i] = i
		if byName {
			at[i] = segment.find(want.Name)
		}
		if at[i] < 0 {
			continue
		}
		if s := segment.Signals[at[i]]; s.Name != want.Name || s.PerFrame != want.PerFrame || s.Units != want.Units {
			return nil, fmt.Errorf("signal %d is %s in %s, %d a frame; the record has %s in %s, %d a frame",
				at[i], s.Name, s.Units, s.PerFrame, want.Name, want.Units, want.PerFrame)
		}
	}
	return at, nil
}

// find is the number of the signal of a name, -1 if there is none.
func (h *Header) find(name string) int {
	for i, s := range h.Signals {
		if s.Name == name {
			return i
		}
	}
	return -1
}

// assemble is Physical of a record of segments.
func (r *Record) assemble(signal int, out []float64) {
	for i := range out {
		out[i] = math.NaN()
	}
	perFrame := r.Signals[signal].PerFrame
	var buffer []float64
	for _, p := range r.parts {
		if p.at[signal] >= 0 {
			buffer = p.Physical(p.at[signal], buffer)
			copy(out[p.start*perFrame:], buffer)
		}
	}
}
