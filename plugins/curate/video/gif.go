package video

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"io"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Limits above which a GIF is taken for a bomb: it is decoded as a whole.
const (
	maxGIF       = 256 << 20 // bytes of the file
	maxGIFPixels = 512 << 20 // of all frames
)

type gifFilm struct{ file }

func (f gifFilm) bytes() ([]byte, error) {
	var b []byte
	err := f.read(true, func(r io.Reader) error {
		var err error
		if b, err = io.ReadAll(io.LimitReader(r, maxGIF+1)); err == nil && len(b) > maxGIF {
			err = plugins.Exclude("too-large", "a GIF of more than %d bytes", maxGIF)
		}
		return err
	})
	return b, err
}

// length counts frames without decoding them. The rate is that of the first frame, as 1/100 s are given for each.
func (f gifFilm) length(context.Context) (n int, rate float64, err error) {
	b, err := f.bytes()
	if err != nil {
		return 0, 0, err
	}
	g, err := survey(b)
	if g.delay > 0 {
		rate = 100 / float64(g.delay)
	}
	return g.frames, rate, err
}

// census is what a GIF holds.
type census struct {
	frames, delay int
	pixels        int64
}

// survey walks over the blocks of a GIF (GIF89a, appendix A).
func survey(b []byte) (census, error) {
	var out census
	if len(b) < 13 {
		return out, errCut
	}
	at := 13 + colours(b[10])
	for at < len(b) {
		switch b[at] {
		case ';':
			return out, nil
		case '!':
			if at+8 <= len(b) && b[at+1] == 0xf9 && out.frames == 0 {
				out.delay = int(b[at+4]) | int(b[at+5])<<8
			}
			at += 2
		case ',':
			if at+10 > len(b) {
				return out, errCut
			}
			out.frames++
			out.pixels += int64(int(b[at+5])|int(b[at+6])<<8) * int64(int(b[at+7])|int(b[at+8])<<8)
			at += 10 + colours(b[at+9]) + 1
		default:
			return out, fmt.Errorf("GIF: no block begins with %#x", b[at])
		}
		for at < len(b) && b[at] != 0 { // blocks of data
			at += int(b[at]) + 1
		}
		at++
	}
	return out, errCut
}

var errCut = errors.New("GIF: file is cut off")

// colours are the bytes of the table that flags announce.
func colours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func (f gifFilm) each(ctx context.Context, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error {
	b, err := f.bytes()
	if err != nil {
		return err
	}
	n, err := survey(b)
	if err != nil {
		return err
	}
	c, err := gif.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("GIF: %w", err)
	}
	if n.pixels > maxGIFPixels || int64(c.Width)*int64(c.Height) > maxGIFPixels/8 {
		return plugins.Exclude("too-large", "a GIF of %d pixels in all frames, the limit is %d", n.pixels, maxGIFPixels)
	}
	g, err := gif.DecodeAll(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("GIF: %w", err)
	}
	return f.compose(ctx, g, last, wanted, use)
}

// compose paints frames on one another, as each says what becomes of it before the next (GIF89a, 23). What no frame paints is black.
func (f gifFilm) compose(ctx context.Context, g *gif.GIF, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error {
	canvas := image.NewRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	draw.Draw(canvas, canvas.Rect, image.NewUniform(color.Black), image.Point{}, draw.Src)
	var before []byte
	for i, m := range g.Image[:min(len(g.Image), last+1)] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if g.Disposal[i] == gif.DisposalPrevious {
			before = append(before[:0], canvas.Pix...)
		}
		draw.Draw(canvas, m.Rect, m, m.Rect.Min, draw.Over)
		if wanted(i) {
			p := raster.Blank(canvas.Rect.Dx(), canvas.Rect.Dy(), f.channels)
			for k := range p.W * p.H {
				raster.Put(p.Pix, k, f.channels, uint32(canvas.Pix[4*k]), uint32(canvas.Pix[4*k+1]), uint32(canvas.Pix[4*k+2]))
			}
			use(i, p)
		}
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, m.Rect, image.NewUniform(color.Black), image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			copy(canvas.Pix, before)
		}
	}
	return nil
}
