package terms

import (
	"cmp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
)

// Origins is what is known of where artifacts come from. It is collected from actions and what they gave, from manifests and from
// what datasets say of themselves. If these contradict each other, all of it counts. The zero value knows nothing.
type Origins struct {
	made map[digest.Digest][]action.Action // by what they gave
	says map[digest.Digest][]said
}

// said is what something states of an artifact.
type said struct {
	what What
	Term
}

// Origin is what an artifact holds, and what it derives from.
type Origin struct {
	What    []What          // empty: no data
	Terms   []Term          // of all datasets that it derives from, sorted
	Unknown []digest.Digest // of it and of what it was made of, artifacts of which nothing says where they come from
}

// kinds say what the plugins of a kind give.
var kinds = map[string]What{
	string(catalog.Fetch): Raw, string(catalog.Curate): Curated, string(catalog.Pretrain): Model, string(catalog.Evaluate): Predictions,
}

// whatOf is what an action gives. A kind that is not known here gives data, too.
func whatOf(a action.Action) What {
	if w, ok := kinds[a.Plugin.Kind]; ok {
		return w
	}
	return Curated
}

// publisher is the kind of what puts records and numbers together.
const publisher = "publish"

// rawInput is the input of a curation that is the dataset's own; the others are called as their datasets are.
const rawInput = "raw"

// Made notes that an action gave an artifact. A curation states the terms of its dataset, and so those of the raw data that
// it was made of.
func (o *Origins) Made(artifact digest.Digest, a action.Action) {
	if o.made == nil {
		o.made = map[digest.Digest][]action.Action{}
	}
	o.made[artifact] = append(o.made[artifact], a)
	if a.Dataset == nil {
		return
	}
	t := Term{a.Dataset.ID, a.Dataset.Licence, a.Dataset.Access}
	o.Says(artifact, whatOf(a), t)
	for _, in := range a.Inputs {
		if in.Name == rawInput {
			o.Says(in.Artifact, Raw, t)
		}
	}
}

// Says notes what something states of the data in an artifact.
func (o *Origins) Says(artifact digest.Digest, what What, t Term) {
	if o.says == nil {
		o.says = map[digest.Digest][]said{}
	}
	if s := (said{what, t}); !slices.Contains(o.says[artifact], s) {
		o.says[artifact] = append(o.says[artifact], s)
	}
}

// Of follows an artifact back to all datasets that it derives from.
func (o *Origins) Of(artifact digest.Digest) Origin {
	var out Origin
	for _, a := range o.made[artifact] {
		if a.Plugin.Kind != publisher {
			out.What = append(out.What, whatOf(a))
		}
	}
	for _, s := range o.says[artifact] {
		out.What = append(out.What, s.what)
	}
	if len(out.What) == 0 && len(o.made[artifact]) > 0 {
		return out // it was put together of records and numbers
	}
	o.follow(artifact, &out)
	if len(out.Terms)+len(out.Unknown) == 0 {
		out.Unknown = []digest.Digest{artifact} // it is said to be made of itself
	}
	slices.Sort(out.What)
	out.What = slices.Compact(out.What)
	slices.SortFunc(out.Terms, func(x, y Term) int {
		return cmp.Or(strings.Compare(x.Dataset, y.Dataset), strings.Compare(x.Licence, y.Licence), strings.Compare(x.Access, y.Access))
	})
	out.Terms = slices.Compact(out.Terms)
	return out
}

// follow visits what an artifact was made of.
func (o *Origins) follow(artifact digest.Digest, out *Origin) {
	seen := map[digest.Digest]bool{artifact: true}
	for todo := []digest.Digest{artifact}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		for _, s := range o.says[at] {
			out.Terms = append(out.Terms, s.Term)
		}
		inputs := 0
		for _, a := range o.made[at] {
			for _, in := range a.Inputs {
				inputs++
				if !seen[in.Artifact] {
					seen[in.Artifact] = true
					todo = append(todo, in.Artifact)
				}
			}
		}
		if len(o.says[at])+inputs == 0 {
			out.Unknown = append(out.Unknown, at)
		}
	}
}

// Refusals are the decisions against doing something with an artifact; there are none if it may be done. What nothing is known of is
// decided as data without a licence and without access.
func (p *Policy) Refusals(verb Verb, to string, o Origin) []Decision {
	whats := o.What
	if len(whats) == 0 {
		whats = []What{""}
	}
	var out []Decision
	for _, w := range whats {
		for _, u := range o.Unknown {
			if d := p.Decide(Question{verb, w, to}, Term{}); !d.Allowed {
				d.Reason = "nothing in this store says where " + u.String() + " comes from; " + d.Reason
				out = append(out, d)
			}
		}
		for _, t := range o.Terms {
			if d := p.Decide(Question{verb, w, to}, t); !d.Allowed {
				out = append(out, d)
			}
		}
	}
	return out
}
