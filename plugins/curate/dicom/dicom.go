// Package dicom reads the pixels of DICOM files (Part 10), and what of the header is needed to make volumes of them.
//
// Read are explicit and implicit VR little endian, explicit VR big endian, deflated, RLE lossless, and JPEG of 8 bits, whose
// decoder is image/jpeg; pixels of 8, 16 and 32 bits, signed or not, of one colour or RGB, in one frame or several.
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
// It is not a reader of JPEG lossless, JPEG-LS and JPEG 2000, of files without the meta information of Part 10, of palettes, of
// bitmaps, or of the places of single frames in enhanced multi-frame images.
package dicom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits above which an image is taken for a bomb.
const (
	maxPixels = 1 << 24 // of a frame
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
	rle            = "1.2.840.10008.1.2.5"
)

// Header is what a file says of its pixels.
type Header struct {
	Syntax                           string // UID of the transfer syntax
	Patient, Study, Series, Instance string // identifiers, "" where there is none
	Modality                         string
	ImageType                        []string
	Rows, Columns, Frames            int
	Samples                          int        // of a pixel: 1, or 3 for red, green and blue
	Photometric                      string     // MONOCHROME1 (the least value is white), MONOCHROME2, RGB, YBR_FULL or YBR_FULL_422
	Allocated, Stored, HighBit       int        // bits of a sample
	Signed                           bool       // two's complement
	Slope, Intercept                 float64    // from stored to real values (PS3.3, C.11.1)
	Windows                          []Window   // that the file recommends (PS3.3, C.11.2)
	Placed                           bool       // whether Position and Orientation are given
	Position                         [3]float64 // of the first pixel: left, posterior, superior, in mm
	Orientation                      [6]float64 // direction along a row, then down a column

	planar bool // colours one after the other
}

// Window is a range of real values around a centre.
type Window struct{ Center, Width float64 }

// File is an open file: a header and, behind it, the frames.
type File struct {
	Header
	scan   *scanner
	pixels element
	left   int // frames not read yet
	begun  bool
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
	for f.pixels.tag != tagPixels {
		if f.pixels, err = s.keep(v); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("no pixels")
			}
			return nil, err
		}
	}
	f.Syntax = syntax
	if err := f.set(v); err != nil {
		return nil, err
	}
	f.left = f.Frames
	return f, f.checkPixels()
}

// begin sets how the data set behind the meta information is written.
func (s *scanner) begin(syntax string) error {
	switch syntax {
	case explicitLittle, rle, jpegBaseline, jpegExtended:
	case implicitLittle:
		s.enc.explicit = false
	case explicitBig:
		s.enc.order = binary.BigEndian
	case deflated:
		s.inflate()
	case "":
		return errors.New("meta information: no transfer syntax")
	default:
		return fmt.Errorf("transfer syntax %.64q is not read", syntax)
	}
	return nil
}

// keep reads one element and keeps its value, if it is wanted. Of the pixels it reads the head only.
func (s *scanner) keep(v values) (element, error) {
	e, err := s.next()
	if err != nil || e.tag == tagPixels {
		return e, err
	}
	if !wanted[e.tag] || e.length == undefined {
		return e, s.pass(e, 0)
	}
	text, err := s.value(e)
	if _, twice := v.text[e.tag]; twice {
		return e, fmt.Errorf("%v: is there twice", e.tag)
	}
	v.text[e.tag] = text
	return e, err
}

func (h *Header) set(v values) error {
	h.Patient, h.Study, h.Series, h.Instance = v.first(tagPatient), v.first(tagStudy), v.first(tagSeries), v.first(tagInstance)
	h.Modality, h.ImageType, h.Photometric = v.first(tagModality), v.strings(tagImageType), v.first(tagPhotometric)
	for _, err := range []error{h.setShape(v), h.setBits(v), h.setScale(v), h.setPlace(v)} {
		if err != nil {
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
	case h.Samples == 3 && (h.Photometric == "RGB" || strings.HasPrefix(h.Photometric, "YBR_FULL") && h.isJPEG()):
	default:
		return fmt.Errorf("%v: %d samples of %.40q, want 1 of MONOCHROME1 or MONOCHROME2, or 3 of RGB", tagPhotometric, h.Samples, h.Photometric)
	}
	return nil
}

func (h *Header) isJPEG() bool { return h.Syntax == jpegBaseline || h.Syntax == jpegExtended }

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
	h.Signed = signed == 1
	switch {
	case h.Allocated != 8 && h.Allocated != 16 && h.Allocated != 32:
		return fmt.Errorf("%v: %d bits allocated, want 8, 16 or 32", tagAllocated, h.Allocated)
	case h.Stored < 1 || h.HighBit >= h.Allocated || h.HighBit+1 < h.Stored:
		return fmt.Errorf("%v: %d bits up to bit %d do not fit into %d", tagStored, h.Stored, h.HighBit, h.Allocated)
	case h.isJPEG() && h.Allocated != 8:
		return fmt.Errorf("%v: JPEG of %d bits, want 8", tagAllocated, h.Allocated)
	}
	return nil
}

func (h *Header) setScale(v values) error {
	h.Slope, h.Intercept = 1, 0
	for to, t := range map[*float64]tag{&h.Slope: tagSlope, &h.Intercept: tagIntercept} {
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
	for i := range widths {
		if i < len(centers) {
			h.Windows = append(h.Windows, Window{centers[i], widths[i]})
		}
	}
	return nil
}

func (h *Header) setPlace(v values) error {
	position, err := v.numbers(tagPosition, 3)
	if err != nil {
		return err
	}
	orientation, err := v.numbers(tagOrientation, 6)
	if err != nil {
		return err
	}
	if h.Placed = len(position) == 3 && len(orientation) == 6; h.Placed {
		h.Position, h.Orientation = [3]float64(position), [6]float64(orientation)
	}
	return nil
}
