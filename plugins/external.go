package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// External makes a plugin whose code is not part of this program. spec.Params is the JSON Schema of its parameters as its
// author wrote it, with their defaults in it. run does the step.
func External(spec catalog.Spec, run func(context.Context, Call) error) (Plugin, error) {
	rules, err := externalParams(&spec)
	if err != nil {
		return Plugin{}, fmt.Errorf("plugin %s/%s: params: %w", spec.Kind, spec.Name, err)
	}
	if err := spec.Check(); err != nil {
		return Plugin{}, err
	}
	return Plugin{spec: spec, run: run, normalise: func(raw json.RawMessage) (json.RawMessage, error) {
		params, err := fill(raw, spec.Defaults)
		if err == nil {
			err = rules.Validate(params)
		}
		if err != nil {
			return nil, fmt.Errorf("%s/%s: params: %w", spec.Kind, spec.Name, err)
		}
		return canonical.Marshal(params)
	}}, nil
}

// externalParams completes the schema of a plugin, and takes the defaults out of it.
func externalParams(spec *catalog.Spec) (*jsonschema.Resolved, error) {
	s := &jsonschema.Schema{Type: "object"}
	if len(spec.Params) > 0 {
		if err := json.Unmarshal(spec.Params, s); err != nil {
			return nil, err
		}
	}
	if s.Type != "object" {
		return nil, fmt.Errorf("type is %q, want object", s.Type)
	}
	if s.AdditionalProperties == nil {
		s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}} // a mistake is not a parameter
	}
	if s.Properties == nil {
		s.Properties = map[string]*jsonschema.Schema{}
	}
	if spec.Kind == catalog.Evaluate {
		fromManifest(s)
	}
	defaults := map[string]json.RawMessage{}
	for name, p := range s.Properties {
		if p != nil && len(p.Default) > 0 {
			defaults[name] = p.Default
			s.Required = slices.DeleteFunc(s.Required, func(r string) bool { return r == name }) // it is always there
		}
	}
	var err error
	if spec.Defaults, err = canonical.Marshal(defaults); err != nil {
		return nil, err
	}
	if spec.Params, err = json.Marshal(s); err != nil {
		return nil, err
	}
	return s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
}

// fromManifest adds what every evaluation is given: fields of the manifest.
func fromManifest(s *jsonschema.Schema) {
	for name, p := range map[string]*jsonschema.Schema{
		"split":   {Type: "string", Description: "on which side"},
		"metrics": {Type: "array", Items: &jsonschema.Schema{Type: "string"}, Description: "which numbers"},
	} {
		if s.Properties[name] == nil {
			s.Properties[name] = p
		}
	}
}

// fill adds the defaults of what is not there.
func fill(raw, defaults json.RawMessage) (map[string]any, error) {
	out, given := map[string]any{}, map[string]any{}
	if err := json.Unmarshal(defaults, &out); err != nil {
		return nil, err
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &given); err != nil {
			return nil, err
		}
	}
	maps.Copy(out, given)
	return out, nil
}
