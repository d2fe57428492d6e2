package manifests

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Format returns a manifest in the one form: two blanks of indentation, comments kept.
func Format(file string, text []byte) ([]byte, error) {
	p := &parser{file: file}
	if p.document(text) == nil {
		return nil, p.errs
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("format %s: %w", file, err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, fmt.Errorf("format %s: %w", file, err)
	}
	return out.Bytes(), enc.Close()
}
