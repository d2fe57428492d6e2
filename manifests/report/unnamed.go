package report

import (
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// WithoutNames is a report that names no samples of some datasets: what is left of them are counts and codes. why says for each of these
// datasets why.
func WithoutNames(r Report, why map[string]string) Report {
	r.Datasets, r.Duplicates = slices.Clone(r.Datasets), slices.Clone(r.Duplicates)
	for i := range r.Datasets {
		if reason, ok := why[r.Datasets[i].ID]; ok {
			r.Datasets[i].Unnamed = reason
			r.Datasets[i].Curation = withoutNames(r.Datasets[i].Curation)
		}
	}
	for i := range r.Duplicates {
		r.Duplicates[i].Samples = slices.Clone(r.Duplicates[i].Samples)
		for k, name := range r.Duplicates[i].Samples { // dataset/split/id
			parts := strings.SplitN(name, "/", 3)
			if _, ok := why[parts[0]]; ok {
				r.Duplicates[i].Samples[k] = strings.Join(parts[:min(len(parts), 2)], "/")
			}
		}
	}
	return r
}

// withoutNames keeps how many there are of what. A reason can quote what it is about, and a list of a side is a file of the publisher's.
func withoutNames(c document.Curation) document.Curation {
	for _, list := range []*[]document.Outcome{&c.Excluded, &c.Failed, &c.Warnings} {
		*list = slices.Clone(*list)
		for i, o := range *list {
			(*list)[i] = document.Outcome{Code: o.Code}
		}
	}
	c.Duplicates = slices.Clone(c.Duplicates)
	for i := range c.Duplicates {
		c.Duplicates[i].Samples = []string{}
	}
	c.SplitFiles = nil
	return c
}

// withNames are the outcomes that name their samples.
func withNames(all []document.Outcome) []document.Outcome {
	return slices.DeleteFunc(slices.Clone(all), func(o document.Outcome) bool { return o.Sample == "" })
}
