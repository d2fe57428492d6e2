package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ByHand is the error of a text that cannot be added to without a risk for what stands there.
type ByHand struct {
	File  string
	Path  string // datasets.ecg.curate.params.withdrawn
	Lines string // what to write there, in YAML
}

func (e *ByHand) Error() string {
	return fmt.Sprintf("%s: it is not safe to add to %s by program; write it there by hand, or bring the file into form with `cairn fmt` first:\n%s", e.File, e.Path, e.Lines)
}

// Append adds an item, which is what encoding/json makes an object of, to the list at a path of a manifest, and makes what is missing
// on the way. It only puts bytes in: comments, order and every other line stay. A file in the one form stays in it. The
// error is an Errors for what is no manifest, and a ByHand for a text that it cannot add to.
func Append(file string, text []byte, path []string, item any) ([]byte, error) {
	p := &parser{file: file}
	doc := p.document(text)
	if doc == nil {
		return nil, p.failed()
	}
	e, err := newEditor(text, item)
	if err != nil {
		return nil, fmt.Errorf("append to %s: %w", file, err)
	}
	out, ok := e.add(doc.Content[0], path)
	if !ok || !e.added(file, doc, out, path) {
		return nil, &ByHand{File: file, Path: strings.Join(path, "."), Lines: e.nested(path, 0)}
	}
	if tidy, err := Format(file, text); err == nil && bytes.Equal(tidy, text) {
		if tidy, err := Format(file, out); err == nil {
			return tidy, nil
		}
	}
	return out, nil
}

// editor puts an item into a text.
type editor struct {
	lines   []string // each with its end
	end     string   // of a line
	value   any      // of the item
	entries []string // of the item, each "key: value"
}

func newEditor(text []byte, item any) (*editor, error) {
	e := &editor{lines: slices.Collect(strings.Lines(string(text))), end: "\n"}
	if bytes.Contains(text, []byte("\r\n")) {
		e.end = "\r\n"
	}
	plain, err := json.Marshal(item)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(plain, &e.value); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(plain, &doc); err != nil {
		return nil, err
	}
	if doc.Content[0].Kind != yaml.MappingNode || len(doc.Content[0].Content) == 0 {
		return nil, errors.New("the item is not an object with members")
	}
	each(doc.Content[0], func(key, value *yaml.Node) {
		text, _ := json.Marshal(value.Value) // a string in quotes is the same in YAML
		e.entries = append(e.entries, key.Value+": "+string(text))
	})
	return e, nil
}

// flow is the item on one line.
func (e *editor) flow() string { return "{" + strings.Join(e.entries, ", ") + "}" }

// block is the item of a list whose dashes stand at an indentation.
func (e *editor) block(indent int) string {
	margin := strings.Repeat(" ", indent)
	return margin + "- " + strings.Join(e.entries, e.end+margin+"  ") + e.end
}

// nested is keys below each other, and the list with the item below the last one.
func (e *editor) nested(keys []string, indent int) string {
	var out strings.Builder
	for _, k := range keys {
		out.WriteString(strings.Repeat(" ", indent) + k + ":" + e.end)
		indent += 2
	}
	return out.String() + e.block(indent)
}

// add finds the deepest part of the path that there is, and puts the rest below it.
func (e *editor) add(at *yaml.Node, path []string) ([]byte, bool) {
	for i, key := range path {
		next := child(at, key)
		if next == nil {
			return e.addKeys(at, path[i:])
		}
		at = next
	}
	switch {
	case at.Kind != yaml.SequenceNode:
		return nil, false
	case at.Style&yaml.FlowStyle != 0:
		return e.addInside(at, '[', e.flow())
	case len(at.Content) == 0:
		return nil, false
	}
	return e.addAfter(at, e.block(at.Column-1)), true
}

func (e *editor) addKeys(at *yaml.Node, keys []string) ([]byte, bool) {
	switch {
	case at.Kind != yaml.MappingNode:
		return nil, false
	case at.Style&yaml.FlowStyle != 0:
		return e.addInside(at, '{', strings.Join(keys, ": {")+": ["+e.flow()+"]"+strings.Repeat("}", len(keys)-1))
	case len(at.Content) == 0:
		return nil, false
	}
	return e.addAfter(at, e.nested(keys, at.Column-1)), true
}

// addInside puts a part right behind the bracket with which a node begins.
func (e *editor) addInside(at *yaml.Node, bracket byte, part string) ([]byte, bool) {
	if at.Line < 1 || at.Line > len(e.lines) {
		return nil, false
	}
	line := e.lines[at.Line-1]
	runes := []rune(line)
	if at.Column < 1 || at.Column > len(runes) {
		return nil, false
	}
	begin := len(string(runes[:at.Column-1]))
	if line[begin] != bracket {
		return nil, false
	}
	if len(at.Content) > 0 {
		part += ", "
	}
	lines := slices.Clone(e.lines)
	lines[at.Line-1] = line[:begin+1] + part + line[begin+1:]
	return []byte(strings.Join(lines, "")), true
}

// addAfter puts lines behind the last one of a node.
func (e *editor) addAfter(at *yaml.Node, part string) []byte {
	last := min(lastLine(at), len(e.lines))
	for last < len(e.lines) { // what goes on over several lines is deeper than its key
		line := e.lines[last]
		if rest := strings.TrimSpace(line); rest == "" || rest[0] == '#' || indentation(line) < at.Column {
			break
		}
		last++
	}
	before, after := strings.Join(e.lines[:last], ""), strings.Join(e.lines[last:], "")
	if !strings.HasSuffix(before, "\n") {
		before += e.end
	}
	return []byte(before + part + after)
}

// lastLine is the last line at which something in a node begins.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// added says whether a new text means what the old one does and the item, and nothing else.
func (e *editor) added(file string, old *yaml.Node, text []byte, path []string) bool {
	p := &parser{file: file}
	doc := p.document(text)
	if doc == nil {
		return false
	}
	is := p.value(doc.Content[0], "")
	for _, first := range []bool{false, true} {
		want := with(p.value(old.Content[0], ""), path, e.value, first)
		if len(p.errs) == 0 && reflect.DeepEqual(want, is) {
			return true
		}
	}
	return false
}

// with puts an item into a list of a document, at its end or first.
func with(v any, path []string, item any, first bool) any {
	if len(path) == 0 {
		list, _ := v.([]any)
		if first {
			return append([]any{item}, list...)
		}
		return append(slices.Clone(list), item)
	}
	m, ok := v.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m[path[0]] = with(m[path[0]], path[1:], item, first)
	return m
}
