package dicom

import (
	"errors"
	"fmt"
)

// Sequences whose items matter (PS3.3, C.7.6.16, C.11.1 and C.11.2).
const (
	tagModalityLUT tag = 0x00283000
	tagVOILUT      tag = 0x00283010
	tagShared      tag = 0x52009229 // functional groups of all frames
	tagPerFrame    tag = 0x52009230 // of each frame
)

// inGroups are the sequences in a frame's functional groups that matter, each of one item.
var inGroups = map[tag]bool{
	0x00209113: true, // plane position
	0x00209116: true, // plane orientation
	0x00289145: true, // pixel value transformation
	0x00289132: true, // window
}

// sequences hold what the items of a data set's sequences say.
type sequences struct {
	modality, voi *values // first items of the tables
	shared        *values
	frames        []values
}

func (q *sequences) wants(e element) bool {
	switch e.tag {
	case tagModalityLUT, tagVOILUT, tagShared, tagPerFrame:
		return e.vr == "SQ" || e.vr == ""
	}
	return false
}

// read reads a sequence that is wanted.
func (q *sequences) read(s *scanner, e element) error {
	return s.items(e, 1, func(v values) error {
		switch {
		case e.tag == tagModalityLUT && q.modality == nil:
			q.modality = &v
		case e.tag == tagVOILUT && q.voi == nil:
			q.voi = &v
		case e.tag == tagShared && q.shared == nil:
			q.shared = &v
		case e.tag == tagPerFrame:
			if len(q.frames) == maxFrames {
				return fmt.Errorf("%v: more than %d frames", e.tag, maxFrames)
			}
			q.frames = append(q.frames, v)
		}
		return nil
	})
}

// items reads a sequence and gives what is wanted of each item.
func (s *scanner) items(e element, depth int, each func(values) error) error {
	end := s.at + int64(e.length)
	for e.length == undefined || s.at < end {
		item, err := s.next()
		if err != nil {
			return short(err)
		}
		if item.tag == tagSequenceEnd && e.length == undefined {
			return nil
		}
		if item.tag != tagItem {
			return fmt.Errorf("%v: %v where an item should begin", e.tag, item.tag)
		}
		v := values{map[tag]string{}, s.enc.order}
		if err := s.collect(v, item, depth+1); err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return nil
}

// collect keeps what is wanted of an item and of the sequences in it.
func (s *scanner) collect(v values, item element, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%v: more than %d sequences in one another", item.tag, maxDepth)
	}
	end := s.at + int64(item.length)
	for item.length == undefined || s.at < end {
		e, err := s.next()
		if err != nil {
			return short(err)
		}
		switch {
		case e.tag == tagItemEnd && item.length == undefined:
			return nil
		case inGroups[e.tag] && (e.vr == "SQ" || e.vr == ""):
			err = s.items(e, depth, func(inner values) error {
				for t, text := range inner.text {
					v.text[t] = text
				}
				return nil
			})
		case wanted[e.tag] && e.length != undefined:
			v.text[e.tag], err = s.value(e)
		default:
			err = s.pass(e, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Place is what a file says of the values of a frame, and of where it lies.
type Place struct {
	Slope, Intercept float64    // from stored to real values (PS3.3, C.11.1)
	Windows          []Window   // that the file recommends (PS3.3, C.11.2)
	Function         string     // of the windows: LINEAR, which is meant by "", LINEAR_EXACT or SIGMOID
	Placed           bool       // whether Position and Orientation are given
	Position         [3]float64 // of the first pixel: left, posterior, superior, in mm
	Orientation      [6]float64 // direction along a row, then down a column

	positioned, oriented bool
}

// setFrames fills in the frames' functional groups, each of which may be said for all frames.
func (h *Header) setFrames(q sequences) error {
	if q.shared == nil && len(q.frames) == 0 {
		return nil
	}
	if n := len(q.frames); n > 0 && n < h.Frames { // more may be there where frames were taken out
		return fmt.Errorf("%v: %d items, the image has %d frames", tagPerFrame, n, h.Frames)
	}
	for i := range h.Frames {
		own := h.Place
		for _, v := range []*values{q.shared, q.frame(i)} {
			if v == nil {
				continue
			}
			if err := errors.Join(own.setScale(*v), own.setPlace(*v)); err != nil {
				return fmt.Errorf("frame %d: %w", i, err)
			}
		}
		h.Places = append(h.Places, own)
	}
	if len(h.Places) == 1 {
		h.Place = h.Places[0]
	}
	return nil
}

func (q sequences) frame(i int) *values {
	if i < len(q.frames) {
		return &q.frames[i]
	}
	return nil
}
