// Package catalog says what a plugin promises: its kind, its parameters, its inputs, its determinism class
// and the resources it asks for. It is data: a manifest is checked against a catalog without importing one
// plugin.
package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
)

// Kind is the kind of step that a plugin does.
type Kind string

// The four kinds, in the order in which data passes them.
const (
	Fetch    Kind = "fetch"
	Curate   Kind = "curate"
	Pretrain Kind = "pretrain"
	Evaluate Kind = "evaluate"
)

// Kinds lists the kinds in the order in which data passes them.
func Kinds() []Kind { return []Kind{Fetch, Curate, Pretrain, Evaluate} }

// Determinism is the promise that a plugin makes about the bytes it gives.
type Determinism string

// The determinism classes, strictest first.
const (
	Exact     Determinism = "exact"     // the same bytes anywhere
	Platform  Determinism = "platform"  // the same bytes on the same platform, which is then part of the action
	Tolerance Determinism = "tolerance" // equal within a named comparison whose bounds stand in the lock
	None      Determinism = "none"      // no promise; Reason says why
)

// Queues are the task queues a step can ask for.
const (
	QueueIO  = "io"
	QueueCPU = "cpu"
	QueueGPU = "gpu"
)

// Spec is what a plugin promises.
type Spec struct {
	Kind        Kind               `json:"kind"`
	Name        string             `json:"name"`
	Version     string             `json:"version"` // raised with every change of the bytes a plugin gives
	Summary     string             `json:"summary"` // one sentence
	Determinism Determinism        `json:"determinism"`
	Reason      string             `json:"reason,omitempty"`     // why the class is not exact
	Digest      digest.Digest      `json:"digest,omitempty"`     // of the folder of an external plugin
	Components  []action.Component `json:"components,omitempty"` // what else its bytes depend on
	Queue       string             `json:"queue"`
	MemoryBytes int64              `json:"memoryBytes,omitempty"`
	Network     bool               `json:"network,omitempty"` // fetch only
	Secrets     []string           `json:"secrets,omitempty"` // fetch only: credentials that are its own, by the names of environment variables; A_* is all that begin with A_
	Modalities  []string           `json:"modalities,omitempty"`
	Params      json.RawMessage    `json:"params,omitempty"`   // JSON Schema of the parameters, made from their type
	Defaults    json.RawMessage    `json:"defaults,omitempty"` // every parameter with its default
}

// Identity returns the part of the promise that belongs into an action.
func (s Spec) Identity() action.Plugin {
	return action.Plugin{Kind: string(s.Kind), Name: s.Name, Version: s.Version, Components: slices.Clone(s.Components), Digest: s.Digest}
}

// Asks says whether a credential is one of the plugin's own.
func (s Spec) Asks(name string) bool {
	return slices.ContainsFunc(s.Secrets, func(own string) bool {
		start, any := strings.CutSuffix(own, "*")
		return own == name || any && strings.HasPrefix(name, start)
	})
}

// Check says what is wrong with a promise, if anything is.
func (s Spec) Check() error {
	switch {
	case !slices.Contains(Kinds(), s.Kind):
		return fmt.Errorf("plugin %q: unknown kind %q", s.Name, s.Kind)
	case s.Name == "" || s.Version == "" || s.Summary == "":
		return fmt.Errorf("plugin %s/%s: name, version and summary are required", s.Kind, s.Name)
	case !slices.Contains([]Determinism{Exact, Platform, Tolerance, None}, s.Determinism):
		return fmt.Errorf("plugin %s/%s: unknown determinism class %q", s.Kind, s.Name, s.Determinism)
	case s.Determinism != Exact && s.Reason == "":
		return fmt.Errorf("plugin %s/%s: class %s needs a reason", s.Kind, s.Name, s.Determinism)
	case !slices.Contains([]string{QueueIO, QueueCPU, QueueGPU}, s.Queue):
		return fmt.Errorf("plugin %s/%s: unknown queue %q", s.Kind, s.Name, s.Queue)
	case s.Network && s.Kind != Fetch:
		return fmt.Errorf("plugin %s/%s: only fetch sees the network", s.Kind, s.Name)
	case len(s.Secrets) > 0 && s.Kind != Fetch:
		return fmt.Errorf("plugin %s/%s: only fetch is given credentials", s.Kind, s.Name)
	}
	return nil
}

// Catalog is the set of plugins that a manifest may name.
type Catalog []Spec

// Find returns the plugin of that kind and name.
func (c Catalog) Find(k Kind, name string) (Spec, bool) {
	i := slices.IndexFunc(c, func(s Spec) bool { return s.Kind == k && s.Name == name })
	if i < 0 {
		return Spec{}, false
	}
	return c[i], true
}

// Names returns the sorted names of the plugins of one kind.
func (c Catalog) Names(k Kind) []string {
	var names []string
	for _, s := range c {
		if s.Kind == k {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}
