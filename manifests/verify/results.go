package verify

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// results compares every number of the lock with the evaluation it comes from.
func (v *verifier) results(p *plan.Plan, l *lock.Lock, artifacts map[string]digest.Digest) {
	got := map[string]lock.Result{}
	for _, r := range l.Results {
		got[name(r)] = r
	}
	var want lock.Lock
	unread := map[string]bool{}
	before := len(v.out.Problems)
	for _, e := range p.Evaluations {
		v.step = e.Step
		m, ok := v.evaluated(artifacts[e.Step])
		if !ok {
			unread[of(lock.Result{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset})] = true
		}
		for _, n := range m.Metrics {
			w := lock.Result{Evaluation: e.Name, Model: e.Model, Dataset: e.Dataset, Metric: n.Name, Value: n.Value, Low: n.Low, High: n.High}
			v.result(w, got, artifacts[e.Step])
			delete(got, name(w))
			want.Results = append(want.Results, w)
		}
	}
	v.step = ""
	for _, r := range l.Results {
		if _, extra := got[name(r)]; extra && !unread[of(r)] {
			v.problem(Problem{Code: ResultDiffers, Path: name(r), Digest: l.Plan, Want: "no such result", Got: text(r)})
		}
	}
	order := lock.Lock{Results: l.Results}
	if len(unread) == 0 && len(v.out.Problems) == before && !bytes.Equal(want.Marshal(), order.Marshal()) {
		v.problem(Problem{Code: ResultDiffers, Path: "benchmark.lock", Digest: l.Plan, Want: "the metrics in the order of their evaluation", Got: "another order"})
	}
}

func (v *verifier) result(want lock.Result, have map[string]lock.Result, evaluation digest.Digest) {
	got, ok := have[name(want)]
	if ok && text(got) == text(want) {
		return
	}
	p := Problem{Code: ResultDiffers, Path: name(want), Digest: evaluation, Want: text(want), Got: "no such result"}
	if ok {
		p.Got = text(got)
	}
	v.problem(p)
}

func of(r lock.Result) string { return r.Evaluation + "/" + r.Model + "/" + r.Dataset }

func name(r lock.Result) string { return of(r) + "/" + r.Metric }

func text(r lock.Result) string {
	return show(r.Value) + " [" + show(r.Low) + ", " + show(r.High) + "]"
}

func show(f *float64) string {
	if f == nil {
		return "null"
	}
	return fmt.Sprint(*f)
}

// evaluated gives the numbers of an evaluation: those of its artifact, which its record has to agree with, or else those
// of its record.
func (v *verifier) evaluated(evaluation digest.Digest) (document.Metrics, bool) {
	signed, recorded := v.numbers[v.step]
	if _, here := v.seen[evaluation]; !here && !recorded {
		v.read(evaluation, "manifest") // says what is missing
		return document.Metrics{}, false
	}
	v.lenient = recorded
	broken := v.broken
	m, ok := v.metrics(evaluation)
	v.lenient = false
	switch {
	case !ok && recorded && v.broken == broken: // it is not there
		return document.Metrics{Metrics: signed.Metrics}, true
	case ok && recorded && !equal(m.Metrics, signed.Metrics):
		v.problem(Problem{Code: RecordDiffers, Path: "record/evaluation", Digest: evaluation, Want: "the numbers of " + document.MetricsFile, Got: "others"})
	}
	return m, ok
}

func equal(x, y []document.Metric) bool {
	a, err := canonical.Marshal(x)
	b, other := canonical.Marshal(y)
	return err == nil && other == nil && bytes.Equal(a, b)
}

// metrics reads metrics.json, a layer of its own in an evaluation. What is wrong with the evaluation itself
// has been said.
func (v *verifier) metrics(evaluation digest.Digest) (document.Metrics, bool) {
	var doc document.Metrics
	if _, checked := v.seen[evaluation]; !checked {
		return doc, false
	}
	raw, ok := v.read(evaluation, "manifest")
	if !ok {
		return doc, false
	}
	m, err := artifact.ParseManifest(raw)
	if err != nil {
		return doc, false
	}
	for _, l := range m.Layers {
		if l.Annotations[ocispec.AnnotationTitle] != document.MetricsFile {
			continue
		}
		raw, ok := v.read(l.Digest, document.MetricsFile)
		if !ok {
			return doc, false
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			v.problem(Problem{Code: Malformed, Path: document.MetricsFile, Digest: l.Digest, Got: err.Error()})
			return document.Metrics{}, false
		}
		return doc, true
	}
	v.problem(Problem{Code: Malformed, Path: "manifest", Digest: evaluation, Want: "a layer titled " + document.MetricsFile})
	return doc, false
}
