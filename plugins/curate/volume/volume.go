// Package volume curates volumes, as of CT and MRI, into slices of one size.
//
// A volume is a NIfTI file (.nii, .nii.gz), a MetaImage (.mha, or .mhd and the file of voxels that it names), or a DICOM series: the files of one folder that name the same series, in the order in
// which they lie in the patient. It is turned so that every slice looks as a radiologist expects it, whatever
// the order in which it was stored: axial slices run from the feet to the head and show the patient's front at the top and right
// side on the left; coronal ones run from back to front, with the head at the top and the right side on the left; sagittal ones
// run from left to right, with the head at the top and the front on the left.
//
// Values are brought to grey by windows, given by level and width as radiologists do: level - width/2 and all below is black,
// level + width/2 and all above is white. With three windows each is a colour; with none, black and white are the least and the greatest
// value of the volume, which is what MRI needs, whose values have no unit. Then slices are resized as plugin image does;
// voxels count, not millimetres.
//
//	params:
//	  format: nifti   # or dicom
//	  take: even      # one sample a volume, of so many slices from its equal parts
//	  frames: 24
//	  size: 256
//	  windows: [{level: -600, width: 1500}]
//	  labels: {from: csv, table: labels.csv, id: scan, columns: [finding], subject: patient}
//
// The labels of runs may come from a table of places instead (points): a run has the classes of the points that enough of its slices cut.
//
// With take: runs, samples are runs of neighbouring slices, the next of which begins stride slices further; what is left at the
// end is too short for a run. With frames: 1 every slice is a sample. All samples of a volume have one subject: that of the table or the pattern, else DICOM's patient, else the
// volume itself. Where publishers give all patients one identifier, name the subject.
//
// A sample's media are its slices in order, each a uint8 array [size, size], or [size, size, 3]. Left out, with
// the reason, are mosaics, DICOM files of several frames that do not say where they lie (enhanced images do, and are volumes), and planes that do not fit
// their series. Of a NIfTI file with several volumes over time, time says what becomes of them: they are left out (exclude), or each is a sample, with the
// number in its meta (samples), or a channel of the slices, [size, size, times] (channels), each with the range of its own unless there is a window.
package volume

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
)

// Params are the parameters of the plugin.
type Params struct {
	Format  string   `json:"format" jsonschema:"nifti, metaimage or dicom"`
	Files   string   `json:"files" jsonschema:"glob of the files, matched with the base name or, if it holds a slash, with the whole path; empty means every .nii and .nii.gz, every .mhd and .mha, or every .dcm"`
	Plane   string   `json:"plane" jsonschema:"axial, coronal or sagittal"`
	Take    string   `json:"take" jsonschema:"even takes one sample a volume, its slices from equal parts; runs takes runs of neighbouring slices as samples"`
	Frames  int      `json:"frames" jsonschema:"slices of a sample"`
	Stride  int      `json:"stride" jsonschema:"runs: slices from the beginning of a run to that of the next"`
	Size    int      `json:"size" jsonschema:"width and height of a slice in pixels"`
	Fit     string   `json:"fit" jsonschema:"stretch fills the square, pad keeps the aspect on black"`
	Time    string   `json:"time" jsonschema:"nifti: what becomes of the volumes over time in one file: exclude leaves the file out; samples makes each a sample, all with the file's subject; channels makes each a channel of the slices"`
	Times   int      `json:"times" jsonschema:"time: channels: how many volumes a file has to have"`
	Windows []Window `json:"windows" jsonschema:"one window for grey, three for colours, none for the range of the volume"`
	Points  *Points  `json:"points,omitempty" jsonschema:"runs: a table of places in the volumes, such as nodules, which gives each run its labels"`
	label.Place
	Split plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Window is a range of values, in the volume's units: Hounsfield units for CT.
type Window = raster.Window

// Formats, and ways to take slices.
const (
	NIfTI     = "nifti"
	MetaImage = "metaimage"
	DICOM     = "dicom"

	Even = "even"
	Runs = "runs"

	Exclude  = "exclude"
	Samples  = "samples"
	Channels = "channels"
)

// The planes, by the patient's axis that crosses them.
var normals = map[string]int{"sagittal": 0, "coronal": 1, "axial": 2}

const (
	maxSize   = 2048
	maxFrames = 1024
	maxTimes  = 1024
	maxWork   = 1 << 39 // voxels read for the runs of one volume, about half an hour
)

func defaults() Params {
	return Params{
		Format: NIfTI, Plane: "axial", Take: Even, Frames: 16, Stride: 1, Size: 64, Fit: raster.Stretch, Time: Exclude, Times: 1, Windows: []Window{},
		Place: label.Default(),
		Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	_, known := normals[p.Plane]
	switch {
	case p.Format != NIfTI && p.Format != MetaImage && p.Format != DICOM:
		return fmt.Errorf("format: %q, want %s, %s or %s", p.Format, NIfTI, MetaImage, DICOM)
	case !known:
		return fmt.Errorf("plane: %q, want axial, coronal or sagittal", p.Plane)
	case p.Take != Even && p.Take != Runs:
		return fmt.Errorf("take: %q, want %s or %s", p.Take, Even, Runs)
	case p.Frames < 1 || p.Frames > maxFrames:
		return fmt.Errorf("frames: %d is not between 1 and %d", p.Frames, maxFrames)
	case p.Stride < 1:
		return fmt.Errorf("stride: %d, want 1 or more", p.Stride)
	case p.Size < 1 || p.Size > maxSize:
		return fmt.Errorf("size: %d is not between 1 and %d", p.Size, maxSize)
	case p.Fit != raster.Stretch && p.Fit != raster.Pad:
		return fmt.Errorf("fit: %q, want %s or %s", p.Fit, raster.Stretch, raster.Pad)
	}
	if err := p.validateTime(); err != nil {
		return err
	}
	if err := raster.CheckWindows(p.Windows); err != nil {
		return err
	}
	if err := p.validatePoints(); err != nil {
		return err
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	return p.Place.Validate()
}

func (p Params) validateTime() error {
	switch {
	case p.Time != Exclude && p.Time != Samples && p.Time != Channels:
		return fmt.Errorf("time: %q, want %s, %s or %s", p.Time, Exclude, Samples, Channels)
	case p.Time != Exclude && p.Format != NIfTI:
		return fmt.Errorf("time: %s is for format %s", p.Time, NIfTI)
	case p.Times < 1 || p.Times > maxTimes || p.Time != Channels && p.Times != 1:
		return fmt.Errorf("times: %d, want 1 to %d, and more than 1 only with time: %s", p.Times, maxTimes, Channels)
	case p.Time == Channels && len(p.Windows) > 1:
		return fmt.Errorf("windows: %d, want none or one with time: %s", len(p.Windows), Channels)
	}
	return nil
}

// Plugin makes the plugin curate/volume.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "volume", Version: "2", Summary: "volumes of CT and MRI as windowed slices of one size",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30,
		Modalities: []string{"ct", "mri"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split }, newRecipe)
}

type recipe struct {
	Params
	points map[string][]point // by volume, while samples are named
}

func newRecipe(p Params) (plugins.Recipe, error) { return recipe{Params: p}, nil }

// Plan reads the header of every file.
func (r recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: labels.Task(), Features: r.features()}
	if r.Points != nil {
		out.Task.Classes = r.Points.classes()
		if r.points, err = r.Points.read(in); err != nil {
			return plugins.Curation{}, err
		}
	}
	volumes := r.niftiVolumes
	switch r.Format {
	case DICOM:
		volumes = r.dicomVolumes
	case MetaImage:
		volumes = r.metaVolumes
	}
	for _, v := range volumes(in, labels) {
		if err := ctx.Err(); err != nil {
			return plugins.Curation{}, err
		}
		out.Candidates = append(out.Candidates, r.candidates(in, v)...)
	}
	return out, nil
}

// matches applies the glob or, without one, looks at the name's end.
func (r recipe) matches(file string, ends ...string) bool {
	if r.Files != "" {
		return label.Matches(r.Files, file)
	}
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(strings.ToLower(file), end) })
}

func (r recipe) source(c plugins.Candidate) source {
	switch r.Format {
	case DICOM:
		return dicomSeries(c.Files)
	case MetaImage:
		return metaFile{header: c.Files[len(c.Files)-1], voxels: c.Files[0]}
	}
	first, err := strconv.Atoi(c.Meta[when])
	if err != nil {
		first = 0 // all of them are meant, or the only one
	}
	return niftiFile{c.Files[0], first, r.channels()}
}

// when names the fact of which volume over time a sample is, from 0.
const when = "time"

// channels are the volumes over time of a sample.
func (r recipe) channels() int { return r.Times }

func (r recipe) features() []string {
	if len(r.Windows) == 3 {
		return []string{"red", "green", "blue"}
	}
	if r.Time == Channels {
		out := make([]string, r.Times)
		for t := range out {
			out[t] = fmt.Sprintf("time %d", t)
		}
		return out
	}
	return []string{"grey"}
}

// candidates are the samples of one file. Without a subject of its own, the file is the subject.
func (r recipe) candidates(in plugins.Tree, c plugins.Candidate) []plugins.Candidate {
	if c.Subject == "" {
		c.Subject = c.Files[0]
	}
	if c.Excluded != nil {
		return []plugins.Candidate{c}
	}
	s, err := r.source(c).stack(in)
	if err == nil {
		err = r.timesOf(s)
	}
	if err != nil {
		c.Excluded = because(c.Files[0], err)
		return []plugins.Candidate{c}
	}
	if r.Points != nil {
		return r.pointed(r.ofVolume(c, s), s)
	}
	if r.Time != Samples || s.times == 1 {
		return r.ofVolume(c, s)
	}
	var out []plugins.Candidate
	for t := range s.times {
		one := c
		one.ID, one.Meta = fmt.Sprintf("%s-t%05d", c.ID, t), maps.Clone(c.Meta)
		if one.Meta == nil {
			one.Meta = map[string]string{}
		}
		one.Meta[when] = strconv.Itoa(t)
		out = append(out, r.ofVolume(one, s)...)
	}
	return out
}

// timesOf says why a file has another number of volumes than is wanted.
func (r recipe) timesOf(s stack) error {
	switch {
	case r.Time == Exclude && s.times > 1:
		return plugins.Exclude("several-volumes", "%d volumes over time", s.times)
	case r.Time == Channels && s.times != r.Times:
		return plugins.Exclude("other-times", "%d volumes over time, want %d", s.times, r.Times)
	case s.times > maxTimes:
		return plugins.Exclude("too-large", "%d volumes over time, the limit is %d", s.times, maxTimes)
	}
	return nil
}

// ofVolume are the samples of one volume.
func (r recipe) ofVolume(c plugins.Candidate, s stack) []plugins.Candidate {
	depth := s.dims[s.stored(normals[r.Plane])]
	switch {
	case r.Take == Runs && depth < r.Frames:
		c.Excluded = &plugins.Exclusion{Code: "few-slices", Reason: fmt.Sprintf("%s has %d %s slices, a run has %d", c.Files[0], depth, r.Plane, r.Frames)}
	case r.Take == Runs && !r.alone(c, s) && r.work(s) > maxWork:
		c.Excluded = &plugins.Exclusion{Code: "too-large", Reason: fmt.Sprintf("%s: %v voxels read again for every run are %d, the limit is %d; a larger stride takes fewer runs", c.Files[0], s.dims, r.work(s), int64(maxWork))}
	case r.Take == Runs:
		return r.runs(c, s)
	}
	return []plugins.Candidate{c}
}

// because makes an exclusion of what is wrong with a file.
func because(file string, err error) *plugins.Exclusion {
	out := &plugins.Exclusion{Code: "unreadable", Reason: err.Error()}
	errors.As(err, &out)
	return &plugins.Exclusion{Code: out.Code, Reason: file + ": " + out.Reason}
}

// alone says whether a run needs the files of its own planes only: those of a series that is cut along its planes. Without
// windows every run needs the range of all.
func (r recipe) alone(c plugins.Candidate, s stack) bool {
	return r.Format == DICOM && len(c.Files) > 1 && s.axes[2].To == normals[r.Plane] && len(r.Windows) > 0
}

// work is the voxels that are read if every run reads its volume again.
func (r recipe) work(s stack) int64 {
	runs := (s.dims[s.stored(normals[r.Plane])]-r.Frames)/r.Stride + 1
	return s.voxels() * int64(s.times) * int64(runs)
}

// runs makes a sample of every run.
func (r recipe) runs(c plugins.Candidate, s stack) []plugins.Candidate {
	depth := s.dims[s.stored(normals[r.Plane])]
	var out []plugins.Candidate
	for at := 0; at+r.Frames <= depth; at += r.Stride {
		run := c
		run.ID, run.Index = fmt.Sprintf("%s-%05d", c.ID, at), at
		if r.alone(c, s) {
			from := at
			if s.axes[2].Back {
				from = depth - at - r.Frames
			}
			run.Files, run.Index = c.Files[from:from+r.Frames], 0
		}
		out = append(out, run)
	}
	return out
}

// slices lists those of a sample, out of depth.
func (r recipe) slices(first, depth int) []int {
	out := make([]int, r.Frames)
	for i := range out {
		out[i] = first + i
		if r.Take == Even {
			out[i] = (2*i + 1) * depth / (2 * r.Frames) // the middle of each part
		}
	}
	return out
}
