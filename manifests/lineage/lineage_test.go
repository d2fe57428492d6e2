package lineage_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/lineage"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// rebuilt are two datasets, a model of a alone and one of both, and evaluations of these on the test side, of the second on
// the training side of a, too.
func rebuilt() (*plan.Plan, *lock.Lock) {
	p, l := &plan.Plan{}, &lock.Lock{}
	step := func(name, kind, params string, needs ...plan.Need) {
		p.Steps = append(p.Steps, plan.Step{Name: name, Plugin: action.Plugin{Kind: kind}, Params: json.RawMessage(params), Needs: needs})
		l.Steps = append(l.Steps, lock.Step{Name: name, Artifact: digest.FromString(name)})
	}
	need := func(input, step string) plan.Need { return plan.Need{Input: input, Step: step} }
	for _, d := range []string{"a", "b"} {
		step("fetch/"+d, "fetch", `{}`)
		step("curate/"+d, "curate", `{}`, need("raw", "fetch/"+d))
	}
	step("pretrain/one", "pretrain", `{}`, need("a", "curate/a"))
	step("pretrain/both", "pretrain", `{}`, need("a", "curate/a"), need("b", "curate/b"))
	score := func(evaluation, model, dataset, split string) {
		name := "evaluate/" + evaluation + "/" + model + "/" + dataset
		step(name, "evaluate", `{"split":"`+split+`"}`, need("dataset", "curate/"+dataset), need("model", "pretrain/"+model))
		p.Evaluations = append(p.Evaluations, plan.Evaluation{Name: evaluation, Model: model, Dataset: dataset, Step: name})
		l.Results = append(l.Results, lock.Result{Evaluation: evaluation, Model: model, Dataset: dataset, Metric: "auroc"})
	}
	score("test", "one", "a", "test")
	score("test", "both", "a", "test")
	score("test", "both", "b", "test")
	score("fit", "both", "a", "train")
	return p, l
}

func follow(hits ...lineage.Hit) (depends map[string][]string, reads, numbers []string) {
	p, l := rebuilt()
	a := lineage.Follow(p, l, hits)
	depends = map[string][]string{}
	for _, s := range a.Depends {
		depends[s.Name] = s.How
	}
	for _, s := range a.Reads {
		reads = append(reads, s.Name)
	}
	for _, n := range a.Numbers {
		numbers = append(numbers, n.Evaluation+"/"+n.Model+"/"+n.Dataset)
	}
	return depends, reads, numbers
}

func TestFollow(t *testing.T) {
	one := func(split string) []lineage.Sample { return []lineage.Sample{{ID: "s", Split: split, Subject: "p"}} }
	raw := lineage.Hit{Step: "fetch/a"}
	for _, c := range []struct {
		name           string
		hits           []lineage.Hit
		depends        map[string][]string
		reads, numbers []string
	}{
		{"a sample of the training side", []lineage.Hit{raw, {Step: "curate/a", Samples: one("train")}}, map[string][]string{
			"fetch/a": {"holds it"}, "curate/a": {"holds 1 sample"}, "pretrain/one": {"learned from 1 sample"}, "pretrain/both": {"learned from 1 sample"},
			"evaluate/test/one/a": {"made of pretrain/one"}, "evaluate/test/both/a": {"made of pretrain/both"}, "evaluate/test/both/b": {"made of pretrain/both"},
			"evaluate/fit/both/a": {"scored on 1 sample", "made of pretrain/both"},
		}, nil, []string{"test/one/a", "test/both/a", "test/both/b", "fit/both/a"}},
		{"a sample of the test side", []lineage.Hit{raw, {Step: "curate/a", Samples: one("test")}}, map[string][]string{
			"fetch/a": {"holds it"}, "curate/a": {"holds 1 sample"}, "evaluate/test/one/a": {"scored on 1 sample"}, "evaluate/test/both/a": {"scored on 1 sample"},
		}, []string{"pretrain/one", "pretrain/both", "evaluate/test/both/b", "evaluate/fit/both/a"}, []string{"test/one/a", "test/both/a"}},
		{"a sample of the validation side", []lineage.Hit{{Step: "curate/b", Samples: one("validation")}}, map[string][]string{
			"curate/b": {"holds 1 sample"}, "pretrain/both": {"stopped or chosen by 1 sample"},
			"evaluate/test/both/a": {"made of pretrain/both"}, "evaluate/test/both/b": {"made of pretrain/both"}, "evaluate/fit/both/a": {"made of pretrain/both"},
		}, nil, []string{"test/both/a", "test/both/b", "fit/both/a"}},
		{"a whole dataset", []lineage.Hit{{Step: "fetch/b"}}, map[string][]string{
			"fetch/b": {"holds it"}, "curate/b": {"made of fetch/b"}, "pretrain/both": {"made of curate/b"},
			"evaluate/test/both/a": {"made of pretrain/both"}, "evaluate/test/both/b": {"made of curate/b", "made of pretrain/both"}, "evaluate/fit/both/a": {"made of pretrain/both"},
		}, nil, []string{"test/both/a", "test/both/b", "fit/both/a"}},
		{"nothing", nil, map[string][]string{}, nil, nil},
	} {
		depends, reads, numbers := follow(c.hits...)
		for what, diff := range map[string]string{"depends": cmp.Diff(c.depends, depends), "reads": cmp.Diff(c.reads, reads), "numbers": cmp.Diff(c.numbers, numbers)} {
			if diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", c.name, what, diff)
			}
		}
	}
}
