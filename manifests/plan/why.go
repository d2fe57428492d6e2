package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
)

// Cause is one component of an action that is not what it was.
type Cause struct {
	Component string `json:"component"` // params.epochs, seed, plugin.version, input raw, source, ...
	Was       string `json:"was"`
	Is        string `json:"is"`
	Because   string `json:"because,omitempty"` // the step whose artifact changed
}

// Differ lists what changed between two actions of one step: first what lies in the step itself, then its
// inputs, so that the first entry is the first cause.
func Differ(was, is action.Action, needs []Need) []Cause {
	var out []Cause
	add := func(component, a, b string) {
		if a != b {
			out = append(out, Cause{Component: component, Was: a, Is: b})
		}
	}
	add("plugin", was.Plugin.Kind+"/"+was.Plugin.Name, is.Plugin.Kind+"/"+is.Plugin.Name)
	add("plugin.version", was.Plugin.Version, is.Plugin.Version)
	add("plugin.digest", was.Plugin.Digest.String(), is.Plugin.Digest.String())
	out = append(out, components(was.Plugin.Components, is.Plugin.Components)...)
	out = append(out, params("params", was.Params, is.Params)...)
	add("seed", was.Seed, is.Seed)
	add("source", was.Source.String(), is.Source.String())
	out = append(out, dataset(was.Dataset, is.Dataset)...)
	add("platform", was.Platform, is.Platform)
	add("salt", was.Salt, is.Salt)
	return append(out, inputs(was.Inputs, is.Inputs, needs)...)
}

func components(was, is []action.Component) []Cause {
	a, b := map[string]string{}, map[string]string{}
	for _, c := range was {
		a[c.Name] = c.Version
	}
	for _, c := range is {
		b[c.Name] = c.Version
	}
	return maps("plugin.components.", a, b)
}

func dataset(was, is *action.Dataset) []Cause {
	return params("dataset", raw(was), raw(is))
}

func raw(d *action.Dataset) json.RawMessage {
	if d == nil {
		return nil
	}
	text, _ := json.Marshal(d) // four strings: cannot fail
	return text
}

func inputs(was, is []action.Input, needs []Need) []Cause {
	a, b := map[string]string{}, map[string]string{}
	for _, in := range was {
		a[in.Name] = in.Artifact.String()
	}
	for _, in := range is {
		b[in.Name] = in.Artifact.String()
	}
	causes := maps("input ", a, b)
	for i, c := range causes {
		for _, n := range needs {
			if c.Component == "input "+n.Input {
				causes[i].Because = n.Step
			}
		}
	}
	return causes
}

func maps(prefix string, was, is map[string]string) []Cause {
	var out []Cause
	for _, name := range union(was, is) {
		a, before := was[name]
		b, after := is[name]
		if a != b || before != after {
			out = append(out, Cause{Component: prefix + name, Was: a, Is: b})
		}
	}
	return out
}

// params descends into objects, so that one changed parameter is named and not the whole of them.
func params(path string, was, is json.RawMessage) []Cause {
	if bytes.Equal(was, is) {
		return nil
	}
	var a, b map[string]json.RawMessage
	_ = json.Unmarshal(was, &a) // what is no object stays nil
	_ = json.Unmarshal(is, &b)
	if a == nil || b == nil {
		return items(path, was, is)
	}
	var out []Cause
	for _, name := range union(a, b) {
		out = append(out, params(path+"."+name, a[name], b[name])...)
	}
	return out
}

// items descends into lists of objects, where both have as many.
func items(path string, was, is json.RawMessage) []Cause {
	var a, b []map[string]json.RawMessage
	none := func(m map[string]json.RawMessage) bool { return m == nil }
	if json.Unmarshal(was, &a) != nil || json.Unmarshal(is, &b) != nil || len(a) != len(b) || len(a) == 0 || slices.ContainsFunc(slices.Concat(a, b), none) {
		return []Cause{{Component: path, Was: string(was), Is: string(is)}}
	}
	var out []Cause
	for i := range a {
		for _, name := range union(a[i], b[i]) {
			out = append(out, params(fmt.Sprintf("%s[%d].%s", path, i, name), a[i][name], b[i][name])...)
		}
	}
	return out
}

func union[V any](a, b map[string]V) []string {
	names := sorted(a)
	for _, n := range sorted(b) {
		if _, ok := a[n]; !ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// Waiting is the cause of a step that waits for another one to run first.
func Waiting(n Need, was digest.Digest) Cause {
	return Cause{Component: "input " + n.Input, Was: was.String(), Is: "(to be made)", Because: n.Step}
}
