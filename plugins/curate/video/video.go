// Package video curates films, as of echocardiography, ultrasound and surgery, into frames of one size. It has two plugins that differ in who decodes:
//
//   - video reads by itself, to the same bytes everywhere, what needs no codec: AVI of Motion-JPEG or uncompressed pictures, GIF, and DICOM of
//     several frames (cine).
//   - ffmpeg reads with the program of that name, of the version that its parameters state, what that reads: H.264 in MP4 and others. What the
//     program says its version is stands in the meta of every sample. Another version on the machine is an error, and so is none.
//
// What a film is, is read from its first bytes. Frames are counted as they come; times are those of the rate that the file announces.
//
//	params:
//	  files: "*.avi"
//	  take: even        # one sample a film, of so many frames from its equal parts
//	  frames: 16
//	  size: 112
//	  labels: {from: csv, table: FileList.csv, id: FileName, columns: [finding]}
//
// With take: runs, samples are runs of neighbouring frames, the next of which begins stride frames further; with every: 25, of every 25th frame. Their labels are
// those of the film, or of their frames where a table says what is seen in each (track):
//
//	track: [{find: '^videos/(.+)\.mp4$', replace: phases/$1.txt, frame: Frame, columns: [Phase], rows: majority}]
//
// With take: at, a sample has the frames at
// the given seconds. All samples of a film have one subject: that of the table or the pattern, else DICOM's patient, else the film.
//
// A sample's media are its frames in order, each a uint8 array [size, size], or [size, size, 3], resized as plugin image does. Grey of more than 8 bits, in
// DICOM, goes through the file's first window, else from the least to the greatest value that its bits hold.
package video

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/raster"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of plugin video.
type Params struct {
	Files    string    `json:"files" jsonschema:"glob of the films, matched with the base name or, if it holds a slash, with the whole path; empty means every .avi, .gif, .dcm, .mp4, .mov, .mkv, .webm, .mpg and .wmv"`
	Take     string    `json:"take" jsonschema:"even takes one sample a film, its frames from equal parts; runs takes runs of neighbouring frames as samples; at takes one sample a film, of the frames at given times"`
	Frames   int       `json:"frames" jsonschema:"frames of a sample"`
	Stride   int       `json:"stride" jsonschema:"runs: frames from the beginning of a run to that of the next"`
	Every    int       `json:"every,omitempty" jsonschema:"runs: a run has every so manieth frame; 1 if not given"`
	At       []float64 `json:"at" jsonschema:"at: seconds from the beginning"`
	Size     int       `json:"size" jsonschema:"width and height of a frame in pixels"`
	Channels int       `json:"channels" jsonschema:"1 for grey, 3 for RGB"`
	Fit      string    `json:"fit" jsonschema:"stretch fills the square, pad keeps the aspect on black"`
	Track    []Track   `json:"track,omitempty" jsonschema:"runs: tables that say what is seen in each frame, which gives each run its labels"`
	label.Place
	Split plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Ways to take frames.
const (
	Even = "even"
	Runs = "runs"
	At   = "at"
)

const (
	maxSize   = 2048
	maxFrames = 4096
	maxWork   = 1 << 22 // frames decoded for the runs of one film
)

func defaults() Params {
	return Params{
		Take: Even, Frames: 16, Stride: 16, At: []float64{}, Size: 112, Channels: 3, Fit: raster.Stretch,
		Place: label.Default(), Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Take != Even && p.Take != Runs && p.Take != At:
		return fmt.Errorf("take: %q, want %s, %s or %s", p.Take, Even, Runs, At)
	case p.Frames < 1 || p.Frames > maxFrames:
		return fmt.Errorf("frames: %d is not between 1 and %d", p.Frames, maxFrames)
	case p.Stride < 1:
		return fmt.Errorf("stride: %d, want 1 or more", p.Stride)
	case p.Every < 0 || p.Every > 1<<20 || p.Every > 1 && p.Take != Runs:
		return fmt.Errorf("every: %d, want 1 or more, with take: %s", p.Every, Runs)
	case p.Size < 1 || p.Size > maxSize:
		return fmt.Errorf("size: %d is not between 1 and %d", p.Size, maxSize)
	case p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("channels: %d, want 1 or 3", p.Channels)
	case p.Fit != raster.Stretch && p.Fit != raster.Pad:
		return fmt.Errorf("fit: %q, want %s or %s", p.Fit, raster.Stretch, raster.Pad)
	case (p.Take == At) != (len(p.At) > 0) || len(p.At) > maxFrames:
		return fmt.Errorf("at: %d times, want 1 to %d with take: %s, and none without", len(p.At), maxFrames, At)
	}
	for _, s := range p.At {
		if !(s >= 0 && s < 1e6) {
			return fmt.Errorf("at: %v, want seconds from 0 on", s)
		}
	}
	if len(p.Track) > 0 && (p.Take != Runs || p.Labels.From != label.FromFolder) {
		return fmt.Errorf("track: labels of frames are for take: %s, and labels.from is left out with it", Runs)
	}
	for i, t := range p.Track {
		if err := t.validate(); err != nil {
			return fmt.Errorf("track[%d]: %w", i, err)
		}
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	return p.Place.Validate()
}

// Plugin makes the plugin curate/video.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "video", Version: "1", Summary: "films of Motion-JPEG, GIF and DICOM as frames of one size",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30, Modalities: []string{"video", "ultrasound"},
		Components: []action.Component{raster.Decoder("image/gif")},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split }, func(p Params) (plugins.Recipe, error) {
		return recipe{p, native, &reels{}}, nil
	})
}

// film is one that can be read from its beginning any number of times.
type film interface {
	// length counts the frames, and says how many come a second, 0 where that is not known.
	length(ctx context.Context) (frames int, rate float64, err error)
	// each gives the frames that are wanted, in order, as grey or RGB. None is behind the last.
	each(ctx context.Context, last int, wanted func(i int) bool, use func(i int, p raster.Raster)) error
}

// open finds out what a file is.
type opener func(in plugins.Tree, file string, channels int) (film, error)

type recipe struct {
	Params
	open  opener
	reels *reels
}

// Plan counts the frames of every film if samples are runs of them.
func (r recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: labels.Task(), Features: []string{"grey"}}
	if r.Channels == 3 {
		out.Features = []string{"red", "green", "blue"}
	}
	known := map[string]bool{}
	for _, f := range in.Files() {
		known[f.Path] = true
	}
	for _, f := range in.Files() {
		if !r.matches(f.Path) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return plugins.Curation{}, err
		}
		c := r.named(in, f.Path, labels)
		if c.Subject == "" {
			c.Subject = f.Path
		}
		if r.Take != Runs || c.Excluded != nil {
			out.Candidates = append(out.Candidates, c)
			continue
		}
		runs, err := r.runs(ctx, in, c)
		if err == nil && len(r.Track) > 0 {
			runs, err = r.tracked(in, known, labels, runs)
		}
		if err != nil {
			return plugins.Curation{}, err
		}
		out.Candidates = append(out.Candidates, runs...)
	}
	return out, nil
}

func (r recipe) matches(file string) bool {
	if r.Files != "" {
		return label.Matches(r.Files, file)
	}
	return slices.Contains([]string{".avi", ".gif", ".dcm", ".mp4", ".mov", ".mkv", ".webm", ".mpg", ".wmv"}, strings.ToLower(path.Ext(file)))
}

// runs makes a sample of every run of one film. Of the errors it returns those that are the machine's.
func (r recipe) runs(ctx context.Context, in plugins.Tree, c plugins.Candidate) ([]plugins.Candidate, error) {
	f, err := r.open(in, c.Files[0], r.Channels)
	n := 0
	if err == nil {
		n, _, err = f.length(ctx)
	}
	var fatal *machineError
	switch {
	case errors.As(err, &fatal) || ctx.Err() != nil:
		return nil, err
	case err != nil:
		c.Excluded = because(c.Files[0], err)
	case n < r.span():
		c.Excluded = &plugins.Exclusion{Code: "few-frames", Reason: fmt.Sprintf("%s has %d frames, a run has %d", c.Files[0], n, r.span())}
	case len(r.Track) == 0 && n*((n-r.span())/r.Stride+1) > 2*maxWork:
		c.Excluded = &plugins.Exclusion{Code: "too-large", Reason: fmt.Sprintf("%s: of %d frames too many would be decoded again for every run; a larger stride takes fewer runs", c.Files[0], n)}
	}
	if c.Excluded != nil {
		return []plugins.Candidate{c}, nil //nolint:nilerr // the error is why it is left out
	}
	var out []plugins.Candidate
	for at := 0; at+r.span() <= n; at += r.Stride {
		run := c
		run.ID, run.Index = fmt.Sprintf("%s-%06d", c.ID, at), at
		out = append(out, run)
	}
	return out, nil
}

// because makes an exclusion of what is wrong with a file.
func because(file string, err error) *plugins.Exclusion {
	out := &plugins.Exclusion{Code: "unreadable", Reason: err.Error()}
	errors.As(err, &out)
	return &plugins.Exclusion{Code: out.Code, Reason: file + ": " + out.Reason}
}

// Make decodes the frames of one sample.
func (r recipe) Make(ctx context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	f, err := r.open(in, c.Files[0], r.Channels)
	if err != nil {
		return plugins.Made{}, wrap(c.Files[0], err)
	}
	wanted, err := r.wanted(ctx, f, c)
	if err != nil {
		return plugins.Made{}, wrap(c.Files[0], err)
	}
	pictures, err := r.pictures(ctx, f, c, wanted)
	if err != nil {
		return plugins.Made{}, wrap(c.Files[0], err)
	}
	var made plugins.Made
	for n, i := range wanted {
		p, ok := pictures[i]
		if !ok {
			return plugins.Made{}, fmt.Errorf("decode %s: frame %d is missing", c.Files[0], i)
		}
		made.Media = append(made.Media, media(p, n, len(wanted)))
	}
	if len(r.Track) == 0 && len(pictures) < len(wanted) {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: "few-frames", Reason: fmt.Sprintf("%s has too few frames, some are taken more than once", c.Files[0])})
	}
	if v, ok := f.(interface{ decoder() string }); ok {
		made.Meta = map[string]string{"decoder": v.decoder()}
	}
	return made, nil
}

// pictures decodes the wanted frames, and of films with tracks, which have many runs, those of their neighbours with them.
func (r recipe) pictures(ctx context.Context, f film, c plugins.Candidate, wanted []int) (map[int]raster.Raster, error) {
	if len(r.Track) > 0 {
		return r.reel(ctx, f, c)
	}
	out := map[int]raster.Raster{}
	err := f.each(ctx, slices.Max(wanted), func(i int) bool { return slices.Contains(wanted, i) }, func(i int, p raster.Raster) {
		out[i] = p.Fit(r.Size, r.Fit)
	})
	return out, err
}

// wrap names the file in an error, and leaves the reason of an exclusion what it is.
func wrap(file string, err error) error {
	var out *plugins.Exclusion
	if errors.As(err, &out) {
		return because(file, err)
	}
	return fmt.Errorf("decode %s: %w", file, err)
}

// wanted are the numbers of a sample's frames.
func (r recipe) wanted(ctx context.Context, f film, c plugins.Candidate) ([]int, error) {
	if r.Take == Runs {
		return r.run(c.Index), nil
	}
	n, rate, err := f.length(ctx)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, plugins.Exclude("no-frames", "no frames")
	}
	if r.Take == At {
		return atTimes(r.At, n, rate)
	}
	out := make([]int, r.Frames)
	for i := range out {
		out[i] = (2*i + 1) * n / (2 * r.Frames) // the middle of each part
	}
	return out, nil
}

// atTimes are the frames that are shown at the given seconds.
func atTimes(seconds []float64, n int, rate float64) ([]int, error) {
	if rate == 0 {
		return nil, plugins.Exclude("no-rate", "how many frames come a second is not said")
	}
	var out []int
	for _, s := range seconds {
		i := math.Floor(float64(s*rate) + 1e-6) // 0.04 s of 25 a second is frame 1
		if i >= float64(n) {
			return nil, plugins.Exclude("too-short", "%d frames, %v a second, end before %v s", n, rate, s)
		}
		out = append(out, int(i))
	}
	return out, nil
}

func media(p raster.Raster, n, of int) plugins.MadeMedia {
	shape, ext := []int{p.H, p.W}, "npy"
	if p.Channels > 1 {
		shape = append(shape, p.Channels)
	}
	if of > 1 {
		ext = fmt.Sprintf("%04d.npy", n)
	}
	return plugins.MadeMedia{Ext: ext, Type: "image", Shape: shape, DType: "uint8", Data: npy.Uint8(shape, p.Pix)}
}
