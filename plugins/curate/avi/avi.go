// Package avi takes the frames of the first picture stream out of AVI files, as they stream by: those of Motion-JPEG, which echocardiography has, and
// uncompressed ones. The format is that of Microsoft's "AVI RIFF File Reference" and, for files beyond 1 GB, OpenDML 1.02.
//
//	f, err := avi.Open(r)
//	for {
//		b, err := f.Next(true) // io.EOF behind the last
//		p, err := f.Picture(b, 3)
//	}
//
// Chunks are taken as they come; indices and the sizes of lists, which recorders leave wrong, are not relied upon. Nothing is held but a frame.
// It is not a decoder of other codecs, whose name is in Codec, nor of sound.
package avi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cairn-bench/cairn/plugins/curate/jpeg"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Limits above which a file is taken for hostile.
const (
	maxFrame  = 64 << 20 // bytes
	maxFormat = 1 << 16  // bytes of a stream's description
	maxPixels = 1 << 26
)

// Header is what a file says of its pictures.
type Header struct {
	W, H        int
	Rate, Scale uint32 // Rate / Scale frames a second; 0 is not known
	Codec       string // four characters: MJPG; "RGB " is uncompressed
}

// File is an open file.
type File struct {
	Header
	r       io.Reader
	streams int
	stream  int // the number of the one with pictures
	depth   int // bits of an uncompressed pixel
	down    bool
	palette []byte // blue, green, red, 0
	next    chunk  // whose head was read already
	found   bool
}

type chunk struct {
	id   string
	size uint32
}

// Open reads up to the first frame.
func Open(r io.Reader) (*File, error) {
	f := &File{r: r, stream: -1}
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:4]) != "RIFF" || string(head[8:]) != "AVI " {
		return nil, errors.New("not an AVI file")
	}
	for {
		c, err := f.chunk()
		switch {
		case err != nil:
			return nil, ended(err)
		case c.id == "strh":
			err = f.header(c)
		case c.id == "strf" && f.stream == f.streams-1 && f.W == 0:
			err = f.format(c)
		case f.isFrame(c):
			f.next, f.found = c, true
			return f, f.check()
		default:
			err = f.skip(c)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (f *File) check() error {
	switch {
	case f.W < 1 || f.H < 1 || f.W > maxPixels/f.H:
		return fmt.Errorf("pictures of %d x %d pixels, want 1 to %d in all", f.W, f.H, maxPixels)
	case f.Codec == raw && f.depth != 8 && f.depth != 24 && f.depth != 32:
		return fmt.Errorf("pixels of %d bits, want 8, 24 or 32", f.depth)
	}
	return nil
}

// ended says that a file ended where more has to come.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("file is cut off")
	}
	return err
}

// chunk reads the head of the next chunk that is no list; lists are entered. io.EOF is the end between two chunks.
func (f *File) chunk() (chunk, error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return chunk{}, err
		}
		c := chunk{string(head[:4]), binary.LittleEndian.Uint32(head[4:])}
		if c.id != "LIST" && c.id != "RIFF" {
			return c, nil
		}
		var kind [4]byte
		if _, err := io.ReadFull(f.r, kind[:]); err != nil {
			return chunk{}, ended(err)
		}
		if string(kind[:]) == "INFO" {
			if err := f.skip(chunk{"INFO", max(c.size, 4) - 4}); err != nil {
				return chunk{}, err
			}
		}
	}
}

// skip passes over what is in a chunk, and over the byte that fills it up to an even number.
func (f *File) skip(c chunk) error {
	_, err := io.CopyN(io.Discard, f.r, int64(c.size)+int64(c.size&1))
	return ended(err)
}

// read reads what is in a chunk. What is held grows with what comes, not with what is announced.
func (f *File) read(c chunk, most uint32) ([]byte, error) {
	if c.size > most {
		return nil, fmt.Errorf("%q of %d bytes, the limit is %d", c.id, c.size, most)
	}
	b := bytes.Buffer{}
	if _, err := io.CopyN(&b, f.r, int64(c.size)); err != nil {
		return nil, ended(err)
	}
	if c.size&1 == 1 {
		if _, err := io.CopyN(io.Discard, f.r, 1); err != nil && !errors.Is(err, io.EOF) { // some forget it at the end
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// header reads what kind of stream comes next.
func (f *File) header(c chunk) error {
	b, err := f.read(c, maxFormat)
	if err != nil {
		return err
	}
	if f.streams++; len(b) < 28 || string(b[:4]) != "vids" || f.stream >= 0 {
		return nil
	}
	f.stream = f.streams - 1
	f.Scale, f.Rate = binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])
	if f.Scale == 0 {
		f.Rate = 0
	}
	return nil
}

// raw is how Header names what is not compressed.
const raw = "RGB "

// format reads a BITMAPINFOHEADER.
func (f *File) format(c chunk) error {
	b, err := f.read(c, maxFormat)
	if err != nil {
		return err
	}
	if len(b) < 40 {
		return errors.New("the format of the pictures is cut off")
	}
	le := binary.LittleEndian
	height := int(int32(le.Uint32(b[8:])))
	f.W, f.H, f.down = int(int32(le.Uint32(b[4:]))), max(height, -height), height < 0
	f.depth, f.Codec = int(le.Uint16(b[14:])), strings.ToUpper(string(b[16:20]))
	if f.Codec == "\x00\x00\x00\x00" || f.Codec == "DIB " {
		f.Codec = raw
	}
	f.palette = b[40:]
	return nil
}

// isFrame says whether a chunk is a picture of the stream.
func (f *File) isFrame(c chunk) bool {
	return f.stream >= 0 && (c.id[2:] == "dc" || c.id[2:] == "db") && c.id[:2] == fmt.Sprintf("%02d", f.stream)
}

// Next gives the next frame as it is stored, or passes over it if it is not wanted. io.EOF is behind the last. An empty one is the one before
// once more, where a recorder dropped a frame.
func (f *File) Next(wanted bool) ([]byte, error) {
	c, found := f.next, f.found
	f.next, f.found = chunk{}, false
	for ; !found; found = f.isFrame(c) {
		if c.id != "" {
			if err := f.skip(c); err != nil {
				return nil, err
			}
		}
		var err error
		if c, err = f.chunk(); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF // a few bytes behind the last chunk
			}
			return nil, err
		}
	}
	if !wanted {
		return nil, f.skip(c)
	}
	return f.read(c, maxFrame)
}

// Picture decodes a frame to grey or RGB.
func (f *File) Picture(b []byte, channels int) (raster.Raster, error) {
	if f.Codec == raw {
		return f.uncompressed(b, channels)
	}
	if f.Codec != "MJPG" {
		return raster.Raster{}, fmt.Errorf("codec %q is not read", f.Codec)
	}
	b = withTables(b)
	h, err := jpeg.ReadHeader(b)
	if err != nil {
		return raster.Raster{}, err
	}
	if h.W != f.W || h.H != f.H {
		return raster.Raster{}, fmt.Errorf("a frame of %d x %d pixels, the file announces %d x %d", h.W, h.H, f.W, f.H)
	}
	return jpeg.Decode(b, jpeg.Options{Channels: channels})
}

// uncompressed turns rows, the lowest first, of blue, green and red, or of a palette's, into a picture. Rows are filled up to 4 bytes.
func (f *File) uncompressed(b []byte, channels int) (raster.Raster, error) {
	stride := (f.W*f.depth + 31) / 32 * 4
	if len(b) < stride*f.H {
		return raster.Raster{}, fmt.Errorf("a frame of %d bytes, %d x %d pixels have %d", len(b), f.W, f.H, stride*f.H)
	}
	out := raster.Blank(f.W, f.H, channels)
	for y := range f.H {
		from := b[y*stride:]
		row := out.Row(f.H - 1 - y)
		if f.down {
			row = out.Row(y)
		}
		for x := range f.W {
			pixel := from[x*f.depth/8:]
			if f.depth == 8 {
				at := 4 * int(pixel[0])
				if pixel = f.palette[min(at, len(f.palette)):]; len(pixel) < 3 {
					return raster.Raster{}, fmt.Errorf("colour %d is not in the palette", at/4)
				}
			}
			raster.Put(row, x, channels, uint32(pixel[2]), uint32(pixel[1]), uint32(pixel[0]))
		}
	}
	return out, nil
}
