// Package wfdb reads records in the format of PhysioNet's WFDB library: a text header (.hea) that names
// one or more signal files, and their samples.
//
// It reads the formats 0, 8, 16, 24, 32, 61, 80, 160, 212, 310 and 311 and, as FLAC, 508, 516 and 524, with byte offsets, skew and
// several samples a frame, and therefore also the Challenge's .mat files, which are MAT version 4 matrices
// behind format 16+24. A record may be of segments, in a fixed or a variable layout, with gaps between them. It also
// reads annotation files in MIT format. Numbers in a header are claims: what is kept in memory follows the bytes
// that are there or is bounded, and the initial value and the checksum of every signal are compared with them.
//
// The format is described at https://wfdb.io/spec (header(5), signal(5) and annot(5)).
package wfdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Defaults of header(5) for what a header leaves out.
const (
	DefaultGain      = 200
	DefaultFrequency = 250
	DefaultUnits     = "mV"
)

const (
	maxSignals  = 4096
	maxLine     = 64 << 10
	maxHeader   = 4 << 20
	maxPerFrame = 1 << 16
)

// Header is what a .hea file says.
type Header struct {
	Record    string
	Frequency float64 // frames a second
	Frames    int     // samples a signal, 0 if the header does not say
	Signals   []Signal
	Segments  []Segment // of a record of segments, which has no Signals until it is read
	Comments  []string  // without "#" and blanks around them
}

// Signal is one line of a header.
type Signal struct {
	File        string
	Format      int
	PerFrame    int // samples a frame, at least 1
	Skew        int // frames by which the signal comes late in the file
	Offset      int64
	Gain        float64 // units a physical unit, never 0
	Baseline    int     // the value that is 0 physical units
	Units       string
	Resolution  int // bits of the converter, 0 if not said
	Zero        int // the value in the middle of the converter's range
	Initial     int
	Checksum    int16
	HasInitial  bool
	HasChecksum bool
	Name        string
}

// Physical converts a digital value to physical units.
func (s Signal) Physical(v int32) float64 {
	return (float64(v) - float64(s.Baseline)) / s.Gain
}

// Fact returns the value of a comment such as "Age: 80", "" if there is none.
func (h *Header) Fact(name string) string {
	for _, c := range h.Comments {
		if key, value, ok := strings.Cut(c, ":"); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// ParseHeader reads a header. Its errors name the line.
func ParseHeader(r io.Reader) (*Header, error) {
	var h Header
	var l *listing
	scan := bufio.NewScanner(io.LimitReader(r, maxHeader))
	scan.Buffer(nil, maxLine)
	n := 1
	for ; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		var err error
		switch {
		case line == "":
		case line[0] == '#':
			h.Comments = append(h.Comments, strings.TrimSpace(line[1:]))
		case l == nil:
			l, err = h.parseRecord(line)
		case l.have == l.want:
			err = fmt.Errorf("more than the %d %s that the record line announces", l.want, l.what)
		default:
			l.have++
			err = l.parse(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n, err)
	}
	if l == nil {
		return nil, errors.New("header has no record line")
	}
	if l.have != l.want {
		return nil, fmt.Errorf("record line announces %d %s, header has %d", l.want, l.what, l.have)
	}
	return &h, h.addUpSegments()
}

// listing is what the lines after the record line are.
type listing struct {
	what       string
	want, have int
	parse      func(line string) error
}

// parseRecord reads "name[/segments] signals [frequency[/counter[(base)]] [frames [time [date]]]]".
func (h *Header) parseRecord(line string) (*listing, error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return nil, fmt.Errorf("record line %q: want a name and the number of signals", line)
	}
	signals, err := natural("number of signals", f[1], maxSignals)
	if err != nil {
		return nil, err
	}
	if err := h.parseLength(f[2:]); err != nil {
		return nil, err
	}
	name, segments, several := strings.Cut(f[0], "/")
	h.Record = name
	if !several {
		return &listing{"signals", signals, 0, h.parseSignal}, nil
	}
	n, err := natural("number of segments", segments, maxSegments)
	if err == nil && n == 0 {
		err = errors.New("number of segments is 0")
	}
	return &listing{"segments", n, 0, h.parseSegment}, err
}

// parseLength reads the frequency and the number of frames.
func (h *Header) parseLength(f []string) (err error) {
	h.Frequency = DefaultFrequency
	if len(f) > 0 {
		text, _, _ := strings.Cut(f[0], "/")
		if h.Frequency, err = strconv.ParseFloat(text, 64); err != nil || !(h.Frequency > 0) || math.IsInf(h.Frequency, 0) {
			return fmt.Errorf("sampling frequency %q: want a number above 0", f[0])
		}
	}
	if len(f) > 1 {
		h.Frames, err = natural("number of samples", f[1], math.MaxInt32)
	}
	return err
}

// parseSegment reads "name frames".
func (h *Header) parseSegment(line string) error {
	f := strings.Fields(line)
	if len(f) != 2 || strings.ContainsAny(f[0], "/\\") {
		return fmt.Errorf("segment line %q: want a name and a number of samples", line)
	}
	frames, err := natural("number of samples", f[1], math.MaxInt32)
	if err != nil {
		return err
	}
	if frames == 0 && len(h.Segments) > 0 {
		return fmt.Errorf("segment %s has no samples, which only the first may have, as the layout", f[0])
	}
	h.Segments = append(h.Segments, Segment{f[0], frames})
	return nil
}

// addUpSegments compares the length of a record with those of its segments.
func (h *Header) addUpSegments() error {
	if len(h.Segments) == 0 {
		return nil
	}
	sum := 0
	for _, s := range h.Segments {
		sum += s.Frames
	}
	if h.Frames == 0 {
		h.Frames = sum
	}
	if h.Frames != sum || sum > math.MaxInt32 {
		return fmt.Errorf("record line announces %d samples, the segments have %d", h.Frames, sum)
	}
	return nil
}

// formatField is "format[xPerFrame][:skew][+offset]", gainField "gain[(baseline)][/units]".
var (
	formatField = regexp.MustCompile(`^(\d{1,4})(?:x(\d{1,9}))?(?::(\d{1,9}))?(?:\+(\d{1,15}))?$`)
	gainField   = regexp.MustCompile(`^([-+0-9.eE]+)(?:\(([-+]?\d{1,10})\))?(?:/(\S+))?$`)
)

// parseSignal reads "file format [gain [bits [zero [initial [checksum [block [name]]]]]]]".
func (h *Header) parseSignal(line string) error {
	f, name := cutFields(line, 8)
	if len(f) < 2 {
		return fmt.Errorf("signal line %q: want a file and a format", line)
	}
	s := Signal{File: f[0], Gain: DefaultGain, Units: DefaultUnits, Name: name}
	if err := s.parseFormat(f[1]); err != nil {
		return err
	}
	baseline := false
	if len(f) > 2 {
		var err error
		if baseline, err = s.parseGain(f[2]); err != nil {
			return err
		}
	}
	if err := s.parseNumbers(f[min(3, len(f)):]); err != nil {
		return err
	}
	if !baseline {
		s.Baseline = s.Zero
	}
	if !s.HasInitial {
		s.Initial = s.Zero
	}
	h.Signals = append(h.Signals, s)
	return nil
}

// cutFields splits off up to n fields; the rest, which may hold blanks, is one.
func cutFields(line string, n int) (fields []string, rest string) {
	rest = strings.TrimSpace(line)
	for len(fields) < n && rest != "" {
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		fields, rest = append(fields, rest[:end]), strings.TrimSpace(rest[end:])
	}
	return fields, rest
}

func (s *Signal) parseFormat(text string) (err error) {
	m := formatField.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("format %q: want number[xsamples][:skew][+offset]", text)
	}
	s.PerFrame = 1
	if s.Format, err = strconv.Atoi(m[1]); err != nil {
		return err
	}
	if m[2] != "" {
		if s.PerFrame, err = natural("samples a frame", m[2], maxPerFrame); err != nil {
			return err
		}
	}
	if s.PerFrame == 0 {
		return fmt.Errorf("format %q: no sample a frame", text)
	}
	if m[3] != "" {
		if s.Skew, err = natural("skew", m[3], math.MaxInt32); err != nil {
			return err
		}
	}
	if m[4] != "" {
		s.Offset, err = strconv.ParseInt(m[4], 10, 64)
	}
	return err
}

// parseGain says whether the field names a baseline. Gain 0 means uncalibrated, which header(5) reads as 200.
func (s *Signal) parseGain(text string) (baseline bool, err error) {
	m := gainField.FindStringSubmatch(text)
	if m == nil {
		return false, fmt.Errorf("gain %q: want number[(baseline)][/units]", text)
	}
	if s.Gain, err = strconv.ParseFloat(m[1], 64); err != nil || math.IsInf(s.Gain, 0) {
		return false, fmt.Errorf("gain %q: %q is no number", text, m[1])
	}
	if s.Gain == 0 {
		s.Gain = DefaultGain
	}
	if m[3] != "" {
		s.Units = m[3]
	}
	if m[2] == "" {
		return false, nil
	}
	s.Baseline, err = integer("baseline", m[2])
	return true, err
}

func (s *Signal) parseNumbers(f []string) (err error) {
	checksum := 0
	for i, to := range []*int{&s.Resolution, &s.Zero, &s.Initial, &checksum} {
		if i >= len(f) {
			break
		}
		if *to, err = integer([]string{"resolution", "zero", "initial value", "checksum"}[i], f[i]); err != nil {
			return err
		}
	}
	s.HasInitial, s.HasChecksum = len(f) > 2, len(f) > 3
	s.Checksum = int16(checksum) // some writers give it unsigned; it is meant modulo 65536
	return nil
}

func integer(what, text string) (int, error) {
	v, err := strconv.ParseInt(text, 10, 33)
	if err != nil {
		return 0, fmt.Errorf("%s %q: want an integer", what, text)
	}
	return int(v), nil
}

func natural(what, text string, limit int) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil || v < 0 || v > limit {
		return 0, fmt.Errorf("%s %q: want an integer from 0 to %d", what, text, limit)
	}
	return v, nil
}
