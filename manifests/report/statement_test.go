package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-bench/cairn/manifests"
)

// exampleBenchmark is the manifest of example.
func exampleBenchmark() *manifests.Benchmark {
	return &manifests.Benchmark{Name: "demo", Evaluations: map[string]manifests.Evaluation{"results": {}}, Datasets: map[string]manifests.Dataset{
		"ecg": {Title: "12-lead | ECG", Licence: "CC-BY-4.0", Access: "open", Version: "1.0.3"},
		"heart": {Title: "Heart disease", Licence: "LicenseRef-Heart", Access: "registration",
			Terms: []manifests.Term{{ID: "Heart-1", URL: "https://heart.test/terms"}}},
	}}
}

func exampleStatement(r Report) ([]byte, error) { return Statement(r, exampleBenchmark()), nil }

// TestStatement: it counts samples and names none, and says what is not exact, not open, undefined or not reproduced.
func TestStatement(t *testing.T) {
	r := example()
	r.Steps[0].Determinism = "tolerance"
	text := string(Statement(r, exampleBenchmark()))
	if !strings.HasPrefix(text, StatementTitle) {
		t.Error("it does not begin with its title")
	}
	for _, d := range r.Datasets {
		for _, o := range append(append(d.Curation.Excluded, d.Curation.Failed...), d.Curation.Warnings...) {
			if strings.Contains(text, o.Sample) {
				t.Errorf("it names the sample %s", o.Sample)
			}
		}
	}
	_, limits, _ := strings.Cut(text, "## Known limits")
	for _, want := range []string{
		escaped(r.Steps[0].Name) + " is of the class tolerance", "access registration) cannot be passed on: whoever wants the data has to ask their publisher", "class mutagen has no positive sample",
		"AUROC of single on xray: fails", "AUROC of multitask on retina: unknown", "2 groups of samples are the same",
	} {
		if !strings.Contains(limits, want) {
			t.Errorf("its limits lack %q: %s", want, limits)
		}
	}
	if limits := string(Statement(Report{}, &manifests.Benchmark{})); !strings.Contains(limits, "None is known.") {
		t.Error(limits)
	}
	if text == fmt.Sprint(string(Statement(example(), exampleBenchmark()))) {
		t.Error("a change of class changes nothing")
	}
}
