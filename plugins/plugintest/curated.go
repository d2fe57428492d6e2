package plugintest

import (
	"encoding/json"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Curated reads the documents that a plugin of kind curate left: its samples by their ids, what became of every candidate,
// and the counts.
func Curated(t TB, out Files) (map[string]document.Sample, document.Curation, document.Dataset) {
	t.Helper()
	d, err := plugins.OpenCurated(out)
	if err != nil {
		t.Fatalf("%v", err)
	}
	samples := make(map[string]document.Sample, len(d.Samples))
	for _, s := range d.Samples {
		samples[s.ID] = s
	}
	var c document.Curation
	if err := json.Unmarshal(out[document.CurationFile], &c); err != nil {
		t.Fatalf("%v", err)
	}
	return samples, c, d.Info
}
