package manifests

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/tolerance"
)

// SchemaID names the JSON Schema of manifests.
const SchemaID = "https://github.com/cairn-bench/cairn/manifests/benchmark.schema.json"

// Schema returns the JSON Schema of manifests, made from the types and from the parameters of every plugin in
// the catalog, so that editors complete and check a manifest while it is written. What a schema cannot say
// (that a reference exists) only Parse checks.
func Schema(cat catalog.Catalog) ([]byte, error) {
	s, err := jsonschema.For[Benchmark](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[json.RawMessage](): {Type: "object"},
		reflect.TypeFor[Size]():            {Type: "string", Pattern: sizeForm.String()},
	}})
	if err != nil {
		return nil, fmt.Errorf("schema of manifests: %w", err)
	}
	s.Schema, s.ID = "https://json-schema.org/draft/2020-12/schema", SchemaID
	s.Title = "Benchmark manifest of Cairn, " + APIVersion
	listsAreNotNull(s)
	if s.Defs, err = definitions(cat); err != nil {
		return nil, err
	}
	nameWords(s)
	namePlugins(s, cat)
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("schema of manifests: %w", err)
	}
	return append(out, '\n'), nil
}

// listsAreNotNull takes back what is true of a Go slice but not of a list in YAML.
func listsAreNotNull(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
		s.MinItems, s.UniqueItems = jsonschema.Ptr(1), true
	}
	for _, p := range s.Properties {
		listsAreNotNull(p)
	}
	if s.AdditionalProperties != nil {
		listsAreNotNull(s.AdditionalProperties)
	}
	if s.Items != nil {
		listsAreNotNull(s.Items)
	}
}

// definition is where the schema of a plugin's parameters stands.
func definition(spec catalog.Spec) string { return string(spec.Kind) + "-" + spec.Name }

func definitions(cat catalog.Catalog) (map[string]*jsonschema.Schema, error) {
	defs := map[string]*jsonschema.Schema{}
	for _, spec := range cat {
		s, err := paramsSchema(spec)
		if err != nil {
			return nil, err
		}
		s.Description = spec.Summary
		defs[definition(spec)] = s
	}
	return defs, nil
}

// nameWords says which words may stand where.
func nameWords(s *jsonschema.Schema) {
	dataset, evaluation, claim := s.Properties["datasets"].AdditionalProperties, s.Properties["evaluations"].AdditionalProperties, s.Properties["claims"].Items
	s.Properties["apiVersion"].Enum = []any{APIVersion}
	s.Properties["kind"].Enum = []any{Kind}
	s.Properties["name"].Pattern = identifier.String()
	s.Properties["datasets"].MinProperties = jsonschema.Ptr(1)
	for _, section := range []string{"plugins", "datasets", "models", "evaluations"} {
		s.Properties[section].PropertyNames = &jsonschema.Schema{Pattern: identifier.String(), MaxLength: jsonschema.Ptr(maxIdentifier)}
	}
	s.Properties["claims"].MinItems = nil
	overlap := s.Properties["overlap"].Properties
	for _, what := range []string{"same", "near", "subject"} {
		overlap[what].Enum, overlap[what].Default = words([]string{OverlapReport, OverlapFail}), json.RawMessage(`"`+OverlapReport+`"`)
	}
	overlap["subjects"].MinItems, overlap["subjects"].Items.MinItems = jsonschema.Ptr(1), jsonschema.Ptr(2)
	dataset.Properties["modality"].Enum = words(Modalities())
	dataset.Properties["access"].Enum = words(Accesses())
	dataset.Properties["homepage"].Pattern = "^https?://"
	dataset.Properties["terms"].MinItems = jsonschema.Ptr(1)
	term := dataset.Properties["terms"].Items
	term.Properties["id"].Pattern, term.Properties["url"].Pattern = termID.String(), "^https?://"
	for _, step := range []*jsonschema.Schema{s.Properties["models"].AdditionalProperties, evaluation} {
		bounds := step.Properties["rerun"].Properties
		bounds["compare"].Enum = words([]string{tolerance.Metrics, tolerance.Tensors})
		bounds["absolute"].Minimum, bounds["relative"].Minimum = jsonschema.Ptr(0.0), jsonschema.Ptr(0.0)
	}
	evaluation.Properties["split"].Enum = words(splits())
	evaluation.Properties["split"].Default = json.RawMessage(`"` + DefaultSplit + `"`)
	evaluation.Properties["metrics"].Items.Enum = words(Metrics())
	claim.Properties["metric"].Enum = words(Metrics())
	claim.Properties["rule"].Enum, claim.Properties["rule"].Default = words(Rules()), json.RawMessage(`"`+RuleWithin+`"`)
	for _, number := range []string{"value", "tolerance", "level"} {
		claim.Properties[number].Minimum, claim.Properties[number].Maximum = jsonschema.Ptr(0.0), jsonschema.Ptr(1.0)
	}
}

func words(list []string) []any {
	out := make([]any, len(list))
	for i, w := range list {
		out[i] = w
	}
	return out
}

// namePlugins says which plugins may stand where, and ties the parameters to the plugin. Where a manifest brings
// plugins of its own along, other names may stand there, too.
func namePlugins(s *jsonschema.Schema, cat catalog.Catalog) {
	dataset := s.Properties["datasets"].AdditionalProperties
	delete(dataset.Properties["fetch"].Properties, "with") // that is for what is made of the bytes
	offer(dataset.Properties["fetch"], s.Defs, cat, catalog.Fetch)
	offer(dataset.Properties["curate"], s.Defs, cat, catalog.Curate)
	offer(s.Properties["models"].AdditionalProperties, s.Defs, cat, catalog.Pretrain)
	evaluation := s.Properties["evaluations"].AdditionalProperties
	offer(evaluation, s.Defs, cat, catalog.Evaluate)
	evaluation.Properties["plugin"].Default = json.RawMessage(`"` + DefaultEvaluation + `"`)
	known := func(kind catalog.Kind) *jsonschema.Schema {
		return having("plugin", &jsonschema.Schema{Enum: words(cat.Names(kind))})
	}
	s.If = &jsonschema.Schema{Required: []string{"plugins"}}
	s.Else = &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{
		"datasets": {AdditionalProperties: &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{
			"fetch": known(catalog.Fetch), "curate": known(catalog.Curate)}}},
		"models":      {AdditionalProperties: known(catalog.Pretrain)},
		"evaluations": {AdditionalProperties: known(catalog.Evaluate)},
	}}
}

// having is the schema of a mapping in which one value has a schema.
func having(key string, value *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{key: value}}
}

// offer lets a step name the plugins of a kind. An "if" holds for a step without a plugin only where that
// plugin is the default.
func offer(step *jsonschema.Schema, defs map[string]*jsonschema.Schema, cat catalog.Catalog, kind catalog.Kind) {
	for _, name := range cat.Names(kind) {
		spec, _ := cat.Find(kind, name)
		rule := &jsonschema.Schema{
			If:   &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"plugin": {Const: jsonschema.Ptr[any](name)}}},
			Then: &jsonschema.Schema{Properties: map[string]*jsonschema.Schema{"params": {Ref: "#/$defs/" + definition(spec)}}},
		}
		if name != DefaultEvaluation || kind != catalog.Evaluate {
			rule.If.Required = []string{"plugin"}
		}
		if len(defs[definition(spec)].Required) > 0 {
			rule.Then.Required = []string{"params"}
		}
		step.AllOf = append(step.AllOf, rule)
	}
}
