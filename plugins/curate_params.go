package plugins

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cairn-bench/cairn/manifests/document"
)

// SchemaParam is a type of a parameter that is read in a way of its own and so says its own JSON Schema.
type SchemaParam interface{ ParamSchema() *jsonschema.Schema }

// MapParam is a parameter that maps labels to classes. The framework finds those of a plugin and names them in curation.json.
type MapParam interface {
	LabelMap() (m document.LabelMap, used bool)
}

// schemas collects the types below a type that say their own schema.
func schemas(t reflect.Type, into map[reflect.Type]*jsonschema.Schema) {
	if s, ok := reflect.Zero(t).Interface().(SchemaParam); ok {
		into[t] = s.ParamSchema()
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				schemas(f.Type, into)
			}
		}
	case reflect.Slice, reflect.Array, reflect.Map:
		schemas(t.Elem(), into)
	}
}

// labelMaps lists the label maps in the parameters of a plugin, in the order in which they are declared.
func labelMaps(params any) []document.LabelMap {
	var out []document.LabelMap
	findMaps(reflect.ValueOf(params), "", &out)
	return out
}

func findMaps(v reflect.Value, path string, out *[]document.LabelMap) {
	if m, ok := v.Interface().(MapParam); ok {
		if found, used := m.LabelMap(); used {
			found.Param = path
			*out = append(*out, found)
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				findMaps(v.Field(i), below(path, f), out)
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			findMaps(v.Index(i), fmt.Sprintf("%s[%d]", path, i), out)
		}
	}
}

// below is the path of a field; the members of an embedded struct are those of what embeds it.
func below(path string, f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case name == "" && f.Anonymous:
		return path
	case name == "":
		name = f.Name
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// paramsSchema is the JSON Schema of P.
func paramsSchema[P any]() (json.RawMessage, error) {
	own := map[reflect.Type]*jsonschema.Schema{}
	schemas(reflect.TypeFor[P](), own)
	s, err := jsonschema.For[P](&jsonschema.ForOptions{TypeSchemas: own})
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}
