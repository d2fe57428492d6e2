package publish

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities"
	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/report"
	"github.com/cairn-bench/cairn/plugins"
)

// shared is what datasets have in common. It is handed on within a run, from the comparison before the trainings to the report.
type shared struct {
	Schema     string                   `json:"schema"`
	By         string                   `json:"by"`
	Of         map[string]digest.Digest `json:"of"` // curated artifacts, by dataset
	Duplicates []report.Duplicate       `json:"duplicates"`
}

const sharedSchema = "cairn/shared/v1"

// Compare is the activity that refuses datasets with samples that the manifest does not want them to share. It looks at all that
// are there. Publish refuses the same, but after days of training.
func (p *Publisher) Compare(ctx context.Context, req activities.CompareRequest) (activities.Compared, error) {
	pl, states, err := p.states(ctx, req.Plan, req.Pins)
	if err != nil {
		return activities.Compared{}, err
	}
	wanted, err := resolve.Wanted(pl, req.Only)
	if err != nil {
		return activities.Compared{}, err
	}
	b, err := p.Resolver.ReadManifest(ctx, req.Manifest)
	if err != nil {
		return activities.Compared{}, err
	}
	there := slices.DeleteFunc(states, func(st resolve.State) bool { return !st.Done() })
	found, err := newReporter(ctx, p.Resolver.Store, b, pl, there).shared(req.Shared)
	if err != nil {
		return activities.Compared{}, lasting(ctx, err)
	}
	text, err := canonical.Marshal(found)
	if err != nil {
		return activities.Compared{}, err
	}
	kept, err := cas.PutBytes(ctx, p.Resolver.Store, text)
	if err != nil {
		return activities.Compared{}, err
	}
	matters := map[string]bool{}
	for _, st := range there {
		if st.Step.Dataset != nil && wanted(st.Step.Name) {
			matters[st.Step.Dataset.ID] = true
		}
	}
	return activities.Compared{Shared: kept}, refuse(ctx, b, touching(found.Duplicates, matters))
}

// touching are the groups with a sample of one of these datasets.
func touching(all []report.Duplicate, datasets map[string]bool) []report.Duplicate {
	return slices.DeleteFunc(slices.Clone(all), func(d report.Duplicate) bool {
		return !slices.ContainsFunc(d.Samples, func(name string) bool { id, _, _ := strings.Cut(name, "/"); return datasets[id] })
	})
}

// refuse is an error, which no other try helps, if datasets have in common what the manifest forbids.
func refuse(ctx context.Context, b *manifests.Benchmark, all []report.Duplicate) error {
	if err := report.Refuse(b.Overlap, all); err != nil {
		return lasting(ctx, err)
	}
	return nil
}

// hold says in what was prepared that datasets are to be compared before anything uses them, if the manifest is so strict.
func (p *Publisher) hold(ctx context.Context, manifest digest.Digest, found *resolve.Found) error {
	o, err := p.Resolver.ReadOverlap(ctx, manifest)
	if err != nil || !o.Fails() {
		return err
	}
	makes, datasets, wanted := map[string]bool{}, 0, false
	for _, s := range found.Steps.Steps {
		makes[s.Name] = s.Plugin.Kind == string(catalog.Fetch) || s.Plugin.Kind == string(catalog.Curate)
		if s.Dataset != nil {
			datasets++
			wanted = wanted || found.Wanted(s.Name)
		}
	}
	if datasets < 2 || !wanted {
		return nil
	}
	found.Compare = true
	for i, n := range found.Todo {
		found.Todo[i].Held = !makes[n.Step]
	}
	return nil
}

// shared finds what the datasets of the states have in common. known is what was found earlier in the run, which counts if it is
// of the same artifacts, and by the same code; "" is nothing.
func (m *reporter) shared(known digest.Digest) (shared, error) {
	out := shared{Schema: sharedSchema, By: identity.String(), Of: map[string]digest.Digest{}}
	for _, st := range m.state {
		if d := st.Step.Dataset; d != nil {
			out.Of[d.ID] = st.Entry.Artifact
		}
	}
	if before, ok := m.recall(known); ok && before.By == out.By && maps.Equal(before.Of, out.Of) {
		return before, nil
	}
	var all []report.Contents
	for _, name := range slices.Sorted(maps.Keys(m.state)) {
		d := m.state[name].Step.Dataset
		if d == nil {
			continue
		}
		c, err := m.contents(name)
		if err != nil {
			return out, err
		}
		c.ID, c.Modality, c.Subjects = d.ID, d.Modality, m.bench.Overlap.Names(d.ID)
		all = append(all, c)
	}
	out.Duplicates = report.Shared(all)
	return out, nil
}

// recall reads what was found earlier. If it is not there any more, it is found again.
func (m *reporter) recall(known digest.Digest) (shared, bool) {
	var s shared
	if known == "" || cas.Use(m.ctx, m.store, known) != nil {
		return s, false
	}
	text, err := cas.ReadAll(m.ctx, m.store, known, maxShared)
	return s, err == nil && json.Unmarshal(text, &s) == nil && s.Schema == sharedSchema
}

// maxShared bounds what is read of it; what is larger is found again.
const maxShared = 256 << 20

// contents reads of every sample what tells whether another dataset has it too. A dataset of a plugin from elsewhere may have no fingerprints.
func (m *reporter) contents(step string) (report.Contents, error) {
	var c report.Contents
	err := lines(m, step, document.SamplesFile, func(s document.Sample) {
		c.Samples = append(c.Samples, document.Sample{ID: s.ID, Split: s.Split, Subject: s.Subject, Sources: s.Sources[:min(1, len(s.Sources))]})
	})
	if err != nil {
		return c, err
	}
	tree, err := m.tree(step)
	if err != nil {
		return c, err
	}
	if !slices.ContainsFunc(tree.Files(), func(f plugins.File) bool { return f.Path == document.PrintsFile }) {
		return c, nil
	}
	err = lines(m, step, document.PrintsFile, func(p document.Print) { c.Prints = append(c.Prints, p) })
	return c, err
}
