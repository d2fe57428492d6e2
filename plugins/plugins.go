// Package plugins is all that a plugin author imports.
//
// A plugin does one kind of step: fetch, curate, pretrain or evaluate. Nobody implements Plugin by hand; an
// author writes the little that is their own (a Source, a Recipe, a Trainer, an Evaluator) and one typed
// constructor call, whose type parameter P is the struct of the plugin's parameters:
//
//	var Plugin = plugins.Curate(catalog.Spec{Name: "ecg", Version: "1", ...}, Params{Rate: 500}, newRecipe)
//
// The struct tags of P give the parameter names (`json`), their documentation (`jsonschema`) and, through
// the defaults value, their defaults. Unknown parameters are errors. If P has a method Validate() error it
// is called after decoding.
//
// What a run may depend on comes in through Call: there is no clock, no environment and no path in it, so
// that the same Call gives the same bytes.
package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Plugin is the code of one kind of step. Make one with Fetch, Curate, Pretrain or Evaluate.
type Plugin struct {
	spec      catalog.Spec
	normalise func(json.RawMessage) (json.RawMessage, error)
	source    func(context.Context, json.RawMessage, Env) (digest.Digest, error)
	missing   func(context.Context, json.RawMessage, Env) ([]Missing, error)
	estimate  func(context.Context, json.RawMessage, Env) (Estimate, error)
	run       func(context.Context, Call) error
	sides     func(context.Context, Call) (Sides, error) // of a curation
}

// Spec returns what the plugin promises.
func (p Plugin) Spec() catalog.Spec { return p.spec }

// Normalise checks parameters and writes out every default, so that naming a default changes nothing.
func (p Plugin) Normalise(params json.RawMessage) (json.RawMessage, error) {
	return p.normalise(params)
}

// SourceDigest returns the digest of what a local source holds now, or "" if the plugin's source is not
// local and what it may return is pinned in the lock instead.
func (p Plugin) SourceDigest(ctx context.Context, params json.RawMessage, env Env) (digest.Digest, error) {
	if p.source == nil {
		return "", nil
	}
	return p.source(ctx, params, env)
}

// Run does the step. A host calls it.
func (p Plugin) Run(ctx context.Context, c Call) error {
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Workers < 1 {
		c.Workers = 1
	}
	c.Env = c.Env.For(p.spec)
	return p.run(ctx, c)
}

// Env gives a fetch plugin what lies outside the action: where relative paths start and credentials, by
// name. It can decide whether bytes arrive, never which.
type Env struct {
	Dir    string                                    // folder of the manifest; relative paths start here
	Lookup func(name string) (value string, ok bool) // a credential, by its usual environment variable such as PHYSIONET_PASSWORD
	// Trouble says why Lookup does not find a credential that may be somewhere, such as a file that cannot be read; nil
	// says nothing. It holds no value.
	Trouble func(name string) error
	Retry   Retry // how patiently a transfer is tried; the zero value is a sane default
	Block   int64 // bytes of a transfer that a kill may cost; 0 means 8 MiB
}

// Call is one execution of a plugin.
type Call struct {
	Params   json.RawMessage // normalised
	Seed     uint64
	Dataset  *action.Dataset // curate only
	Inputs   []Input         // sorted by name
	Output   Output
	Env      Env           // fetch only
	Source   digest.Digest // of a fetch from a local source: what it has to hold; "" leaves it open
	Workers  int           // how many goroutines may work; never changes the bytes
	Progress func(Progress)
	Scratch  string // an empty folder of the call's own
	// Partial is a folder that outlives a failed or killed call and is given again to the next call of the
	// same action; "" if there is none. Fetch only.
	Partial string

	Checkpoints Checkpoints // pretrain only; nil keeps none
	Interval    Interval    // between two checkpoints
}

// Input returns the input of that name.
func (c Call) Input(name string) (Input, error) {
	for _, in := range c.Inputs {
		if in.Name == name {
			return in, nil
		}
	}
	return Input{}, fmt.Errorf("no input %q", name)
}

// Input is one artifact that a step reads.
type Input struct {
	Name     string
	Artifact digest.Digest
	Tree     Tree
}

// File is one file of a Tree.
type File struct {
	Path   string // slash-separated, relative, clean
	Size   int64
	Digest digest.Digest
}

// Tree is the read-only folder inside an artifact. Bytes are checked against their digest before io.EOF is
// returned. It is safe for concurrent use.
type Tree interface {
	Files() []File // sorted by path
	Open(path string) (io.ReadCloser, error)
	ReadFile(path string) ([]byte, error)
}

// Output is the folder a step writes. It is safe for concurrent use. A file counts once Close returned nil.
type Output interface {
	Create(path string) (io.WriteCloser, error)
}

// WriteFile writes one whole file to an Output.
func WriteFile(out Output, path string, data []byte) error {
	w, err := out.Create(path)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		w.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return w.Close()
}

// Progress is how far a call has come.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"` // 0 if not known
	Had   int64  `json:"had,omitempty"`   // of Done, what an earlier call had left
	Unit  string `json:"unit,omitempty"`  // bytes, samples, steps
	Note  string `json:"note,omitempty"`  // one short line, such as "epoch 3/10 loss 0.41"
	News  bool   `json:"news,omitempty"`  // the note is said once and should reach whoever watches
}

// typed is the part that all constructors share: the schema and the decoder of P.
func typed[P any](spec catalog.Spec, kind catalog.Kind, defaults P) (catalog.Spec, func(json.RawMessage) (P, error)) {
	spec.Kind = kind
	var err error
	if spec.Params, err = paramsSchema[P](); err != nil {
		panic(fmt.Sprintf("plugin %s/%s: parameters have no schema: %v", kind, spec.Name, err))
	}
	base, err := json.Marshal(defaults)
	if err != nil {
		panic(fmt.Sprintf("plugin %s/%s: defaults: %v", kind, spec.Name, err))
	}
	spec.Defaults = base
	if err := spec.Check(); err != nil {
		panic(err.Error())
	}
	return spec, func(raw json.RawMessage) (P, error) {
		var p P
		if err := json.Unmarshal(base, &p); err != nil {
			return p, fmt.Errorf("%s/%s: defaults: %w", kind, spec.Name, err)
		}
		if len(raw) > 0 {
			dec := json.NewDecoder(bytes.NewReader(raw))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&p); err != nil {
				return p, fmt.Errorf("%s/%s: params: %w", kind, spec.Name, err)
			}
		}
		if v, ok := any(p).(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return p, fmt.Errorf("%s/%s: params: %w", kind, spec.Name, err)
			}
		}
		return p, nil
	}
}

// normaliser turns a decoder of P into the Normalise function of a Plugin.
func normaliser[P any](decode func(json.RawMessage) (P, error)) func(json.RawMessage) (json.RawMessage, error) {
	return func(raw json.RawMessage) (json.RawMessage, error) {
		p, err := decode(raw)
		if err != nil {
			return nil, err
		}
		return json.Marshal(p)
	}
}
