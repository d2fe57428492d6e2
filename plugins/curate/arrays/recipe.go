package arrays

import (
	"context"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/signal"
	"github.com/cairn-bench/cairn/plugins/mersenne"
	"github.com/cairn-bench/cairn/plugins/npy"
)

const (
	maxRow    = 1 << 26 // numbers a sample
	maxBeside = 1 << 30 // bytes of labels or names
)

type recipe struct {
	Params
	subject *regexp.Regexp
	rows    feeder
}

func newRecipe(p Params) (plugins.Recipe, error) {
	re, err := regexp.Compile(p.Subject)
	return &recipe{Params: p, subject: re}, err
}

// Plan reads labels and names, and the data to their end, where their digest is compared.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	out := plugins.Curation{Task: document.Task{Type: r.Task, Classes: slices.Sorted(slices.Values(r.Classes))}}
	data, err := one(in, r.Data)
	if err != nil {
		return out, fmt.Errorf("data: %w", err)
	}
	h, err := r.check(in, data)
	if err != nil {
		return out, fmt.Errorf("%s: %w", data, err)
	}
	n := h.Shape[0]
	labels, files, err := r.labels(in, n)
	if err != nil {
		return out, err
	}
	keys, err := r.keys(in, n)
	if err != nil {
		return out, err
	}
	r.rows.open = func() (*npy.Reader, io.Closer, error) { return openArray(in, data) }
	width := len(strconv.Itoa(max(n-1, 0)))
	for i := range n {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		c := labels(i)
		c.ID, c.Index, c.Files = fmt.Sprintf("%0*d", width, i), i, append([]string{data}, files...)
		r.name(&c, keys, i)
		out.Candidates = append(out.Candidates, c)
	}
	r.divide(out.Candidates)
	return out, nil
}

// one finds the one file of a glob.
func one(in plugins.Tree, glob string) (string, error) {
	var found []string
	for _, f := range in.Files() {
		if label.Matches(glob, f.Path) {
			found = append(found, f.Path)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d files match %q, want one", len(found), glob)
	}
	return found[0], nil
}

func openArray(in plugins.Tree, file string) (*npy.Reader, io.Closer, error) {
	f, err := in.Open(file)
	if err != nil {
		return nil, nil, err
	}
	r, err := npy.NewReader(f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return r, f, nil
}

// check reads the whole data once.
func (r *recipe) check(in plugins.Tree, file string) (npy.Header, error) {
	a, f, err := openArray(in, file)
	if err != nil {
		return npy.Header{}, err
	}
	defer f.Close()
	switch {
	case len(a.Shape) < 2:
		return a.Header, fmt.Errorf("shape %v has no rows of several numbers", a.Shape)
	case a.Fortran:
		return a.Header, fmt.Errorf("rows are not stored one after the other (Fortran order)")
	case !strings.ContainsRune("biuf", rune(a.Kind)):
		return a.Header, fmt.Errorf("elements of type %c are no real numbers", a.Kind)
	}
	size := 1
	for _, d := range a.Shape[1:] {
		if size *= d; d == 0 || size > maxRow {
			return a.Header, fmt.Errorf("rows of shape %v, the limit is %d numbers", a.Shape[1:], maxRow)
		}
	}
	return a.Header, a.Close()
}

// beside reads an array with as many rows as the data.
func beside(in plugins.Tree, glob string, n int) (npy.Values, string, error) {
	file, err := one(in, glob)
	if err != nil {
		return npy.Values{}, "", err
	}
	f, err := in.Open(file)
	if err != nil {
		return npy.Values{}, "", err
	}
	defer f.Close()
	v, err := npy.Read(f, maxBeside)
	if err == nil && (len(v.Shape) == 0 || v.Shape[0] != n) {
		err = fmt.Errorf("shape %v, the data have %d rows", v.Shape, n)
	}
	if err != nil {
		return v, file, fmt.Errorf("%s: %w", file, err)
	}
	return v, file, nil
}

// labels gives a function from a row to a candidate with its labels.
func (r *recipe) labels(in plugins.Tree, n int) (func(int) plugins.Candidate, []string, error) {
	v, file, err := beside(in, r.Labels, n)
	if err != nil {
		return nil, nil, fmt.Errorf("labels: %w", err)
	}
	x, err := v.Float64()
	if err != nil {
		return nil, nil, fmt.Errorf("labels: %s: %w", file, err)
	}
	columns := 1
	if len(v.Shape) == 2 {
		columns = v.Shape[1]
	}
	if len(v.Shape) > 2 || columns != 1 && columns != len(r.Classes) {
		return nil, nil, fmt.Errorf("labels: %s: shape %v, want a number a row or %d columns", file, v.Shape, len(r.Classes))
	}
	return func(i int) plugins.Candidate {
		if columns == 1 {
			return r.numbered(x[i])
		}
		return r.greatest(x[i*columns : (i+1)*columns])
	}, []string{file}, nil
}

func (r *recipe) numbered(v float64) (c plugins.Candidate) {
	if !(v >= 0 && v < float64(len(r.Classes))) || v != math.Trunc(v) {
		c.Excluded = &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("label %v is no number of a class", v)}
		return c
	}
	c.Labels = []string{r.Classes[int(v)]}
	return c
}

// greatest gives the classes of the greatest column; of a row of zeros none.
func (r *recipe) greatest(row []float64) (c plugins.Candidate) {
	most := slices.Max(row)
	if math.IsNaN(most) {
		c.Excluded = &plugins.Exclusion{Code: "unknown-label", Reason: "a column of the labels is no number"}
		return c
	}
	ties := 0
	for i, v := range row {
		if v != most || most <= 0 && r.Ties == TiesAll {
			continue
		}
		if ties++; ties == 1 || r.Ties == TiesAll {
			c.Labels = append(c.Labels, r.Classes[i])
		}
	}
	if ties > 1 && r.Ties == TiesFirst {
		c.Meta = map[string]string{tiedFact: strconv.Itoa(ties)}
	}
	return c
}

// tiedFact is the name under which a sample keeps how many columns were the greatest.
const tiedFact = "tied"

func (r *recipe) keys(in plugins.Tree, n int) ([]string, error) {
	if r.Keys == "" {
		return nil, nil
	}
	v, file, err := beside(in, r.Keys, n)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, err := v.Text()
	if err != nil || len(keys) != n {
		return nil, fmt.Errorf("keys: %s: %d names of type %c: %w", file, len(keys), v.Kind, err)
	}
	return keys, nil
}

// name gives a candidate its name and its subject.
func (r *recipe) name(c *plugins.Candidate, keys []string, i int) {
	if keys == nil {
		return
	}
	if c.Meta == nil {
		c.Meta = map[string]string{}
	}
	c.Meta["key"], c.Subject = keys[i], keys[i]
	if r.Params.Subject == "" {
		return
	}
	m := r.subject.FindStringSubmatch(keys[i])
	if m == nil || m[r.subject.SubexpIndex("subject")] == "" {
		c.Excluded = &plugins.Exclusion{Code: "no-subject", Reason: fmt.Sprintf("name %q does not say the subject", keys[i])}
		return
	}
	c.Subject = m[r.subject.SubexpIndex("subject")]
}

// divide gives every candidate the publisher's side, if published code drew it.
func (r *recipe) divide(all []plugins.Candidate) {
	if r.Draw.Seed < 0 {
		return
	}
	var subjects []string
	for _, c := range all {
		subjects = append(subjects, c.Subject)
	}
	slices.Sort(subjects)
	subjects = slices.Compact(subjects)
	mersenne.New(uint32(r.Draw.Seed)).Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
	n := float64(len(subjects))
	train := int(float64(r.Draw.Train * n))
	validation := train + int(float64(r.Draw.Validation*n))
	side := map[string]string{}
	for i, s := range subjects {
		switch {
		case i < train:
			side[s] = "train"
		case i < validation:
			side[s] = "validation"
		default:
			side[s] = "test"
		}
	}
	for i := range all {
		all[i].Split = side[all[i].Subject]
	}
}

// Make takes one row.
func (r *recipe) Make(_ context.Context, _ plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	row, shape, err := r.rows.row(c.Index)
	if err != nil {
		return plugins.Made{}, err
	}
	var warnings []plugins.Exclusion
	if n := c.Meta[tiedFact]; n != "" {
		warnings = append(warnings, plugins.Exclusion{Code: "tied-label", Reason: n + " columns of the labels are the greatest; the first was taken"})
	}
	data, flat, err := r.channels(row, shape[len(shape)-1])
	if err != nil {
		return plugins.Made{}, err
	}
	if len(flat) > 0 {
		warnings = append(warnings, plugins.Exclusion{Code: "flat-channel", Reason: "channels without any change: " + strings.Join(flat, ", ")})
	}
	return plugins.Made{
		Media: []plugins.MadeMedia{{
			Ext: "npy", Type: "signal", Shape: shape, DType: "float32", SamplingRate: float64(r.Rate), Data: npy.Float32(shape, data),
		}},
		Warnings: warnings,
	}, nil
}

// channels scales each channel, which is the last axis, and names those that are flat by their number from 0.
func (r *recipe) channels(row []float64, n int) (data []float32, flat []string, err error) {
	data = make([]float32, len(row))
	for at := 0; at < len(row); at += n {
		by := 1.0
		if r.Scale == P95 {
			const floor = 1e-6
			by = signal.P95(row[at:at+n]) + floor
		}
		for i, v := range row[at : at+n] {
			if by != 1 {
				v /= by
			}
			data[at+i] = float32(v)
			if f := float64(data[at+i]); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, nil, plugins.Exclude("not-finite", "number %d of channel %d is %v", i, at/n, v)
			}
		}
		if signal.IsFlat(data[at : at+n]) {
			flat = append(flat, strconv.Itoa(at/n))
		}
	}
	return data, flat, nil
}
