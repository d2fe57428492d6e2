package export

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/activities/curated"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/exchange"
)

// part tells the media of one sample apart: what stands before "npy", with its dot.
func part(m document.Media) string {
	return strings.TrimSuffix(strings.TrimSuffix("."+curated.Extension(m), "npy"), ".")
}

// picture writes one picture as a PNG, of which nothing is lost.
func (j *job) picture(name string, m document.Media) (written, error) {
	all, err := j.pictures(m)
	if err != nil {
		return written{}, err
	}
	return j.out.write(name, func(w io.Writer) error { return encode(w, all[0]) })
}

func (j *job) pictures(m document.Media) ([]image.Image, error) {
	a, err := j.set.Array(m)
	if err != nil {
		return nil, err
	}
	all, ok := curated.Pictures(a)
	if !ok {
		return nil, fmt.Errorf("%s: %s of shape %v is no picture, though the sample says so", m.Path, a.DType, a.Shape)
	}
	return all, nil
}

// encode compresses lightly: a picture is written once and read often, and the time of an export is that of its PNGs.
func encode(w io.Writer, p image.Image) error {
	e := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &buffers}
	return e.Encode(w, p)
}

// pool keeps what an encoder works with, which is a megabyte, for the next one.
type pool struct{ sync.Pool }

var buffers pool

// Get gives what was put, or nothing.
func (p *pool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

// Put keeps a buffer.
func (p *pool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

// film writes the pictures of all media as one video.
func (j *job) film(name string, media []document.Media) (written, error) {
	var frames [][]byte
	var size image.Point
	for _, m := range media {
		all, err := j.pictures(m)
		if err != nil {
			return written{}, err
		}
		for _, p := range all {
			if at := p.Bounds().Size(); size != (image.Point{}) && size != at {
				return written{}, fmt.Errorf("%s: a picture of %v among those of %v", m.Path, at, size)
			}
			size = p.Bounds().Size()
			var b bytes.Buffer
			if err := encode(&b, p); err != nil {
				return written{}, err
			}
			frames = append(frames, b.Bytes())
		}
	}
	return j.out.write(name, func(w io.Writer) error { return exchange.Video(w, size.X, size.Y, frames) })
}

// copied writes a file of the artifact as it is.
func (j *job) copied(name, from string) (written, error) {
	return j.out.write(name, func(w io.Writer) error {
		r, err := j.set.Open(from)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(w, r)
		return err
	})
}

// text writes the text of a sample.
func (j *job) text(name, text string) (written, error) {
	return j.out.write(name, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}
