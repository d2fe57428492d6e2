package plugins

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// someDone refuses an empty dataset and names the most common reason for it.
func (k *curator) someDone() error {
	if len(k.jobs) == 0 {
		return errors.New("the recipe found no sample in the raw tree")
	}
	counts := map[string]int{}
	var worst document.Outcome
	for _, j := range k.jobs {
		if j.state == done {
			return nil
		}
		if counts[j.outcome.Code]++; counts[j.outcome.Code] > counts[worst.Code] || worst.Code == "" {
			worst = j.outcome
		}
	}
	return fmt.Errorf("none of %d samples is usable; the most common reason is %s (%d times), as of %s: %s",
		len(k.jobs), worst.Code, counts[worst.Code], worst.Sample, worst.Reason)
}

// report writes dataset.json, samples.jsonl, curation.json, fingerprints.jsonl and the ids of each side.
func (k *curator) report() error {
	samples, err := k.samples()
	if err != nil {
		return err
	}
	if err := WriteFile(k.call.Output, document.SamplesFile, samples); err != nil {
		return err
	}
	if err := k.prints(); err != nil {
		return err
	}
	if err := writeJSON(k.call.Output, document.CurationFile, k.curation()); err != nil {
		return err
	}
	return writeJSON(k.call.Output, document.DatasetFile, k.dataset())
}

func (k *curator) samples() ([]byte, error) {
	var out bytes.Buffer
	for _, j := range k.in(done) {
		line, err := canonical.Marshal(j.sample)
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", j.ID, err)
		}
		out.Write(append(line, '\n'))
	}
	return out.Bytes(), nil
}

func (k *curator) curation() document.Curation {
	out := document.Curation{
		Schema:     document.CurationSchema,
		Expected:   len(k.jobs),
		Done:       len(k.in(done)),
		Excluded:   outcomes(k.in(excluded)),
		Failed:     outcomes(k.in(failed)),
		Withdrawn:  k.withdrawn,
		Split:      k.rule.String(),
		SplitFiles: k.splits,
		Labels:     k.tally(),
		LabelMaps:  k.maps,
		Published:  k.published,
		Duplicates: append([]document.DuplicateGroup{}, k.groups...),
		Warnings:   append([]document.Outcome{}, k.gone...),
	}
	for _, flaw := range k.rule.Flaws {
		out.Warnings = append(out.Warnings, document.Outcome{Code: "flaw", Reason: flaw})
	}
	for _, j := range k.in(done) {
		slices.SortStableFunc(j.warnings, byCode)
		out.Warnings = append(out.Warnings, j.warnings...)
	}
	return out
}

func outcomes(jobs []*job) []document.Outcome {
	out := []document.Outcome{}
	for _, j := range jobs {
		out = append(out, j.outcome)
	}
	return out
}

func (k *curator) dataset() document.Dataset {
	var samples []document.Sample
	var bytes int64
	for _, j := range k.in(done) {
		samples = append(samples, j.sample)
		bytes += j.bytes
	}
	d := Describe(*k.call.Dataset, k.task, samples)
	d.Features, d.Bytes = k.features, bytes
	return d
}

// Describe makes dataset.json of a curated dataset, but for its features and the bytes of its media. The classes are the
// task's, or else the labels that occur.
func Describe(of action.Dataset, task document.Task, samples []document.Sample) document.Dataset {
	task.Classes = classes(task, samples)
	d := document.Dataset{
		Schema: document.DatasetSchema, Stage: "curated",
		ID: of.ID, Modality: of.Modality, Licence: of.Licence, Access: of.Access,
		Task:   &task,
		Counts: map[string]map[string]int{}, Samples: map[string]int{}, Subjects: map[string]int{},
	}
	for _, side := range document.Splits() {
		count(&d, side, samples)
	}
	for _, s := range samples {
		d.Files += len(s.Media)
	}
	return d
}

func classes(task document.Task, samples []document.Sample) []string {
	if len(task.Classes) > 0 {
		return task.Classes
	}
	occur := map[string]bool{}
	for _, s := range samples {
		for _, l := range s.Labels {
			occur[l] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(occur))...)
}

// count fills in one side; a class without a sample counts 0, so that it is seen.
func count(d *document.Dataset, side string, samples []document.Sample) {
	perClass, subjects := map[string]int{}, map[string]bool{}
	for _, c := range d.Task.Classes {
		perClass[c] = 0
	}
	n := 0
	for _, s := range samples {
		if s.Split != side {
			continue
		}
		n++
		subjects[s.Subject] = true
		for _, l := range s.Labels {
			perClass[l]++
		}
	}
	d.Counts[side], d.Samples[side], d.Subjects[side] = perClass, n, len(subjects)
}

// writeJSON writes a document for people to read; the order of its members is that of its type.
func writeJSON(out Output, path string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return WriteFile(out, path, b.Bytes())
}
