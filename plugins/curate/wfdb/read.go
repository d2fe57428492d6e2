package wfdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
)

// Record is a header with its samples.
type Record struct {
	*Header
	Samples [][]int32 // one slice a signal; PerFrame samples a frame
	invalid []coding  // of each signal's format
}

// Valid says whether a value of a signal is a sample and not the format's mark for "none".
func (r *Record) Valid(signal int, v int32) bool {
	c := r.invalid[signal]
	return !c.hasInvalid || v != c.invalid
}

// ErrChecksum says that samples do not add up to what the header states.
var ErrChecksum = errors.New("checksum does not agree")

// Read reads the samples of all signals. open gives the signal files by the name the header has for them;
// no more than limit bytes are read of any.
func (h *Header) Read(open func(name string) (io.ReadCloser, error), limit int64) (*Record, error) {
	r := &Record{Header: h, Samples: make([][]int32, len(h.Signals)), invalid: make([]coding, len(h.Signals))}
	for _, g := range h.groups() {
		if err := r.readGroup(g, open, limit); err != nil {
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

// readGroup reads one file, whose frames hold the samples of its signals one after the other.
func (r *Record) readGroup(group []int, open func(string) (io.ReadCloser, error), limit int64) error {
	first := r.Signals[group[0]]
	c, err := codingOf(first.Format)
	if err != nil {
		return err
	}
	perFrame := 0
	for _, i := range group {
		if s := r.Signals[i]; s.Format != first.Format || s.Offset != first.Offset {
			return fmt.Errorf("signals of one file have formats %d+%d and %d+%d", first.Format, first.Offset, s.Format, s.Offset)
		}
		perFrame += r.Signals[i].PerFrame
		r.invalid[i] = c
	}
	data, err := r.readFile(first, c, perFrame, open, limit)
	if err != nil {
		return err
	}
	if err := r.checkMAT(first, data[:first.Offset], perFrame); err != nil {
		return err
	}
	data = data[first.Offset:]
	frames := int(c.count(int64(len(data)))) / perFrame
	if r.Frames > 0 {
		frames = r.Frames
	}
	r.scatter(group, c.decode(data, frames*perFrame), frames)
	return nil
}

// readFile reads the bytes that the header announces, or all of the file if it announces none.
func (r *Record) readFile(s Signal, c coding, perFrame int, open func(string) (io.ReadCloser, error), limit int64) ([]byte, error) {
	want := limit + 1 // one more shows that the limit is not enough
	if r.Frames > 0 {
		want = s.Offset + c.size(int64(r.Frames)*int64(perFrame))
	}
	if r.Frames > 0 && want > limit {
		return nil, fmt.Errorf("header announces %d bytes, the limit is %d", want, limit)
	}
	f, err := open(s.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, want))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("file has more than the limit of %d bytes", limit)
	}
	if need := need(s, r.Frames, want); int64(len(data)) < need {
		return nil, fmt.Errorf("file is short: header announces %d bytes, file has %d", need, len(data))
	}
	// A Tree compares a file with its digest where the file ends, so read on to there.
	if _, err := io.Copy(io.Discard, f); err != nil {
		return nil, err
	}
	return data, nil
}

// need is how much of a file must be there: without a length in the header, what comes before the samples.
func need(s Signal, frames int, announced int64) int64 {
	if frames > 0 {
		return announced
	}
	return s.Offset
}

// scatter gives every signal its samples out of the frames.
func (r *Record) scatter(group []int, samples []int32, frames int) {
	width := 0
	for _, i := range group {
		width += r.Signals[i].PerFrame
	}
	at := 0
	for _, i := range group {
		n := r.Signals[i].PerFrame
		out := make([]int32, 0, frames*n)
		for f := range frames {
			out = append(out, samples[f*width+at:f*width+at+n]...)
		}
		if r.Signals[i].Format == 8 {
			addUp(out, int32(r.Signals[i].Initial))
		}
		r.Samples[i] = out
		at += n
	}
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
	if len(samples) == 0 {
		return nil
	}
	var sum, marked int32
	for _, v := range samples {
		sum += v
		if c.hasInvalid && v == c.invalid {
			v = math.MinInt16
		}
		marked += v
	}
	if first := samples[0]; s.HasInitial && int(first) != s.Initial && !(c.hasInvalid && first == c.invalid) {
		return fmt.Errorf("initial value: header says %d, file has %d", s.Initial, first)
	}
	if s.HasChecksum && int16(sum) != s.Checksum && int16(marked) != s.Checksum {
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
