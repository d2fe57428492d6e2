package image

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/dicom"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/nn/detmath"
)

func isDICOM(b []byte) bool { return len(b) >= 132 && string(b[128:132]) == "DICM" }

func dicomSize(b []byte) (w, h int, err error) {
	f, err := dicom.Open(bytes.NewReader(b))
	if err != nil {
		return 0, 0, err
	}
	if f.Frames > 1 {
		return 0, 0, plugins.Exclude("multi-frame", "%d frames, want one", f.Frames)
	}
	return f.Columns, f.Rows, nil
}

// decodeDICOM brings real values to grey as the parameters or the file say, and turns MONOCHROME1 round. A palette and colours have no window.
func decodeDICOM(r recipe, _ *bench, b []byte, _, _ int) (raster.Raster, error) {
	f, err := dicom.Open(bytes.NewReader(b))
	if err != nil {
		return raster.Raster{}, err
	}
	values := make([]float64, f.Rows*f.Columns*f.Samples)
	if err := f.Read(values); err != nil {
		return raster.Raster{}, err
	}
	if f.Samples == 3 {
		return r.colours(values, f.Columns, f.Rows, f.Depth), nil
	}
	windows, err := r.windows(f.Header, values)
	if err != nil {
		return raster.Raster{}, err
	}
	p := r.grey(values, f.Columns, f.Rows, windows)
	if f.Photometric == "MONOCHROME1" {
		for i := range p.Pix {
			p.Pix[i] = 255 - p.Pix[i]
		}
	}
	return p, nil
}

// windows are those of the parameters, else what range says. Where the file has a table or a curve, it changes the values so that a window fits.
func (r recipe) windows(h dicom.Header, values []float64) ([]raster.Window, error) {
	if len(r.Windows) > 0 {
		return r.Windows, nil
	}
	if r.Range == Bits {
		return []raster.Window{bitsOf(h)}, nil
	}
	if r.Range == File && h.VOI != nil {
		for i, v := range values {
			values[i] = h.VOI.At(v)
		}
		return []raster.Window{raster.Between(0, math.Exp2(float64(h.VOI.Bits))-1)}, nil
	}
	if r.Range == File && len(h.Windows) > 0 {
		if w, ok := recommended(h, values); ok {
			return []raster.Window{w}, nil
		}
	}
	w, err := least(values)
	return []raster.Window{w}, err
}

// recommended is the first of the file's windows (PS3.3, C.11.2.1.2 and C.11.2.1.3).
func recommended(h dicom.Header, values []float64) (raster.Window, bool) {
	w := h.Windows[0]
	switch {
	case h.Function == "SIGMOID" && w.Width > 0:
		for i, v := range values {
			values[i] = detmath.Sigmoid(float64(4*(v-w.Center)) / w.Width)
		}
		return raster.Between(0, 1), true
	case h.Function == "LINEAR_EXACT" && w.Width > 0:
		return raster.Window{Level: w.Center, Width: w.Width}, true
	case w.Width > 1:
		return raster.Window{Level: w.Center - 0.5, Width: w.Width - 1}, true
	}
	return raster.Window{}, false // a window of no width tells nothing
}

// bitsOf is the range that the stored bits can hold.
func bitsOf(h dicom.Header) raster.Window {
	low, high := 0.0, math.Exp2(float64(h.Stored))-1
	if h.Signed {
		low, high = -math.Exp2(float64(h.Stored-1)), math.Exp2(float64(h.Stored-1))-1
	}
	a, b := float64(h.Slope*low)+h.Intercept, float64(h.Slope*high)+h.Intercept
	return raster.Between(min(a, b), max(a, b))
}

// least is the range of the values.
func least(values []float64) (raster.Window, error) {
	low, high := slices.Min(values), slices.Max(values)
	if !(low < high) {
		return raster.Window{}, plugins.Exclude("flat", "all pixels have one value, %v", low)
	}
	return raster.Between(low, high), nil
}

// grey is a picture of values seen through one window, or three of them as colours.
func (r recipe) grey(values []float64, w, h int, windows []raster.Window) raster.Raster {
	out := raster.Blank(w, h, r.Channels)
	for i, v := range values {
		for c := range r.Channels {
			out.Pix[i*r.Channels+c] = windows[min(c, len(windows)-1)].Grey(v)
		}
	}
	return out
}

// colours is a picture of red, green and blue of that many bits, of which the highest eight count.
func (r recipe) colours(values []float64, w, h, depth int) raster.Raster {
	out := raster.Blank(w, h, r.Channels)
	eight := func(v float64) uint32 {
		n := uint32(min(max(v, 0), 1<<16-1))
		if depth > 8 {
			return min(n>>(depth-8), 255)
		}
		return min(n, 255)
	}
	for i := range w * h {
		raster.Put(out.Pix, i, r.Channels, eight(values[3*i]), eight(values[3*i+1]), eight(values[3*i+2]))
	}
	return out
}

// named finds the labels of a file. A DICOM file is looked for by its name, and then by the identifiers of image, series, study and patient, and
// for the patient and the side of the body, such as p1/L. The patient is the subject unless one is given.
func named(in plugins.Tree, file string, labels *label.Finder) (plugins.Candidate, error) {
	if !slices.Contains([]string{".dcm", ".dicom", ".ima", ""}, strings.ToLower(path.Ext(file))) {
		return labels.Candidate(file), nil
	}
	r, err := in.Open(file)
	if err != nil {
		return plugins.Candidate{}, fmt.Errorf("open %s: %w", file, err)
	}
	defer r.Close()
	f, err := dicom.Open(r)
	if err != nil {
		return labels.Candidate(file), nil // Make says what is wrong with it, or that it is a JPEG
	}
	others := []string{f.Instance, f.Series, f.Study, f.Patient}
	if f.Side != "" {
		others = append(others, f.Patient+"/"+f.Side)
	}
	c := labels.Candidate(file, others...)
	c.Subject = cmp.Or(c.Subject, f.Patient)
	return c, nil
}
