package manifests

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    *yaml.Node // the key
	value *yaml.Node
	path  string
}

func join(path, key string) string {
	key = shorten(key)
	if path == "" {
		return key
	}
	return path + "." + key
}

// entries lists the entries of a mapping in the order of the file, each key once.
func (p *parser) entries(n *yaml.Node, path string) []entry {
	if n.Kind != yaml.MappingNode {
		p.fail(n, path, "want a mapping, have %s", describe(n))
		return nil
	}
	var out []entry
	line := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		first, again := line[k.Value]
		switch {
		case k.Kind != yaml.ScalarNode:
			p.fail(k, path, "a key is a text, not %s", describe(k))
		case k.Tag == "!!merge":
			p.fail(k, join(path, k.Value), "merge keys are not read in a manifest; write the keys out")
		case again:
			p.fail(k, join(path, k.Value), "the key is already there on line %d", first)
		default:
			line[k.Value] = k.Line
			out = append(out, entry{key: k.Value, at: k, value: n.Content[i+1], path: join(path, k.Value)})
		}
	}
	return out
}

// fields are the values of a mapping whose keys are all known.
type fields struct {
	p      *parser
	node   *yaml.Node
	path   string
	values map[string]*yaml.Node
	meant  map[string]bool // known keys that an unknown key probably stands for, so not missing
}

func (p *parser) fields(n *yaml.Node, path string, known []string) fields {
	f := fields{p: p, node: n, path: path, values: map[string]*yaml.Node{}, meant: map[string]bool{}}
	set := newNames(known)
	for _, e := range p.entries(n, path) {
		if !set.has(e.key) {
			p.fail(e.at, e.path, "unknown key%s", p.didYouMean(e.key, known))
			f.meant[Nearest(e.key, known)] = true
			continue
		}
		f.values[e.key] = e.value
	}
	return f
}

func (f fields) at(key string) string { return join(f.path, key) }

// get returns the value of an optional key, or nil.
func (f fields) get(key string) *yaml.Node { return f.values[key] }

// need returns the value of a required key, or nil after an error.
func (f fields) need(key string) *yaml.Node {
	n := f.values[key]
	if n == nil && !f.meant[key] && f.node.Kind == yaml.MappingNode {
		f.p.fail(f.node, f.path, "the key %q is missing", key)
	}
	return n
}

// text reads an optional text.
func (f fields) text(key string) string { return f.read(key, f.get(key)) }

// required reads a text that must say something.
func (f fields) required(key string) string {
	n := f.need(key)
	s := f.read(key, n)
	if n != nil && isText(n) && strings.TrimSpace(s) == "" {
		f.p.fail(n, f.at(key), "the text is empty")
	}
	return s
}

func isText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || n.Tag == "!!timestamp")
}

func (f fields) read(key string, n *yaml.Node) string {
	switch {
	case n == nil:
		return ""
	case isText(n):
		return n.Value
	}
	f.p.fail(n, f.at(key), "want a text, have %s%s", describe(n), quoteHint(n))
	return ""
}

// quoteHint helps with a text that YAML takes for something else.
func quoteHint(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool") {
		return fmt.Sprintf("; write %q in quotes", shorten(n.Value))
	}
	return ""
}

// word reads one of a set of words.
func (f fields) word(key, what string, n *yaml.Node, known names) string {
	w := f.read(key, n)
	if w == "" {
		if n != nil && isText(n) {
			f.p.fail(n, f.at(key), "the text is empty")
		}
		return ""
	}
	return f.p.known(n, f.at(key), what, w, known)
}

// known checks that a word is one of a set.
func (p *parser) known(n *yaml.Node, path, what, w string, known names) string {
	if known.has(w) {
		return w
	}
	hint := p.didYouMean(w, known.list)
	if hint == "" {
		hint = "; " + known.choices()
	}
	p.fail(n, path, "there is no %s %q%s", what, shorten(w), hint)
	return ""
}

func (f fields) seed() uint64 {
	n := f.get("seed")
	if n == nil {
		return 0
	}
	v, err := strconv.ParseUint(n.Value, 10, 64)
	if n.Tag != "!!int" || err != nil {
		f.p.fail(n, f.at("seed"), "want a whole number from 0 to 2^64-1, have %s", describe(n))
	}
	return v
}

// share reads a number from 0 to 1.
func (f fields) share(key string) float64 {
	n := f.need(key)
	if n == nil {
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Tag != "!!int" && n.Tag != "!!float" || err != nil {
		f.p.fail(n, f.at(key), "want a number, have %s", describe(n))
		return 0
	}
	if !(v >= 0 && v <= 1) { // NaN is not either
		f.p.fail(n, f.at(key), "want a number from 0 to 1, have %s%s", n.Value, percentHint(v))
	}
	return v
}

func percentHint(v float64) string {
	if v > 1 && v <= 100 {
		return fmt.Sprintf("; %g %% is written %.6g", v, v/100)
	}
	return ""
}

func (f fields) boolean(key string) bool {
	n := f.get(key)
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		f.p.fail(n, f.at(key), "want true or false, have %s", describe(n))
	}
	return strings.EqualFold(n.Value, "true")
}

// list reads words, each of them known and there once. A nil node is an absent list.
func (f fields) list(key, what string, n *yaml.Node, known names) []string {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		f.p.fail(n, f.at(key), "want a list, have %s", describe(n))
		return nil
	}
	if len(n.Content) == 0 {
		f.p.fail(n, f.at(key), "the list is empty")
	}
	var out []string
	seen := map[string]bool{}
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", f.at(key), i)
		switch {
		case !isText(item):
			f.p.fail(item, path, "want the name of a %s, have %s%s", what, describe(item), quoteHint(item))
		case seen[item.Value]:
			f.p.fail(item, path, "the %s %q is already in the list", what, shorten(item.Value))
		default:
			seen[item.Value] = true
			if w := f.p.known(item, path, what, item.Value, known); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

// named lists the entries of a mapping whose keys are names.
func (f fields) named(key string) []entry {
	n := f.get(key)
	if n == nil {
		return nil
	}
	all := f.p.entries(n, f.at(key))
	for _, e := range all {
		if !isIdentifier(e.key) {
			f.p.fail(e.at, e.path, "%s", identifierRule)
		}
	}
	return all
}

func keys(entries []entry) names {
	list := make([]string, len(entries))
	for i, e := range entries {
		list[i] = e.key
	}
	return newNames(list)
}
