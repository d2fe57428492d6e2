package host

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// accept takes what a plugin of a folder has written, if it is what the kind of the plugin gives.
func (s *session) accept(ctx context.Context, w *written) error {
	if len(w.files) == 0 {
		return &ProtocolError{What: "the plugin gave a result and wrote no file into the folder of its output"}
	}
	switch s.spec.Kind {
	case catalog.Fetch:
		return s.acceptFetched(ctx, w)
	case catalog.Curate:
		return s.acceptCurated(ctx, w)
	case catalog.Pretrain:
		return s.acceptModel(ctx, w)
	}
	return s.acceptEvaluation(ctx, w)
}

func wrong(format string, args ...any) error {
	return &ProtocolError{What: fmt.Sprintf(format, args...)}
}

func tooMuch(format string, args ...any) error {
	return &ProtocolError{What: fmt.Sprintf(format, args...), Large: true}
}

// has returns a file of the output.
func (w *written) has(path string) (plugins.Entry, bool) {
	i, ok := slices.BinarySearchFunc(w.files, path, func(e plugins.Entry, path string) int { return strings.Compare(e.Path, path) })
	if !ok {
		return plugins.Entry{}, false
	}
	return w.files[i], true
}

// maxDocument bounds a document that is read at once.
const maxDocument = 64 << 20

// document reads a JSON document strictly.
func (w *written) document(name string, into any) error {
	e, ok := w.has(name)
	if !ok {
		return wrong("there is no %s", name)
	}
	if e.Size > maxDocument {
		return tooMuch("%s has %d bytes, at most %d are read", name, e.Size, maxDocument)
	}
	f, err := w.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return wrong("%s: %s", name, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return wrong("%s: there is more behind the object", name)
	}
	return nil
}

// lines reads a file of JSON lines strictly.
func lines[T any](w *written, name string, each func(n int, v T) error) error {
	if _, ok := w.has(name); !ok {
		return wrong("there is no %s", name)
	}
	f, err := w.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 16<<20)
	for n := 1; scan.Scan(); n++ {
		var v T
		dec := json.NewDecoder(bytes.NewReader(scan.Bytes()))
		dec.DisallowUnknownFields()
		err := dec.Decode(&v)
		if err == nil && dec.More() {
			err = errors.New("there is more behind the object")
		}
		if err == nil {
			err = each(n, v)
		}
		if err != nil {
			return wrong("%s:%d: %s", name, n, strings.TrimPrefix(err.Error(), "json: "))
		}
	}
	if errors.Is(scan.Err(), bufio.ErrTooLong) {
		return tooMuch("%s has a line of more than 16 MiB", name)
	}
	if err := scan.Err(); err != nil {
		return wrong("%s: %v", name, err)
	}
	return nil
}

// acceptFetched compares files with what the plugin says that their publisher says of them.
func (s *session) acceptFetched(ctx context.Context, w *written) error {
	if _, ok := w.has(document.DatasetFile); ok {
		return wrong("%s: every dataset has one of its own; put the source's into a folder", document.DatasetFile)
	}
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		if err := w.compare(s.files[path]); err != nil {
			return err
		}
	}
	if len(s.result.Source) > 20 {
		return wrong("result: source has %d entries, want at most 20", len(s.result.Source))
	}
	from := map[string]string{}
	for k, v := range s.result.Source {
		from[cut(line(s.clean(k)), 100)] = cut(line(s.clean(v)), 1000)
	}
	from["plugin"] = s.spec.Identity().String()
	d := document.Dataset{Schema: document.DatasetSchema, Stage: "raw", Source: from, Files: len(w.files)}
	for _, f := range w.files {
		d.Bytes += f.Size
	}
	if err := w.deliver(ctx, s.spec.Kind, s.call.Output); err != nil {
		return err
	}
	return writeDocument(s.call.Output, document.DatasetFile, d)
}

// compare says how a file differs from its publisher's description.
func (w *written) compare(f *File) error {
	e, ok := w.has(f.Path)
	if !ok {
		return wrong("%s was listed and is not in the output", f.Path)
	}
	if f.Size != nil && *f.Size != e.Size {
		return fault(plugins.FaultWrongSize, f.Path, &plugins.MismatchError{What: "size", Want: fmt.Sprint(*f.Size), Got: fmt.Sprint(e.Size)})
	}
	if f.Digest == "" {
		return nil
	}
	in, err := w.open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	got, err := f.Digest.Algorithm().FromReader(in)
	if err == nil && got != f.Digest {
		err = fault(plugins.FaultDiffers, f.Path, &plugins.MismatchError{What: "digest", Want: f.Digest.String(), Got: got.String()})
	}
	return err
}

func fault(code plugins.Code, path string, err error) error {
	return &plugins.Fault{Code: code, Err: fmt.Errorf("fetch %s: %w", path, err)}
}

// acceptCurated checks every sample, and writes the documents of the dataset.
func (s *session) acceptCurated(ctx context.Context, w *written) error {
	task := s.result.Task
	switch {
	case task == nil || task.Type != document.Multiclass && task.Type != document.Multilabel:
		return wrong("result: want a task of type %s or %s", document.Multiclass, document.Multilabel)
	case s.call.Dataset == nil:
		return errors.New("curate: the call names no dataset")
	}
	if _, ok := w.has(document.DatasetFile); ok {
		return wrong("%s: it is made of the samples and the task of the result; leave it out", document.DatasetFile)
	}
	if _, ok := w.has(document.PrintsFile); ok {
		return wrong("%s: only what the framework curates has it; leave it out", document.PrintsFile)
	}
	c := &curated{session: s, out: w, task: *task, ids: map[string]bool{}, owner: map[string]string{}, sides: map[string]string{}}
	if err := lines(w, document.SamplesFile, c.add); err != nil {
		return err
	}
	if len(c.samples) == 0 {
		return wrong("%s has no sample", document.SamplesFile)
	}
	slices.SortFunc(c.samples, func(a, b document.Sample) int { return strings.Compare(a.ID, b.ID) })
	curation, err := c.curation()
	if err != nil {
		return err
	}
	if err := w.deliver(ctx, s.spec.Kind, s.call.Output, document.SamplesFile, document.CurationFile); err != nil {
		return err
	}
	d := plugins.Describe(*s.call.Dataset, c.task, c.samples)
	d.Features, d.Bytes = s.result.Features, c.bytes
	var text bytes.Buffer
	for _, sample := range c.samples {
		line, err := canonical.Marshal(sample)
		if err != nil {
			return fmt.Errorf("sample %s: %w", sample.ID, err)
		}
		text.Write(append(line, '\n'))
	}
	return errors.Join(plugins.WriteFile(s.call.Output, document.SamplesFile, text.Bytes()),
		writeDocument(s.call.Output, document.CurationFile, curation), writeDocument(s.call.Output, document.DatasetFile, d))
}

// curated is a dataset as its samples are read.
type curated struct {
	*session
	out     *written
	task    document.Task
	samples []document.Sample
	ids     map[string]bool
	owner   map[string]string // of a file: its sample
	sides   map[string]string // of a subject
	warned  []document.Outcome
	bytes   int64
}

// add checks one sample.
func (c *curated) add(_ int, x document.Sample) error {
	if x.Dataset == "" {
		x.Dataset = c.call.Dataset.ID
	}
	if x.Subject == "" {
		x.Subject = x.ID
	}
	x.Labels = append([]string{}, x.Labels...)
	slices.Sort(x.Labels)
	switch {
	case plugins.Key(x.ID) != x.ID && !strings.Contains(x.ID, "~") || x.ID == "" || len(x.ID) > 200:
		return fmt.Errorf("id %.60q: want letters, digits, - and _, at most 200", x.ID)
	case c.ids[x.ID]:
		return fmt.Errorf("sample %s is there twice", x.ID)
	case x.Dataset != c.call.Dataset.ID:
		return fmt.Errorf("sample %s: dataset is %.60q, want %q", x.ID, x.Dataset, c.call.Dataset.ID)
	case !slices.Contains(document.Splits(), x.Split):
		return fmt.Errorf("sample %s: split is %.60q, want one of %s", x.ID, x.Split, strings.Join(document.Splits(), ", "))
	case c.task.Type == document.Multiclass && len(x.Labels) != 1:
		return fmt.Errorf("sample %s has %d labels, a sample of a %s task has one", x.ID, len(x.Labels), document.Multiclass)
	case len(x.Media) == 0 && x.Text == "":
		return fmt.Errorf("sample %s has neither media nor text", x.ID)
	}
	for i, l := range x.Labels {
		if len(c.task.Classes) > 0 && !slices.Contains(c.task.Classes, l) {
			return fmt.Errorf("sample %s: label %.60q is none of the classes of the task", x.ID, l)
		}
		if i > 0 && x.Labels[i-1] == l {
			return fmt.Errorf("sample %s: label %.60q is there twice", x.ID, l)
		}
	}
	for _, m := range x.Media {
		if err := c.media(x.ID, m); err != nil {
			return fmt.Errorf("sample %s: %w", x.ID, err)
		}
	}
	if side, ok := c.sides[x.Subject]; ok && side != x.Split {
		c.warned = append(c.warned, document.Outcome{Sample: x.ID, Code: "subject-on-two-sides", Reason: fmt.Sprintf("subject %s is on %s and %s", x.Subject, side, x.Split)})
	}
	c.sides[x.Subject], c.ids[x.ID] = x.Split, true
	c.samples = append(c.samples, x)
	return nil
}

func (c *curated) media(id string, m document.Media) error {
	f, ok := c.out.has(m.Path)
	switch {
	case !ok:
		return fmt.Errorf("media %.100q is not in the output", m.Path)
	case c.owner[m.Path] != "":
		return fmt.Errorf("media %s belongs to sample %s, too", m.Path, c.owner[m.Path])
	case m.Type == "" || m.DType == "":
		return fmt.Errorf("media %s: type and dtype are needed", m.Path)
	}
	c.owner[m.Path] = id
	c.bytes += f.Size
	return nil
}

// curation is what the plugin says of the samples that it left out, or that there are none.
func (c *curated) curation() (document.Curation, error) {
	out := document.Curation{Schema: document.CurationSchema, Expected: len(c.samples), Done: len(c.samples), Split: "the plugin's"}
	if _, ok := c.out.has(document.CurationFile); ok {
		out = document.Curation{}
		if err := c.out.document(document.CurationFile, &out); err != nil {
			return out, err
		}
		if out.Schema != document.CurationSchema || out.Done != len(c.samples) || out.Expected != out.Done+len(out.Excluded)+len(out.Failed) {
			return out, wrong("%s: want schema %s, done %d as in %s, and expected = done + excluded + failed", document.CurationFile, document.CurationSchema, len(c.samples), document.SamplesFile)
		}
	}
	out.Excluded, out.Failed = append([]document.Outcome{}, out.Excluded...), append([]document.Outcome{}, out.Failed...)
	out.Duplicates = append([]document.DuplicateGroup{}, out.Duplicates...)
	slices.SortFunc(c.warned, func(a, b document.Outcome) int { return strings.Compare(a.Sample, b.Sample) })
	out.Warnings = append(append([]document.Outcome{}, out.Warnings...), c.warned...)
	return out, nil
}

// acceptModel checks the documents of a model. A plugin that keeps no curve gets an empty one.
func (s *session) acceptModel(ctx context.Context, w *written) error {
	var m document.Model
	if err := w.document(document.ModelFile, &m); err != nil {
		return err
	}
	if m.Schema != document.ModelSchema || m.Architecture == "" || m.Parameters < 0 {
		return wrong("%s: want schema %s, an architecture and the number of parameters", document.ModelFile, document.ModelSchema)
	}
	curve := document.Curve{Schema: document.CurveSchema, Points: []document.CurvePoint{}}
	if _, ok := w.has(document.CurveFile); ok {
		if err := w.document(document.CurveFile, &curve); err != nil {
			return err
		}
		if curve.Schema != document.CurveSchema {
			return wrong("%s: schema is %q, want %s", document.CurveFile, curve.Schema, document.CurveSchema)
		}
		return w.deliver(ctx, s.spec.Kind, s.call.Output)
	}
	if err := w.deliver(ctx, s.spec.Kind, s.call.Output); err != nil {
		return err
	}
	return writeDocument(s.call.Output, document.CurveFile, curve)
}

// acceptEvaluation checks predictions and metrics against the dataset.
func (s *session) acceptEvaluation(ctx context.Context, w *written) error {
	in, err := s.call.Input(plugins.DatasetInput)
	if err != nil {
		return err
	}
	data, err := plugins.OpenCurated(in.Tree)
	if err != nil {
		return err
	}
	known, last := map[string]bool{}, ""
	for _, x := range data.Samples {
		known[x.ID] = true
	}
	n := 0
	err = lines(w, document.PredictionsFile, func(_ int, p document.Prediction) error {
		switch {
		case !known[p.ID]:
			return fmt.Errorf("the dataset has no sample %.60q", p.ID)
		case p.ID <= last:
			return fmt.Errorf("%s does not come after %s; the lines are sorted by id, each once", p.ID, last)
		case len(p.Scores) != len(data.Info.Task.Classes):
			return fmt.Errorf("%s has %d scores, the task has %d classes", p.ID, len(p.Scores), len(data.Info.Task.Classes))
		}
		last = p.ID
		n++
		return nil
	})
	if err != nil {
		return err
	}
	var m document.Metrics
	if err := w.document(document.MetricsFile, &m); err != nil {
		return err
	}
	if err := checkMetrics(m, data.Info.ID, n); err != nil {
		return err
	}
	return w.deliver(ctx, s.spec.Kind, s.call.Output)
}

func checkMetrics(m document.Metrics, dataset string, samples int) error {
	switch {
	case m.Schema != document.MetricsSchema:
		return wrong("%s: schema is %q, want %s", document.MetricsFile, m.Schema, document.MetricsSchema)
	case m.Dataset != dataset:
		return wrong("%s: dataset is %q, want %q", document.MetricsFile, m.Dataset, dataset)
	case m.Samples != samples:
		return wrong("%s: samples is %d, there are %d predictions", document.MetricsFile, m.Samples, samples)
	case len(m.Metrics) == 0:
		return wrong("%s has no metric", document.MetricsFile)
	case len(m.Metrics) > 1000:
		return tooMuch("%s has %d metrics, at most 1000 are kept", document.MetricsFile, len(m.Metrics))
	}
	seen := map[string]bool{}
	for _, x := range m.Metrics {
		if line(x.Name) != x.Name || x.Name == "" || len(x.Name) > 64 || seen[x.Name] {
			return wrong("%s: the name of a metric is %.80q: want one line of at most 64 bytes, each once", document.MetricsFile, x.Name)
		}
		seen[x.Name] = true
	}
	return nil
}

// writeDocument writes a document for people to read.
func writeDocument(out plugins.Output, path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return plugins.WriteFile(out, path, append(text, '\n'))
}
