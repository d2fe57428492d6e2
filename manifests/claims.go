package manifests

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// meet checks that an evaluation gives numbers: that every dataset it names is one that a model of it was
// trained on, and that every model has such a dataset.
func (r *reader) meet(f fields, ev Evaluation) {
	if len(ev.Datasets) == 0 || len(ev.Datasets) != len(f.get("datasets").Content) || len(ev.Models) == 0 || len(ev.Models) != len(f.get("models").Content) {
		return // the lists have errors of their own
	}
	seen := map[string]bool{}
	for i, name := range ev.Models {
		if r.broken[join("models", name)] {
			return
		}
		trained := r.bench.Models[name].Datasets
		for _, d := range trained {
			seen[d] = true
		}
		if !slices.ContainsFunc(ev.Datasets, func(d string) bool { return slices.Contains(trained, d) }) {
			r.fail(f.get("models").Content[i], fmt.Sprintf("%s[%d]", f.at("models"), i), "the model %q is trained on none of the evaluation's datasets", name)
		}
	}
	for i, d := range ev.Datasets {
		if !seen[d] {
			r.fail(f.get("datasets").Content[i], fmt.Sprintf("%s[%d]", f.at("datasets"), i), "none of the evaluation's models is trained on %q", d)
		}
	}
}

func (r *reader) claims(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "claims", "want a list, have %s", describe(n))
		return
	}
	lines := map[Claim]int{}
	for i, item := range n.Content {
		before := len(r.errs)
		c, f := r.claim(item, fmt.Sprintf("claims[%d]", i))
		if len(r.errs) > before {
			continue
		}
		if first, again := lines[c]; again {
			r.fail(item, f.path, "the same claim is already on line %d", first)
			continue
		}
		lines[c] = item.Line
		r.claimed(f, c)
		r.bench.Claims = append(r.bench.Claims, c)
	}
}

// ClaimLines are the lines of a manifest on which its claims stand, in their order. Of a text that is no manifest there are none.
func ClaimLines(text []byte) []int {
	var doc struct {
		Claims []yaml.Node `yaml:"claims"`
	}
	if yaml.Unmarshal(text, &doc) != nil {
		return nil
	}
	var out []int
	for _, n := range doc.Claims {
		out = append(out, n.Line)
	}
	return out
}

func (r *reader) claim(n *yaml.Node, path string) (Claim, fields) {
	f := r.fields(n, path, claimKeys)
	c := Claim{
		Evaluation: f.word("evaluation", "evaluation", f.need("evaluation"), r.evaluations),
		Model:      r.claimedModel(f),
		Dataset:    f.word("dataset", "dataset", f.need("dataset"), r.datasets),
		Metric:     f.word("metric", "metric", f.need("metric"), newNames(Metrics())),
		Value:      f.share("value"),
		Tolerance:  f.share("tolerance"),
		Source:     f.required("source"),
	}
	r.rule(f, &c)
	return c, f
}

// rule reads by which rule a claim is judged. To say the default changes nothing.
func (r *reader) rule(f fields, c *Claim) {
	if n := f.get("rule"); n != nil {
		if c.Rule = f.word("rule", "rule", n, newNames(Rules())); c.Rule == "" {
			return // it has an error of its own
		}
	}
	if c.Rule == RuleWithin {
		c.Rule = ""
	}
	switch n := f.get("level"); {
	case c.Rule == RuleInterval:
		if c.Level = f.share("level"); n != nil && (c.Level == 0 || c.Level == 1) {
			r.fail(n, f.at("level"), "want a level between 0 and 1, such as 0.95, have %s", n.Value)
		}
	case n != nil:
		r.fail(n, f.at("level"), "only a claim of rule %s has a level", RuleInterval)
	}
}

// claimedModel reads the name of a model, or name/dataset for one of the models of an "each".
func (r *reader) claimedModel(f fields) string {
	n := f.need("model")
	s := f.read("model", n)
	name, dataset, one := strings.Cut(s, "/")
	if !one {
		return f.word("model", "model", n, r.models)
	}
	if r.known(n, f.at("model"), "model", name, r.models) == "" || r.broken[join("models", name)] {
		return s
	}
	m := r.bench.Models[name]
	if !m.Each {
		r.fail(n, f.at("model"), "the model %q is one model over all its datasets; write %q", name, name)
	} else if !slices.Contains(m.Datasets, dataset) {
		r.fail(n, f.at("model"), "the model %q is not trained on %q%s", name, shorten(dataset), r.didYouMean(dataset, m.Datasets))
	}
	return s
}

// claimed checks that the manifest computes the number that a claim is about.
func (r *reader) claimed(f fields, c Claim) {
	name, dataset, one := strings.Cut(c.Model, "/")
	if r.broken[join("models", name)] || r.broken[join("evaluations", c.Evaluation)] {
		return
	}
	m, ev := r.bench.Models[name], r.bench.Evaluations[c.Evaluation]
	switch {
	case !slices.Contains(ev.Models, name):
		r.fail(f.get("model"), f.at("model"), "the evaluation %q does not score the model %q%s", c.Evaluation, name, r.didYouMean(name, ev.Models))
	case !slices.Contains(m.Datasets, c.Dataset):
		r.fail(f.get("dataset"), f.at("dataset"), "the model %q is not trained on %q%s", name, c.Dataset, r.didYouMean(c.Dataset, m.Datasets))
	case one && dataset != c.Dataset:
		r.fail(f.get("dataset"), f.at("dataset"), "the model %q is trained on %q only", c.Model, dataset)
	case len(ev.Datasets) > 0 && !slices.Contains(ev.Datasets, c.Dataset):
		r.fail(f.get("dataset"), f.at("dataset"), "the evaluation %q does not score on %q%s", c.Evaluation, c.Dataset, r.didYouMean(c.Dataset, ev.Datasets))
	case len(ev.Metrics) > 0 && !slices.Contains(ev.Metrics, c.Metric):
		r.fail(f.get("metric"), f.at("metric"), "the evaluation %q does not compute %s%s", c.Evaluation, c.Metric, r.didYouMean(c.Metric, ev.Metrics))
	}
}
