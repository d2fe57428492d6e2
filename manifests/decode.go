package manifests

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// Document is a file of another kind than Benchmark. It remembers where everything stands, so that what a schema
// cannot say is reported at its line, too.
type Document struct {
	parser *parser
	root   *yaml.Node
}

// Decode reads a file that a schema describes into v, as strictly as Parse reads a manifest: unknown, missing and
// duplicate keys, wrong types and unknown words are errors with their places. Of a schema count types, properties,
// required, additionalProperties, items and enum; the rest is for the caller, who says what is wrong with Fail. A text
// that says nothing is an error, too. The error is an Errors, and only then there is no document.
func Decode(file string, text []byte, schema *jsonschema.Schema, v any) (*Document, error) {
	p := &parser{file: file}
	doc := p.document(text)
	if doc == nil {
		return nil, p.failed()
	}
	root := doc.Content[0]
	value := p.value(root, "")
	p.refuseEmpty(root, "")
	if p.conform(root, "", schema); len(p.errs) > 0 {
		return nil, p.failed()
	}
	plain, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(plain, v)
	}
	if err != nil {
		p.fail(root, "", "%v", err)
		return nil, p.failed()
	}
	return &Document{p, root}, nil
}

// refuseEmpty reports every text without a word: what is not known is null.
func (p *parser) refuseEmpty(n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode && isText(n) && strings.TrimSpace(n.Value) == "" {
		p.fail(n, path, "the text is empty; what is not known is null")
	}
	each(n, func(key, value *yaml.Node) { p.refuseEmpty(value, join(path, key.Value)) })
	for i, item := range n.Content {
		if n.Kind == yaml.SequenceNode {
			p.refuseEmpty(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// Fail says what is wrong with the value at a path such as counts.train or conflicts[0].values[1]. Where there is no
// such value, the error stands at what would hold it.
func (d *Document) Fail(path, format string, args ...any) {
	d.parser.fail(d.find(path), path, format, args...)
}

// Line is where the value at a path stands, or what would hold it.
func (d *Document) Line(path string) int { return d.find(path).Line }

// Err is an Errors with all that Fail was told, or nil.
func (d *Document) Err() error {
	if len(d.parser.errs) == 0 {
		return nil
	}
	return d.parser.failed()
}

var pathStep = regexp.MustCompile(`[^.\[\]]+`)

func (d *Document) find(path string) *yaml.Node {
	at := d.root
	for _, step := range pathStep.FindAllString(path, -1) {
		next := child(at, step)
		if next == nil {
			break
		}
		at = next
	}
	return at
}

func child(n *yaml.Node, step string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	var found *yaml.Node
	each(n, func(key, value *yaml.Node) {
		if key.Value == step {
			found = value
		}
	})
	return found
}

// Encode writes v in the one form that a file of its kind has: the keys in the order of the type, and what is short on
// one line. It is the way back from Decode.
func Encode(v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(plain, &doc); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	restyle(doc.Content[0], 0)
	var out strings.Builder
	d, err := yaml.NewDumper(&out, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(lineWidth), yaml.WithUnicode(true))
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if err := d.Dump(&doc); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if err := d.Close(); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return []byte(out.String()), nil
}

// maxItem is the longest text that shares a line with others of its list.
const maxItem = 40

// oldBool is what readers of YAML 1.1 take for true or false.
var oldBool = regexp.MustCompile(`(?i)^(y|yes|n|no|on|off)$`)

// restyle takes the style of JSON from a tree: what holds only scalars and fits on a line stays on one.
func restyle(n *yaml.Node, depth int) {
	n.Style = 0
	if n.Kind == yaml.ScalarNode && oldBool.MatchString(n.Value) {
		n.Style = yaml.DoubleQuotedStyle
	}
	width, flat := 2*depth, depth > 0 && n.Kind != yaml.ScalarNode
	for _, c := range n.Content {
		restyle(c, depth+1)
		flat = flat && c.Kind == yaml.ScalarNode && (n.Kind == yaml.MappingNode || len(c.Value) <= maxItem)
		width += len(c.Value) + 2
	}
	if flat && width <= lineWidth {
		n.Style = yaml.FlowStyle
	}
}
