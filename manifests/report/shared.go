package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// Contents is what tells the samples of one dataset: of every sample its subject and its first source, and, where the dataset has them, its fingerprints.
type Contents struct {
	ID       string
	Subjects string // what they are named by: of two datasets with the same, one name is one subject
	Modality string
	Samples  []document.Sample
	Prints   []document.Print
}

// Shared finds what samples of more than one dataset have in common: the bytes of their first raw files, or else their arrays and text,
// or else, within one modality, what they look like; and whose subjects are on two sides. A file that several samples of one dataset
// are rows of says nothing about them.
func Shared(datasets []Contents) []Duplicate {
	datasets = slices.SortedFunc(slices.Values(datasets), func(a, b Contents) int { return cmp.Compare(a.ID, b.ID) })
	s := &sharing{known: map[string]bool{}, out: []Duplicate{}}
	s.bytes(datasets)
	s.media(datasets)
	s.near(datasets)
	s.subjects(datasets)
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
		{o.Subject, "subject", "of one subject each", []string{document.SameSubject}},
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

// add takes in a group that spans datasets, and is not known yet as one of another kind.
func (s *sharing) add(d Duplicate) {
	if d, spans := ordered(d); spans {
		key := strings.Join(d.Samples, "\n")
		if !s.known[key] {
			s.known[key] = true
			s.out = append(s.out, d)
		}
	}
}

// ordered sorts the samples of a group, "dataset/split/id", and sees which sides and whether several datasets have them.
func ordered(d Duplicate) (_ Duplicate, spans bool) {
	slices.Sort(d.Samples)
	first := strings.Split(d.Samples[0], "/")
	for _, name := range d.Samples {
		parts := strings.Split(name, "/")
		spans = spans || parts[0] != first[0]
		d.Crosses = d.Crosses || parts[1] != first[1]
	}
	return d, spans
}

// subjects adds whose samples are on two sides of several datasets, in the order of their names: the first sample on each side of each.
// That they are on one side is as it should be.
func (s *sharing) subjects(datasets []Contents) {
	alike := map[string]int{}
	for _, c := range datasets {
		alike[c.Subjects]++
	}
	found := map[[2]string][]string{} // by what names subjects, and the name
	for _, c := range datasets {
		for _, x := range c.Samples {
			at, place := [2]string{c.Subjects, x.Subject}, c.name(x.Split, "")
			if alike[c.Subjects] > 1 && x.Subject != "" && !slices.ContainsFunc(found[at], func(name string) bool { return strings.HasPrefix(name, place) }) {
				found[at] = append(found[at], place+x.ID)
			}
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(found), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		if d, spans := ordered(Duplicate{Kind: document.SameSubject, Samples: found[at]}); spans && d.Crosses {
			s.out = append(s.out, d)
		}
	}
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
