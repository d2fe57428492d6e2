package image

import (
	"bytes"
	"encoding/binary"
)

// orientation returns the EXIF orientation of a JPEG, 1 to 8, and 1 for whatever has none that can be
// read. It looks for the APP1 segment (Exif 2.32, 4.7.2) and in it for tag 0x0112 of the first directory.
func orientation(b []byte) int {
	if !bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return 1
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xff; {
		if b[1] == 0xff { // a fill byte
			b = b[1:]
			continue
		}
		n := int(binary.BigEndian.Uint16(b[2:])) + 2
		if b[1] == 0xda || n < 4 || n > len(b) { // the scan begins, or the file is broken
			return 1
		}
		if tiff, ok := bytes.CutPrefix(b[4:n], []byte("Exif\x00\x00")); ok && b[1] == 0xe1 {
			return tiffOrientation(tiff)
		}
		b = b[n:]
	}
	return 1
}

func tiffOrientation(b []byte) int {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(b) < 8 {
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	b = b[at:]
	const size = 12 // tag, type, count, value
	for entries, i := b[2:], 0; i < int(order.Uint16(b)) && len(entries) >= size; i++ {
		short := order.Uint16(entries[2:]) == 3 && order.Uint32(entries[4:]) == 1
		if v := order.Uint16(entries[8:]); order.Uint16(entries) == 0x0112 && short && v >= 1 && v <= 8 {
			return int(v)
		}
		entries = entries[size:]
	}
	return 1
}
