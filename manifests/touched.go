package manifests

import (
	"maps"
	"slices"
)

// Touched is what follows from datasets.
type Touched struct {
	Models      []string `json:"models"`      // expanded, sorted
	Evaluations []Scored `json:"evaluations"` // of these models, also on other datasets
	Claims      []Claim  `json:"claims"`
}

// Scored is a model that is scored on a dataset.
type Scored struct {
	Evaluation string `json:"evaluation"`
	Model      string `json:"model"`
	Dataset    string `json:"dataset"`
}

// Touched says what would be another thing with other bytes in those datasets.
func (b *Benchmark) Touched(datasets []string) Touched {
	t := Touched{Models: []string{}, Evaluations: []Scored{}, Claims: []Claim{}}
	for _, m := range b.Expanded() {
		if !slices.ContainsFunc(m.Datasets, func(d string) bool { return slices.Contains(datasets, d) }) {
			continue
		}
		t.Models = append(t.Models, m.ID)
		for _, name := range slices.Sorted(maps.Keys(b.Evaluations)) {
			t.Evaluations = append(t.Evaluations, b.Evaluations[name].of(name, m)...)
		}
	}
	for _, c := range b.Claims {
		about := func(s Scored) bool {
			return s.Evaluation == c.Evaluation && s.Dataset == c.Dataset && slices.ContainsFunc(c.Numbers(), func(n Number) bool { return n.Model == s.Model })
		}
		if slices.ContainsFunc(t.Evaluations, about) {
			t.Claims = append(t.Claims, c)
		}
	}
	return t
}

// of lists where an evaluation scores a model.
func (e Evaluation) of(name string, m ExpandedModel) []Scored {
	var out []Scored
	for _, d := range m.Datasets {
		if slices.Contains(e.Models, m.Name) && (len(e.Datasets) == 0 || slices.Contains(e.Datasets, d)) {
			out = append(out, Scored{Evaluation: name, Model: m.ID, Dataset: d})
		}
	}
	return out
}
