package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
)

// slack forgives what a decimal number loses in binary: 0.93 and 0.9 are 0.03 apart.
const slack = 1e-12

// Judge fills in what a claim says of us: our number, and whether it lies within the claim's tolerance of
// the published one.
func Judge(c Claim, results []Result) Claim {
	at := slices.IndexFunc(results, func(r Result) bool {
		return r.Evaluation == c.Evaluation && r.Dataset == c.Dataset && r.Metric == c.Metric &&
			(r.Model == c.Model || r.ModelGroup == c.Model)
	})
	if at < 0 {
		c.Verdict, c.Reason = Unknown, "this number was not computed"
		return c
	}
	r := results[at]
	c.Value, c.Low, c.High = r.Value, r.Low, r.High
	if c.Value == nil {
		c.Verdict, c.Reason = Unknown, r.Undefined
		return c
	}
	off := math.Abs(*c.Value - c.Published)
	c.Verdict, c.Reason = Holds, fmt.Sprintf("%.3f from the published number, within %g", off, c.Tolerance)
	if off > c.Tolerance+slack {
		c.Verdict, c.Reason = Fails, fmt.Sprintf("%.3f from the published number, more than %g", off, c.Tolerance)
	}
	return c
}

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
