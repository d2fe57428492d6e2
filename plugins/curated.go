package plugins

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Curated is a curated dataset opened for reading.
type Curated struct {
	Tree    Tree
	Info    document.Dataset
	Samples []document.Sample // sorted by id
}

// OpenCurated reads dataset.json and samples.jsonl.
func OpenCurated(t Tree) (*Curated, error) {
	d := &Curated{Tree: t}
	text, err := t.ReadFile(document.DatasetFile)
	if err != nil {
		return nil, fmt.Errorf("open curated dataset: %w", err)
	}
	if err := json.Unmarshal(text, &d.Info); err != nil {
		return nil, fmt.Errorf("%s: %w", document.DatasetFile, err)
	}
	if d.Info.Schema != document.DatasetSchema || d.Info.Stage != "curated" || d.Info.Task == nil {
		return nil, fmt.Errorf("%s: schema %q, stage %q: not a curated dataset", document.DatasetFile, d.Info.Schema, d.Info.Stage)
	}
	lines, err := t.ReadFile(document.SamplesFile)
	if err != nil {
		return nil, fmt.Errorf("open curated dataset: %w", err)
	}
	scan := bufio.NewScanner(bytes.NewReader(lines))
	scan.Buffer(nil, 16<<20)
	for n := 1; scan.Scan(); n++ {
		var s document.Sample
		if err := json.Unmarshal(scan.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", document.SamplesFile, n, err)
		}
		d.Samples = append(d.Samples, s)
	}
	return d, scan.Err()
}

// Split returns the samples of one side, sorted by id.
func (d *Curated) Split(name string) []document.Sample {
	var out []document.Sample
	for _, s := range d.Samples {
		if s.Split == name {
			out = append(out, s)
		}
	}
	return out
}
