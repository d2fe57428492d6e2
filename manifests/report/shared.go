package report

import (
	"cmp"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
)

// Shared finds the raw bytes that samples of more than one dataset were made from. The datasets are named by
// their ids. A file that several samples of one dataset are rows of says nothing about them and is left out.
func Shared(datasets map[string][]document.Sample) []Duplicate {
	found := map[digest.Digest][]string{}
	owners := map[digest.Digest]int{}
	for _, id := range slices.Sorted(maps.Keys(datasets)) {
		for d, name := range firstSources(id, datasets[id]) {
			found[d] = append(found[d], name...)
			owners[d]++
		}
	}
	out := []Duplicate{}
	for d, samples := range found {
		if owners[d] > 1 {
			slices.Sort(samples)
			out = append(out, Duplicate{Digest: d, Samples: samples})
		}
	}
	slices.SortFunc(out, func(x, y Duplicate) int { return cmp.Compare(x.Digest, y.Digest) })
	return out
}

// firstSources maps the first raw file of every sample, the one whose bytes tell duplicates, to the samples.
func firstSources(dataset string, samples []document.Sample) map[digest.Digest][]string {
	users := map[string]int{}
	for _, s := range samples {
		if len(s.Sources) > 0 {
			users[s.Sources[0].Path]++
		}
	}
	out := map[digest.Digest][]string{}
	for _, s := range samples {
		if len(s.Sources) > 0 && users[s.Sources[0].Path] == 1 {
			d := s.Sources[0].Digest
			out[d] = append(out[d], dataset+"/"+s.Split+"/"+s.ID)
		}
	}
	return out
}
