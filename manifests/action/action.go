// Package action defines the identity of work.
//
// An Action is the complete description of one step: which plugin, with which parameters, over which
// inputs, with which seed. Its ID is the sha256 digest of its canonical bytes (package canonical), so the
// bytes of an Action, kept as a blob, are found under its own ID. Whatever can change the bytes that a
// step gives is in the Action; whatever cannot (memory, queue, a title) is in Hints, a different type that
// never meets the hash.
package action

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/canonical"
)

// Schema names the document and its version; it is part of the hashed bytes.
const Schema = "cairn/action/v1"

// ID is the digest of an action's canonical bytes.
type ID digest.Digest

// Digest returns the ID as the digest of the blob that holds the action.
func (id ID) Digest() digest.Digest { return digest.Digest(id) }

func (id ID) String() string { return string(id) }

// Component is a part of a plugin that can change its bytes although the plugin itself did not change,
// such as the JPEG decoder of the Go release it was built with.
type Component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Plugin is the identity of the code of a step. A built-in plugin is named by kind, name and version; an
// external one also by the digest of its image or folder.
type Plugin struct {
	Kind       string        `json:"kind"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Components []Component   `json:"components,omitempty"` // sorted by name
	Digest     digest.Digest `json:"digest,omitempty"`
}

func (p Plugin) String() string { return p.Kind + "/" + p.Name + "@" + p.Version }

// Input is one artifact that a step reads.
type Input struct {
	Name     string        `json:"name"`
	Artifact digest.Digest `json:"artifact"`
}

// Dataset is what a curated dataset states about itself and therefore carries in its bytes.
type Dataset struct {
	ID       string `json:"id"`
	Modality string `json:"modality"`
	Licence  string `json:"licence"`
	Access   string `json:"access"`
}

// Action is the complete description of a step's work. Every field is identity.
type Action struct {
	Schema   string          `json:"schema"`
	Plugin   Plugin          `json:"plugin"`
	Params   json.RawMessage `json:"params"`            // normalised: every default written out
	Inputs   []Input         `json:"inputs"`            // sorted by name
	Dataset  *Dataset        `json:"dataset,omitempty"` // curate only
	Source   digest.Digest   `json:"source,omitempty"`  // fetch only: what the source held when the plan was made
	Seed     string          `json:"seed,omitempty"`    // decimal: a seed has 64 bits, a JSON number 53
	Platform string          `json:"platform,omitempty"`
	Salt     string          `json:"salt,omitempty"` // disowns poisoned results
}

// Hints are what a scheduler may use and what can never change a result.
type Hints struct {
	Title       string `json:"title,omitempty"`
	Queue       string `json:"queue,omitempty"` // io, cpu or gpu
	MemoryBytes int64  `json:"memoryBytes,omitempty"`
	Priority    int    `json:"priority,omitempty"`
	Folder      string `json:"folder,omitempty"`     // of an external plugin, relative to the manifest
	FetchBytes  int64  `json:"fetchBytes,omitempty"` // of a fetch, as the manifest says; 0 if it does not
}

// Canonical returns the bytes under the ID.
func (a Action) Canonical() ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("action %s: %w", a.Plugin, err)
	}
	a.Schema = Schema
	if len(a.Params) == 0 {
		a.Params = json.RawMessage("{}")
	}
	a.Inputs = slices.Clone(a.Inputs)
	if a.Inputs == nil {
		a.Inputs = []Input{}
	}
	slices.SortFunc(a.Inputs, func(x, y Input) int { return strings.Compare(x.Name, y.Name) })
	a.Plugin.Components = slices.Clone(a.Plugin.Components)
	slices.SortFunc(a.Plugin.Components, func(x, y Component) int { return strings.Compare(x.Name, y.Name) })
	return canonical.Marshal(a)
}

// ID returns the identity of the work.
func (a Action) ID() (ID, error) {
	b, err := a.Canonical()
	if err != nil {
		return "", err
	}
	return ID(digest.FromBytes(b)), nil
}

// Same says whether two actions are written alike, which have one ID then. It is much cheaper than to ask for both; of
// actions that are only spelled in two ways it says no.
func Same(x, y Action) bool {
	return reflect.DeepEqual(x.plain(), y.plain())
}

// plain has one spelling of nothing.
func (a Action) plain() Action {
	if len(a.Inputs) == 0 {
		a.Inputs = nil
	}
	if len(a.Plugin.Components) == 0 {
		a.Plugin.Components = nil
	}
	return a
}

// SeedValue returns the seed as the number it is; no seed is zero.
func (a Action) SeedValue() (uint64, error) {
	if a.Seed == "" {
		return 0, nil
	}
	return strconv.ParseUint(a.Seed, 10, 64)
}

// Parse reads the canonical bytes of an action and refuses any other bytes, so that one action has one
// spelling.
func Parse(text []byte) (Action, error) {
	var a Action
	if err := json.Unmarshal(text, &a); err != nil {
		return Action{}, fmt.Errorf("action: %w", err)
	}
	if a.Schema != Schema {
		return Action{}, fmt.Errorf("action: schema is %q, want %q", a.Schema, Schema)
	}
	b, err := a.Canonical()
	if err != nil {
		return Action{}, err
	}
	if string(b) != string(text) {
		return Action{}, errors.New("action: bytes are not canonical")
	}
	return a, nil
}

func (a Action) check() error {
	switch {
	case a.Schema != "" && a.Schema != Schema:
		return fmt.Errorf("schema is %q, want %q", a.Schema, Schema)
	case a.Plugin.Kind == "" || a.Plugin.Name == "" || a.Plugin.Version == "":
		return errors.New("plugin needs kind, name and version")
	case len(a.Params) > 0 && !bytes.HasPrefix(bytes.TrimSpace(a.Params), []byte("{")):
		return fmt.Errorf("params: want a JSON object, have %.40s", a.Params)
	}
	return cmp.Or(a.checkSeed(), optional("plugin digest", a.Plugin.Digest), optional("source", a.Source), a.checkComponents(), a.checkInputs())
}

// checkSeed refuses a second spelling of a seed: it would be a second ID of the same work.
func (a Action) checkSeed() error {
	v, err := a.SeedValue()
	if err != nil {
		return fmt.Errorf("seed %q: %w", a.Seed, err)
	}
	if a.Seed != "" && (v == 0 || a.Seed != strconv.FormatUint(v, 10)) {
		return fmt.Errorf("seed %q: want a decimal number without leading zeros, and no seed for zero", a.Seed)
	}
	return nil
}

func optional(what string, d digest.Digest) error {
	if d == "" || canonical.IsSHA256(d) || d.Validate() == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", what, d, d.Validate())
}

func (a Action) checkComponents() error {
	seen := map[string]bool{}
	for _, c := range a.Plugin.Components {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("component name %q is empty or given twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

func (a Action) checkInputs() error {
	seen := map[string]bool{}
	for _, in := range a.Inputs {
		if in.Name == "" || seen[in.Name] {
			return fmt.Errorf("input name %q is empty or given twice", in.Name)
		}
		seen[in.Name] = true
		if !canonical.IsSHA256(in.Artifact) && in.Artifact.Validate() != nil {
			return fmt.Errorf("input %s: %w", in.Name, in.Artifact.Validate())
		}
	}
	return nil
}
