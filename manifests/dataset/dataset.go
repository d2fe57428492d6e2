// Package dataset is the catalog of a benchmark's datasets: what each is, what is said of it and by whom, under which
// terms it comes, and how a person gets it. A catalog is data to read and compare; nothing in it is an input of a
// rebuild, which a manifest describes.
//
// # The files
//
// A catalog is a folder:
//
//	sources.yaml         kind DatasetSources: who said something, by a short name
//	access.yaml          kind DatasetAccess: what a person does to get data, by publisher
//	selection.yaml       kind DatasetSelection: how the benchmark chose its datasets, and the totals it claims
//	datasets/<id>.yaml   kind DatasetEntry: one dataset
//
// All have apiVersion cairn/v1 and are read as strictly as a manifest. Every file has one form, that of Format, and
// no comments: what there is to say is data.
//
// # An entry
//
//	apiVersion: cairn/v1
//	kind: DatasetEntry
//	id: chexpert                       # also the name of the file
//	name: CheXpert
//	inPaper: true                      # one of the datasets that the benchmark's paper counts
//	group: 2d                          # where the paper puts it; a group of selection.yaml, or null
//	modality: xray                     # a word of manifests.Modalities
//	domain: chest-xray                 # the catalog's own word
//	region: USA (Stanford)
//	task: {name: "14 findings", labels: multilabel, classes: [Edema, ...]}
//	counts:                            # each with who says so
//	  unit: image                      # what is counted
//	  train: {value: 212243, source: climb-repo, at: Dataset_Info.md}
//	  validation: null
//	  test: {value: 225, source: climb-repo, at: Dataset_Info.md}
//	  total: {value: 212498, source: climb-repo, at: Dataset_Info.md}
//	  subjects: null
//	conflicts:                         # where sources disagree, with each other or with arithmetic
//	  - about: counts.total
//	    values:
//	      - {value: 212498, source: climb-repo, at: Dataset_Info.md}
//	      - {value: 212468, source: arithmetic, at: train + test}
//	    reason: ...
//	reruns:                            # what a recipe's rule of the split gives for a list of the samples
//	  - recipe: as-published.yaml
//	    list: {samples: 780, subjects: null, labels: {benign: 437, ...}, sha256: null, source: publisher, at: ...}
//	    counts: {train: 583, validation: 0, test: 197} # and leftOut, how many samples of the list are on no side
//	    reason: null                   # why these are not the counts above; null if they are
//
// # Null
//
// A key whose value no source states is there and null. It is never left out, and never filled in.
//
// # Checks
//
// Parts add up to their total, and the counts of classes to their part, unless a conflict names the other sum. A rerun
// has the samples of its list, on a side or left out, and a reason exactly where it gives other counts than the entry. The
// value that an entry shows for something disputed is one of those the conflict lists. Licences are SPDX expressions.
// Whatever is referred to (a source, a procedure, a group, a tier) exists. Names of files are IDs.
package dataset

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Kinds of the files of a catalog.
const (
	KindEntry     = "DatasetEntry"
	KindSources   = "DatasetSources"
	KindAccess    = "DatasetAccess"
	KindSelection = "DatasetSelection"
)

// Entry is one dataset.
type Entry struct {
	APIVersion  string       `json:"apiVersion"`
	Kind        string       `json:"kind"`
	ID          string       `json:"id"`
	Name        string       `json:"name"`
	InPaper     bool         `json:"inPaper"`
	Experiments *bool        `json:"experiments"` // were its data used in the paper's experiments
	Group       *string      `json:"group"`
	Modality    string       `json:"modality"`
	Domain      string       `json:"domain"`
	Region      *string      `json:"region"`
	Task        Task         `json:"task"`
	Counts      Counts       `json:"counts"`
	ClassCounts []ClassCount `json:"classCounts,omitempty"`
	Size        *Size        `json:"size"`
	Format      *string      `json:"format"`
	Version     *Statement   `json:"version"` // of the publisher's data
	Licence     Licence      `json:"licence"`
	Access      Access       `json:"access"`
	Host        string       `json:"host"`
	Locators    []Locator    `json:"locators"`
	Citation    *Citation    `json:"citation"`
	Selection   Selected     `json:"selection"`
	Curation    []string     `json:"curation"` // what the benchmark made of it, step by step
	Split       Split        `json:"split"`
	Code        Code         `json:"code"`
	Reruns      []Rerun      `json:"reruns,omitempty"` // of recipes over lists of samples
	Conflicts   []Conflict   `json:"conflicts,omitempty"`
	Notes       []Note       `json:"notes,omitempty"`
}

// Origin says who states something, and where they do.
type Origin struct {
	Source string `json:"source"`
	At     string `json:"at,omitempty"` // a file, a line, an address
}

// Rerun is what a recipe's rule of the split gives for a list of samples, without the samples themselves.
type Rerun struct {
	Recipe  string  `json:"recipe"` // the manifest that has it, such as as-published.yaml
	List    List    `json:"list"`
	Counts  Sides   `json:"counts"`
	LeftOut int64   `json:"leftOut,omitempty"` // samples of the list that are on no side, as the recipe leaves them out
	Reason  *string `json:"reason"`            // why they are not the counts of the entry; null if they are
}

// List is a list of all samples, which stays where it was read: here is how many it names, of how many subjects, and how many have each label
// as published, where the rule of the split needs to know no more.
type List struct {
	Samples  int64            `json:"samples"`
	Subjects *int64           `json:"subjects"`
	Labels   map[string]int64 `json:"labels,omitempty"`
	SHA256   *string          `json:"sha256"` // of the file that was read; null if only its text was at hand, or what it counts
	Origin
}

// Sides are samples by side.
type Sides struct {
	Train      int64 `json:"train"`
	Validation int64 `json:"validation"`
	Test       int64 `json:"test"`
}

// Agrees says whether the sides are those that an entry counts, as far as it counts any.
func (s Sides) Agrees(c Counts) bool {
	same := func(n *Number, ours int64) bool { return n == nil || n.Value == ours }
	return same(c.Train, s.Train) && same(c.Validation, s.Validation) && same(c.Test, s.Test)
}

// Statement is a text that somebody states.
type Statement struct {
	Value string `json:"value"`
	Origin
}

// Number is a count that somebody states.
type Number struct {
	Value int64 `json:"value"`
	Origin
}

// Task is what is to be learned.
type Task struct {
	Name    string   `json:"name"`
	Labels  *string  `json:"labels"`
	Classes []string `json:"classes"`
}

// Counts are the sizes of the parts. Test is the part that the benchmark calls test; several loaders call it
// validation.
type Counts struct {
	Unit       *string `json:"unit"`
	Train      *Number `json:"train"`
	Validation *Number `json:"validation"`
	Test       *Number `json:"test"`
	Total      *Number `json:"total"`
	Subjects   *Number `json:"subjects"`
}

// ClassCount is how many samples of a part have which class.
type ClassCount struct {
	Part   string           `json:"part"`
	Counts map[string]int64 `json:"counts"`
	Origin
}

// Sum adds the classes.
func (c ClassCount) Sum() int64 {
	var sum int64
	for _, n := range c.Counts {
		sum += n
	}
	return sum
}

// Size is how much there is to fetch.
type Size struct {
	Bytes *int64 `json:"bytes"` // null unless it is known to the byte
	Says  string `json:"says"`  // what of
	Origin
}

// Licence is under which terms the data come.
type Licence struct {
	Expression *string `json:"expression"` // SPDX; null if no licence is stated
	Name       string  `json:"name"`       // as it is stated
	URL        *string `json:"url"`        // of the text
	Origin
}

// Access is how a person comes to the data.
type Access struct {
	Kind      string  `json:"kind"`      // a word of manifests.Accesses
	Procedure string  `json:"procedure"` // of access.yaml
	Page      *string `json:"page"`      // where it begins
	Note      string  `json:"note,omitempty"`
}

// Locator is a place where something of the dataset is, or was.
type Locator struct {
	Of    string `json:"of"`
	Place string `json:"place"` // an address, or a name that only its host understands
	Note  string `json:"note,omitempty"`
	File  *File  `json:"file,omitempty"` // if it is one file that is known to the byte
	Origin
}

// File is one file, known to the byte.
type File struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Type   string `json:"type"` // media type
}

// Citation is what to cite.
type Citation struct {
	Authors string  `json:"authors"`
	Year    *int64  `json:"year"`
	DOI     *string `json:"doi"`
	Origin
}

// Selected is how the dataset came into the benchmark.
type Selected struct {
	Stage *int64  `json:"stage"`
	Tier  *string `json:"tier"`
	Basis string  `json:"basis,omitempty"` // what says so
}

// Split is how the samples were divided.
type Split struct {
	Rule         *string  `json:"rule"`
	By           *string  `json:"by"`
	Seed         *int64   `json:"seed"`
	Unit         *string  `json:"unit"` // what stays together
	Text         *string  `json:"text"`
	Reproducible *bool    `json:"reproducible"` // from the benchmark's code
	Flaws        []string `json:"flaws,omitempty"`
}

// Code is what the benchmark's public code has for the dataset.
type Code struct {
	Loader     *string `json:"loader"`
	Downloads  bool    `json:"downloads"`  // the loader can fetch it
	Registered bool    `json:"registered"` // its downloader knows it, not commented out
}

// Conflict is a disagreement.
type Conflict struct {
	About  string    `json:"about"`
	Values []Claimed `json:"values"`
	Reason string    `json:"reason"`
}

// Claimed is one side of a disagreement.
type Claimed struct {
	Value Value `json:"value"`
	Origin
}

// Note is something else worth knowing.
type Note struct {
	Text string `json:"text"`
	Origin
}

// Value is a count or a text.
type Value string

// UnmarshalJSON takes a number for its digits.
func (v *Value) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '"' {
		*v = Value(text)
		return nil
	}
	return json.Unmarshal(text, (*string)(v))
}

// MarshalJSON writes what is a count as a number.
func (v Value) MarshalJSON() ([]byte, error) {
	if n, ok := v.Count(); ok {
		return strconv.AppendInt(nil, n, 10), nil
	}
	return json.Marshal(string(v))
}

// Count returns the value as a count, if it is one.
func (v Value) Count() (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == string(v)
}

// Disputed returns the conflicts about a thing.
func (e Entry) Disputed(about string) []Conflict {
	var out []Conflict
	for _, c := range e.Conflicts {
		if c.About == about {
			out = append(out, c)
		}
	}
	return out
}

// Says tells whether a side of the conflict is this value.
func (c Conflict) Says(v Value) bool {
	return slices.ContainsFunc(c.Values, func(side Claimed) bool { return side.Value == v })
}

// Words of an entry that are not words of a manifest.

// Labels lists the kinds of labels.
func Labels() []string {
	return []string{"binary", "multiclass", "ordinal", "multilabel", "regression", "segmentation", "text", "mixed"}
}

// Hosts lists the publishers' hosts.
func Hosts() []string {
	return []string{"aimi", "bdsp", "ebi", "figshare", "form", "github", "huggingface", "isic", "kaggle", "loni", "mendeley", "ncbi-geo", "nda",
		"physionet", "snap", "tcia", "tudataset", "tuh", "zenodo"}
}

// Rules lists the rules by which samples were divided.
func Rules() []string {
	return []string{"publisher", "frozen", "prefix", "seeded", "seeded-unsorted", "unseeded", "none"}
}

// Abouts lists what sources can disagree about.
func Abouts() []string {
	return []string{"access", "citation", "classes", "counts.subjects", "counts.test", "counts.total", "counts.train", "counts.validation", "group",
		"host", "licence", "locators", "size", "split", "task", "version"}
}

func parts() []string { return []string{"train", "validation", "test", "all"} }

func splitters() []string { return []string{"publisher", "climb", "fork", "library"} }

func locations() []string {
	return []string{"data", "mirror", "labels", "annotations", "documentation"}
}

// Sources lists the sources that an entry names, sorted.
func (e Entry) Sources() []string {
	from := []Origin{e.Licence.Origin}
	for _, n := range e.Counts.all() {
		if n != nil {
			from = append(from, n.Origin)
		}
	}
	for _, c := range e.ClassCounts {
		from = append(from, c.Origin)
	}
	for _, l := range e.Locators {
		from = append(from, l.Origin)
	}
	for _, r := range e.Reruns {
		from = append(from, r.List.Origin)
	}
	for _, c := range e.Conflicts {
		for _, v := range c.Values {
			from = append(from, v.Origin)
		}
	}
	for _, n := range e.Notes {
		from = append(from, n.Origin)
	}
	if e.Size != nil {
		from = append(from, e.Size.Origin)
	}
	if e.Version != nil {
		from = append(from, e.Version.Origin)
	}
	if e.Citation != nil {
		from = append(from, e.Citation.Origin)
	}
	out := ids(from, func(o Origin) string { return o.Source })
	slices.Sort(out)
	return slices.Compact(out)
}
