package wfdb

import (
	"errors"
	"fmt"
	"io"

	"github.com/mewkiz/flac"
)

// readFLAC reads a file of the formats 508, 516 and 524: one FLAC stream, one channel a signal, all with the same number of samples a
// frame. The stream's own sampling rate says nothing.
func (r *Record) readFLAC(g group, open Opener, limit, most int64) error {
	first := r.Signals[g.signals[0]]
	f, err := open(first.File)
	if err != nil {
		return err
	}
	defer f.Close()
	capped := &io.LimitedReader{R: f, N: limit}
	if _, err := io.CopyN(io.Discard, capped, first.Offset); err != nil {
		return fmt.Errorf("file is short: samples begin at byte %d: %w", first.Offset, err)
	}
	if err := r.decodeFLAC(g, capped, most); err != nil {
		return err
	}
	if capped.N == 0 {
		return fmt.Errorf("file has the limit of %d bytes or more", limit)
	}
	return finish(f) // past capped, which only bounds what is decoded
}

func (r *Record) decodeFLAC(g group, in io.Reader, most int64) error {
	stream, err := flac.New(in)
	if err != nil {
		return fmt.Errorf("read FLAC: %w", err)
	}
	if info := stream.Info; int(info.NChannels) != len(g.signals) || info.BitsPerSample != g.flacBits {
		return fmt.Errorf("FLAC stream has %d channels of %d bits, header announces %d signals of %d bits",
			info.NChannels, info.BitsPerSample, len(g.signals), g.flacBits)
	}
	perFrame := r.Signals[g.signals[0]].PerFrame
	for _, i := range g.signals {
		if r.Signals[i].PerFrame != perFrame {
			return errors.New("signals of one FLAC file have different numbers of samples a frame")
		}
	}
	if err := r.takeFLAC(g, stream, r.Frames*perFrame, most/int64(len(g.signals))); err != nil {
		return err
	}
	return r.cutFLAC(g, perFrame)
}

// takeFLAC appends block after block until the signals have the samples that the header announces; if it announces none, to the end
// of the stream and at most so many.
func (r *Record) takeFLAC(g group, stream *flac.Stream, want int, most int64) error {
	for want == 0 || len(r.Samples[g.signals[0]]) < want {
		block, err := stream.ParseNext()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read FLAC: %w", err)
		}
		if len(block.Subframes) != len(g.signals) {
			return fmt.Errorf("FLAC block has %d channels, want %d", len(block.Subframes), len(g.signals))
		}
		for c, i := range g.signals {
			if r.Samples[i] = append(r.Samples[i], block.Subframes[c].Samples...); int64(len(r.Samples[i])) > most {
				return fmt.Errorf("FLAC stream has more than %d samples a signal", most)
			}
		}
	}
	return nil
}

// cutFLAC keeps the samples that the header announces, or all whole frames.
func (r *Record) cutFLAC(g group, perFrame int) error {
	for _, i := range g.signals {
		have := len(r.Samples[i])
		want := r.Frames * perFrame
		if r.Frames == 0 {
			want = have / perFrame * perFrame
		}
		if have < want {
			return fmt.Errorf("file is short: header announces %d samples a signal, FLAC stream has %d", want, have)
		}
		r.Samples[i] = r.Samples[i][:want]
	}
	return nil
}
