package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// Contents is what tells the samples of one dataset: of every sample its first source, and, where the dataset has them, its fingerprints.
type Contents struct {
	ID       string
	Modality string
	Samples  []document.Sample
	Prints   []document.Print
}

// Shared finds what samples of more than one dataset have in common: the bytes of their first raw files, or else their arrays and text,
// or else, within one modality, what they look like. A file that several samples of one dataset are rows of says nothing
// about them.
func Shared(datasets []Contents) []Duplicate {
	datasets = slices.SortedFunc(slices.Values(datasets), func(a, b Contents) int { return cmp.Compare(a.ID, b.ID) })
	s := &sharing{known: map[string]bool{}, out: []Duplicate{}}
	s.bytes(datasets)
	s.media(datasets)
	s.near(datasets)
	return s.out
}

// Refuse is an error that names the samples that a manifest does not want on two sides of two datasets.
func Refuse(o manifests.Overlap, all []Duplicate) error {
	for _, r := range []struct {
		policy, word, what string
		kinds              []string
	}{
		{o.Same, "same", "the same", []string{document.SameBytes, document.SameMedia}},
		{o.Near, "near", "nearly the same", []string{document.NearMedia}},
	} {
		bad := slices.DeleteFunc(slices.Clone(all), func(d Duplicate) bool { return !d.Crosses || !slices.Contains(r.kinds, d.Kind) })
		if r.policy != manifests.OverlapFail || len(bad) == 0 {
			continue
		}
		var names []string
		for _, d := range bad[:min(len(bad), few)] {
			names = append(names, d.told())
		}
		if n := len(bad) - few; n > 0 {
			names = append(names, fmt.Sprintf("and %d more", n))
		}
		return fmt.Errorf("overlap.%s is %s, and %d groups of samples are %s on two sides of several datasets: %s; "+
			"put each on the same side of all, or leave it out, by lists of ids (split.rule: file; drop-test knows its own dataset alone), or take a dataset out of the manifest",
			r.word, r.policy, len(bad), r.what, strings.Join(names, "; "))
	}
	return nil
}

// few is how many groups an error names, and samples of each.
const few = 10

// told names a group in a few words: a sample of each side of each dataset.
func (d Duplicate) told() string {
	place := func(name string) string { return strings.Join(strings.SplitN(name, "/", 3)[:2], "/") }
	one := slices.CompactFunc(slices.Clone(d.Samples), func(a, b string) bool { return place(a) == place(b) })
	text := strings.Join(one[:min(len(one), few)], " = ")
	if n := len(d.Samples) - min(len(one), few); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s (%s)", text, d.Kind)
}

// sharing collects what is found.
type sharing struct {
	known map[string]bool // groups, by their samples
	out   []Duplicate
}

// add takes in a group that spans datasets. samples are "dataset/split/id".
func (s *sharing) add(d Duplicate) {
	dataset := func(name string) string { name, _, _ = strings.Cut(name, "/"); return name }
	if !slices.ContainsFunc(d.Samples, func(x string) bool { return dataset(x) != dataset(d.Samples[0]) }) {
		return
	}
	slices.Sort(d.Samples)
	key := strings.Join(d.Samples, "\n")
	if s.known[key] {
		return
	}
	s.known[key] = true
	side := func(name string) string { return strings.Split(name, "/")[1] }
	d.Crosses = slices.ContainsFunc(d.Samples, func(x string) bool { return side(x) != side(d.Samples[0]) })
	s.out = append(s.out, d)
}

func (s *sharing) bytes(datasets []Contents) {
	found := map[digest.Digest][]string{}
	for _, c := range datasets {
		users := map[string]int{}
		for _, x := range c.Samples {
			if len(x.Sources) > 0 {
				users[x.Sources[0].Path]++
			}
		}
		for _, x := range c.Samples {
			if len(x.Sources) > 0 && users[x.Sources[0].Path] == 1 {
				d := x.Sources[0].Digest
				found[d] = append(found[d], c.name(x.Split, x.ID))
			}
		}
	}
	s.addAll(document.SameBytes, found)
}

func (s *sharing) media(datasets []Contents) {
	found := map[digest.Digest][]string{}
	for _, c := range datasets {
		for _, p := range c.Prints {
			found[p.Media] = append(found[p.Media], c.name(p.Split, p.ID))
		}
	}
	s.addAll(document.SameMedia, found)
}

// addAll adds groups in the order of their digests.
func (s *sharing) addAll(kind string, found map[digest.Digest][]string) {
	var many []digest.Digest
	for d, samples := range found {
		if len(samples) > 1 {
			many = append(many, d)
		}
	}
	slices.Sort(many)
	for _, d := range many {
		s.add(Duplicate{Kind: kind, Digest: d, Samples: found[d]})
	}
}

// near looks within each modality: what one index holds at a time is bounded by the largest of them.
func (s *sharing) near(datasets []Contents) {
	var modalities []string
	for _, c := range datasets {
		modalities = append(modalities, c.Modality)
	}
	slices.Sort(modalities)
	for _, m := range slices.Compact(modalities) {
		s.nearOf(slices.DeleteFunc(slices.Clone(datasets), func(c Contents) bool { return c.Modality != m }))
	}
}

func (s *sharing) nearOf(datasets []Contents) {
	if len(datasets) < 2 {
		return
	}
	var prints []*fingerprint.Print
	var names []string
	for _, c := range datasets {
		for _, p := range c.Prints {
			if p.Print != nil {
				prints, names = append(prints, p.Print), append(names, c.name(p.Split, p.ID))
			}
		}
	}
	for _, g := range fingerprint.NewIndex(prints).Groups() {
		d := Duplicate{Kind: document.NearMedia, Distance: g.Distance}
		for _, at := range g.Members {
			d.Samples = append(d.Samples, names[at])
		}
		s.add(d)
	}
}

func (c Contents) name(split, id string) string { return c.ID + "/" + split + "/" + id }
