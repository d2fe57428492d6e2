package video

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/avi"
	"github.com/cairn-bench/cairn/plugins/curate/dicom"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// file is a film in a tree.
type file struct {
	in       plugins.Tree
	path     string
	channels int
}

// native finds the formats that need no codec.
func native(in plugins.Tree, name string, channels int) (film, error) {
	f := file{in, name, channels}
	head, err := f.head()
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(head, []byte("GIF8")):
		return gifFilm{f}, nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "AVI ":
		return aviFilm{f}, f.read(false, aviCodec)
	case len(head) == 132 && string(head[128:]) == "DICM":
		return dicomFilm{f}, nil
	case len(head) >= 12 && string(head[4:8]) == "ftyp", bytes.HasPrefix(head, []byte("\x1a\x45\xdf\xa3")), bytes.HasPrefix(head, []byte("\x00\x00\x01\xba")):
		return nil, plugins.Exclude("needs-ffmpeg", "a film that plugin ffmpeg reads")
	}
	return nil, plugins.Exclude("not-a-film", "starts neither as AVI, nor as GIF, nor as DICOM")
}

// head is the beginning of a file, as far as it goes.
func (f file) head() ([]byte, error) {
	b := make([]byte, 132)
	n := 0
	err := f.read(false, func(r io.Reader) error {
		var err error
		if n, err = io.ReadFull(r, b); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	return b[:n], err
}

// read opens a file. If use reads it whole or finds it broken, read goes on to its end: there a Tree compares it with its digest, so that a
// file that is rotten is never taken for one that its publisher broke.
func (f file) read(whole bool, use func(io.Reader) error) error {
	r, err := f.in.Open(f.path)
	if err != nil {
		return err
	}
	defer r.Close()
	err = use(r)
	if err == nil && !whole {
		return nil
	}
	if _, rotten := io.Copy(io.Discard, r); rotten != nil {
		return rotten
	}
	return err
}

type aviFilm struct{ file }

// aviCodec says why a film is of a codec that is not read here.
func aviCodec(r io.Reader) error {
	v, err := avi.Open(r)
	if err == nil && v.Codec != "MJPG" && v.Codec != "RGB " {
		return plugins.Exclude("needs-ffmpeg", "codec %q, which plugin ffmpeg reads", v.Codec)
	}
	return err
}

func (f aviFilm) length(ctx context.Context) (n int, rate float64, err error) {
	err = f.read(true, func(r io.Reader) error {
		v, err := avi.Open(r)
		if err != nil {
			return err
		}
		if v.Scale > 0 {
			rate = float64(v.Rate) / float64(v.Scale)
		}
		for ; ctx.Err() == nil; n++ {
			if _, err := v.Next(false); err != nil {
				return regular(err)
			}
		}
		return ctx.Err()
	})
	return n, rate, err
}

// regular is no error at the end of a file.
func regular(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (f aviFilm) each(ctx context.Context, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error {
	return f.read(true, func(r io.Reader) error {
		v, err := avi.Open(r)
		if err != nil {
			return err
		}
		var before []byte // that was not empty: an empty one is the one before once more
		for i := 0; i <= last && ctx.Err() == nil; i++ {
			b, err := v.Next(true)
			if err != nil {
				return regular(err)
			}
			if len(b) > 0 {
				before = b
			}
			if !wanted(i) {
				continue
			}
			if before == nil {
				return fmt.Errorf("frame %d is empty", i)
			}
			p, err := v.Picture(before, f.channels)
			if err != nil {
				return fmt.Errorf("frame %d: %w", i, err)
			}
			use(i, p)
		}
		return ctx.Err()
	})
}

type dicomFilm struct{ file }

func (f dicomFilm) length(context.Context) (n int, rate float64, err error) {
	err = f.read(false, func(r io.Reader) error {
		d, err := dicom.Open(r)
		if err == nil {
			n, rate = d.Frames, d.Rate
		}
		return err
	})
	return n, rate, err
}

func (f dicomFilm) each(ctx context.Context, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error {
	return f.read(true, func(r io.Reader) error {
		d, err := dicom.Open(r)
		if err != nil {
			return err
		}
		values := make([]float64, d.Rows*d.Columns*d.Samples)
		for i := range min(d.Frames, last+1) {
			if err := errors.Join(ctx.Err(), d.Read(values)); err != nil {
				return fmt.Errorf("frame %d: %w", i, err)
			}
			if wanted(i) {
				use(i, f.picture(d.Header, values))
			}
		}
		return nil
	})
}

// picture brings a frame to bytes.
func (f dicomFilm) picture(h dicom.Header, values []float64) raster.Raster {
	out := raster.Blank(h.Columns, h.Rows, f.channels)
	w := shown(h)
	for i := range h.Rows * h.Columns {
		v := values[i*h.Samples : (i+1)*h.Samples]
		red := uint32(w.Grey(v[0]))
		green, blue := red, red
		if h.Samples == 3 {
			green, blue = uint32(w.Grey(v[1])), uint32(w.Grey(v[2]))
		}
		if h.Photometric == "MONOCHROME1" {
			red, green, blue = 255-red, 255-green, 255-blue
		}
		raster.Put(out.Pix, i, f.channels, red, green, blue)
	}
	return out
}

// shown is the range of values that a film is seen through: one for all of its frames, so that they stay comparable.
func shown(h dicom.Header) raster.Window {
	if h.Samples == 1 && h.Depth > 8 && len(h.Windows) > 0 && h.Windows[0].Width > 1 {
		return raster.Window{Level: h.Windows[0].Center - 0.5, Width: h.Windows[0].Width - 1}
	}
	low, high := 0.0, math.Exp2(float64(h.Depth))-1
	if h.Signed {
		low, high = -math.Exp2(float64(h.Depth-1)), math.Exp2(float64(h.Depth-1))-1
	}
	a, b := float64(h.Slope*low)+h.Intercept, float64(h.Slope*high)+h.Intercept
	return raster.Between(min(a, b), max(a, b))
}

// named finds the labels of a film. A DICOM file is looked for by its name, and then by its identifiers.
func (r recipe) named(in plugins.Tree, name string, labels *label.Finder) plugins.Candidate {
	if len(r.Track) > 0 { // which have the labels
		return labels.Unlabelled(name)
	}
	if ext := strings.ToLower(path.Ext(name)); ext != ".dcm" && ext != "" {
		return labels.Candidate(name)
	}
	var h dicom.Header
	_ = file{in, name, 1}.read(false, func(r io.Reader) error { // Make says what is wrong with it
		d, err := dicom.Open(r)
		if err == nil {
			h = d.Header
		}
		return err
	})
	if h.Instance == "" {
		return labels.Candidate(name)
	}
	c := labels.Candidate(name, h.Instance, h.Series, h.Study, h.Patient)
	c.Subject = cmp.Or(c.Subject, h.Patient)
	return c
}
