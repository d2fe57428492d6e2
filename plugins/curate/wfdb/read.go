package wfdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
)

// Record is a header with its samples.
type Record struct {
	*Header
	Samples [][]int32 // one slice a signal; PerFrame samples a frame. Nil for a record of segments
	invalid []coding  // of each signal's format
	parts   []part    // of a record of segments
}

// Valid says whether a value of a signal is a sample and not the format's mark for "none".
func (r *Record) Valid(signal int, v int32) bool {
	c := r.invalid[signal]
	return !c.hasInvalid || v != c.invalid
}

// Physical gives the samples of a signal in its unit, NaN where there is none. It uses the memory of into where that is enough.
func (r *Record) Physical(signal int, into []float64) []float64 {
	n := r.Len(signal)
	out := slices.Grow(into[:0], n)[:n]
	if r.parts != nil {
		r.assemble(signal, out)
		return out
	}
	s, c := r.Signals[signal], r.invalid[signal]
	base, gain := float64(s.Baseline), s.Gain
	for i, v := range r.Samples[signal] {
		out[i] = (float64(v) - base) / gain
	}
	if !c.hasInvalid {
		return out
	}
	for i, v := range r.Samples[signal] {
		if v == c.invalid {
			out[i] = math.NaN()
		}
	}
	return out
}

// Len is the number of samples of a signal.
func (r *Record) Len(signal int) int {
	if r.parts != nil {
		return r.Frames * r.Signals[signal].PerFrame
	}
	return len(r.Samples[signal])
}

// ErrChecksum says that samples do not add up to what the header states.
var ErrChecksum = errors.New("checksum does not agree")

// Opener gives a file by the name that a header has for it.
type Opener func(name string) (io.ReadCloser, error)

// Read reads the samples of all signals and, of a record of segments, the headers of those. No more than limit bytes are read of any
// file, and no more than a quarter of limit samples are made.
func (h *Header) Read(open Opener, limit int64) (*Record, error) {
	if len(h.Segments) > 0 {
		return h.readSegments(open, limit)
	}
	r := &Record{Header: h, Samples: make([][]int32, len(h.Signals)), invalid: make([]coding, len(h.Signals))}
	left := limit / 4
	for _, g := range h.groups() {
		if err := r.readGroup(g, open, limit, &left); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Signals[g[0]].File, err)
		}
	}
	for i, s := range h.Signals {
		if err := s.check(r.Samples[i], r.invalid[i]); err != nil {
			return nil, fmt.Errorf("%s: signal %d (%s): %w", s.File, i, s.Name, err)
		}
	}
	r.deskew()
	return r, nil
}

// groups lists the signals of each file, in the order of the header.
func (h *Header) groups() [][]int {
	var out [][]int
	at := map[string]int{}
	for i, s := range h.Signals {
		g, ok := at[s.File]
		if !ok {
			g = len(out)
			at[s.File] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], i)
	}
	return out
}

// group is the signals of one file, whose frames hold the samples of each one after the other.
type group struct {
	coding
	signals  []int
	perFrame int // samples of all signals
}

// readGroup reads one file.
func (r *Record) readGroup(signals []int, open Opener, limit int64, left *int64) error {
	first := r.Signals[signals[0]]
	c, err := codingOf(first.Format)
	if err != nil {
		return err
	}
	g := group{coding: c, signals: signals}
	for _, i := range signals {
		s := r.Signals[i]
		if s.Format != first.Format || s.Offset != first.Offset {
			return fmt.Errorf("signals of one file have formats %d+%d and %d+%d", first.Format, first.Offset, s.Format, s.Offset)
		}
		g.perFrame += s.PerFrame
		r.invalid[i] = c
	}
	if int64(r.Frames)*int64(g.perFrame) > *left {
		return fmt.Errorf("header announces %d frames of %d samples, the limit is %d samples", r.Frames, g.perFrame, *left)
	}
	switch {
	case c.flacBits > 0:
		err = r.readFLAC(g, open, limit, *left)
	case c.groupBytes == 0:
		r.leaveOut(g)
	default:
		err = r.readPacked(g, open, limit, *left)
	}
	for _, i := range signals {
		*left -= int64(len(r.Samples[i]))
	}
	return err
}

// leaveOut makes the signals of format 0, of which no sample was kept.
func (r *Record) leaveOut(g group) {
	for _, i := range g.signals {
		r.Samples[i] = make([]int32, r.Frames*r.Signals[i].PerFrame)
		for k := range r.Samples[i] {
			r.Samples[i][k] = g.invalid
		}
	}
}

func (r *Record) readPacked(g group, open Opener, limit, most int64) error {
	first := r.Signals[g.signals[0]]
	data, err := r.readFile(first, g, open, limit)
	if err != nil {
		return err
	}
	if err := r.checkMAT(first, data[:first.Offset], g.perFrame); err != nil {
		return err
	}
	data = data[first.Offset:]
	frames := r.Frames
	if frames == 0 {
		n := g.count(int64(len(data)))
		if n > most {
			return fmt.Errorf("file has %d samples, the limit is %d", n, most)
		}
		frames = int(n) / g.perFrame
	}
	at := 0
	for _, i := range g.signals {
		s := r.Signals[i]
		out := make([]int32, frames*s.PerFrame)
		g.gather(out, data, at, s.PerFrame, g.perFrame)
		if s.Format == 8 {
			addUp(out, int32(s.Initial))
		}
		r.Samples[i] = out
		at += s.PerFrame
	}
	return nil
}

// readFile reads the bytes that the header announces, or all of the file if it announces none.
func (r *Record) readFile(s Signal, g group, open Opener, limit int64) ([]byte, error) {
	want := limit + 1 // one more shows that the limit is not enough
	if r.Frames > 0 {
		want = s.Offset + g.size(int64(r.Frames)*int64(g.perFrame))
	}
	if r.Frames > 0 && want > limit {
		return nil, fmt.Errorf("header announces %d bytes, the limit is %d", want, limit)
	}
	f, err := open(s.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readUpTo(f, want)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("file has more than the limit of %d bytes", limit)
	}
	if need := need(s, r.Frames, want); int64(len(data)) < need {
		return nil, fmt.Errorf("file is short: header announces %d bytes, file has %d", need, len(data))
	}
	return data, finish(f)
}

// readUpTo is io.ReadAll of so many bytes, which for a small number have their place at once.
func readUpTo(f io.Reader, want int64) ([]byte, error) {
	const small = 1 << 20
	if want > small {
		return io.ReadAll(io.LimitReader(f, want))
	}
	data := make([]byte, want)
	n, err := io.ReadFull(f, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:n], err
}

// finish reads on to the end of a file, where a Tree compares it with its digest.
func finish(f io.Reader) error {
	_, err := io.Copy(io.Discard, f)
	return err
}

// need is how much of a file must be there: without a length in the header, what comes before the samples.
func need(s Signal, frames int, announced int64) int64 {
	if frames > 0 {
		return announced
	}
	return s.Offset
}

func addUp(differences []int32, initial int32) {
	for i := range differences {
		initial += differences[i]
		differences[i] = initial
	}
}

// check compares the first sample and the sum of all with the header. Where a format marks "no sample" with
// a value of its own, writers count either that value or -32768, the library's own mark.
func (s Signal) check(samples []int32, c coding) error {
	if len(samples) == 0 || s.Format == 0 {
		return nil
	}
	if first := samples[0]; s.HasInitial && int(first) != s.Initial && !(c.hasInvalid && first == c.invalid) {
		return fmt.Errorf("initial value: header says %d, file has %d", s.Initial, first)
	}
	var sum, missing int32
	for _, v := range samples {
		sum += v
	}
	if !s.HasChecksum || int16(sum) == s.Checksum {
		return nil
	}
	for _, v := range samples {
		if c.hasInvalid && v == c.invalid {
			missing++
		}
	}
	if marked := sum + missing*(math.MinInt16-c.invalid); int16(marked) != s.Checksum {
		return fmt.Errorf("%w: header says %d, samples add up to %d", ErrChecksum, s.Checksum, int16(sum))
	}
	return nil
}

// deskew moves late signals back; what the file does not hold at their end is marked invalid.
func (r *Record) deskew() {
	for i, s := range r.Signals {
		samples := r.Samples[i]
		late := int(min(int64(s.Skew)*int64(s.PerFrame), int64(len(samples))))
		if late == 0 {
			continue
		}
		copy(samples, samples[late:])
		for n := len(samples) - late; n < len(samples); n++ {
			samples[n] = r.invalid[i].invalid
		}
	}
}

// checkMAT compares the 24 bytes before the samples of a Challenge .mat file with the header: a MAT
// version 4 matrix "val" of int16, one row a signal, one column a frame.
func (r *Record) checkMAT(s Signal, head []byte, perFrame int) error {
	if path.Ext(s.File) != ".mat" || len(head) != 24 {
		return nil
	}
	const int16Matrix = 30
	kind, rows, columns := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[8:])
	if kind != int16Matrix || string(head[20:]) != "val\x00" {
		return errors.New("not a MAT version 4 matrix \"val\" of int16")
	}
	if int64(rows) != int64(perFrame) || r.Frames > 0 && int64(columns) != int64(r.Frames) {
		return fmt.Errorf("matrix is %d x %d, header announces %d signals of %d samples", rows, columns, perFrame, r.Frames)
	}
	return nil
}
