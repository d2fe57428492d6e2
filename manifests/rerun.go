package manifests

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// rerun reads how close a second computation has to come. Only a plugin that promises no more takes bounds: they would loosen
// what another one promises.
func (r *reader) rerun(f fields, kind catalog.Kind, plugin string) tolerance.Bounds {
	n := f.get("rerun")
	if n == nil {
		return tolerance.Bounds{}
	}
	before := len(r.errs)
	at := r.fields(n, f.at("rerun"), rerunKeys)
	b := tolerance.Bounds{
		Compare:  at.word("compare", "comparison", at.need("compare"), newNames([]string{tolerance.Metrics, tolerance.Tensors})),
		Absolute: at.distance("absolute", at.need("absolute")),
		Relative: at.distance("relative", at.get("relative")),
	}
	if len(r.errs) > before {
		return b
	}
	class := catalog.Tolerance // of one that is not known here
	if spec, ok := r.catalog.Find(kind, plugin); ok {
		class = spec.Determinism
	}
	if err := b.CheckOf(kind, class); err != nil {
		r.fail(n, f.at("rerun"), "%v", err)
	}
	return b
}

// RerunOf is how close a second computation of a step has to come, and where in the manifest that stands. It is false of steps
// that the manifest does not have, or that take no bounds.
func (b *Benchmark) RerunOf(step string) (bounds tolerance.Bounds, path string, ok bool) {
	kind, name, _ := strings.Cut(step, "/")
	name, _, _ = strings.Cut(name, "/")
	switch catalog.Kind(kind) {
	case catalog.Pretrain:
		m, ok := b.Models[name]
		return m.Rerun, "models." + name + ".rerun", ok
	case catalog.Evaluate:
		e, ok := b.Evaluations[name]
		return e.Rerun, "evaluations." + name + ".rerun", ok
	}
	return tolerance.Bounds{}, "", false
}

// distance reads a number that is not negative. A nil node is an absent one, which is 0.
func (f fields) distance(key string, n *yaml.Node) float64 {
	if n == nil {
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Tag != "!!int" && n.Tag != "!!float" || err != nil || !(v >= 0) {
		f.p.fail(n, f.at(key), "want a number that is not negative, have %s", describe(n))
		return 0
	}
	return v
}
