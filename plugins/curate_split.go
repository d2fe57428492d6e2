package plugins

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/document"
)

// SplitRule is part of the parameters of every curate plugin, by custom under the name "split".
type SplitRule struct {
	Rule       string            `json:"rule" jsonschema:"publisher keeps the publisher's sides; file takes them from lists of ids; seeded draws them by subject over sorted ids; prefix, pandas and sklearn draw as published programs do"`
	Files      map[string]string `json:"files" jsonschema:"rule file: the list of each side, a file of the raw tree with an id or the path of a sample's first file on each line"`
	Train      float64           `json:"train" jsonschema:"share of the subjects, seeded only"`
	Validation float64           `json:"validation" jsonschema:"share of the subjects; with rule publisher or file and no validation side it is taken from train"`
	Test       float64           `json:"test" jsonschema:"share of the subjects, seeded only"`
	Stratify   bool              `json:"stratify" jsonschema:"keep the class shares alike on every side"`
	Duplicates string            `json:"duplicates" jsonschema:"samples with the same bytes or arrays on two sides: report them, drop-test leaves out those on the test side that training has too, fail ends the step"`
	Near       string            `json:"near" jsonschema:"images and signals that are nearly the same on two sides: off, report, drop-test or fail"`

	Subjects string `json:"subjects,omitempty" jsonschema:"subjects whom the publisher has on two sides: report warns of them, drop-test keeps them where they come first, in training, else in validation; report if not given"`

	Draw  *Draw    `json:"draw,omitempty" jsonschema:"prefix, pandas and sklearn: what is drawn"`
	Flaws []string `json:"flaws,omitempty" jsonschema:"what is known to be wrong with this recipe, one sentence each; they are warnings about the whole dataset"`
}

// The words of a SplitRule.
const (
	RulePublisher    = "publisher"
	RuleFile         = "file"
	RuleSeeded       = "seeded"
	DuplicatesOff    = "off"
	DuplicatesReport = "report"
	DuplicatesDrop   = "drop-test"
	DuplicatesFail   = "fail"
)

const (
	train      = "train"
	validation = "validation"
	test       = "test"
)

// DefaultSplit is 70/10/20 by subject, stratified.
func DefaultSplit() SplitRule {
	return SplitRule{Rule: RuleSeeded, Files: map[string]string{}, Train: 0.7, Validation: 0.1, Test: 0.2, Stratify: true,
		Duplicates: DuplicatesReport, Near: DuplicatesReport}
}

// Validate says what is wrong with a rule, if anything is.
func (r SplitRule) Validate() error {
	rules := []string{RulePublisher, RuleFile, RuleSeeded, RulePrefix, RulePandas, RuleSklearn}
	if !slices.Contains(rules, r.Rule) {
		return fmt.Errorf("split rule %q: want one of %q", r.Rule, rules)
	}
	words := []string{DuplicatesReport, DuplicatesDrop, DuplicatesFail}
	if !slices.Contains(words, r.Duplicates) {
		return fmt.Errorf("split duplicates %q: want one of %q", r.Duplicates, words)
	}
	if words = append(words, DuplicatesOff); !slices.Contains(words, r.Near) {
		return fmt.Errorf("split near %q: want one of %q", r.Near, words)
	}
	for _, s := range r.shares() {
		if !(s.share >= 0 && s.share <= 1) {
			return fmt.Errorf("split share %s: %v is not between 0 and 1", s.name, s.share)
		}
	}
	if sum := r.Train + r.Validation + r.Test; r.Rule == RuleSeeded && math.Abs(sum-1) > 1e-9 {
		return fmt.Errorf("split shares add up to %v, want 1", sum)
	}
	if words = []string{"", DuplicatesReport, DuplicatesDrop}; !slices.Contains(words, r.Subjects) {
		return fmt.Errorf("split subjects %q: want one of %q", r.Subjects, words[1:])
	}
	if err := r.validateDraw(); err != nil {
		return err
	}
	return r.validateFiles()
}

func (r SplitRule) validateFiles() error {
	for side := range r.Files {
		if !slices.Contains(document.Splits(), side) {
			return fmt.Errorf("split files: side %q: want one of %q", side, document.Splits())
		}
	}
	if (len(r.Files) > 0) != (r.Rule == RuleFile) {
		return fmt.Errorf("split files: rule %s needs them, and no other rule takes them", RuleFile)
	}
	return nil
}

// String is the rule in one sentence, as curation.json states it.
func (r SplitRule) String() string {
	if r.drawn() {
		return r.describeDraw()
	}
	how := "by subject"
	if r.Stratify {
		how += ", stratified by label set"
	}
	if r.Rule == RuleSeeded {
		return fmt.Sprintf("seeded: train %v, validation %v, test %v, %s", r.Train, r.Validation, r.Test, how)
	}
	what := "publisher: the publisher's sides"
	if r.Rule == RuleFile {
		what = "file: the sides of the lists"
	}
	return fmt.Sprintf("%s; a missing validation side is %v of the training subjects, drawn %s", what, r.Validation, how)
}

type share struct {
	name  string
	share float64
}

func (r SplitRule) shares() []share {
	return []share{{train, r.Train}, {validation, r.Validation}, {test, r.Test}}
}

// assign gives every job that is still to be made its side. Sides are drawn before anything is decoded, so
// that one broken file moves no other sample.
func (r SplitRule) assign(jobs []*job, seed uint64) {
	if r.drawn() {
		r.drawSides(jobs)
		return
	}
	if r.Rule == RuleSeeded {
		draw(jobs, r.shares(), seed, r.Stratify)
		return
	}
	var onTrain []*job
	published := false
	for _, j := range jobs {
		side, known := publisherSide(j.Split)
		if !known {
			j.exclude("unknown-split", fmt.Sprintf("publisher's split %q is none of train, validation, test", j.Split))
			continue
		}
		j.side = side
		published = published || side == validation
		if side == train {
			onTrain = append(onTrain, j)
		}
	}
	if !published {
		draw(onTrain, []share{{train, 1 - r.Validation}, {validation, r.Validation}}, seed, r.Stratify)
	}
}

// publisherSide maps the names that publishers use to ours.
func publisherSide(name string) (side string, known bool) {
	switch strings.ToLower(name) {
	case "train", "training":
		return train, true
	case "val", "valid", "validation", "validate", "dev":
		return validation, true
	case "test", "testing":
		return test, true
	}
	return "", false
}

// draw puts every subject on one side. Subjects stand in the order of their seeded hashes, with those of
// one label set together, and each in turn goes to the side that is furthest behind its share: so every
// label set and the whole have their shares to within a subject or so. The order is by hash, not by a
// shuffle, so that anybody can recompute it in any language.
func draw(jobs []*job, sides []share, seed uint64, stratify bool) {
	subjects := subjectsOf(jobs, stratify)
	for _, s := range subjects {
		s.rank, s.stratumRank = rank(seed, "subject", s.name), rank(seed, "stratum", s.stratum)
	}
	slices.SortFunc(subjects, func(a, b *subject) int {
		return cmp.Or(cmp.Compare(a.stratumRank, b.stratumRank), cmp.Compare(a.rank, b.rank))
	})
	given := make([]int, len(sides))
	for i, s := range subjects {
		at := furthestBehind(sides, given, i+1)
		given[at]++
		for _, j := range s.jobs {
			j.side = sides[at].name
		}
	}
}

func furthestBehind(sides []share, given []int, total int) int {
	best, most := 0, math.Inf(-1)
	for i, s := range sides {
		if behind := float64(s.share*float64(total)) - float64(given[i]); s.share > 0 && behind > most {
			best, most = i, behind
		}
	}
	return best
}

type subject struct {
	name, stratum     string
	rank, stratumRank string
	jobs              []*job
}

func subjectsOf(jobs []*job, stratify bool) []*subject {
	byName := map[string]*subject{}
	var out []*subject
	for _, j := range jobs {
		s := byName[j.Subject]
		if s == nil {
			s = &subject{name: j.Subject}
			byName[j.Subject] = s
			out = append(out, s)
		}
		s.jobs = append(s.jobs, j)
	}
	if stratify {
		for _, s := range out {
			s.stratum = labelSet(s.jobs)
		}
	}
	return out
}

// labelSet names the distinct labels of one subject's samples.
func labelSet(jobs []*job) string {
	var labels []string
	for _, j := range jobs {
		labels = append(labels, j.Labels...)
	}
	slices.Sort(labels)
	return strings.Join(slices.Compact(labels), "\n")
}

func rank(seed uint64, what, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "cairn/split/v1\n%d\n%s\n%s", seed, what, name))
	return string(sum[:])
}

// crossings warns of subjects who are on more than one side, or keeps each on the first of them, if the rule says so.
func (r SplitRule) crossings(jobs []*job) {
	sides := map[string]map[string]bool{}
	for _, j := range jobs {
		if sides[j.Subject] == nil {
			sides[j.Subject] = map[string]bool{}
		}
		sides[j.Subject][j.side] = true
	}
	for _, j := range jobs {
		on := inOrder(sides[j.Subject])
		switch said := fmt.Sprintf("subject %s is on %s", j.Subject, strings.Join(on, " and ")); {
		case len(on) < 2:
		case r.Subjects == DuplicatesDrop && j.side != on[0]:
			j.exclude("subject-of-"+on[0], said)
		case r.Subjects != DuplicatesDrop && j.side != train:
			j.warn("subject-on-two-sides", said)
		}
	}
}

func inOrder(on map[string]bool) []string {
	return slices.DeleteFunc(document.Splits(), func(s string) bool { return !on[s] })
}
