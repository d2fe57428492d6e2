package publish

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/plugins"
)

// reporter reads the documents of a run's artifacts and puts the report together.
type reporter struct {
	ctx   context.Context
	store cas.Store
	bench *manifests.Benchmark
	plan  *plan.Plan
	state map[string]resolve.State
	trees map[string]plugins.Tree // opened artifacts, by step
}

func newReporter(ctx context.Context, s cas.Store, b *manifests.Benchmark, p *plan.Plan, states []resolve.State) *reporter {
	m := &reporter{ctx: ctx, store: s, bench: b, plan: p, state: map[string]resolve.State{}, trees: map[string]plugins.Tree{}}
	for _, st := range states {
		m.state[st.Step.Name] = st
	}
	return m
}

// MakeReport collects what a run gave. Every step must have its result. The report does not name the
// benchmark artifact, because it lies in it. known is what datasets were found to have in common earlier in the run, or "".
func MakeReport(ctx context.Context, s cas.Store, b *manifests.Benchmark, p *plan.Plan, lockText digest.Digest, states []resolve.State, known digest.Digest) (report.Report, error) {
	m := newReporter(ctx, s, b, p, states)
	r := report.Report{Benchmark: report.Benchmark{Name: b.Name, Title: b.Title, Description: b.Description, Manifest: p.Manifest, Lock: lockText}}
	for _, st := range states {
		r.Steps = append(r.Steps, report.Step{Name: st.Step.Name, Kind: st.Step.Plugin.Kind, Plugin: st.Step.Plugin.String(),
			Determinism: string(st.Step.Determinism), Action: st.ID, Artifact: st.Entry.Artifact})
	}
	for _, part := range []func(*report.Report) error{m.results, m.datasets, m.models} {
		if err := part(&r); err != nil {
			return report.Report{}, fmt.Errorf("report: %w", err)
		}
	}
	common, err := m.shared(known)
	if err != nil {
		return report.Report{}, fmt.Errorf("report: %w", err)
	}
	r.Duplicates = common.Duplicates
	for _, v := range compare.Judge(b.Claims, numbers(r.Results)) {
		r.Claims = append(r.Claims, report.Judged(v))
	}
	return r, nil
}

func numbers(results []report.Result) []compare.Result {
	var out []compare.Result
	for _, r := range results {
		out = append(out, compare.Result{Evaluation: r.Evaluation, Model: r.Model, Dataset: r.Dataset, Metric: r.Metric, Value: r.Value, Low: r.Low, High: r.High, Level: r.Bootstrap.Level})
	}
	return out
}

func (m *reporter) results(r *report.Report) error {
	for _, e := range m.plan.Evaluations {
		var doc document.Metrics
		if err := m.read(e.Step, document.MetricsFile, &doc); err != nil {
			return err
		}
		one := report.Result{Evaluation: e.Name, Model: e.Model, ModelGroup: e.Group, Dataset: e.Dataset, Split: doc.Split,
			SingleTask: m.datasetsOf(e) == 1, Samples: doc.Samples, Bootstrap: doc.Bootstrap, Trail: m.trail(e)}
		for _, n := range doc.Metrics {
			x := one
			x.Metric, x.Value, x.Low, x.High, x.Undefined = n.Name, n.Value, n.Low, n.High, n.Undefined
			for _, c := range doc.PerClass {
				if c.Name == n.Name {
					x.PerClass = append(x.PerClass, c)
				}
			}
			r.Results = append(r.Results, x)
		}
	}
	return nil
}

// datasetsOf counts the datasets that the model of an evaluation was trained on.
func (m *reporter) datasetsOf(e plan.Evaluation) int {
	return len(m.state[need(m.state[e.Step].Step, "model")].Step.Needs)
}

// trail leads from an evaluation back to the raw bytes.
func (m *reporter) trail(e plan.Evaluation) []report.Trace {
	evaluation := m.state[e.Step].Step
	curated := need(evaluation, "dataset")
	var out []report.Trace
	for _, t := range []struct{ role, step string }{
		{"evaluation", e.Step}, {"model", need(evaluation, "model")}, {"curated", curated}, {"raw", need(m.state[curated].Step, "raw")},
	} {
		st := m.state[t.step]
		out = append(out, report.Trace{Role: t.role, Step: t.step, Plugin: st.Step.Plugin.String(), Action: st.ID, Artifact: st.Entry.Artifact})
	}
	return out
}

// need names the step that gives an input.
func need(s plan.Step, input string) string {
	for _, n := range s.Needs {
		if n.Input == input {
			return n.Step
		}
	}
	return ""
}

func (m *reporter) datasets(r *report.Report) error {
	for _, st := range r.Steps {
		step := m.state[st.Name].Step
		if step.Dataset == nil {
			continue
		}
		id := step.Dataset.ID
		d := m.bench.Datasets[id]
		card := report.Dataset{ID: id, Title: d.Title, Modality: d.Modality, Licence: d.Licence, Access: d.Access, Citation: d.Citation, Homepage: d.Homepage}
		if err := m.read(need(step, "raw"), document.DatasetFile, &card.Raw); err != nil {
			return err
		}
		if err := m.read(st.Name, document.DatasetFile, &card.Curated); err != nil {
			return err
		}
		if err := m.read(st.Name, document.CurationFile, &card.Curation); err != nil {
			return err
		}
		r.Datasets = append(r.Datasets, card)
	}
	return nil
}

// lines reads a document of one JSON object a line.
func lines[T any](m *reporter, step, file string, each func(T)) error {
	tree, err := m.tree(step)
	if err != nil {
		return err
	}
	f, err := tree.Open(file)
	if err != nil {
		return fmt.Errorf("step %s: %w", step, err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return fmt.Errorf("step %s: %s: %w", step, file, err)
			}
			each(v)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("step %s: %w", step, err)
		}
	}
}

func (m *reporter) models(r *report.Report) error {
	for _, x := range m.bench.Expanded() {
		step := "pretrain/" + x.ID
		one := report.Model{ID: x.ID, Group: x.Name, Title: x.Model.Title, Plugin: m.state[step].Step.Plugin.String()}
		if err := m.read(step, document.ModelFile, &one.Info); err != nil {
			return err
		}
		if err := m.read(step, document.CurveFile, &one.Curve); err != nil {
			return err
		}
		r.Models = append(r.Models, one)
	}
	return nil
}

func (m *reporter) tree(step string) (plugins.Tree, error) {
	if t, ok := m.trees[step]; ok {
		return t, nil
	}
	st, ok := m.state[step]
	if !ok {
		return nil, fmt.Errorf("the plan has no step %q", step)
	}
	t, err := sandbox.OpenTree(m.ctx, m.store, st.Entry.Artifact)
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", step, err)
	}
	m.trees[step] = t
	return t, nil
}

// read reads one document of a step's artifact.
func (m *reporter) read(step, file string, into any) error {
	tree, err := m.tree(step)
	if err != nil {
		return err
	}
	text, err := tree.ReadFile(file)
	if err != nil {
		return fmt.Errorf("step %s: %w", step, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("step %s: %s: %w", step, file, err)
	}
	return nil
}
