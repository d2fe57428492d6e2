package gait

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/npy"
)

type recipe struct {
	Params
	mu   sync.Mutex
	kept []*loading // the recordings used last, the newest at the end
}

// Plan names the windows of every recording. A recording without any is one excluded sample.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	found, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: r.task(found), Features: r.Channels}
	for _, f := range in.Files() {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if !label.Matches(r.Files, f.Path) {
			continue
		}
		whole := r.candidate(found, f.Path)
		windows, err := r.windows(in, whole)
		if errors.As(err, &whole.Excluded) {
			windows, err = []plugins.Candidate{whole}, nil
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w", f.Path, err)
		}
		out.Candidates = append(out.Candidates, windows...)
	}
	return out, nil
}

// candidate is a recording as a whole.
func (r *recipe) candidate(found *label.Finder, file string) plugins.Candidate {
	c := found.Candidate(file)
	if r.Rows.Label != "" {
		c.Labels, c.Excluded = nil, nil
	}
	if c.Subject == "" {
		c.Subject = c.ID
	}
	return c
}

// windows makes the candidates of a recording.
func (r *recipe) windows(in plugins.Tree, whole plugins.Candidate) ([]plugins.Candidate, error) {
	if whole.Excluded != nil {
		return nil, whole.Excluded
	}
	rec, err := r.load(in, whole.Files[0])
	if err != nil {
		return nil, err
	}
	if r.Window == 0 {
		if rec.labels != nil {
			whole.Labels, whole.Excluded = r.classes(rec.labels)
		}
		return []plugins.Candidate{whole}, nil
	}
	var out []plugins.Candidate
	for _, run := range runs(rec) {
		for at := run.from; at+r.Window <= run.to; at += r.Window {
			c := whole
			c.ID, c.Index = fmt.Sprintf("%s-%07d", whole.ID, at), at
			c.Meta = map[string]string{"row": strconv.Itoa(at)}
			if rec.labels != nil {
				c.Labels, c.Excluded = r.classes(rec.labels[at : at+1])
			}
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, plugins.Exclude("short-recording", "%d rows have no %d of one label together", rec.rows(), r.Window)
	}
	return out, nil
}

// run is rows of one label.
type run struct{ from, to int }

func runs(rec *recording) []run {
	if rec.labels == nil {
		return []run{{0, rec.rows()}}
	}
	var out []run
	for i, l := range rec.labels {
		if i == 0 || l != rec.labels[i-1] {
			out = append(out, run{i, i})
		}
		out[len(out)-1].to = i + 1
	}
	return out
}

// classes maps the labels of rows.
func (r *recipe) classes(labels []string) ([]string, *plugins.Exclusion) {
	var out []string
	for _, l := range slices.Compact(slices.Sorted(slices.Values(labels))) {
		class, known := r.Rows.Classes.Class(l)
		if !known {
			return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("label %q is not in rows.classes", l)}
		}
		if class != "" {
			out = append(out, class)
		}
	}
	if len(out) == 0 {
		return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("label %q is dropped by rows.classes", labels[0])}
	}
	return out, nil
}

// Make cuts one window.
func (r *recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	rec, err := r.recording(in, c.Files[0])
	if err != nil {
		return plugins.Made{}, err
	}
	n := r.Window
	if n == 0 {
		n = rec.rows()
	}
	var data []float32
	var flat, clipped []string
	for i, channel := range rec.channels {
		part := channel[c.Index : c.Index+n]
		switch {
		case signal.IsFlat(part):
			flat = append(flat, r.Channels[i])
		case r.clips(part):
			clipped = append(clipped, r.Channels[i])
		}
		data = append(data, part...)
	}
	warnings := r.warnings(flat, clipped)
	if r.Clipped == ClippedExclude && len(clipped) > 0 {
		return plugins.Made{}, &warnings[len(warnings)-1]
	}
	shape := []int{len(rec.channels), n}
	return plugins.Made{
		Media: []plugins.MadeMedia{{
			Ext: "npy", Type: "signal", Shape: shape, DType: "float32", SamplingRate: r.Rate, Data: npy.Float32(shape, data),
		}},
		Warnings: warnings,
	}, nil
}

// clips says whether a hundredth of the numbers or more are at the limits.
func (r *recipe) clips(x []float32) bool {
	if len(r.Limits) == 0 {
		return false
	}
	n := 0
	for _, v := range x {
		if float64(v) <= r.Limits[0] || float64(v) >= r.Limits[1] {
			n++
		}
	}
	return n > 0 && n*100 >= len(x)
}

// warnings has what is said of clipped channels at its end.
func (r *recipe) warnings(flat, clipped []string) (out []plugins.Exclusion) {
	if len(flat) > 0 {
		out = append(out, plugins.Exclusion{Code: "flat-channel", Reason: "channels without any change: " + strings.Join(flat, ", ")})
	}
	if len(clipped) > 0 {
		out = append(out, plugins.Exclusion{Code: "clipped-channel", Reason: "channels with numbers at the limits of the sensor: " + strings.Join(clipped, ", ")})
	}
	return out
}

// keep is how many recordings are held for their next windows, which are made in the order of their ids.
const keep = 4

// loading is a recording that is there or on its way.
type loading struct {
	file string
	once sync.Once
	rec  *recording
	err  error
}

// recording returns a recording, which the first of its windows loads.
func (r *recipe) recording(in plugins.Tree, file string) (*recording, error) {
	r.mu.Lock()
	at := slices.IndexFunc(r.kept, func(l *loading) bool { return l.file == file })
	if at < 0 {
		at = len(r.kept)
		r.kept = append(r.kept, &loading{file: file, err: errors.New("loading it did not end")})
	}
	l := r.kept[at]
	if len(r.kept) > keep {
		r.kept = slices.Delete(r.kept, 0, 1)
	}
	r.mu.Unlock()
	l.once.Do(func() { l.rec, l.err = r.load(in, file) })
	return l.rec, l.err
}

func (r *recipe) load(in plugins.Tree, file string) (*recording, error) {
	f, err := in.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return r.parse(f)
}
