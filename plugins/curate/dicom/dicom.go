// Package dicom reads the pixels of DICOM files (Part 10), and what of the header is needed to make volumes of them.
//
// Read are explicit and implicit VR little endian, explicit VR big endian, deflated, RLE lossless, lossless JPEG, JPEG-LS, JPEG 2000, and JPEG of 8 bits; pixels of 1, 8, 16 and 32 bits, signed or not, of one colour, a palette, RGB or YBR, in one frame or several, of which
// enhanced images say where each lies.
// Numbers of sections are those of the standard: PS3.3 (modules), PS3.5 (encoding), PS3.10 (files).
//
// Nothing is held but the header's values asked for and a frame, so that a lying header takes no memory.
//
//	f, err := dicom.Open(r)
//	frame := make([]float64, f.Rows*f.Columns*f.Samples)
//	for range f.Frames {
//		err := f.Read(frame)
//	}
//
// It is not a reader of JPEG of 12 bits, of part 2 of JPEG 2000, of films, of segmented palettes, or of files without the meta information of Part 10.
package dicom

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits above which an image is taken for a bomb.
const (
	maxPixels = 1 << 26 // of a frame: a mammogram has up to 30 million
	maxFrames = 1 << 16
)

// The transfer syntaxes (PS3.5, 10 and annex A).
const (
	implicitLittle = "1.2.840.10008.1.2"
	explicitLittle = "1.2.840.10008.1.2.1"
	deflated       = "1.2.840.10008.1.2.1.99"
	explicitBig    = "1.2.840.10008.1.2.2"
	jpegBaseline   = "1.2.840.10008.1.2.4.50"
	jpegExtended   = "1.2.840.10008.1.2.4.51"
	jpegLossless   = "1.2.840.10008.1.2.4.57"
	jpegLossless1  = "1.2.840.10008.1.2.4.70" // with the first predictor
	jpegLS         = "1.2.840.10008.1.2.4.80"
	jpegLSNear     = "1.2.840.10008.1.2.4.81"
	j2kLossless    = "1.2.840.10008.1.2.4.90"
	j2k            = "1.2.840.10008.1.2.4.91"
	rle            = "1.2.840.10008.1.2.5"
)

// unread are the names of transfer syntaxes that have no decoder here, so that a reason says more than a number.
var unread = map[string]string{
	"1.2.840.10008.1.2.4.92": "JPEG 2000 part 2", "1.2.840.10008.1.2.4.93": "JPEG 2000 part 2",
	"1.2.840.10008.1.2.4.100": "MPEG-2", "1.2.840.10008.1.2.4.101": "MPEG-2", "1.2.840.10008.1.2.4.102": "H.264", "1.2.840.10008.1.2.4.103": "H.264",
	"1.2.840.10008.1.2.4.107": "H.265", "1.2.840.10008.1.2.4.108": "H.265", "1.2.840.10008.1.2.4.110": "JPEG XL", "1.2.840.10008.1.2.4.112": "JPEG XL",
	"1.2.840.10008.1.2.4.201": "high-throughput JPEG 2000", "1.2.840.10008.1.2.4.202": "high-throughput JPEG 2000", "1.2.840.10008.1.2.4.203": "high-throughput JPEG 2000",
}

// Header is what a file says of its pixels.
type Header struct {
	Syntax                           string // UID of the transfer syntax
	Patient, Study, Series, Instance string // identifiers, "" where there is none
	Modality                         string
	Side                             string // L, R or B of a part of the body that comes in pairs, "" where there is none
	ImageType                        []string
	Rows, Columns, Frames            int
	Rate                             float64 // frames a second, 0 where the file does not say
	Samples                          int     // of a pixel that is read: 1, or 3 for red, green and blue
	Depth                            int     // bits of a sample that is read, before Slope and Intercept: those that are stored, or those of a palette
	Photometric                      string  // MONOCHROME1 (the least value is white), MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL or YBR_FULL_422
	Allocated, Stored, HighBit       int     // bits of a sample in the file
	Signed                           bool    // two's complement
	VOI                              *LUT    // the table that the file recommends instead of a window (PS3.3, C.11.2)
	Place                                    // of the only frame, or of all where frames have no places of their own
	Places                           []Place // of each frame of an enhanced image

	planar  bool // colours one after the other
	in      int  // samples of a pixel in the file
	table   *LUT // instead of Slope and Intercept
	palette [3]*LUT
}

// Photometric interpretations (PS3.3, C.7.6.3.1.2).
const (
	palette = "PALETTE COLOR"
	rgb     = "RGB"
	ybr     = "YBR_FULL"
	ybr422  = "YBR_FULL_422"
)

// Window is a range of real values around a centre.
type Window struct{ Center, Width float64 }

// File is an open file: a header and, behind it, the frames.
type File struct {
	Header
	scan   *scanner
	pixels element
	left   int // frames not read yet
	items  fragments
	part   partial
}

// Open reads a file up to its pixels.
func Open(r io.Reader) (*File, error) {
	s := newScanner(r)
	head, err := s.bytes(132)
	if err != nil {
		return nil, fmt.Errorf("preamble: %w", err)
	}
	if string(head[128:]) != "DICM" {
		return nil, errors.New("not a DICOM file: no DICM behind the preamble of 128 bytes")
	}
	v := values{map[tag]string{}, binary.LittleEndian}
	for s.group() == 2 {
		if _, err := s.keep(v); err != nil {
			return nil, fmt.Errorf("meta information: %w", err)
		}
	}
	syntax := v.first(tagSyntax)
	if err := s.begin(syntax); err != nil {
		return nil, err
	}
	v.order = s.enc.order
	f := &File{scan: s}
	var q sequences
	for f.pixels.tag != tagPixels {
		f.pixels, err = s.next()
		switch {
		case err == nil && q.wants(f.pixels):
			err = q.read(s, f.pixels)
		case err == nil:
			err = s.keepValue(v, f.pixels)
		case errors.Is(err, io.EOF):
			err = errors.New("no pixels")
		}
		if err != nil {
			return nil, err
		}
	}
	f.Syntax = syntax
	if err := f.set(v, q); err != nil {
		return nil, err
	}
	f.left = f.Frames
	return f, f.checkPixels()
}

// begin sets how the data set behind the meta information is written.
func (s *scanner) begin(syntax string) error {
	switch syntax {
	case explicitLittle, rle, jpegBaseline, jpegExtended, jpegLossless, jpegLossless1, jpegLS, jpegLSNear, j2kLossless, j2k:
	case implicitLittle:
		s.enc.explicit = false
	case explicitBig:
		s.enc.order = binary.BigEndian
	case deflated:
		s.inflate()
	case "":
		return errors.New("meta information: no transfer syntax")
	default:
		if name := unread[syntax]; name != "" {
			return fmt.Errorf("transfer syntax %s, %s, is not read", syntax, name)
		}
		return fmt.Errorf("transfer syntax %.64q is not read", syntax)
	}
	return nil
}

// keep reads one element and keeps its value, if it is wanted.
func (s *scanner) keep(v values) (element, error) {
	e, err := s.next()
	if err != nil {
		return e, err
	}
	return e, s.keepValue(v, e)
}

// keepValue reads what belongs to the head of an element. Of the pixels it reads nothing.
func (s *scanner) keepValue(v values, e element) error {
	switch {
	case e.tag == tagPixels:
		return nil
	case !wanted[e.tag] || e.length == undefined:
		return s.pass(e, 0)
	}
	text, err := s.value(e)
	if _, twice := v.text[e.tag]; twice {
		return fmt.Errorf("%v: is there twice", e.tag)
	}
	v.text[e.tag] = text
	return err
}

func (h *Header) set(v values, q sequences) error {
	h.Patient, h.Study, h.Series, h.Instance = v.first(tagPatient), v.first(tagStudy), v.first(tagSeries), v.first(tagInstance)
	h.Side = cmp.Or(v.first(tagSide), v.first(tagPaired))
	h.Modality, h.ImageType, h.Photometric = v.first(tagModality), v.strings(tagImageType), v.first(tagPhotometric)
	h.Slope = 1
	for _, set := range []func() error{
		func() error { return h.setShape(v) }, func() error { return h.setBits(v) }, func() error { return h.setScale(v) }, func() error { return h.setPlace(v) },
		func() error { return h.setRate(v) }, func() error { return h.setFrames(q) }, func() error { return h.setTables(v, q) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

func (h *Header) setShape(v values) error {
	var planar int
	for _, n := range []struct {
		to        *int
		tag       tag
		otherwise int
	}{{&h.Rows, tagRows, 0}, {&h.Columns, tagColumns, 0}, {&h.Samples, tagSamples, 1}, {&planar, tagPlanar, 0}} {
		var err error
		if *n.to, err = v.short(n.tag, n.otherwise); err != nil {
			return err
		}
	}
	h.planar, h.Frames = planar == 1, 1
	if text := v.first(tagFrames); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxFrames {
			return fmt.Errorf("%v: %.40q frames, want 1 to %d", tagFrames, text, maxFrames)
		}
		h.Frames = n
	}
	switch {
	case h.Rows < 1 || h.Columns < 1 || h.Rows*h.Columns > maxPixels:
		return fmt.Errorf("%v: %d x %d pixels, want 1 to %d in all", tagRows, h.Columns, h.Rows, maxPixels)
	case h.Samples == 1 && strings.HasPrefix(h.Photometric, "MONOCHROME"):
	case h.Samples == 1 && h.Photometric == palette:
		h.Samples = 3
		h.in = 1
		return nil
	case h.Samples == 3 && h.isJPEG2000() && (h.Photometric == "YBR_RCT" || h.Photometric == "YBR_ICT"):
		h.Photometric = rgb // to which its decoder brings it back
	case h.Samples == 3 && (h.Photometric == rgb || h.Photometric == ybr || h.Photometric == ybr422):
	default:
		return fmt.Errorf("%v: %d samples of %.40q, want 1 of MONOCHROME1, MONOCHROME2 or PALETTE COLOR, or 3 of RGB, YBR_FULL or YBR_FULL_422", tagPhotometric, h.Samples, h.Photometric)
	}
	h.in = h.Samples
	return nil
}

func (h *Header) isJPEG() bool { return h.Syntax == jpegBaseline || h.Syntax == jpegExtended }

func (h *Header) isLossless() bool {
	return h.Syntax == jpegLossless || h.Syntax == jpegLossless1 || h.Syntax == jpegLS || h.Syntax == jpegLSNear
}

func (h *Header) isJPEG2000() bool { return h.Syntax == j2kLossless || h.Syntax == j2k }

// packed says whether frames are compressed and in fragments.
func (h *Header) packed() bool {
	return h.Syntax == rle || h.isJPEG() || h.isLossless() || h.isJPEG2000()
}

// halved says whether two pixels share their colours: Y, Y, Cb, Cr (PS3.3, C.7.6.3.1.2). A JPEG says so itself.
func (h *Header) halved() bool { return h.Photometric == ybr422 && !h.packed() }

// setRate: the time of a frame is more exact than a rate in whole numbers (PS3.3, C.7.6.5).
func (h *Header) setRate(v values) error {
	for _, t := range []tag{tagFrameTime, tagCineRate} {
		n, err := v.numbers(t, 1)
		if err != nil {
			return err
		}
		if len(n) == 0 || n[0] <= 0 {
			continue
		}
		if h.Rate = n[0]; t == tagFrameTime {
			h.Rate = 1000 / n[0]
		}
		return nil
	}
	return nil
}

func (h *Header) setBits(v values) error {
	var err [4]error
	var signed int
	h.Allocated, err[0] = v.short(tagAllocated, 0)
	h.Stored, err[1] = v.short(tagStored, h.Allocated)
	h.HighBit, err[2] = v.short(tagHighBit, h.Stored-1)
	signed, err[3] = v.short(tagSigned, 0)
	if err := errors.Join(err[:]...); err != nil {
		return err
	}
	h.Signed, h.Depth = signed == 1, h.Stored
	switch {
	case h.Allocated == 1 && h.in == 1 && h.Stored == 1 && !h.packed() && !h.Signed:
		h.HighBit = 0
	case h.Allocated != 8 && h.Allocated != 16 && h.Allocated != 32:
		return fmt.Errorf("%v: %d bits allocated, want 8, 16 or 32, or 1 of a bitmap", tagAllocated, h.Allocated)
	case h.Photometric[0] == 'Y' && (h.Allocated != 8 || h.Signed):
		return fmt.Errorf("%v: %s of %d bits, want 8", tagAllocated, h.Photometric, h.Allocated)
	case h.halved() && h.Columns%2 != 0:
		return fmt.Errorf("%v: %s of %d columns, want an even number", tagColumns, h.Photometric, h.Columns)
	case h.Stored < 1 || h.HighBit >= h.Allocated || h.HighBit+1 < h.Stored:
		return fmt.Errorf("%v: %d bits up to bit %d do not fit into %d", tagStored, h.Stored, h.HighBit, h.Allocated)
	case h.isJPEG() && h.Allocated != 8:
		return fmt.Errorf("%v: JPEG of %d bits, want 8", tagAllocated, h.Allocated)
	}
	return nil
}

// setScale leaves alone what the values do not say.
func (p *Place) setScale(v values) error {
	for to, t := range map[*float64]tag{&p.Slope: tagSlope, &p.Intercept: tagIntercept} {
		n, err := v.numbers(t, 1)
		if err != nil {
			return err
		}
		if len(n) == 1 {
			*to = n[0]
		}
	}
	centers, err := v.numbers(tagCenter, 0)
	if err != nil {
		return err
	}
	widths, err := v.numbers(tagWidth, len(centers))
	if err != nil {
		return err
	}
	if len(widths) > 0 {
		p.Windows = nil
	}
	if function := v.first(tagFunction); function != "" {
		p.Function = function
	}
	for i := range widths {
		if i < len(centers) {
			p.Windows = append(p.Windows, Window{centers[i], widths[i]})
		}
	}
	return nil
}

func (p *Place) setPlace(v values) error {
	position, err := v.numbers(tagPosition, 3)
	if err != nil {
		return err
	}
	orientation, err := v.numbers(tagOrientation, 6)
	if err != nil {
		return err
	}
	if len(position) == 3 {
		p.Position, p.positioned = [3]float64(position), true
	}
	if len(orientation) == 6 {
		p.Orientation, p.oriented = [6]float64(orientation), true
	}
	p.Placed = p.positioned && p.oriented
	return nil
}
