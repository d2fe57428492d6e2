package manifests

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Parse reads a manifest and checks it against the plugins that there are. The error is an Errors with
// everything that is wrong.
func Parse(file string, text []byte, cat catalog.Catalog) (*Benchmark, error) {
	return ParseWith(file, text, func([]External) (catalog.Catalog, error) { return cat, nil })
}

// ParseWith is Parse where the plugins that a manifest brings along are looked up: find is told of them before anything
// else of the manifest is checked. Its error is returned as it is.
func ParseWith(file string, text []byte, find func(all []External) (catalog.Catalog, error)) (*Benchmark, error) {
	p := &parser{file: file, noun: "parameter"}
	doc := p.document(text)
	if doc == nil {
		return nil, p.failed()
	}
	cat, err := find(listed(file, doc.Content[0]))
	if err != nil {
		return nil, err
	}
	r := &reader{parser: p, catalog: cat, broken: map[string]bool{}, byPlugin: map[string]rules{}, sound: map[sound]bool{}}
	b := r.benchmark(doc.Content[0])
	if len(p.errs) > 0 {
		return nil, p.failed()
	}
	return b, nil
}

// reader turns the tree of a file into a Benchmark.
type reader struct {
	*parser
	catalog                       catalog.Catalog
	datasets, models, evaluations names
	bench                         *Benchmark
	byPlugin                      map[string]rules
	sound                         map[sound]bool
	broken                        map[string]bool // paths of what has errors, from which no others should follow
}

// Keys in canonical order, as Format writes them.
var (
	benchmarkKeys  = []string{"apiVersion", "kind", "name", "title", "description", "plugins", "datasets", "overlap", "models", "evaluations", "claims"}
	datasetKeys    = []string{"title", "modality", "licence", "access", "version", "size", "terms", "citation", "homepage", "fetch", "curate"}
	overlapKeys    = []string{"same", "near", "subject", "subjects"}
	termKeys       = []string{"id", "url", "steps"}
	stepKeys       = []string{"plugin", "seed", "params"}
	curateKeys     = []string{"plugin", "seed", "with", "params"}
	modelKeys      = []string{"title", "plugin", "datasets", "each", "seed", "rerun", "params"}
	evaluationKeys = []string{"title", "plugin", "models", "datasets", "split", "metrics", "seed", "rerun", "params"}
	rerunKeys      = []string{"compare", "absolute", "relative"}
	claimKeys      = []string{"evaluation", "model", "dataset", "metric", "value", "tolerance", "rule", "level", "source"}
)

func (r *reader) benchmark(n *yaml.Node) *Benchmark {
	f := r.fields(n, "", benchmarkKeys)
	r.bench = &Benchmark{Datasets: map[string]Dataset{}, Models: map[string]Model{}, Evaluations: map[string]Evaluation{}}
	r.bench.APIVersion = f.word("apiVersion", "manifest version", f.need("apiVersion"), newNames([]string{APIVersion}))
	r.bench.Kind = f.word("kind", "kind", f.need("kind"), newNames([]string{Kind}))
	r.bench.Name = f.required("name")
	if r.bench.Name != "" && !isIdentifier(r.bench.Name) {
		r.fail(f.get("name"), "name", "%s", identifierRule)
	}
	r.bench.Title, r.bench.Description = f.text("title"), f.text("description")
	r.bench.Plugins = r.plugins(f)
	if n := f.need("datasets"); n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		r.fail(n, "datasets", "there is no dataset")
	}
	r.sections(f)
	return r.bench
}

// sections reads what is named. Each section refers only to those before it, so there can be no cycle.
func (r *reader) sections(f fields) {
	datasets, models, evaluations := f.named("datasets"), f.named("models"), f.named("evaluations")
	r.datasets, r.models, r.evaluations = keys(datasets), keys(models), keys(evaluations)
	for _, e := range datasets {
		r.watch(e.path, func() { r.bench.Datasets[e.key] = r.dataset(e) })
	}
	for _, e := range datasets {
		r.together(e)
	}
	if n := f.get("overlap"); n != nil {
		r.bench.Overlap = r.overlap(n)
	}
	for _, e := range models {
		r.watch(e.path, func() { r.bench.Models[e.key] = r.model(e) })
	}
	for _, e := range evaluations {
		r.watch(e.path, func() { r.bench.Evaluations[e.key] = r.evaluation(e) })
	}
	if n := f.get("claims"); n != nil {
		r.claims(n)
	}
}

// watch remembers whether reading what stands at path gave an error.
func (r *reader) watch(path string, read func()) {
	before := len(r.errs)
	read()
	r.broken[path] = len(r.errs) > before
}

func (r *reader) dataset(e entry) Dataset {
	f := r.fields(e.value, e.path, datasetKeys)
	return Dataset{
		Title:    f.required("title"),
		Modality: f.word("modality", "modality", f.need("modality"), newNames(Modalities())),
		Licence:  r.licence(f),
		Access:   f.word("access", "access", f.need("access"), newNames(Accesses())),
		Version:  f.text("version"),
		Size:     r.size(f),
		Terms:    r.terms(f),
		Citation: f.text("citation"),
		Homepage: r.homepage(f),
		Fetch:    r.step(f, "fetch", catalog.Fetch),
		Curate:   r.curated(f),
	}
}

// overlap reads what becomes of common samples. To say the default changes nothing.
func (r *reader) overlap(n *yaml.Node) Overlap {
	f := r.fields(n, "overlap", overlapKeys)
	word := func(key string) string {
		n := f.get(key)
		if n == nil || f.word(key, "choice", n, newNames([]string{OverlapReport, OverlapFail})) != OverlapFail {
			return ""
		}
		return OverlapFail
	}
	o := Overlap{Same: word("same"), Near: word("near"), Subject: word("subject"), Subjects: r.subjects(f)}
	if o.Subject != "" && f.get("subjects") == nil {
		r.fail(f.get("subject"), f.at("subject"), "without subjects, no two datasets have a subject in common; write which name them alike, such as subjects: [[a, b]]")
	}
	return o
}

// subjects reads which datasets name their subjects alike. In which order they stand is no matter.
func (r *reader) subjects(f fields) [][]string {
	n, listed := f.get("subjects"), map[string]string{}
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.fail(n, f.at("subjects"), "want lists of datasets, such as [[a, b]], have %s", describe(n))
		return nil
	}
	var out [][]string
	for i, item := range n.Content {
		key := fmt.Sprintf("subjects[%d]", i)
		alike := f.list(key, "dataset", item, r.datasets)
		if item.Kind == yaml.SequenceNode && len(item.Content) == 1 {
			r.fail(item, f.at(key), "one dataset has subjects in common with no other; name two or more")
		}
		for _, name := range alike {
			if before := listed[name]; before != "" {
				r.fail(item, f.at(key), "the dataset %q is already in %s; one list holds all that name their subjects alike", name, before)
			}
			listed[name] = f.at(key)
		}
		slices.Sort(alike)
		out = append(out, alike)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// licence reads an SPDX expression and returns it as SPDX writes it.
func (r *reader) licence(f fields) string {
	s := f.required("licence")
	if s == "" || len(r.errs) > maxErrors {
		return ""
	}
	normal, err := Licence(s)
	if err != nil {
		r.fail(f.get("licence"), f.at("licence"), "%v", err)
	}
	return normal
}

func (r *reader) homepage(f fields) string {
	s := f.text("homepage")
	r.webAddress(f, "homepage", s)
	return s
}

func (r *reader) webAddress(f fields, key, s string) {
	if s != "" && !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		r.fail(f.get(key), f.at(key), "want a URL that starts with https://, have %q", shorten(s))
	}
}

func (r *reader) step(f fields, key string, kind catalog.Kind) Step {
	n := f.need(key)
	if n == nil {
		return Step{}
	}
	keys := stepKeys
	if kind == catalog.Curate {
		keys = curateKeys
	}
	s := r.fields(n, f.at(key), keys)
	step := Step{Plugin: r.plugin(s, kind, s.need("plugin")), Seed: s.seed()}
	step.Params = r.params(s, kind, step.Plugin)
	if with := s.get("with"); with != nil {
		step.With = s.list("with", "dataset", with, r.datasets)
		slices.Sort(step.With)
	}
	return step
}

func (r *reader) plugin(f fields, kind catalog.Kind, n *yaml.Node) string {
	return f.word("plugin", string(kind)+" plugin", n, r.pluginNames(kind))
}

func (r *reader) model(e entry) Model {
	f := r.fields(e.value, e.path, modelKeys)
	m := Model{
		Title:    f.text("title"),
		Plugin:   r.plugin(f, catalog.Pretrain, f.need("plugin")),
		Datasets: f.list("datasets", "dataset", f.need("datasets"), r.datasets),
		Each:     f.boolean("each"),
		Seed:     f.seed(),
	}
	m.Rerun = r.rerun(f, catalog.Pretrain, m.Plugin)
	m.Params = r.params(f, catalog.Pretrain, m.Plugin)
	r.wantCurated(f, m)
	slices.Sort(m.Datasets)
	return m
}

func (r *reader) evaluation(e entry) Evaluation {
	f := r.fields(e.value, e.path, evaluationKeys)
	ev := Evaluation{
		Title:    f.text("title"),
		Plugin:   DefaultEvaluation,
		Models:   f.list("models", "model", f.need("models"), r.models),
		Datasets: f.list("datasets", "dataset", f.get("datasets"), r.datasets),
		Split:    DefaultSplit,
		Metrics:  f.list("metrics", "metric", f.get("metrics"), newNames(Metrics())),
		Seed:     f.seed(),
	}
	if n := f.get("plugin"); n != nil {
		ev.Plugin = r.plugin(f, catalog.Evaluate, n)
	} else {
		r.known(f.node, e.path, "evaluate plugin", DefaultEvaluation, newNames(r.catalog.Names(catalog.Evaluate)))
	}
	if n := f.get("split"); n != nil {
		ev.Split = f.word("split", "split", n, newNames(splits()))
	}
	ev.Rerun = r.rerun(f, catalog.Evaluate, ev.Plugin)
	ev.Params = r.params(f, catalog.Evaluate, ev.Plugin)
	r.meet(f, ev)
	slices.Sort(ev.Models)
	slices.Sort(ev.Datasets)
	return ev
}
