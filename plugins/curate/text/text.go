// Package text curates clinical text: objects of JSON files, or files of plain text.
//
// A sample has the text itself and, for trainers that read arrays, a bag of words: float32, [buckets], how often the words
// of each bucket occur. A word is a run of letters and digits, in lower case; its bucket is the FNV-1a hash (64 bits) of its
// UTF-8 bytes modulo their number. There is no vocabulary, so none is learned from the test side.
//
// In JSON the objects are the elements of a list, the members of an object, or lines; what is said of each is found by paths of
// names with dots between, which go through lists, and several texts are joined by an empty line. Files of ids name the publisher's sides.
//
//	params:
//	  files: ori_pqal.json
//	  text: [QUESTION, CONTEXTS]
//	  label: {path: final_decision, classes: {"yes": "yes", "no": "no", maybe: maybe}}
//	  sides: {test: test_ground_truth.json}
//	  split: {rule: publisher, validation: 0.1}
package text

import (
	"context"
	"fmt"
	"hash/fnv"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
	"github.com/cairn-bench/cairn/plugins/npy"
)

// Params are the parameters of the plugin.
type Params struct {
	Form    string   `json:"form" jsonschema:"json (a list or an object of objects), lines (an object a line) or plain (a file is a sample)"`
	Files   string   `json:"files" jsonschema:"glob of the files, matched with the base name or, if it holds a slash, with the whole path"`
	Objects string   `json:"objects" jsonschema:"json: path to the objects; empty means that they are the whole file"`
	ID      string   `json:"id" jsonschema:"json: path of the name; empty means the member's own, or its number"`
	Text    []string `json:"text" jsonschema:"json: paths of the texts, in order"`
	Label   Label    `json:"label" jsonschema:"json: what is predicted"`
	Subject string   `json:"subject" jsonschema:"json: path of the subject"`

	SubjectPattern string `json:"subjectPattern,omitempty" jsonschema:"json: regular expression over what stands there; its first group is the subject"`

	Meta  []string          `json:"meta" jsonschema:"json: paths of facts that are kept"`
	Sides map[string]string `json:"sides" jsonschema:"json: for train, validation and test, the path of a JSON or text file that names its ids; what none names is on the first side without a file"`
	label.Place
	Buckets int               `json:"buckets" jsonschema:"length of the bag of words, 0 for none"`
	Split   plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Label says what is predicted.
type Label struct {
	Path    string       `json:"path" jsonschema:"path of the label; a list has several, and an object the names of its members that are true"`
	Task    string       `json:"task" jsonschema:"multiclass or multilabel"`
	Classes labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
	Empty   string       `json:"empty,omitempty" jsonschema:"multilabel: exclude leaves out what has no label; it is kept if not given"`
}

// The forms of files.
const (
	JSON  = "json"
	Lines = "lines"
	Plain = "plain"
)

// Limits of a sample.
const (
	maxText    = 1 << 20
	maxBuckets = 1 << 16
)

func defaults() Params {
	return Params{
		Form: JSON, Files: "*.json", Text: []string{}, Label: Label{Task: document.Multiclass, Classes: labelmap.Map{}}, Meta: []string{},
		Sides: map[string]string{}, Place: label.Default(), Buckets: 4096, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	for side := range p.Sides {
		if !slices.Contains(document.Splits(), side) {
			return fmt.Errorf("sides: %q, want some of %q", side, document.Splits())
		}
	}
	switch {
	case !slices.Contains([]string{JSON, Lines, Plain}, p.Form):
		return fmt.Errorf("form: %q, want %s, %s or %s", p.Form, JSON, Lines, Plain)
	case p.Form != Plain && (len(p.Text) == 0 || p.Label.Path == ""):
		return fmt.Errorf("text and label.path are required for form %s", p.Form)
	case p.Form == Plain && (len(p.Text) > 0 || p.Label.Path != "" || len(p.Sides) > 0):
		return fmt.Errorf("text, label and sides are for JSON; of form %s, labels says where they are", Plain)
	case p.Form != JSON && p.Objects != "":
		return fmt.Errorf("objects: it is for form %s", JSON)
	case p.Label.Task != document.Multiclass && p.Label.Task != document.Multilabel:
		return fmt.Errorf("label.task: %q, want %s or %s", p.Label.Task, document.Multiclass, document.Multilabel)
	case p.Label.Empty != "" && (p.Label.Empty != label.Exclude || p.Label.Task != document.Multilabel):
		return fmt.Errorf("label.empty: %q, want %s, of the task %s", p.Label.Empty, label.Exclude, document.Multilabel)
	case slices.Contains(p.Text, p.Label.Path):
		return fmt.Errorf("text: %s is the label", p.Label.Path)
	case p.Buckets < 0 || p.Buckets > maxBuckets:
		return fmt.Errorf("buckets: %d is not between 0 and %d", p.Buckets, maxBuckets)
	case len(p.Sides) > 0 && p.Split.Rule != plugins.RulePublisher:
		return fmt.Errorf("sides: they are the publisher's, and split.rule is %s", p.Split.Rule)
	}
	if _, err := regexp.Compile(p.SubjectPattern); err != nil {
		return fmt.Errorf("subjectPattern: %w", err)
	}
	return p.Place.Validate()
}

// Plugin makes the plugin curate/text.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "text", Version: "1", Summary: "clinical text from JSON and plain files, with a hashed bag of words",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 2 << 30,
		Modalities: []string{"text"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

// recipe keeps what Plan read for Make, which comes later and only reads it.
type recipe struct {
	Params
	texts []string // of the candidates, of JSON
}

// Plan finds the samples.
func (r *recipe) Plan(ctx context.Context, in plugins.Tree) (plugins.Curation, error) {
	var files []string
	for _, f := range in.Files() {
		if label.Matches(r.Files, f.Path) {
			files = append(files, f.Path)
		}
	}
	if len(files) == 0 {
		return plugins.Curation{}, fmt.Errorf("files: no file matches %q", r.Files)
	}
	var out plugins.Curation
	var err error
	if r.Form == Plain {
		out, err = r.planFiles(in, files)
	} else {
		out, err = r.planObjects(ctx, in, files)
	}
	for i := range r.Buckets {
		out.Features = append(out.Features, fmt.Sprintf("bucket-%05d", i))
	}
	return out, err
}

func (r *recipe) planFiles(in plugins.Tree, files []string) (plugins.Curation, error) {
	labels, err := r.Place.Read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: labels.Task()}
	for _, f := range files {
		out.Candidates = append(out.Candidates, labels.Candidate(f))
	}
	return out, nil
}

// Make counts the words of one text.
func (r *recipe) Make(_ context.Context, in plugins.Tree, c plugins.Candidate) (plugins.Made, error) {
	var text string
	if r.Form == Plain {
		var err error
		if text, err = readText(in, c.Files[0]); err != nil {
			return plugins.Made{}, err
		}
	} else {
		text = r.texts[c.Index]
	}
	words := wordsOf(text)
	switch {
	case len(text) > maxText:
		return plugins.Made{}, plugins.Exclude("too-long", "%d bytes of text, at most %d", len(text), maxText)
	case !utf8.ValidString(text):
		return plugins.Made{}, plugins.Exclude("not-utf-8", "the text is not UTF-8")
	case strings.ContainsRune(text, 0):
		return plugins.Made{}, plugins.Exclude("not-text", "there is a NUL byte in it")
	case len(words) == 0:
		return plugins.Made{}, plugins.Exclude("no-text", "there is no word in it")
	}
	made := plugins.Made{Text: text}
	if r.Buckets > 0 {
		shape := []int{r.Buckets}
		made.Media = []plugins.MadeMedia{{Ext: "npy", Type: "table", Shape: shape, DType: "float32", Data: npy.Float32(shape, bag(words, r.Buckets))}}
	}
	return made, nil
}

// wordsOf cuts a text into words.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	return words
}

func bag(words []string, buckets int) []float32 {
	out := make([]float32, buckets)
	for _, w := range words {
		h := fnv.New64a()
		_, _ = h.Write([]byte(w)) // a hash takes all
		out[h.Sum64()%uint64(buckets)]++
	}
	return out
}

// classes maps labels to classes. Of several labels those that are dropped do not count.
func (l Label) classes(found []string) ([]string, *plugins.Exclusion) {
	if len(found) == 0 && l.Task == document.Multiclass {
		return nil, &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("nothing stands at %s", l.Path)}
	}
	out := []string{}
	for _, text := range found {
		class, known := l.Classes.Class(text)
		switch {
		case len(l.Classes) == 0:
			class = text
		case !known:
			return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("label %.60q is not in label.classes", text)}
		case class == "" && len(found) == 1:
			return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("label %.60q is dropped by label.classes", text)}
		case class == "":
			continue
		}
		out = append(out, class)
	}
	if len(out) == 0 && l.Empty == label.Exclude {
		return nil, &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("no class is true at %s", l.Path)}
	}
	return out, nil
}
