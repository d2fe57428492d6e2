package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/plugins"
)

// people looks for samples in a curated dataset, also for those that were left out, and for others with the same bytes: these are
// left out, too.
func (s *searcher) people(step plan.Step, data *plugins.Curated) error {
	all, err := candidates(step, data)
	if err != nil {
		return err
	}
	alone := firstFiles(all)
	gone := map[digest.Digest]bool{}
	for _, x := range all {
		if s.only(step.Dataset.ID, x) && alone[x.ID] != "" {
			gone[alone[x.ID]] = true
		}
	}
	named := s.only
	s.only = func(dataset string, x document.Sample) bool { return named(dataset, x) || gone[alone[x.ID]] }
	s.samples(step, all)
	s.only = named
	return nil
}

// candidates are the samples of a dataset, and by their ids alone those that were left out, as far as its plugin says so.
func candidates(step plan.Step, data *plugins.Curated) ([]document.Sample, error) {
	all := slices.Clone(data.Samples)
	if !slices.ContainsFunc(data.Tree.Files(), func(f plugins.File) bool { return f.Path == document.CurationFile }) {
		return all, nil
	}
	text, err := data.Tree.ReadFile(document.CurationFile)
	if err != nil {
		return nil, err
	}
	var c document.Curation
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s of %s: %w", document.CurationFile, step.Name, err)
	}
	for _, o := range slices.Concat(c.Excluded, c.Failed) {
		all = append(all, document.Sample{ID: o.Sample})
	}
	return all, nil
}

// firstFiles gives the digest of the first file of each sample, by id, if it is no other sample's first.
func firstFiles(all []document.Sample) map[string]digest.Digest {
	users := map[string]int{}
	for _, x := range all {
		if len(x.Sources) > 0 {
			users[x.Sources[0].Path]++
		}
	}
	out := map[string]digest.Digest{}
	for _, x := range all {
		if len(x.Sources) > 0 && users[x.Sources[0].Path] == 1 {
			out[x.ID] = x.Sources[0].Digest
		}
	}
	return out
}

// whereabouts is where the subject was found: in one dataset.
type whereabouts struct {
	dataset string
	search  *searcher
}

// affected is what depends on the subject.
func (f whereabouts) affected(ctx context.Context, w *workshop, l *lock.Lock) (*affectedBenchmark, error) {
	b, err := w.follow(ctx, l, f.search)
	return &b, err
}

// find finds the one dataset of a lock in which the subject stands.
func (x *withdrawing) find(ctx context.Context, l *lock.Lock) (whereabouts, error) {
	var datasets, others, known []string // in which it is, in which a sample has the name instead of a subject or the other way round, all names
	is := func(dataset string, s document.Sample) bool {
		if x.dataset != "" && x.dataset != dataset {
			return false
		}
		name, other := s.Subject, s.ID
		if x.sample {
			name, other = other, name
		}
		known = append(known, name)
		if other == x.name {
			others = append(others, dataset)
		}
		return name == x.name
	}
	s := &searcher{w: x.w, what: x.name, only: is}
	if err := s.search(ctx, l); err != nil {
		return whereabouts{}, err
	}
	for _, step := range s.plan.Steps {
		if h := s.found[step.Name]; h != nil && len(h.Samples) > 0 {
			datasets = append(datasets, step.Dataset.ID)
		}
	}
	switch len(datasets) {
	case 1:
		return whereabouts{datasets[0], s}, nil
	case 0:
		return whereabouts{}, x.notFound(s.unseen, others, known)
	}
	return whereabouts{}, exit(exitUsage, "%s stands in %s; these may be different people: say which with --dataset", x.what(), strings.Join(datasets, ", "))
}

// notFound says why nothing was.
func (x *withdrawing) notFound(unseen, others, known []string) error {
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(name string) bool { return name == "" })
	where := strings.Join(x.datasets(), ", ")
	if x.dataset != "" {
		where = x.dataset
	}
	switch {
	case len(others) > 0 && !x.sample:
		return exit(exitUsage, "no subject of %s is called %q, but a sample of %s is: --sample leaves out that one", where, x.name, others[0])
	case len(others) > 0:
		return exit(exitUsage, "no sample of %s is called %q, but a subject of %s is: without --sample all of the subject's are left out", where, x.name, others[0])
	case len(unseen) > 0:
		return exit(exitUnknown, "there is no %s in what is here; what these steps gave is not here to be looked into: %s", x.what(), strings.Join(unseen, ", "))
	}
	return exit(exitUsage, "there is no %s in %s%s", x.what(), where, didYouMean(x.name, known))
}
