// Package lineage follows a file, a sample or a person through the steps of a rebuild, to every model that learned from it
// and every number that rests on it.
package lineage

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
)

// Sample is one sample of a curated dataset.
type Sample struct {
	ID      string `json:"id"`
	Split   string `json:"split"`
	Subject string `json:"subject"`
}

// Hit is a step whose artifact holds what is followed. Samples are those of a curated dataset that are meant; nil stands
// for the whole artifact.
type Hit struct {
	Step    string
	Samples []Sample
}

// Step is a step that would be done again without what is followed.
type Step struct {
	Name     string        `json:"name"`
	Artifact digest.Digest `json:"artifact,omitempty"`
	How      []string      `json:"how"` // holds it, learned from 3 samples, ...; empty for one that only reads the artifact that holds it
}

// MadeOf is how a step depends on one before it, and the name of that: it holds nothing of what is followed itself.
const MadeOf = "made of "

// Affected is what became of it.
type Affected struct {
	Depends []Step        `json:"depends"` // it is in what they gave, or has shaped it; in the order of the rebuild
	Reads   []Step        `json:"reads"`   // they read an artifact that holds it, and not that part of it
	Numbers []lock.Result `json:"-"`       // of the evaluations among those that depend
}

// Follow finds all that depends on the hits.
func Follow(p *plan.Plan, l *lock.Lock, hits []Hit) Affected {
	f := follower{hits: map[string]Hit{}, depends: map[string]bool{}, reads: map[string]bool{}}
	for _, h := range hits {
		f.hits[h.Step] = h
	}
	given := l.ByName()
	out := Affected{Depends: []Step{}, Reads: []Step{}}
	for _, s := range p.Steps {
		how, reads := f.step(s)
		f.depends[s.Name], f.reads[s.Name] = len(how) > 0, reads
		step := Step{s.Name, given[s.Name].Artifact, how}
		switch {
		case len(how) > 0:
			out.Depends = append(out.Depends, step)
		case reads:
			step.How = []string{}
			out.Reads = append(out.Reads, step)
		}
	}
	for _, e := range p.Evaluations {
		if !f.depends[e.Step] {
			continue
		}
		for _, r := range l.Results {
			if r.Evaluation == e.Name && r.Model == e.Model && r.Dataset == e.Dataset {
				out.Numbers = append(out.Numbers, r)
			}
		}
	}
	return out
}

// follower is what is known of the steps so far.
type follower struct {
	hits           map[string]Hit
	depends, reads map[string]bool
}

// step says how a step depends on what is followed, and whether it reads any artifact that does.
func (f *follower) step(s plan.Step) (how []string, reads bool) {
	if h, ok := f.hits[s.Name]; ok {
		if h.Samples == nil {
			return []string{"holds it"}, true
		}
		return []string{"holds " + samples(len(h.Samples))}, true
	}
	for _, n := range s.Needs {
		reads = reads || f.reads[n.Step]
		if f.depends[n.Step] {
			how = append(how, f.through(s, n)...)
		}
	}
	return slices.Compact(how), reads
}

// through says how a step depends on it through one of its inputs. Of samples it matters on which side they are: a model
// does not learn from the test side, and a number is of one side.
func (f *follower) through(s plan.Step, n plan.Need) []string {
	h, ok := f.hits[n.Step]
	if !ok || h.Samples == nil {
		return []string{MadeOf + n.Step}
	}
	switch catalog.Kind(s.Plugin.Kind) {
	case catalog.Pretrain:
		return slices.Concat(some("learned from ", h.Samples, "train"), some("stopped or chosen by ", h.Samples, "validation"))
	case catalog.Evaluate:
		return some("scored on ", h.Samples, splitOf(s.Params))
	}
	return []string{MadeOf + n.Step}
}

func some(what string, all []Sample, split string) []string {
	n := 0
	for _, s := range all {
		if s.Split == split {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{what + samples(n)}
}

func samples(n int) string {
	if n == 1 {
		return "1 sample"
	}
	return fmt.Sprintf("%d samples", n)
}

// splitOf is the side that an evaluation is of.
func splitOf(params json.RawMessage) string {
	var p struct{ Split string }
	if json.Unmarshal(params, &p) != nil || p.Split == "" {
		return document.Splits()[2]
	}
	return p.Split
}
