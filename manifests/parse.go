package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/github/go-spdx/v2/spdxexp"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// maxText bounds a manifest; the largest benchmark we know has 45 datasets and a few thousand lines.
const maxText = 16 << 20

// Error is one thing that is wrong in a file, and where.
type Error struct {
	File         string
	Line, Column int
	Path         string // datasets.ecg.fetch.params.records
	Message      string
}

func (e Error) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", e.File, e.Line, e.Column)
	if e.Path != "" {
		where += e.Path + ": "
	}
	return where + e.Message
}

// Errors is everything that is wrong in a file, in the order of the file.
type Errors []Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Parse reads a manifest and checks it against the plugins that there are. The error is an Errors.
func Parse(file string, text []byte, cat catalog.Catalog) (*Benchmark, error) {
	p := &parser{file: file, catalog: cat}
	root := p.document(text)
	if root == nil {
		return nil, p.errs
	}
	b := p.benchmark(root)
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(x, y Error) int {
			if x.Line != y.Line {
				return x.Line - y.Line
			}
			return x.Column - y.Column
		})
		return nil, p.errs
	}
	return b, nil
}

type parser struct {
	file    string
	catalog catalog.Catalog
	errs    Errors
}

func (p *parser) fail(n *yaml.Node, path, format string, args ...any) {
	p.errs = append(p.errs, Error{File: p.file, Line: n.Line, Column: n.Column, Path: path, Message: fmt.Sprintf(format, args...)})
}

// yamlPosition finds the line in the messages of the YAML reader.
var yamlPosition = regexp.MustCompile(`line (\d+)`)

// document returns the mapping at the root of the one document, with no aliases left in doubt.
func (p *parser) document(text []byte) *yaml.Node {
	start := &yaml.Node{Line: 1, Column: 1}
	switch {
	case len(text) > maxText:
		p.fail(start, "", "the file has %d bytes, at most %d are read", len(text), maxText)
		return nil
	case !utf8.Valid(text):
		p.fail(start, "", "the file is not UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if m := yamlPosition.FindStringSubmatch(err.Error()); m != nil {
			start.Line, _ = strconv.Atoi(m[1])
		}
		p.fail(start, "", "not YAML: %v", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if dec.Decode(&more) == nil {
		p.fail(&more, "", "a second document in the file; want one")
		return nil
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		p.fail(start, "", "want a mapping with apiVersion, kind, name, datasets")
		return nil
	}
	if alias := findAlias(doc.Content[0]); alias != nil {
		p.fail(alias, "", "aliases (*%s) are not read in a manifest: write the value out", alias.Value)
		return nil
	}
	return doc.Content[0]
}

// findAlias returns the first alias. They are refused: they can make a small file mean a huge one, or itself.
func findAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n
	}
	for _, c := range n.Content {
		if found := findAlias(c); found != nil {
			return found
		}
	}
	return nil
}

// fields are the values of a mapping by key. Every key must be known, and be there once.
type fields struct {
	p    *parser
	node *yaml.Node
	path string
	m    map[string]*yaml.Node
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// mapping reads n as a mapping; known nil allows any key.
func (p *parser) mapping(n *yaml.Node, path string, known ...string) fields {
	f := fields{p: p, node: n, path: path, m: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		p.fail(n, path, "want a mapping, have %s", kindName(n))
		return f
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case f.m[k.Value] != nil:
			p.fail(k, join(path, k.Value), "the key is there twice")
		case known != nil && !slices.Contains(known, k.Value):
			p.fail(k, join(path, k.Value), "unknown key%s", didYouMean(k.Value, known))
		default:
			f.m[k.Value] = v
		}
	}
	return f
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

func (f fields) at(key string) string { return join(f.path, key) }

// text reads a word. A required one that is absent is an error at the mapping.
func (f fields) text(key string, required bool) string {
	n := f.m[key]
	if n == nil {
		if required && f.node.Kind == yaml.MappingNode {
			f.p.fail(f.node, f.path, "the key %q is missing", key)
		}
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		f.p.fail(n, f.at(key), "want a text, have %s", kindName(n))
		return ""
	}
	if required && strings.TrimSpace(n.Value) == "" {
		f.p.fail(n, f.at(key), "it is empty")
	}
	return n.Value
}

// word reads one of a set of words.
func (f fields) word(key string, required bool, known []string) string {
	w := f.text(key, required)
	if w != "" && !slices.Contains(known, w) {
		f.p.fail(f.m[key], f.at(key), "%q is not one of %s%s", w, strings.Join(known, ", "), didYouMean(w, known))
	}
	return w
}

func (f fields) seed(key string) uint64 {
	n := f.m[key]
	if n == nil {
		return 0
	}
	v, err := strconv.ParseUint(n.Value, 10, 64)
	if err != nil || n.Kind != yaml.ScalarNode {
		f.p.fail(n, f.at(key), "want a whole number from 0 to 2^64-1, have %s", kindName(n))
	}
	return v
}

func (f fields) number(key string) float64 {
	n := f.m[key]
	if n == nil {
		f.p.fail(f.node, f.path, "the key %q is missing", key)
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || n.Kind != yaml.ScalarNode {
		f.p.fail(n, f.at(key), "want a number, have %s", kindName(n))
	}
	return v
}

func (f fields) boolean(key string) bool {
	n := f.m[key]
	if n == nil {
		return false
	}
	if n.Tag != "!!bool" {
		f.p.fail(n, f.at(key), "want true or false, have %s", kindName(n))
	}
	return n.Value == "true"
}

// list reads names, each of which must be known.
func (f fields) list(key string, required bool, known []string, what string) []string {
	n := f.m[key]
	if n == nil {
		if required && f.node.Kind == yaml.MappingNode {
			f.p.fail(f.node, f.path, "the key %q is missing", key)
		}
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		f.p.fail(n, f.at(key), "want a list of %ss, have %s", what, kindName(n))
		return nil
	}
	var out []string
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", f.at(key), i)
		switch {
		case item.Kind != yaml.ScalarNode:
			f.p.fail(item, path, "want the name of a %s, have %s", what, kindName(item))
		case slices.Contains(out, item.Value):
			f.p.fail(item, path, "%s %q is there twice", what, item.Value)
		case !slices.Contains(known, item.Value):
			f.p.fail(item, path, "no %s %q%s", what, item.Value, didYouMean(item.Value, known))
		default:
			out = append(out, item.Value)
		}
	}
	if required && len(n.Content) == 0 {
		f.p.fail(n, f.at(key), "the list is empty")
	}
	return out
}

var identifier = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// named walks the entries of a mapping from ids, in the order of the file.
func (f fields) named(key string, each func(id string, n *yaml.Node, path string)) {
	n := f.m[key]
	if n == nil {
		return
	}
	entries := f.p.mapping(n, f.at(key))
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		id, v := n.Content[i].Value, n.Content[i+1]
		if entries.m[id] != v {
			continue // the second of two
		}
		if !identifier.MatchString(id) {
			f.p.fail(n.Content[i], join(f.at(key), id), "a name has lower-case letters, digits and dashes, and starts with a letter or digit")
		}
		each(id, v, join(f.at(key), id))
	}
}

// ids lists the names in a mapping.
func (f fields) ids(key string) []string {
	n := f.m[key]
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var out []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		out = append(out, n.Content[i].Value)
	}
	return out
}

func (p *parser) benchmark(n *yaml.Node) *Benchmark {
	f := p.mapping(n, "", "apiVersion", "kind", "name", "title", "description", "datasets", "models", "evaluations", "claims")
	b := &Benchmark{Datasets: map[string]Dataset{}, Models: map[string]Model{}, Evaluations: map[string]Evaluation{}}
	b.APIVersion = f.word("apiVersion", true, []string{APIVersion})
	b.Kind = f.word("kind", true, []string{Kind})
	b.Name = f.text("name", true)
	if b.Name != "" && !identifier.MatchString(b.Name) {
		p.fail(f.m["name"], "name", "a name has lower-case letters, digits and dashes, and starts with a letter or digit")
	}
	b.Title, b.Description = f.text("title", false), f.text("description", false)
	if f.m["datasets"] == nil {
		p.fail(n, "", "the key %q is missing", "datasets")
	}
	f.named("datasets", func(id string, n *yaml.Node, path string) { b.Datasets[id] = p.dataset(n, path) })
	datasets, models := f.ids("datasets"), f.ids("models")
	f.named("models", func(id string, n *yaml.Node, path string) { b.Models[id] = p.model(n, path, datasets) })
	f.named("evaluations", func(id string, n *yaml.Node, path string) {
		b.Evaluations[id] = p.evaluation(n, path, models, datasets)
	})
	if c := f.m["claims"]; c != nil {
		b.Claims = p.claims(c, f.ids("evaluations"), models, datasets)
	}
	return b
}

func (p *parser) dataset(n *yaml.Node, path string) Dataset {
	f := p.mapping(n, path, "title", "modality", "licence", "access", "citation", "homepage", "fetch", "curate")
	d := Dataset{
		Title: f.text("title", true), Modality: f.word("modality", true, modalities), Licence: f.text("licence", true),
		Access: f.word("access", true, accesses), Citation: f.text("citation", false), Homepage: f.text("homepage", false),
	}
	if d.Licence != "" {
		p.licence(f.m["licence"], f.at("licence"), d.Licence)
	}
	d.Fetch = p.step(f, "fetch", catalog.Fetch)
	d.Curate = p.step(f, "curate", catalog.Curate)
	return d
}

func (p *parser) licence(n *yaml.Node, path, licence string) {
	if ok, _ := spdxexp.ValidateLicenses([]string{licence}); !ok {
		p.fail(n, path, "%q is neither an SPDX licence such as CC-BY-4.0 nor a LicenseRef- of your own", licence)
	}
}

func (p *parser) step(f fields, key string, kind catalog.Kind) Step {
	n := f.m[key]
	if n == nil {
		if f.node.Kind == yaml.MappingNode {
			p.fail(f.node, f.path, "the key %q is missing", key)
		}
		return Step{}
	}
	s := p.mapping(n, f.at(key), "plugin", "seed", "params")
	step := Step{Plugin: s.text("plugin", true), Seed: s.seed("seed")}
	step.Params = p.params(s, kind, step.Plugin)
	return step
}

func (p *parser) model(n *yaml.Node, path string, datasets []string) Model {
	f := p.mapping(n, path, "title", "plugin", "datasets", "each", "seed", "params")
	m := Model{Title: f.text("title", false), Plugin: f.text("plugin", true), Seed: f.seed("seed"), Each: f.boolean("each"),
		Datasets: f.list("datasets", true, datasets, "dataset")}
	m.Params = p.params(f, catalog.Pretrain, m.Plugin)
	return m
}

func (p *parser) evaluation(n *yaml.Node, path string, models, datasets []string) Evaluation {
	f := p.mapping(n, path, "title", "plugin", "models", "datasets", "split", "metrics", "seed", "params")
	e := Evaluation{Title: f.text("title", false), Plugin: f.text("plugin", false), Split: f.word("split", false, splits), Seed: f.seed("seed"),
		Models: f.list("models", true, models, "model"), Datasets: f.list("datasets", false, datasets, "dataset"),
		Metrics: f.list("metrics", false, metrics, "metric")}
	if e.Plugin == "" {
		e.Plugin = "classification"
	}
	e.Params = p.params(f, catalog.Evaluate, e.Plugin)
	return e
}

func (p *parser) claims(n *yaml.Node, evaluations, models, datasets []string) []Claim {
	if n.Kind != yaml.SequenceNode {
		p.fail(n, "claims", "want a list, have %s", kindName(n))
		return nil
	}
	var out []Claim
	for i, item := range n.Content {
		f := p.mapping(item, fmt.Sprintf("claims[%d]", i), "evaluation", "model", "dataset", "metric", "value", "tolerance", "source")
		if item.Kind != yaml.MappingNode {
			continue
		}
		c := Claim{Evaluation: f.word("evaluation", true, evaluations), Model: f.word("model", true, models),
			Dataset: f.word("dataset", true, datasets), Metric: f.word("metric", true, metrics),
			Value: f.number("value"), Tolerance: f.number("tolerance"), Source: f.text("source", true)}
		if c.Tolerance < 0 {
			p.fail(f.m["tolerance"], f.at("tolerance"), "a tolerance is not below zero")
		}
		out = append(out, c)
	}
	return out
}

// params checks the parameters of a plugin against its schema and returns them as canonical JSON.
func (p *parser) params(f fields, kind catalog.Kind, plugin string) json.RawMessage {
	if plugin == "" {
		return nil
	}
	spec, ok := p.catalog.Find(kind, plugin)
	if !ok {
		n := f.m["plugin"]
		if n == nil {
			n = f.node
		}
		names := p.catalog.Names(kind)
		p.fail(n, f.at("plugin"), "no %s plugin %q; there are: %s%s", kind, plugin, strings.Join(names, ", "), didYouMean(plugin, names))
		return nil
	}
	n := f.m["params"]
	if n == nil {
		return nil
	}
	before := len(p.errs)
	var s schema
	if len(spec.Params) > 0 {
		if err := json.Unmarshal(spec.Params, &s); err != nil {
			p.fail(n, f.at("params"), "the plugin's schema cannot be read: %v", err)
			return nil
		}
	}
	p.conform(n, f.at("params"), &s)
	if len(p.errs) > before {
		return nil
	}
	return p.json(n, f.at("params"))
}

// json turns a node into canonical JSON.
func (p *parser) json(n *yaml.Node, path string) json.RawMessage {
	var v any
	if err := n.Decode(&v); err != nil {
		p.fail(n, path, "%v", err)
		return nil
	}
	text, err := canonical.Marshal(v)
	if err != nil {
		if errors.Is(err, canonical.ErrWideInteger) {
			p.fail(n, path, "%v", err)
		} else {
			p.fail(n, path, "cannot be written as JSON: %v", err)
		}
		return nil
	}
	return text
}
