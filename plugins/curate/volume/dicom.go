package volume

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/anatomy"
	"github.com/cairn-bench/cairn/plugins/curate/dicom"
	"github.com/cairn-bench/cairn/plugins/curate/label"
)

// dicomSeries is the paths of the files that are the planes of a volume, in the order of their places, or that of an enhanced image, which has all.
type dicomSeries []string

// series collects the planes of a volume in one folder.
type series struct {
	first  dicom.Header
	planes []plane
	taken  map[float64]string // the file at a place, in whole micrometres
}

type plane struct {
	file  string
	place float64 // along the normal of the planes, in mm
}

// dicomVolumes reads the headers of all files and puts those of one series together. What cannot be a plane of its series is left
// out by itself.
func (r recipe) dicomVolumes(in plugins.Tree, labels *label.Finder) []plugins.Candidate {
	var out []plugins.Candidate
	var order []*series
	known := map[string]*series{}
	for _, f := range in.Files() {
		if !r.matches(f.Path, ".dcm") {
			continue
		}
		h, err := dicomHeader(in, f.Path)
		if err == nil && len(h.Places) > 1 {
			out = append(out, enhanced(f.Path, h, labels))
			continue
		}
		if err == nil {
			err = usable(h)
		}
		key := path.Dir(f.Path) + "\n" + h.Series
		s := known[key]
		if err == nil && s == nil {
			s = &series{first: h, taken: map[float64]string{}}
			known[key] = s
			order = append(order, s)
		}
		if err == nil {
			err = s.add(f.Path, h, f.Path)
		}
		if err != nil {
			out = append(out, plugins.Candidate{ID: plugins.Key(f.Path), Files: []string{f.Path}, Excluded: because(f.Path, err)})
		}
	}
	for _, s := range order {
		out = append(out, s.candidate(labels))
	}
	return out
}

func dicomHeader(in plugins.Tree, file string) (dicom.Header, error) {
	var h dicom.Header
	err := open(in, file, false, func(r io.Reader) error {
		f, err := dicom.Open(r)
		if err == nil {
			h = f.Header
		}
		return err
	})
	return h, err
}

// usable says why an image cannot be a plane of any volume.
func usable(h dicom.Header) error {
	switch {
	case h.Series == "":
		return plugins.Exclude("no-series", "no series is named")
	case !h.Placed:
		return plugins.Exclude("no-position", "position and orientation in the patient are not given")
	case h.Frames > 1:
		return plugins.Exclude("multi-frame", "%d frames, of which no places are given", h.Frames)
	}
	return grey(h)
}

// grey says why an image is not one of values.
func grey(h dicom.Header) error {
	switch {
	case slices.Contains(h.ImageType, "MOSAIC"):
		return plugins.Exclude("mosaic", "a mosaic of several slices in one image")
	case h.Photometric != "MONOCHROME2":
		return plugins.Exclude("not-grey", "pixels are %s, want MONOCHROME2", h.Photometric)
	}
	return nil
}

// enhanced makes a volume of a file whose frames say where they lie.
func enhanced(file string, h dicom.Header, labels *label.Finder) plugins.Candidate {
	s, err := &series{first: h, taken: map[float64]string{}}, grey(h)
	s.first.Place = h.Places[0]
	for i, p := range h.Places {
		h.Place = p
		if err == nil && !p.Placed {
			err = plugins.Exclude("no-position", "frame %d: position and orientation in the patient are not given", i)
		}
		if err == nil {
			err = s.add(file, h, fmt.Sprintf("frame %d", i))
		}
	}
	if err != nil {
		return plugins.Candidate{ID: plugins.Key(file), Files: []string{file}, Excluded: because(file, err)}
	}
	c := s.candidate(labels)
	c.Files = c.Files[:1]
	return c
}

// ranks are the places of an enhanced image's frames in the order along their normal.
func ranks(places []dicom.Place) []int {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	n := normal(places[0].Orientation)
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(along(n, places[a].Position), along(n, places[b].Position)) })
	out := make([]int, len(places))
	for rank, i := range order {
		out[i] = rank
	}
	return out
}

// add puts a plane into the series it names. name is that of the file, or of a frame in it.
func (s *series) add(file string, h dicom.Header, name string) error {
	same := h.Rows == s.first.Rows && h.Columns == s.first.Columns
	for i, v := range h.Orientation {
		same = same && math.Abs(v-s.first.Orientation[i]) < 1e-3
	}
	if !same {
		return plugins.Exclude("other-geometry", "%s: size or orientation differ from those of the first of the same series", name)
	}
	p := plane{file, along(normal(s.first.Orientation), h.Position)}
	place := math.Round(float64(p.place * 1000))
	for _, near := range []float64{place - 1, place, place + 1} {
		if other, taken := s.taken[near]; taken {
			return plugins.Exclude("same-place", "%s lies where %s of the same series lies", name, other)
		}
	}
	s.taken[place] = name
	s.planes = append(s.planes, p)
	return nil
}

// candidate names a series by the first of its files. Tables are searched for that file's name, then for the identifiers of series, study and patient;
// the patient is the subject, unless one is given.
func (s *series) candidate(labels *label.Finder) plugins.Candidate {
	h := s.first
	c := labels.Candidate(s.planes[0].file, h.Series, h.Study, h.Patient)
	c.Subject = cmp.Or(c.Subject, h.Patient)
	slices.SortFunc(s.planes, func(a, b plane) int { return cmp.Compare(a.place, b.place) })
	c.Files = make([]string, len(s.planes))
	for i, p := range s.planes {
		c.Files[i] = p.file
	}
	if least, most := s.gaps(); most > float64(1.5*least) {
		c.Meta = map[string]string{uneven: fmt.Sprintf("%.3f to %.3f mm", least, most)}
	}
	return c
}

// uneven names the fact that planes lie at distances that differ, as they do where slices are missing.
const uneven = "spacing"

// gaps are the least and the greatest distance of neighbouring planes, in mm.
func (s *series) gaps() (least, most float64) {
	for i := range len(s.planes) - 1 {
		gap := s.planes[i+1].place - s.planes[i].place
		if i == 0 {
			least = gap
		}
		least, most = min(least, gap), max(most, gap)
	}
	return least, most
}

// normal is the direction in which the planes lie on one another: across the rows and the columns.
func normal(o [6]float64) [3]float64 {
	return [3]float64{
		float64(o[1]*o[5]) - float64(o[2]*o[4]),
		float64(o[2]*o[3]) - float64(o[0]*o[5]),
		float64(o[0]*o[4]) - float64(o[1]*o[3]),
	}
}

func along(direction, position [3]float64) float64 {
	return float64(direction[0]*position[0]) + float64(direction[1]*position[1]) + float64(direction[2]*position[2])
}

func (files dicomSeries) stack(in plugins.Tree) (stack, error) {
	h, err := dicomHeader(in, files[0])
	if err != nil {
		return stack{}, err
	}
	s := stack{dims: [3]int{h.Columns, h.Rows, len(files)}, times: 1}
	if len(h.Places) > 1 {
		s.dims[2], h.Orientation = len(h.Places), h.Places[0].Orientation
	}
	if err := s.check(); err != nil {
		return s, err
	}
	s.axes, err = anatomy.Axes([3][3]float64{
		anterior([3]float64(h.Orientation[:3])), anterior([3]float64(h.Orientation[3:])), anterior(normal(h.Orientation)),
	})
	return s, err
}

// anterior turns DICOM's left and posterior into right and anterior.
func anterior(v [3]float64) [3]float64 { return [3]float64{-v[0], -v[1], v[2]} }

func (files dicomSeries) planes(in plugins.Tree, needed func(k int) bool, use func(t, k int, plane []float64)) error {
	var plane []float64
	for k, file := range files {
		if !needed(k) && len(files) > 1 {
			continue
		}
		err := open(in, file, true, func(r io.Reader) error {
			f, err := dicom.Open(r)
			if err != nil {
				return err
			}
			if plane == nil {
				plane = make([]float64, f.Rows*f.Columns)
			}
			if len(f.Places) > 1 {
				return frames(f, plane, needed, use)
			}
			if err := f.Read(plane); err != nil {
				return err
			}
			use(0, k, plane)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// frames gives those of an enhanced image.
func frames(f *dicom.File, plane []float64, needed func(k int) bool, use func(t, k int, plane []float64)) error {
	for _, k := range ranks(f.Places) {
		if err := f.Read(plane); err != nil {
			return err
		}
		if needed(k) {
			use(0, k, plane)
		}
	}
	return nil
}
