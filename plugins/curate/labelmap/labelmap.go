// Package labelmap maps labels as publishers write them, such as SNOMED CT codes or the words of a table, to classes.
//
// A map is data. One that many use is shipped as maps/<name>.yaml, with a title and who says so:
//
//	title: SNOMED CT codes to CLIMB's seven ECG classes
//	source: Wagner et al. 2020, doi:10.1038/s41597-020-0495-6
//	codes:
//	  "426783006": Normal # sinus rhythm
//	  "*": Other
//
// The code "*" stands for every one that is not listed. A code whose class is empty drops its samples.
//
// A parameter of this type is, in a manifest, the name of a shipped map or a map of one's own:
//
//	labels: climb-7
//	labels: {"1": enzyme, "2": not-enzyme}
//
// Written out it is always the map itself, so that its content, not its name, is part of what a step is. The digest of
// a map is that of the canonical JSON {"codes": {...}, "schema": "cairn/labelmap/v1"}; a map of one's own that equals a shipped
// one has its digest and its name.
package labelmap

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/opencontainers/go-digest"
	"go.yaml.in/yaml/v4"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Schema names what a map's digest is of, and its version.
const Schema = "cairn/labelmap/v1"

// Any is the code that stands for every one that is not listed.
const Any = "*"

// Map maps codes to classes.
type Map map[string]string

// File is a shipped map.
type File struct {
	Name   string `yaml:"-"`
	Title  string `yaml:"title"`
	Source string `yaml:"source"`
	Codes  Map    `yaml:"codes"`
}

// Class is the class of a code: "" if its samples are dropped. It is not known if the map neither lists the code nor has Any.
func (m Map) Class(code string) (class string, known bool) {
	if class, known = m[code]; !known {
		class, known = m[Any]
	}
	return class, known
}

// Of gives the sorted, distinct classes of codes. Those that are dropped or not known are passed over.
func (m Map) Of(codes []string) []string {
	var out []string
	for _, c := range codes {
		if class, _ := m.Class(c); class != "" {
			out = append(out, class)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Classes is the sorted vocabulary.
func (m Map) Classes() []string {
	out := slices.DeleteFunc(slices.Collect(maps.Values(m)), func(c string) bool { return c == "" })
	slices.Sort(out)
	return slices.Compact(out)
}

// Digest is that of the map's canonical bytes.
func (m Map) Digest() (digest.Digest, error) {
	return canonical.Digest(struct {
		Schema string            `json:"schema"`
		Codes  map[string]string `json:"codes"`
	}{Schema, m})
}

// LabelMap describes the map for curation.json. An empty one is not used: labels are classes themselves.
func (m Map) LabelMap() (document.LabelMap, bool) {
	d, err := m.Digest()
	if err != nil || len(m) == 0 {
		return document.LabelMap{}, false
	}
	out := document.LabelMap{Digest: d, Codes: len(m)}
	if all, err := shipped(); err == nil {
		for _, f := range all {
			if maps.Equal(f.Codes, m) {
				out.Name = f.Name
				break
			}
		}
	}
	return out, true
}

// ParamSchema says what a person may write: a name, or a map from codes to classes.
func (Map) ParamSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Types: []string{"string", "object"}, AdditionalProperties: &jsonschema.Schema{Type: "string"}}
}

// UnmarshalJSON replaces the map: what is given is not merged into a default.
func (m *Map) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		found, err := Shipped(name)
		*m = found
		return err
	}
	own := map[string]string{}
	if err := json.Unmarshal(text, &own); err != nil {
		return fmt.Errorf("label map: want the name of a shipped one or a map from labels to classes: %w", err)
	}
	*m = own
	return nil
}

// Shipped gives the shipped map of that name.
func Shipped(name string) (Map, error) {
	all, err := shipped()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		if f.Name == name {
			return maps.Clone(f.Codes), nil
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("label map %q is none of %s", name, strings.Join(names, ", "))
}

// Files lists the shipped maps, sorted by name.
func Files() ([]File, error) { return shipped() }

//go:embed maps/*.yaml
var files embed.FS

var shipped = sync.OnceValues(func() ([]File, error) {
	entries, err := fs.ReadDir(files, "maps")
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range entries {
		text, err := fs.ReadFile(files, path.Join("maps", e.Name()))
		if err != nil {
			return nil, err
		}
		f, err := Parse(strings.TrimSuffix(e.Name(), ".yaml"), text)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
})

// Parse reads the text of a map file. Everything must be there, and a code only once.
func Parse(name string, text []byte) (File, error) {
	f := File{Name: name}
	var codes struct {
		Title  string               `yaml:"title"`
		Source string               `yaml:"source"`
		Codes  map[string]yaml.Node `yaml:"codes"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&codes); err != nil {
		return f, fmt.Errorf("label map %s: %w", name, err)
	}
	f.Title, f.Source, f.Codes = codes.Title, codes.Source, Map{}
	for code, class := range codes.Codes {
		if class.Kind != yaml.ScalarNode || class.Tag != "!!str" {
			return f, fmt.Errorf("label map %s: class of %q: want a text", name, code)
		}
		f.Codes[code] = class.Value
	}
	if f.Title == "" || f.Source == "" || len(f.Codes.Classes()) == 0 {
		return f, errors.New("label map " + name + ": want a title, a source and codes of at least one class")
	}
	return f, nil
}
