// Package expression curates tables of gene expression, of GEO and of Expression Atlas, into vectors.
//
// A sample is one column of the tables and its one array is float32, [probes], in the order of the files. A missing value is NaN,
// the quiet one with the bits 0x7fc00000: nothing is filled in here, because what would be a sound filling depends on
// the training side. A probe is left out if more than a share of all samples have no value for it; this looks at no
// value and no label.
//
// Labels and subjects are facts about the samples, by their keys: what GEO has in !Sample_characteristics_ch1 or in the
// subsets of a curated dataset, and what the condensed SDRF of Expression Atlas has. Several samples of one subject
// stay on one side.
//
//	params:
//	  files: "*_series_matrix.txt.gz"
//	  label: {key: disease status, classes: {autism: autism, controls: control}}
//	  pattern: '_(?P<subject>AN\d+)_'
//	  maxMissing: 0.5
package expression

import (
	"context"
	"fmt"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/assay"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of the plugin.
type Params struct {
	Form        string            `json:"form" jsonschema:"geo (series matrix and SOFT) or atlas (tables of Expression Atlas)"`
	Files       string            `json:"files" jsonschema:"glob of the tables, matched with the base name or, if it holds a slash, with the whole path"`
	Platform    string            `json:"platform" jsonschema:"keep samples of this platform only, such as GPL6883; empty means that there is one"`
	Label       Label             `json:"label" jsonschema:"what is predicted"`
	Subject     string            `json:"subject" jsonschema:"key of the fact that names the subject, such as individual; where no sample has it each stands alone, with a warning"`
	Pattern     string            `json:"pattern" jsonschema:"regular expression over the sample's title with the group subject"`
	Meta        []string          `json:"meta" jsonschema:"keys of facts kept with the sample"`
	MaxMissing  float64           `json:"maxMissing" jsonschema:"leave out a probe of which more than this share of the samples have no value"`
	Informative int               `json:"informative,omitempty" jsonschema:"keep so many probes, those that tell groups of samples apart, as CLIMB's code chooses them: among all samples, which is a flaw"`
	Groups      string            `json:"groups,omitempty" jsonschema:"informative: key of the fact whose values are the groups"`
	Log         string            `json:"log" jsonschema:"none, or log2 of the value plus offset; what has no logarithm is missing"`
	Offset      float64           `json:"offset" jsonschema:"added before the logarithm"`
	Scale       string            `json:"scale" jsonschema:"none; standard: mean 0 and variance 1 within the sample; rank: place among the sample's values, from 0 to 1"`
	Split       plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Label says what is predicted.
type Label struct {
	Or      []string     `json:"or,omitempty" jsonschema:"other keys, of which the first that any sample has is taken if none has this one"`
	Key     string       `json:"key" jsonschema:"key of the fact that is the label, such as disease state"`
	Classes labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
}

// Words of the parameters.
const (
	None     = "none"
	Log2     = "log2"
	Standard = "standard"
	Rank     = "rank"
)

func defaults() Params {
	return Params{
		Form: assay.GEO, Files: "*_series_matrix.txt*", Label: Label{Classes: labelmap.Map{}}, Meta: []string{},
		MaxMissing: 0.5, Log: None, Scale: None, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	switch {
	case p.Form != assay.GEO && p.Form != assay.Atlas:
		return fmt.Errorf("form: %q, want %s or %s", p.Form, assay.GEO, assay.Atlas)
	case p.Label.Key == "":
		return fmt.Errorf("label.key is required")
	case p.Pattern != "" && re.SubexpIndex("subject") < 0:
		return fmt.Errorf("pattern: want a group (?P<subject>...)")
	case p.Pattern != "" && p.Subject != "":
		return fmt.Errorf("subject and pattern: want one of them")
	case !(p.MaxMissing >= 0 && p.MaxMissing <= 1):
		return fmt.Errorf("maxMissing: %v is not between 0 and 1", p.MaxMissing)
	case p.Informative < 0 || (p.Informative > 0) != (p.Groups != ""):
		return fmt.Errorf("informative: a number of probes and the key of groups belong together")
	case p.Log != None && p.Log != Log2:
		return fmt.Errorf("log: %q, want %s or %s", p.Log, None, Log2)
	case p.Log == None && p.Offset != 0:
		return fmt.Errorf("offset: %v is for log: %s", p.Offset, Log2)
	case p.Scale != None && p.Scale != Standard && p.Scale != Rank:
		return fmt.Errorf("scale: %q, want %s, %s or %s", p.Scale, None, Standard, Rank)
	}
	return nil
}

// Plugin makes the plugin curate/expression.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "expression", Version: "1", Summary: "tables of gene expression of GEO and Expression Atlas as float32 vectors, missing values as NaN",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 2 << 30,
		Modalities: []string{"gene-expression"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	pattern *regexp.Regexp
	set     *assay.Set
	probes  []int  // places of those that are kept
	key     string // of the label
	unknown bool   // subjects are asked for by a fact of which no sample has any
}

// Plan reads all tables.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	var files []string
	for _, f := range in.Files() {
		if label.Matches(r.Files, f.Path) {
			files = append(files, f.Path)
		}
	}
	if len(files) == 0 {
		return plugins.Curation{}, fmt.Errorf("files: no file matches %q", r.Files)
	}
	var problems []assay.Problem
	var err error
	if r.set, problems, err = assay.Read(ctx, in, r.Form, files); err != nil {
		return plugins.Curation{}, err
	}
	r.pattern = regexp.MustCompile(r.Pattern) // Validate compiled it
	r.key = r.Label.Key
	for _, key := range slices.Backward(append([]string{r.Label.Key}, r.Label.Or...)) {
		if r.says(key) {
			r.key = key
		}
	}
	r.unknown = r.Subject != "" && !r.says(r.Subject)
	out := plugins.Curation{Task: document.Task{Type: document.Multiclass, Classes: r.Label.Classes.Classes()}}
	for i, s := range r.set.Samples {
		out.Candidates = append(out.Candidates, r.candidate(s, i))
	}
	for _, p := range problems {
		out.Candidates = append(out.Candidates, plugins.Candidate{
			ID: plugins.Key(p.File), Files: []string{p.File}, Excluded: &plugins.Exclusion{Code: "unreadable-file", Reason: p.Err.Error()},
		})
	}
	if err := r.onePlatform(); err != nil {
		return plugins.Curation{}, err
	}
	r.choose()
	if r.Informative > 0 {
		r.probes = r.informative()
	}
	for _, at := range r.probes {
		out.Features = append(out.Features, r.set.Probes[at])
	}
	return out, nil
}

// says whether anything is said under a key.
func (r *recipe) says(key string) bool {
	return slices.ContainsFunc(r.set.Samples, func(s *assay.Sample) bool { return len(s.Facts[key]) > 0 })
}

// onePlatform refuses a set whose samples were measured with different probes.
func (r *recipe) onePlatform() error {
	found := map[string]bool{}
	for _, s := range r.set.Samples {
		found[s.Platform] = true
	}
	if r.Platform == "" && len(found) > 1 {
		return fmt.Errorf("samples of several platforms, %q: name one with platform", slices.Sorted(maps.Keys(found)))
	}
	if r.Platform != "" && !found[r.Platform] {
		return fmt.Errorf("platform: no sample of %q, have %q", r.Platform, slices.Sorted(maps.Keys(found)))
	}
	return nil
}

func (r *recipe) takes(s *assay.Sample) bool { return r.Platform == "" || s.Platform == r.Platform }

// choose leaves out probes that too many samples have no value for.
func (r *recipe) choose() {
	missing, n := make([]int, len(r.set.Probes)), 0
	for _, s := range r.set.Samples {
		if !r.takes(s) {
			continue
		}
		n++
		for at := range missing {
			if v := s.Value(at); v != v {
				missing[at]++
			}
		}
	}
	for at, m := range missing {
		if m < n && float64(m) <= r.MaxMissing*float64(n) {
			r.probes = append(r.probes, at)
		}
	}
}

func (r *recipe) candidate(s *assay.Sample, i int) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(s.ID), Index: i, Files: []string{s.File}, Meta: map[string]string{}}
	if s.Title != "" {
		c.Meta["title"] = s.Title
	}
	for _, key := range r.Meta {
		c.Meta[key] = strings.Join(s.Facts[key], "; ")
	}
	c.Subject, c.Excluded = r.subject(s)
	switch {
	case !r.takes(s):
		c.Excluded = &plugins.Exclusion{Code: "other-platform", Reason: fmt.Sprintf("%s is of platform %q", s.ID, s.Platform)}
	case c.Excluded == nil:
		c.Labels, c.Excluded = r.Label.of(s, r.key)
	}
	return c
}

// subject names who the sample is of. Where subjects are asked for, a sample without one is not taken: it could be of
// anybody.
func (r *recipe) subject(s *assay.Sample) (string, *plugins.Exclusion) {
	if r.Subject != "" && !r.unknown {
		if found := s.Facts[r.Subject]; len(found) != 1 {
			return "", &plugins.Exclusion{Code: "no-subject", Reason: fmt.Sprintf("%s: %q names %q, want one", s.ID, r.Subject, found)}
		}
		return s.Facts[r.Subject][0], nil
	}
	if r.Pattern == "" || r.unknown {
		return "", nil
	}
	m := r.pattern.FindStringSubmatch(s.Title)
	if m == nil || m[r.pattern.SubexpIndex("subject")] == "" {
		return "", &plugins.Exclusion{Code: "no-subject", Reason: fmt.Sprintf("%s: title %q does not match pattern", s.ID, s.Title)}
	}
	return m[r.pattern.SubexpIndex("subject")], nil
}

// of maps what is said of a sample to its class.
func (l Label) of(s *assay.Sample, key string) ([]string, *plugins.Exclusion) {
	found := s.Facts[key]
	if len(found) == 0 {
		return nil, &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("%s: nothing is said of %q", s.ID, key)}
	}
	var out []string
	for _, text := range found {
		class, known := l.Classes.Class(text)
		switch {
		case len(l.Classes) == 0:
			class = text
		case !known:
			return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("%s: label %q is not in label.classes", s.ID, text)}
		case class == "":
			return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("%s: label %q is dropped by label.classes", s.ID, text)}
		}
		out = append(out, class)
	}
	return out, nil
}

// Make lays out one sample.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	s := r.set.Samples[c.Index]
	vector := make([]float32, len(r.probes))
	unlogged, missing := 0, 0
	for i, at := range r.probes {
		v := s.Value(at)
		if r.Log == Log2 && v == v {
			if v = logarithm(v, r.Offset); v != v {
				unlogged++
			}
		}
		if v != v {
			missing++
		}
		vector[i] = v
	}
	if missing == len(vector) {
		return plugins.Made{}, plugins.Exclude("all-missing", "%s: no probe has a value", s.ID)
	}
	switch r.Scale {
	case Standard:
		standard(vector)
	case Rank:
		ranks(vector)
	}
	shape := []int{len(vector)}
	made := plugins.Made{Media: []plugins.MadeMedia{{Ext: "npy", Type: "table", Shape: shape, DType: "float32", Data: npy.Float32(shape, vector)}}}
	warn := func(code, format string, args ...any) {
		made.Warnings = append(made.Warnings, plugins.Exclusion{Code: code, Reason: fmt.Sprintf(format, args...)})
	}
	if have := s.Present(); s.Stated >= 0 && have != s.Stated {
		warn("row-count", "the file states %d values and holds %d", s.Stated, have)
	}
	if r.unknown {
		warn("subject-unknown", "nothing says of any sample who its %q is, so each stands alone", r.Subject)
	}
	if unlogged > 0 {
		warn("no-logarithm", "%d values have no logarithm", unlogged)
	}
	if missing > 0 {
		warn("missing-cells", "%d of %d probes have no value", missing, len(vector))
	}
	return made, nil
}

// logarithm is rounded to float32 from an exact enough float64; Missing where there is none.
func logarithm(v float32, offset float64) float32 {
	x := float64(v) + offset
	if x <= 0 || math.IsInf(x, 0) {
		return assay.Missing()
	}
	return float32(log2(x))
}
