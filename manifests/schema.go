package manifests

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/catalog"
)

// schema is the part of JSON Schema that the types of parameters need.
type schema struct {
	Types      []string           `json:"-"`
	Properties map[string]*schema `json:"properties"`
	Additional *schema            `json:"-"`
	Closed     bool               `json:"-"` // additionalProperties is false
	Items      *schema            `json:"items"`
	Enum       []any              `json:"enum"`
}

// UnmarshalJSON reads the two members whose type varies.
func (s *schema) UnmarshalJSON(text []byte) error {
	if string(text) == "true" || string(text) == "false" {
		s.Closed = string(text) == "false"
		return nil
	}
	var raw struct {
		Type       json.RawMessage    `json:"type"`
		Types      []string           `json:"types"`
		Properties map[string]*schema `json:"properties"`
		Additional json.RawMessage    `json:"additionalProperties"`
		Items      *schema            `json:"items"`
		Enum       []any              `json:"enum"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	s.Properties, s.Items, s.Enum = raw.Properties, raw.Items, raw.Enum
	if len(raw.Type) > 0 && raw.Type[0] == '[' {
		if err := json.Unmarshal(raw.Type, &s.Types); err != nil {
			return err
		}
	} else if len(raw.Type) > 0 {
		var one string
		if err := json.Unmarshal(raw.Type, &one); err != nil {
			return err
		}
		s.Types = []string{one}
	}
	return s.readAdditional(raw.Additional)
}

// readAdditional keeps what other keys may hold. jsonschema-go writes "false" as {"not": {}}.
func (s *schema) readAdditional(text json.RawMessage) error {
	if len(text) == 0 {
		return nil
	}
	var not struct {
		Not *json.RawMessage `json:"not"`
	}
	if string(text) == "false" || json.Unmarshal(text, &not) == nil && not.Not != nil {
		s.Closed = true
		return nil
	}
	s.Additional = &schema{}
	return json.Unmarshal(text, s.Additional)
}

// conform reports where a node is not what a schema wants.
func (p *parser) conform(n *yaml.Node, path string, s *schema) {
	if s == nil {
		return
	}
	if len(s.Types) > 0 && !slices.ContainsFunc(s.Types, func(t string) bool { return isType(n, t) }) {
		p.fail(n, path, "want %s, have %s", strings.Join(s.Types, " or "), kindName(n))
		return
	}
	switch n.Kind {
	case yaml.MappingNode:
		p.conformMapping(n, path, s)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			p.conform(item, fmt.Sprintf("%s[%d]", path, i), s.Items)
		}
	default:
		if len(s.Enum) > 0 && !slices.ContainsFunc(s.Enum, func(v any) bool { return fmt.Sprint(v) == n.Value }) {
			p.fail(n, path, "%q is not one of %v", n.Value, s.Enum)
		}
	}
}

func (p *parser) conformMapping(n *yaml.Node, path string, s *schema) {
	known := slices.Sorted(maps.Keys(s.Properties))
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch prop := s.Properties[k.Value]; {
		case seen[k.Value]:
			p.fail(k, join(path, k.Value), "the key is there twice")
		case prop != nil:
			p.conform(v, join(path, k.Value), prop)
		case s.Closed:
			p.fail(k, join(path, k.Value), "unknown parameter%s", didYouMean(k.Value, known))
		default:
			p.conform(v, join(path, k.Value), s.Additional)
		}
		seen[k.Value] = true
	}
}

func isType(n *yaml.Node, t string) bool {
	switch t {
	case "object":
		return n.Kind == yaml.MappingNode
	case "array":
		return n.Kind == yaml.SequenceNode
	case "integer":
		return n.Tag == "!!int"
	case "number":
		return n.Tag == "!!int" || n.Tag == "!!float"
	case "boolean":
		return n.Tag == "!!bool"
	case "null":
		return n.Tag == "!!null"
	case "string":
		return n.Kind == yaml.ScalarNode && n.Tag == "!!str"
	}
	return true
}

// Schema returns the JSON Schema of manifests, made from the types, with the parameters of every plugin, so
// that editors complete and check them.
func Schema(cat catalog.Catalog) ([]byte, error) {
	s, err := jsonschema.For[Benchmark](nil)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	doc["title"] = "Cairn benchmark manifest, cairn/v1"
	defs := map[string]any{}
	for _, spec := range cat {
		defs[string(spec.Kind)+"-"+spec.Name] = spec.Params
	}
	doc["$defs"] = defs
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}
