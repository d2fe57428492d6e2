// Package ecg curates 12-lead electrocardiograms in WFDB records (package wfdb), and the raw files of CPSC 2018 (package mat).
//
// A sample is one record: its named leads in the order of the parameters, in millivolts, resampled to one
// rate and cut to its first seconds. It is written as a .npy array of float32 with the shape [leads,
// samples]. Its labels come through a map from the SNOMED CT codes of the header's Dx comment, or from codes in a table or in the
// path. Its subject is the patient that header, table or path name, otherwise the record.
//
// PTB-XL with the folds of its publisher, where a label is every class that any of its statements has:
//
//	files: "*_hr.hea"
//	codes: {table: ptbxl_database.csv, id: filename_hr, columns: [scp_codes], subject: patient_id, side: strat_fold}
//	sides: {"1": train, "2": train, "3": train, "4": train, "5": train, "6": train, "7": train, "8": train, "9": validation, "10": test}
//	labels: ptb-xl-7
//	split: {rule: publisher}
//
// CPSC 2018 as its publisher gives it:
//
//	files: "A*.mat"
//	codes: {table: REFERENCE.csv, id: Recording, columns: [First_label, Second_label, Third_label]}
//	labels: cpsc-2018-7
//
// As BenchMD, and with it CLIMB, published them, `draw` draws one label by the row of a record; a warning tells of each.
//
// Left out, each with its code: bad-header, multi-segment, no-diagnosis, no-row, no-code, ambiguous-codes, no-data, missing-lead,
// duplicate-lead, unknown-unit, sampling-rate, short-record, flat-record, out-of-range. Kept with a warning: flat-lead, long-record,
// short-record, invalid-samples, drawn-label.
package ecg

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/curate/wfdb"
)

// What to do with a record shorter than Seconds.
const (
	ShortPad     = "pad"
	ShortExclude = "exclude"
)

// What the values of a sample are divided by.
const (
	ScaleNone  = "none"
	ScaleRange = "range"
)

// Params are the parameters of curate/ecg.
type Params struct {
	Files   string            `json:"files" jsonschema:"glob of the headers, or of the .mat files of the raw CPSC 2018, matched with the base name or, if it holds a slash, with the whole path"`
	Rate    int               `json:"rate" jsonschema:"sampling rate of the samples in Hz"`
	Seconds int               `json:"seconds" jsonschema:"length of the samples; of a longer record the first seconds are kept"`
	Short   string            `json:"short" jsonschema:"what to do with a shorter record: pad with zeros or exclude"`
	Leads   []string          `json:"leads" jsonschema:"names of the leads, in the order of the rows"`
	Scale   string            `json:"scale" jsonschema:"none for millivolts, or range to divide by the distance from the lowest to the highest value of all leads of the whole record"`
	Codes   Codes             `json:"codes" jsonschema:"where codes, patient and side are, if not in the header"`
	Labels  labelmap.Map      `json:"labels" jsonschema:"class of each code, or the name of a shipped map; the code * stands for all that are not listed, without it they are passed over"`
	Also    labelmap.Map      `json:"also" jsonschema:"further classes of codes that have two"`
	Draw    []string          `json:"draw" jsonschema:"the classes in the published order: one label is drawn of the positive ones, or of all if none is, by the row of the record as NumPy draws; empty draws nothing"`
	Task    string            `json:"task" jsonschema:"multilabel or multiclass"`
	Sides   map[string]string `json:"sides" jsonschema:"renames the publisher's sides or folds to train, validation or test"`
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
		Files: "*.hea", Rate: 500, Seconds: 10, Short: ShortPad, Scale: ScaleNone,
		Leads: []string{"I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"},
		Codes: Codes{Columns: []string{}, Facts: []string{}}, Labels: labels, Also: labelmap.Map{}, Draw: []string{},
		Task: document.Multilabel, Sides: map[string]string{}, Split: plugins.DefaultSplit(),
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
	case p.Scale != ScaleNone && p.Scale != ScaleRange:
		return fmt.Errorf("scale %q: want %s or %s", p.Scale, ScaleNone, ScaleRange)
	case p.Files == "":
		return errors.New("files: want a glob such as *.hea")
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
	if err := p.validateDraw(); err != nil {
		return err
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	return p.Codes.validate()
}

func (p Params) validateDraw() error {
	if len(p.Draw) == 0 {
		return nil
	}
	if p.Task != document.Multiclass {
		return fmt.Errorf("draw: one label is for task %s", document.Multiclass)
	}
	for i, c := range p.Draw {
		if c == "" || slices.Contains(p.Draw[:i], c) {
			return fmt.Errorf("draw: %q is empty or named twice", c)
		}
	}
	if extra := len(p.classes()) - len(p.Draw); extra > 0 {
		return fmt.Errorf("draw: want all of the classes %q", p.classes())
	}
	return nil
}

// classes are those of the maps and those that may be drawn, sorted.
func (p Params) classes() []string {
	all := slices.Concat(p.Labels.Classes(), p.Also.Classes(), p.Draw)
	slices.Sort(all)
	return slices.Compact(all)
}

// Plugin returns curate/ecg.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "ecg", Version: "2", Determinism: catalog.Exact, Queue: catalog.QueueCPU, Modalities: []string{"ecg"},
		Summary: "Turns WFDB records into resampled 12-lead ECG arrays with classes from SNOMED CT codes.",
	}
	return plugins.Curate(spec, Defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

type recipe struct {
	Params
	filters sync.Map // of *signal.Resampler by the rate they come from
}

// filter makes the filter from a rate in Hz, or finds it made.
func (r *recipe) filter(rate float64) (*signal.Resampler, error) {
	if f, ok := r.filters.Load(rate); ok {
		return f.(*signal.Resampler), nil
	}
	f, err := signal.NewResampler(rate, r.Rate)
	if err != nil {
		return nil, plugins.Exclude("sampling-rate", "%v", err)
	}
	r.filters.Store(rate, f)
	return f, nil
}

// Plan reads every header and the tables.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	found, err := r.Codes.find(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: document.Task{Type: r.Task, Classes: r.classes()}, Features: r.Leads}
	for _, f := range in.Files() {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if label.Matches(r.Files, f.Path) {
			out.Candidates = append(out.Candidates, r.candidate(in, found, f.Path))
		}
	}
	if len(r.Draw) > 0 {
		r.draw(out.Candidates)
	}
	return out, nil
}

func (r *recipe) candidate(in plugins.Tree, found *finder, file string) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(strings.TrimSuffix(file, path.Ext(file))), Files: []string{file}}
	var h *wfdb.Header
	if path.Ext(file) != rawExt {
		var err error
		if h, err = header(in, file); err != nil {
			c.Excluded = &plugins.Exclusion{Code: "bad-header", Reason: err.Error()}
			return c
		}
		if len(h.Segments) > 0 {
			c.Excluded = &plugins.Exclusion{Code: "multi-segment", Reason: "a record of segments, which are records of their own"}
			return c
		}
		c.Files = append(signalFiles(h, file), file)
	}
	e := found.of(file, h)
	c.Subject, c.Meta, c.Excluded = e.subject, e.facts, e.problem
	c.Labels = append(r.Labels.Of(e.codes), r.Also.Of(e.codes)...)
	if c.Split = e.side; r.Sides[e.side] != "" {
		c.Split = r.Sides[e.side]
	}
	if len(e.codes) == 0 && c.Excluded == nil && len(r.Draw) == 0 {
		c.Excluded = &plugins.Exclusion{Code: "no-diagnosis", Reason: "header or table has no diagnosis with a code"}
	}
	return c
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

// Make reads, scales, resamples and cuts one record.
func (r *recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	rec, err := open(in, lastFile(c))
	if err != nil {
		return plugins.Made{}, err
	}
	rows, err := r.rows(rec.leads)
	if err != nil {
		return plugins.Made{}, err
	}
	made, err := r.array(rec, rows)
	made.Warnings = append(made.Warnings, drawWarning(c)...)
	return made, err
}
