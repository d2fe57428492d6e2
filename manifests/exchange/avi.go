package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// FramesPerSecond is how fast CLIMB plays the slices of a scan (src/datasets/ct/lndb.py).
const FramesPerSecond = 10

// maxVideo keeps a file within what RIFF can say.
const maxVideo = 1 << 31

// Video writes frames, each a PNG of width x height, as an AVI of codec MPNG: nothing is lost, and every reader that is built on
// FFmpeg opens it, such as OpenCV's VideoCapture, with which CLIMB loads its videos. The layout is that of
// Microsoft's "AVI RIFF File Reference": a list of headers, the frames, and an index in which each of them is a key frame.
func Video(w io.Writer, width, height int, frames [][]byte) error {
	if len(frames) == 0 || width < 1 || height < 1 {
		return errors.New("avi: a video has frames, and each has pixels")
	}
	var movie, most uint64 = 4, 0 // "movi" and its chunks
	for _, f := range frames {
		movie += 8 + even(len(f))
		most = max(most, uint64(len(f)))
	}
	index := 16 * uint64(len(frames))
	headers := 4 + 8 + 56 + 8 + 4 + 8 + 56 + 8 + 40 // "hdrl", avih, the list "strl" with strh and strf
	size := 4 + 8 + uint64(headers) + 8 + movie + 8 + index
	if size >= maxVideo {
		return fmt.Errorf("avi: %d frames have %d bytes, the most is %d", len(frames), size, maxVideo)
	}
	b := riff{}
	b.tag("RIFF").u32(uint32(size)).tag("AVI ")
	b.tag("LIST").u32(uint32(headers)).tag("hdrl")
	b.tag("avih").u32(56).u32(1e6/FramesPerSecond, 0, 0, hasIndex, uint32(len(frames)), 0, 1, uint32(most), uint32(width), uint32(height), 0, 0, 0, 0)
	b.tag("LIST").u32(4 + 8 + 56 + 8 + 40).tag("strl")
	b.tag("strh").u32(56).tag("vids").tag("MPNG").u32(0, 0, 0, 1, FramesPerSecond, 0, uint32(len(frames)), uint32(most), 1<<32-1, 0).u16(0, 0, uint16(width), uint16(height))
	b.tag("strf").u32(40, 40, uint32(width), uint32(height)).u16(1, 24).tag("MPNG").u32(uint32(3*width*height), 0, 0, 0, 0)
	b.tag("LIST").u32(uint32(movie)).tag("movi")
	if _, err := w.Write(b.bytes); err != nil {
		return err
	}
	last := riff{}
	last.tag("idx1").u32(uint32(index))
	at := uint32(4) // from "movi" on
	for _, f := range frames {
		if err := chunk(w, f); err != nil {
			return err
		}
		last.tag("00dc").u32(keyFrame, at, uint32(len(f)))
		at += 8 + uint32(even(len(f)))
	}
	_, err := w.Write(last.bytes)
	return err
}

const (
	hasIndex = 0x10 // AVIF_HASINDEX
	keyFrame = 0x10 // AVIIF_KEYFRAME
)

func even(n int) uint64 { return uint64(n+1) &^ 1 }

func chunk(w io.Writer, frame []byte) error {
	head := riff{}
	head.tag("00dc").u32(uint32(len(frame)))
	for _, part := range [][]byte{head.bytes, frame, make([]byte, len(frame)&1)} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// riff collects tags and little-endian numbers.
type riff struct{ bytes []byte }

func (r *riff) tag(s string) *riff { r.bytes = append(r.bytes, s...); return r }

func (r *riff) u32(vs ...uint32) *riff {
	for _, v := range vs {
		r.bytes = binary.LittleEndian.AppendUint32(r.bytes, v)
	}
	return r
}

func (r *riff) u16(vs ...uint16) *riff {
	for _, v := range vs {
		r.bytes = binary.LittleEndian.AppendUint16(r.bytes, v)
	}
	return r
}
