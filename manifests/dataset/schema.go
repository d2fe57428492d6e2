package dataset

import (
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cairn-bench/cairn/manifests"
)

// schemaOf makes the shape of a kind of file from its type.
func schemaOf[T any](kind string) (*jsonschema.Schema, error) {
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Value](): {Types: []string{"integer", "string"}},
	}})
	if err != nil {
		return nil, fmt.Errorf("schema of kind %s: %w", kind, err)
	}
	only(s.Properties["apiVersion"], []string{manifests.APIVersion})
	only(s.Properties["kind"], []string{kind})
	return s, nil
}

// entrySchema is the shape of an entry, with the words that it may use.
func entrySchema(c *Catalog) (*jsonschema.Schema, error) {
	s, err := schemaOf[Entry](KindEntry)
	if err != nil {
		return nil, err
	}
	knowSources(s, c.Sources)
	only(s.Properties["modality"], manifests.Modalities())
	only(s.Properties["host"], Hosts())
	only(s.Properties["group"], ids(c.Selection.Groups, func(g Group) string { return g.ID }))
	only(s.Properties["selection"].Properties["tier"], ids(c.Selection.Tiers, func(t Tier) string { return t.ID }))
	only(s.Properties["access"].Properties["kind"], manifests.Accesses())
	only(s.Properties["access"].Properties["procedure"], ids(c.Procedures, func(p Procedure) string { return p.ID }))
	only(s.Properties["task"].Properties["labels"], Labels())
	only(s.Properties["split"].Properties["rule"], Rules())
	only(s.Properties["split"].Properties["by"], splitters())
	only(s.Properties["classCounts"].Items.Properties["part"], parts())
	only(s.Properties["conflicts"].Items.Properties["about"], Abouts())
	only(s.Properties["locators"].Items.Properties["of"], locations())
	return s, nil
}

// knowSources lets every "source" below a schema name one of the known sources.
func knowSources(s *jsonschema.Schema, known []Source) {
	for key, p := range s.Properties {
		if key == "source" {
			only(p, ids(known, func(s Source) string { return s.ID }))
		}
		knowSources(p, known)
	}
	if s.Items != nil {
		knowSources(s.Items, known)
	}
}

func only(s *jsonschema.Schema, words []string) {
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
}

func ids[T any](list []T, id func(T) string) []string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = id(one)
	}
	return out
}
