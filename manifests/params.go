package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// rules are what the parameters of a plugin are checked against. They are made once a plugin: a large manifest
// names one plugin hundreds of times.
type rules struct {
	schema   *jsonschema.Schema
	resolved *jsonschema.Resolved
}

func (r *reader) rules(spec catalog.Spec) (rules, error) {
	name := string(spec.Kind) + "/" + spec.Name
	if known, ok := r.byPlugin[name]; ok {
		return known, nil
	}
	s, err := paramsSchema(spec)
	if err != nil {
		return rules{}, err
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		return rules{}, fmt.Errorf("schema of plugin %s: %w", name, err)
	}
	r.byPlugin[name] = rules{s, resolved}
	return r.byPlugin[name], nil
}

// paramsSchema returns the schema of what a person may write as parameters of a plugin: a parameter with a
// default is not required, and says its default.
func paramsSchema(spec catalog.Spec) (*jsonschema.Schema, error) {
	s := &jsonschema.Schema{Type: "object"}
	if len(spec.Params) > 0 {
		if err := json.Unmarshal(spec.Params, s); err != nil {
			return nil, fmt.Errorf("schema of plugin %s/%s: %w", spec.Kind, spec.Name, err)
		}
	}
	if len(spec.Defaults) > 0 {
		if err := addDefaults(s, spec.Defaults); err != nil {
			return nil, fmt.Errorf("defaults of plugin %s/%s: %w", spec.Kind, spec.Name, err)
		}
	}
	return s, nil
}

func addDefaults(s *jsonschema.Schema, text json.RawMessage) error {
	var defaults map[string]json.RawMessage
	if err := json.Unmarshal(text, &defaults); err != nil {
		return err
	}
	s.Required = slices.DeleteFunc(s.Required, func(key string) bool { return defaults[key] != nil })
	for key, value := range defaults {
		inner := s.Properties[key]
		switch {
		case inner == nil:
		case len(inner.Properties) > 0 && len(value) > 0 && value[0] == '{':
			if err := addDefaults(inner, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case string(value) != "null":
			inner.Default = value
		}
	}
	return nil
}

// params checks the parameters of a plugin and returns them as canonical JSON, nil if there are none.
func (r *reader) params(f fields, kind catalog.Kind, plugin string) json.RawMessage {
	spec, ok := r.catalog.Find(kind, plugin)
	if !ok && r.unknown(plugin) {
		return r.unchecked(f.get("params"), f.at("params"))
	}
	if !ok {
		return nil // is already an error
	}
	rules, err := r.rules(spec)
	if err != nil {
		r.fail(f.node, f.at("plugin"), "%v", err)
		return nil
	}
	n := f.get("params")
	if n == nil {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: f.node.Line, Column: f.node.Column}
	}
	before := len(r.errs)
	value := r.value(n, f.at("params"))
	r.conform(n, f.at("params"), rules.schema)
	if len(r.errs) > before || len(n.Content) == 0 {
		return nil
	}
	return r.canonical(n, f.at("params"), rules.resolved, value)
}

// sound are parameters, in canonical form, that a schema has been asked about and has nothing against.
type sound struct {
	rules *jsonschema.Resolved
	text  string
}

// canonical writes parameters in canonical form, after the last check: the rest of JSON Schema, such as
// patterns and bounds, which conform leaves to the library. Many steps have the same, which are checked once.
func (r *reader) canonical(n *yaml.Node, path string, rules *jsonschema.Resolved, value any) json.RawMessage {
	text, err := canonical.Marshal(value)
	if known := (sound{rules, string(text)}); err == nil && !r.sound[known] {
		err = rules.Validate(value)
		r.sound[known] = err == nil
	}
	if err != nil {
		r.fail(n, path, "%v", err)
		return nil
	}
	return text
}

// value turns a node into what encoding/json would have read from it.
func (p *parser) value(n *yaml.Node, path string) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, e := range p.entries(n, path) {
			out[e.key] = p.value(e.value, e.path)
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = p.value(item, fmt.Sprintf("%s[%d]", path, i))
		}
		return out
	}
	v, err := scalar(n)
	if err != nil {
		p.fail(n, path, "%v", err)
	}
	return v
}

// scalar returns the JSON value of a scalar. A date is a text: JSON has none.
func scalar(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int", "!!float":
		return number(n)
	}
	return nil, fmt.Errorf("tags such as %s are not read in a manifest", shorten(n.Tag))
}

func number(n *yaml.Node) (any, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("want a number, have %q", shorten(n.Value))
	}
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errors.New("want a finite number")
	}
	if n.Tag == "!!int" && math.Abs(f) > 1<<53-1 {
		return nil, canonical.ErrWideInteger
	}
	return f, nil
}

// conform reports where a node is not what a schema wants, each at its own line.
func (p *parser) conform(n *yaml.Node, path string, s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if types := typesOf(s); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return isType(n, t) }) {
		p.fail(n, path, "want %s, have %s%s", wanted(types), describe(n), textHint(types, n))
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		p.conformMapping(n, path, s)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			p.conform(item, fmt.Sprintf("%s[%d]", path, i), s.Items)
		}
	case yaml.ScalarNode:
		p.conformWord(n, path, s)
	}
}

func (p *parser) conformWord(n *yaml.Node, path string, s *jsonschema.Schema) {
	var known []string
	for _, v := range s.Enum {
		known = append(known, fmt.Sprint(v))
	}
	if len(known) > 0 && isText(n) {
		p.known(n, path, "such choice as", n.Value, newNames(known))
	}
}

func (p *parser) conformMapping(n *yaml.Node, path string, s *jsonschema.Schema) {
	known := slices.Sorted(maps.Keys(s.Properties))
	seen, meant := map[string]bool{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || seen[k.Value] {
			continue // is already an error
		}
		seen[k.Value] = true
		switch prop := s.Properties[k.Value]; {
		case prop != nil:
			p.conform(v, join(path, k.Value), prop)
		case isFalse(s.AdditionalProperties):
			p.fail(k, join(path, k.Value), "unknown %s%s", p.word(), p.orKnown(k.Value, known))
			meant[Nearest(k.Value, known)] = true
		default:
			p.conform(v, join(path, k.Value), s.AdditionalProperties)
		}
	}
	for _, key := range s.Required {
		if !seen[key] && !meant[key] {
			p.fail(n, path, "the %s %q is missing", p.word(), key)
		}
	}
}

func (p *parser) word() string {
	if p.noun == "" {
		return "key"
	}
	return p.noun
}

func (p *parser) orKnown(word string, known []string) string {
	if hint := p.didYouMean(word, known); hint != "" {
		return hint
	}
	return "; " + newNames(known).choices()
}

// isFalse says whether nothing conforms to a schema; in JSON it is false or {"not": {}}.
func isFalse(s *jsonschema.Schema) bool { return s != nil && s.Not != nil }

func typesOf(s *jsonschema.Schema) []string {
	if s.Type != "" {
		return []string{s.Type}
	}
	return s.Types
}

func isType(n *yaml.Node, t string) bool {
	switch t {
	case "object":
		return n.Kind == yaml.MappingNode
	case "array":
		return n.Kind == yaml.SequenceNode
	case "string":
		return isText(n)
	case "number":
		return n.Tag == "!!int" || n.Tag == "!!float"
	}
	return n.Tag == map[string]string{"integer": "!!int", "boolean": "!!bool", "null": "!!null"}[t]
}

// wanted names types in plain words. That null is possible too is no help.
func wanted(types []string) string {
	words := map[string]string{"object": "a mapping", "array": "a list", "string": "a text", "number": "a number",
		"integer": "a whole number", "boolean": "true or false"}
	var out []string
	for _, t := range types {
		if w := words[t]; w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, " or ")
}

func textHint(types []string, n *yaml.Node) string {
	if slices.Contains(types, "string") {
		return quoteHint(n)
	}
	return ""
}
