package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Markers (T.81, table B.1).
const (
	sof0  = 0xc0 // baseline
	sof1  = 0xc1 // extended sequential
	sof2  = 0xc2 // progressive
	dht   = 0xc4
	rst0  = 0xd0
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dnl   = 0xdc
	dri   = 0xdd
	app0  = 0xe0
	app14 = 0xee
	tem   = 0x01
)

var errCut = errors.New("the file is cut off")

// refused names the ways to code a picture that are not read.
func refused(marker byte) string {
	switch marker {
	case 0xc3, 0xc7:
		return "lossless coding"
	case 0xc5, 0xc6:
		return "hierarchical coding"
	case 0xc9, 0xca, 0xcd, 0xce:
		return "arithmetic coding"
	case 0xcb, 0xcf:
		return "lossless arithmetic coding"
	case 0xf7:
		return "JPEG-LS"
	case dnl:
		return "a height that is known only behind the pixels"
	}
	return ""
}

// header reads up to the frame header, and with it.
func (d *decoder) header(b []byte) error {
	if !bytes.HasPrefix(b, []byte{0xff, soi}) {
		return errors.New("not a JPEG file: it does not begin as one")
	}
	d.rest = b[2:]
	for len(d.comps) == 0 {
		switch marker, body, err := d.segment(); {
		case err != nil:
			return err
		case marker == eoi || marker == sos:
			return errors.New("there is no frame header before the pixels")
		default:
			if err := d.apply(marker, body); err != nil {
				return err
			}
		}
	}
	return nil
}

// segment reads the next marker, and what belongs to it. What stands before a marker is jumped over, as in libjpeg.
func (d *decoder) segment() (marker byte, body []byte, err error) {
	for {
		_, behind, _ := bytes.Cut(d.rest, []byte{0xff})
		if d.rest = skip(behind); len(d.rest) == 0 {
			return 0, nil, errCut
		}
		marker, d.rest = d.rest[0], d.rest[1:]
		switch {
		case marker == 0 || marker == tem || marker&^7 == rst0: // no marker, or one that says nothing here
			continue
		case marker == eoi:
			return marker, nil, nil
		case marker == soi:
			return 0, nil, errors.New("a second picture begins before the first has ended")
		case len(d.rest) < 2:
			return 0, nil, errCut
		}
		n := int(binary.BigEndian.Uint16(d.rest))
		if n < 2 {
			return 0, nil, fmt.Errorf("marker %#x: %d bytes, want at least 2", marker, n)
		}
		if n > len(d.rest) {
			return 0, nil, errCut
		}
		body, d.rest = d.rest[2:n], d.rest[n:]
		return marker, body, nil
	}
}

// skip passes over the bytes with which a marker may be filled up.
func skip(b []byte) []byte {
	for len(b) > 0 && b[0] == 0xff {
		b = b[1:]
	}
	return b
}

// apply keeps what a segment says. Segments of applications and comments are passed over.
func (d *decoder) apply(marker byte, body []byte) error {
	var err error
	switch what := refused(marker); {
	case what != "":
		return fmt.Errorf("%s is not read", what)
	case marker == sof0 || marker == sof1 || marker == sof2:
		d.progressive = marker == sof2
		err = d.frame(body)
	case marker == dht:
		err = d.defineHuffman(body)
	case marker == dqt:
		err = d.defineQuantizers(body)
	case marker == dri:
		if len(body) != 2 {
			return fmt.Errorf("restart interval: %d bytes, want 2", len(body))
		}
		d.restart = int(binary.BigEndian.Uint16(body))
	case marker == app0:
		d.jfif = d.jfif || len(body) >= 14 && bytes.HasPrefix(body, []byte("JFIF\x00"))
	case marker == app14 && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
		d.adobe, d.transfer = true, body[11]
	}
	return err
}

// frame reads the frame header (T.81, B.2.2).
func (d *decoder) frame(b []byte) error {
	switch {
	case len(d.comps) > 0:
		return errors.New("a second frame header")
	case len(b) < 6 || len(b) != 6+3*int(b[5]):
		return errors.New("frame header: its length is not that of its components")
	case b[0] != 8:
		return fmt.Errorf("frame header: %d bits a sample, only 8 are read", b[0])
	}
	d.h, d.w = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if d.w == 0 || d.h == 0 {
		return fmt.Errorf("frame header: %d x %d pixels", d.w, d.h)
	}
	if b[5] != 1 && b[5] != 3 && b[5] != 4 {
		return fmt.Errorf("frame header: %d components, want 1, 3 or 4", b[5])
	}
	for b = b[6:]; len(b) > 0; b = b[3:] {
		c := component{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), table: int(b[2])}
		switch {
		case c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4:
			return fmt.Errorf("component %d: sampled %d x %d, want 1 to 4", c.id, c.h, c.v)
		case c.table > 3:
			return fmt.Errorf("component %d: quantizer %d, want 0 to 3", c.id, c.table)
		case d.find(c.id) != nil:
			return fmt.Errorf("component %d occurs twice", c.id)
		}
		d.hmax, d.vmax = max(d.hmax, c.h), max(d.vmax, c.v)
		d.comps = append(d.comps, c)
	}
	return nil
}

// find is nil if there is no such component.
func (d *decoder) find(id byte) *component {
	for i := range d.comps {
		if d.comps[i].id == id {
			return &d.comps[i]
		}
	}
	return nil
}

// defineQuantizers reads quantization tables of 8 or 16 bits (T.81, B.2.4.1).
func (d *decoder) defineQuantizers(b []byte) error {
	for len(b) > 0 {
		wide, id := int(b[0]>>4), b[0]&15
		if b = b[1:]; wide > 1 || id > 3 {
			return fmt.Errorf("quantizer %d of precision %d", id, wide)
		}
		if len(b) < 64*(1+wide) {
			return fmt.Errorf("quantizer %d: %d bytes, want %d", id, len(b), 64*(1+wide))
		}
		q := new([64]uint16)
		for k := range q {
			if wide == 1 {
				q[k] = binary.BigEndian.Uint16(b[2*k:])
			} else {
				q[k] = uint16(b[k])
			}
		}
		d.quants[id], b = q, b[64*(1+wide):]
	}
	return nil
}

// defineHuffman reads Huffman tables (T.81, B.2.4.2).
func (d *decoder) defineHuffman(b []byte) error {
	for len(b) > 0 {
		class, id := b[0]>>4, b[0]&15
		if b = b[1:]; class > 1 || id > 3 {
			return fmt.Errorf("table %d of class %d of Huffman codes", id, class)
		}
		t, err := d.keep.huffman(b, class == 0)
		if err != nil {
			return fmt.Errorf("table %d of class %d of Huffman codes: %w", id, class, err)
		}
		d.huffmans[class][id], b = t, b[len(t.text):]
	}
	return nil
}
