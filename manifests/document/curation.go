package document

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/fingerprint"
)

// Curation is curation.json: what became of every candidate. Expected = Done + len(Excluded) + len(Failed) + Withdrawn.Samples.
type Curation struct {
	Schema     string           `json:"schema"`
	Expected   int              `json:"expected"`
	Done       int              `json:"done"`
	Excluded   []Outcome        `json:"excluded"` // sorted by sample
	Failed     []Outcome        `json:"failed"`
	Withdrawn  *Withdrawn       `json:"withdrawn,omitempty"`   // nil if nobody is to be left out
	Split      string           `json:"split"`                 // the rule, in one sentence
	SplitFiles []SplitList      `json:"split_files,omitempty"` // the lists that the sides were taken from
	Labels     LabelTally       `json:"labels"`
	LabelMaps  []LabelMap       `json:"label_maps,omitempty"`
	Published  *Published       `json:"published,omitempty"`
	Duplicates []DuplicateGroup `json:"duplicates"` // within the dataset
	Warnings   []Outcome        `json:"warnings"`   // kept, but worth knowing: flat leads, clipped length, imputed cells
}

// Outcome is one sample and why.
type Outcome struct {
	Sample string `json:"sample"`
	Path   string `json:"path,omitempty"`
	Code   string `json:"code"` // a stable word: short-record, unknown-label, decode, ...
	Reason string `json:"reason"`
}

// Withdrawn counts who was left out because consent was withdrawn, and names nobody.
type Withdrawn struct {
	Entries int `json:"entries"`        // of the manifest
	Gone    int `json:"gone,omitempty"` // of these, those that name nobody: the publisher has removed them
	Samples int `json:"samples"`
}

// SplitList is one list of ids that samples were given their side by.
type SplitList struct {
	Side      string        `json:"side"`
	Path      string        `json:"path"`
	Digest    digest.Digest `json:"digest"`
	Names     int           `json:"names"`
	Unmatched int           `json:"unmatched"` // names that are no candidate's
}

// LabelTally counts the candidates whose labels were looked at by how many classes are positive, before the rules for a
// task with exactly one label decide.
type LabelTally struct {
	None       int `json:"none"`
	One        int `json:"one"`
	Several    int `json:"several"`
	ByPriority int `json:"by_priority,omitempty"` // of several, the first of the priorities was taken
	Drawn      int `json:"drawn,omitempty"`       // of none or several, one was drawn by seed
}

// LabelMap is a map from labels as published to classes that a dataset was made with.
type LabelMap struct {
	Param  string        `json:"param"`          // where it stands in the parameters
	Name   string        `json:"name,omitempty"` // of a shipped map; none for one's own
	Digest digest.Digest `json:"digest"`         // of its canonical bytes
	Codes  int           `json:"codes"`
}

// Published compares what the dataset holds with counts that were published.
type Published struct {
	Source      string       `json:"source"`
	Compared    int          `json:"compared"`    // numbers
	Differences []Difference `json:"differences"` // those that are not the same
}

// Difference is one number that is not the published one.
type Difference struct {
	Split     string         `json:"split,omitempty"` // none: all sides
	Class     string         `json:"class,omitempty"` // none: all classes
	Published int            `json:"published"`
	Ours      int            `json:"ours"`
	LeftOut   map[string]int `json:"left_out,omitempty"` // by code, candidates that were excluded or failed and would count here
}

// String says the difference in words: "train/normal: published 10, ours 9 (left out: decode 1)".
func (d Difference) String() string {
	where := strings.Trim(d.Split+"/"+d.Class, "/")
	if where == "" {
		where = "all"
	}
	var why []string
	for _, code := range slices.Sorted(maps.Keys(d.LeftOut)) {
		why = append(why, fmt.Sprintf("%s %d", code, d.LeftOut[code]))
	}
	said := fmt.Sprintf("%s: published %d, ours %d", where, d.Published, d.Ours)
	if len(why) > 0 {
		said += " (left out: " + strings.Join(why, ", ") + ")"
	}
	return said
}

// The kinds of a DuplicateGroup.
const (
	SameBytes = "bytes" // raw files with the same bytes
	SameMedia = "media" // the same arrays and text, made of different files or of parts of one
	NearMedia = "near"  // fingerprints that are close

	SameSubject = "subject" // of one subject, across datasets alone: within one it is what keeps samples together
)

// DuplicateGroup names samples that are the same or nearly so.
type DuplicateGroup struct {
	Kind     string        `json:"kind,omitempty"`     // absent in documents of before there were kinds: bytes
	Digest   digest.Digest `json:"digest,omitempty"`   // of what is the same; none where it is near
	Distance int           `json:"distance,omitempty"` // near: the greatest of those that hold the group together, see package fingerprint
	Samples  []string      `json:"samples"`            // sorted, "split/id"
	Crosses  bool          `json:"crosses"`            // whether more than one split is touched
	Conflict bool          `json:"conflict,omitempty"` // whether their labels differ
}

// Print is one line of fingerprints.jsonl, sorted by id: what tells a sample's media without holding them.
type Print struct {
	ID    string             `json:"id"`
	Split string             `json:"split"`
	Media digest.Digest      `json:"media"`           // of arrays and text
	Print *fingerprint.Print `json:"print,omitempty"` // none where there is nothing to tell the sample by
}
