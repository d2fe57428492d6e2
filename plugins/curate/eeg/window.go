package eeg

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
	montage []pair
	mu      sync.Mutex
	kept    []*loading // the recordings used last, the newest at the end
}

func newRecipe(p Params) (plugins.Recipe, error) {
	m, err := montage(p.Channels)
	return &recipe{Params: p, montage: m}, err
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
		windows, err := r.windows(ctx, in, f, r.candidate(found, f.Path))
		if err != nil {
			return out, err
		}
		out.Candidates = append(out.Candidates, windows...)
	}
	return out, nil
}

// candidate is a recording as a whole.
func (r *recipe) candidate(found *label.Finder, file string) plugins.Candidate {
	c := found.Candidate(file)
	if side, ok := r.Sides[c.Split]; ok {
		c.Split = side
	}
	if c.Subject == "" {
		c.Subject = c.ID
	}
	if r.Events.From != None {
		c.Labels, c.Excluded = nil, nil
	}
	return c
}

// windows makes the candidates of a recording.
func (r *recipe) windows(ctx context.Context, in plugins.Tree, f plugins.File, whole plugins.Candidate) ([]plugins.Candidate, error) {
	out, err := r.cut(ctx, in, f, whole)
	if errors.As(err, &whole.Excluded) {
		out, err = []plugins.Candidate{whole}, nil
	}
	return out, err
}

func (r *recipe) cut(ctx context.Context, in plugins.Tree, f plugins.File, whole plugins.Candidate) ([]plugins.Candidate, error) {
	if whole.Excluded != nil {
		return nil, whole.Excluded
	}
	o, err := r.outlineOf(ctx, in, f)
	if err != nil {
		return nil, err
	}
	if r.Events.From != None {
		return r.around(in, f, whole, o)
	}
	var out []plugins.Candidate
	n := r.Rate * r.Seconds
	for _, s := range o.stretches {
		for at := 0; at+n <= s.n; at += n {
			out = append(out, window(whole, len(out), s.at+at, s.begin+float64(at)/float64(r.Rate)))
		}
	}
	if len(out) == 0 {
		return nil, plugins.Exclude("short-recording", "%s has no %d s without a gap", f.Path, r.Seconds)
	}
	return out, nil
}

// window is the candidate that begins with sample first, at a time in seconds since the start of the file.
func window(whole plugins.Candidate, number, first int, begin float64) plugins.Candidate {
	c := whole
	c.ID = fmt.Sprintf("%s-%06d", whole.ID, number)
	c.Index = first
	c.Meta = map[string]string{"start": strconv.FormatFloat(begin, 'f', -1, 64)}
	return c
}

// around makes the candidates of a recording's events.
func (r *recipe) around(in plugins.Tree, f plugins.File, whole plugins.Candidate, o *outline) ([]plugins.Candidate, error) {
	events, files, err := r.events(in, f, o.notes)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, plugins.Exclude("no-events", "%s has no event of the classes", f.Path)
	}
	whole.Files = files
	var out []plugins.Candidate
	for _, e := range events {
		first, beyond := r.place(o, e)
		c := window(whole, e.number, first, e.start-r.Events.Before)
		if c.Labels, c.Excluded = r.classes(e); c.Excluded == nil {
			c.Excluded = beyond
		}
		if e.repeat {
			c.Meta["repeat"] = e.where
		}
		out = append(out, c)
	}
	return out, nil
}

// Make cuts one window.
func (r *recipe) Make(ctx context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	rec, err := r.recording(ctx, in, c.Files[0])
	if err != nil {
		return plugins.Made{}, err
	}
	n := r.Rate * r.Seconds
	data := make([]float32, 0, len(rec.channels)*n)
	var flat []string
	for i, channel := range rec.channels {
		part := take(channel, c.Index, n)
		if signal.IsFlat(part) {
			flat = append(flat, r.Channels[i])
		}
		if r.Scale == P95 {
			scale(part)
		}
		data = append(data, part...)
	}
	shape := []int{len(rec.channels), n}
	return plugins.Made{
		Media: []plugins.MadeMedia{{
			Ext: "npy", Type: "signal", Shape: shape, DType: "float32", SamplingRate: float64(r.Rate), Data: npy.Float32(shape, data),
		}},
		Warnings: r.warnings(c, flat, rec.total),
	}, nil
}

// take copies n samples; those beyond an end are taken from the other.
func take(x []float32, first, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		at := (first + i) % len(x)
		if at < 0 {
			at += len(x)
		}
		out[i] = x[at]
	}
	return out
}

// scale divides by the 95th percentile of the absolute values and 0.01 microvolt, the 1e-8 volt of the published code.
func scale(x []float32) {
	const floor = 0.01
	sizes := make([]float64, len(x))
	for i, v := range x {
		sizes[i] = float64(v)
	}
	by := signal.P95(sizes) + floor
	for i, v := range x {
		x[i] = float32(float64(v) / by)
	}
}

func (r *recipe) warnings(c plugins.Candidate, flat []string, total int) []plugins.Exclusion {
	var out []plugins.Exclusion
	warn := func(code, format string, args ...any) {
		out = append(out, plugins.Exclusion{Code: code, Reason: fmt.Sprintf(format, args...)})
	}
	if len(flat) > 0 {
		warn("flat-channel", "channels without any change: %s", strings.Join(flat, ", "))
	}
	if where := c.Meta["repeat"]; where != "" {
		warn("repeated-event", "%s starts with another event, so this window is a sample twice", where)
	}
	if c.Index < 0 || c.Index+r.Rate*r.Seconds > total {
		warn("wrapped-window", "the window reaches beyond the recording and was filled from its other end")
	}
	return out
}

// keep is how many recordings are held for their next windows. Samples are made in the order of their ids, so that the windows
// of one recording come together.
const keep = 2

// loading is a recording that is there or on its way.
type loading struct {
	file string
	once sync.Once
	rec  *recording
	err  error
}

// recording returns a recording, which the first of its windows loads.
func (r *recipe) recording(ctx context.Context, in plugins.Tree, file string) (*recording, error) {
	l := r.loading(file)
	l.once.Do(func() { l.rec, l.err = r.load(ctx, in, file) })
	return l.rec, l.err
}

func (r *recipe) loading(file string) *loading {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.kept, func(l *loading) bool { return l.file == file })
	if at >= 0 {
		return r.kept[at]
	}
	l := &loading{file: file, err: errors.New("loading it did not end")}
	r.kept = append(r.kept, l)
	if len(r.kept) > keep {
		r.kept = slices.Delete(r.kept, 0, 1)
	}
	return l
}
