package report

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/document"
)

// SheetSchema names the JSON form of a Sheet.
const SheetSchema = "cairn/show/v1"

// examples is how many outcomes of one reason a sheet names; the artifact's curation.json has them all.
const examples = 3

// Sheet is what is in one curated dataset.
type Sheet struct {
	Schema     string                    `json:"schema"`
	Artifact   digest.Digest             `json:"artifact"`
	Dataset    string                    `json:"dataset"`
	Modality   string                    `json:"modality"`
	Licence    string                    `json:"licence"`
	Access     string                    `json:"access"`
	Restricted string                    `json:"restricted,omitempty"` // why the data may not be passed on
	Task       document.Task             `json:"task"`
	Features   []string                  `json:"features"`
	Counts     map[string]map[string]int `json:"counts"`   // split -> class -> samples
	Samples    map[string]int            `json:"samples"`  // split -> samples
	Subjects   map[string]int            `json:"subjects"` // split -> distinct subjects
	Files      int                       `json:"files"`
	Bytes      int64                     `json:"bytes"`
	Media      []MediaKind               `json:"media"`
	Split      string                    `json:"split"` // the rule, in one sentence
	SplitFiles []document.SplitList      `json:"split_files,omitempty"`
	Labels     document.LabelTally       `json:"labels"`
	LabelMaps  []document.LabelMap       `json:"label_maps,omitempty"`
	Published  *document.Published       `json:"published,omitempty"`
	Expected   int                       `json:"expected"`
	Done       int                       `json:"done"`
	Excluded   []Reason                  `json:"excluded"`
	Failed     []Reason                  `json:"failed"`
	Withdrawn  *document.Withdrawn       `json:"withdrawn,omitempty"`
	Warnings   []Reason                  `json:"warnings"`
	Duplicates Duplicates                `json:"duplicates"`
}

// MediaKind is arrays of one type, and how many samples have one.
type MediaKind struct {
	Type         string  `json:"type"`
	DType        string  `json:"dtype"`
	SamplingRate float64 `json:"sampling_rate,omitempty"`
	Least        []int   `json:"least"` // of each axis
	Most         []int   `json:"most"`
	Arrays       int     `json:"arrays"`
}

// Reason is one code of outcomes.
type Reason struct {
	Code     string             `json:"code"`
	Count    int                `json:"count"`
	Examples []document.Outcome `json:"examples"`
}

// Duplicates are samples of one dataset that are the same or nearly so.
type Duplicates struct {
	Said     string                    `json:"said"` // how many of which kind, in words
	Groups   int                       `json:"groups"`
	Crossing int                       `json:"crossing"` // groups that touch more than one side
	Listed   []document.DuplicateGroup `json:"listed"`   // the first of them, the gravest before the others
}

// NewSheet collects what the documents of a dataset say. restricted says why the data may not be passed on, "" if they may.
func NewSheet(artifact digest.Digest, d document.Dataset, c document.Curation, restricted string) Sheet {
	return Sheet{
		Schema: SheetSchema, Artifact: artifact, Dataset: d.ID, Modality: d.Modality, Licence: d.Licence, Access: d.Access,
		Restricted: restricted,
		Task:       *d.Task, Features: append([]string{}, d.Features...), Counts: d.Counts, Samples: d.Samples, Subjects: d.Subjects,
		Files: d.Files, Bytes: d.Bytes, Media: []MediaKind{}, Split: c.Split, Expected: c.Expected, Done: c.Done,
		Excluded: reasons(c.Excluded), Failed: reasons(c.Failed), Withdrawn: c.Withdrawn, Warnings: reasons(c.Warnings),
		SplitFiles: c.SplitFiles, Labels: c.Labels, LabelMaps: c.LabelMaps, Published: c.Published, Duplicates: duplicates(c.Duplicates),
	}
}

func reasons(outcomes []document.Outcome) []Reason {
	out := []Reason{}
	at := map[string]int{}
	for _, t := range tallies(outcomes) {
		at[t.Code] = len(out)
		out = append(out, Reason{Code: t.Code, Count: t.Count})
	}
	for _, o := range outcomes {
		if r := &out[at[o.Code]]; len(r.Examples) < examples {
			r.Examples = append(r.Examples, o)
		}
	}
	return out
}

func duplicates(groups []document.DuplicateGroup) Duplicates {
	return Duplicates{
		Said: groupsOf(groups), Groups: len(groups), Crossing: crossing(groups),
		Listed: append([]document.DuplicateGroup{}, gravest(groups)[:min(len(groups), listed)]...),
	}
}

// See counts the media of a sample.
func (s *Sheet) See(of document.Sample) {
	for _, m := range of.Media {
		i := slices.IndexFunc(s.Media, func(k MediaKind) bool {
			return k.Type == m.Type && k.DType == m.DType && k.SamplingRate == m.SamplingRate && len(k.Least) == len(m.Shape)
		})
		if i < 0 {
			i = len(s.Media)
			s.Media = append(s.Media, MediaKind{Type: m.Type, DType: m.DType, SamplingRate: m.SamplingRate, Least: slices.Clone(m.Shape), Most: slices.Clone(m.Shape)})
		}
		k := &s.Media[i]
		k.Arrays++
		for axis, n := range m.Shape {
			k.Least[axis], k.Most[axis] = min(k.Least[axis], n), max(k.Most[axis], n)
		}
	}
}

// Total is how many samples of a class there are; a side that has none counts nothing.
func (s *Sheet) Total(class string) int {
	n := 0
	for _, split := range document.Splits() {
		n += s.Counts[split][class]
	}
	return n
}

// withoutNames is what may be shown of data that may not be passed on: counts, and nobody's name.
func (s Sheet) withoutNames() Sheet {
	for _, list := range []*[]Reason{&s.Excluded, &s.Failed, &s.Warnings} {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i].Examples = nil
		}
	}
	s.Duplicates.Listed, s.SplitFiles = nil, nil
	return s
}
