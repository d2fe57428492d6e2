// Package ecg curates 12-lead electrocardiograms in WFDB records (package wfdb).
//
// A sample is one record: its named leads in the order of the parameters, in millivolts, resampled to one
// rate and cut to its first seconds. It is written as a .npy array of float32 with the shape [leads,
// samples]. Its labels come from the SNOMED CT codes of the header's Dx comment through a map. Its subject is the patient
// that the header names, otherwise the record.
//
// Left out, each with its code: bad-header, multi-segment, no-diagnosis, missing-lead, duplicate-lead,
// unknown-unit, sampling-rate, short-record. Kept with a warning: flat-lead, long-record, short-record,
// invalid-samples.
package ecg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/curate/wfdb"
)

// What to do with a record shorter than Seconds.
const (
	ShortPad     = "pad"
	ShortExclude = "exclude"
)

// Params are the parameters of curate/ecg.
type Params struct {
	Rate    int               `json:"rate" jsonschema:"sampling rate of the samples in Hz"`
	Seconds int               `json:"seconds" jsonschema:"length of the samples; of a longer record the first seconds are kept"`
	Short   string            `json:"short" jsonschema:"what to do with a shorter record: pad with zeros or exclude"`
	Leads   []string          `json:"leads" jsonschema:"names of the leads, in the order of the rows"`
	Labels  labelmap.Map      `json:"labels" jsonschema:"class of each SNOMED CT code, or the name of a shipped map; the code * stands for all that are not listed, without it they are passed over"`
	Task    string            `json:"task" jsonschema:"multilabel or multiclass"`
	Split   plugins.SplitRule `json:"split" jsonschema:"the sides"`
}

// Climb7 is the name of the shipped map of CLIMB's seven classes.
const Climb7 = "climb-7"

// Defaults are ten seconds of all leads at 500 Hz with the labels of climb-7.
func Defaults() Params {
	labels, err := labelmap.Shipped(Climb7)
	if err != nil {
		panic(err.Error())
	}
	return Params{
		Rate: 500, Seconds: 10, Short: ShortPad,
		Leads:  []string{"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"},
		Labels: labels, Task: document.Multilabel, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Rate < 1 || p.Rate > 10000:
		return fmt.Errorf("rate %d: want 1 to 10000 Hz", p.Rate)
	case p.Seconds < 1 || p.Seconds > 3600:
		return fmt.Errorf("seconds %d: want 1 to 3600", p.Seconds)
	case p.Short != ShortPad && p.Short != ShortExclude:
		return fmt.Errorf("short %q: want %s or %s", p.Short, ShortPad, ShortExclude)
	case len(p.Leads) == 0:
		return errors.New("leads: name at least one")
	case len(p.Labels.Classes()) == 0:
		return errors.New("labels: map at least one code to a class")
	case p.Task != document.Multilabel && p.Task != document.Multiclass:
		return fmt.Errorf("task %q: want %s or %s", p.Task, document.Multilabel, document.Multiclass)
	}
	for i, l := range p.Leads {
		if slices.ContainsFunc(p.Leads[:i], func(other string) bool { return strings.EqualFold(other, l) }) {
			return fmt.Errorf("leads: %q is named twice", l)
		}
	}
	return nil
}

// Plugin returns curate/ecg.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "ecg", Version: "2", Determinism: catalog.Exact, Queue: catalog.QueueCPU, Modalities: []string{"ecg"},
		Summary: "Turns WFDB records into resampled 12-lead ECG arrays with classes from SNOMED CT codes.",
	}
	return plugins.Curate(spec, Defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return recipe{p}, nil })
}

type recipe struct{ Params }

// Plan reads every header.
func (r recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	out := plugins.Curation{Task: document.Task{Type: r.Task, Classes: r.Labels.Classes()}, Features: r.Leads}
	for _, f := range in.Files() {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if path.Ext(f.Path) == ".hea" {
			out.Candidates = append(out.Candidates, r.candidate(in, f.Path))
		}
	}
	return out, nil
}

func (r recipe) candidate(in plugins.Tree, file string) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(strings.TrimSuffix(file, ".hea")), Files: []string{file}}
	h, err := header(in, file)
	if err != nil {
		code := "bad-header"
		if errors.Is(err, wfdb.ErrMultiSegment) {
			code = "multi-segment"
		}
		c.Excluded = &plugins.Exclusion{Code: code, Reason: err.Error()}
		return c
	}
	codes := diagnoses(h)
	c.Files = append(signalFiles(h, file), file)
	c.Subject, c.Labels, c.Meta = patient(h), r.Labels.Of(codes), facts(h)
	if len(codes) == 0 {
		c.Excluded = &plugins.Exclusion{Code: "no-diagnosis", Reason: "header has no Dx comment with a code"}
	}
	return c
}

func header(in plugins.Tree, file string) (*wfdb.Header, error) {
	f, err := in.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := wfdb.ParseHeader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// signalFiles are the files of a record, which lie beside its header.
func signalFiles(h *wfdb.Header, file string) []string {
	var out []string
	for _, s := range h.Signals {
		if p := path.Join(path.Dir(file), s.File); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func diagnoses(h *wfdb.Header) []string {
	return strings.FieldsFunc(h.Fact("Dx"), func(c rune) bool { return c < '0' || c > '9' })
}

func patient(h *wfdb.Header) string {
	for _, name := range []string{"Patient", "Patient ID", "Subject", "Subject ID"} {
		if id := h.Fact(name); id != "" {
			return id
		}
	}
	return ""
}

func facts(h *wfdb.Header) map[string]string {
	out := map[string]string{}
	for name, as := range map[string]string{"Age": "age", "Sex": "sex", "Dx": "dx"} {
		if v := h.Fact(name); v != "" {
			out[as] = v
		}
	}
	return out
}

// maxFile is more than any clinical recording of some minutes has, and keeps a hostile header small.
const maxFile = 1 << 30

// Make reads, scales, resamples and cuts one record.
func (r recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	file := c.Files[len(c.Files)-1]
	h, err := header(in, file)
	if err != nil {
		return plugins.Made{}, err
	}
	rows, err := r.rows(h)
	if err != nil {
		return plugins.Made{}, err
	}
	rec, err := h.Read(func(name string) (io.ReadCloser, error) { return in.Open(path.Join(path.Dir(file), name)) }, maxFile)
	if err != nil {
		return plugins.Made{}, err
	}
	return r.array(rec, rows)
}
