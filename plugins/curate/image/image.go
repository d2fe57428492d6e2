// Package image curates folders of PNG and JPEG images into arrays of one size.
//
// A sample is one file, its ID is the key of its path and its one array is uint8, [size, size] for one
// channel and [size, size, 3] for three. What a file is, is read from its first bytes, never from its name.
// An image is decoded, turned as its EXIF orientation says, brought to grey or RGB (transparent pixels lie
// on black) and resized with a triangle filter in whole numbers, so that the bytes are the same on every
// machine. What `image/jpeg` decodes to has changed between Go releases; the decoders are therefore
// components of the plugin's identity.
//
// Labels, subjects and published sides come from the path or from a table:
//
//	params:
//	  files: "*.jpeg"
//	  labels: {from: folder, depth: 1, classes: {NORMAL: normal, PNEUMONIA: pneumonia}}
//	  pattern: '(?P<split>train|test)/.*/(?P<subject>person\d+)_'
//	  restart: true
//	  split: {rule: publisher}
//
// depth counts folders from the file upwards: 1 is the folder that holds it.
package image

import (
	"context"
	"fmt"
	"go/version"
	"maps"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Params are the parameters of the plugin.
type Params struct {
	Files      string            `json:"files" jsonschema:"glob of the image files, matched with the base name or, if it holds a slash, with the whole path; empty means every .png, .jpg and .jpeg"`
	Size       int               `json:"size" jsonschema:"width and height of the result in pixels"`
	Channels   int               `json:"channels" jsonschema:"1 for grey, 3 for RGB"`
	Fit        string            `json:"fit" jsonschema:"stretch fills the square, pad keeps the aspect on black"`
	Labels     Labels            `json:"labels" jsonschema:"where the labels are"`
	Pattern    string            `json:"pattern" jsonschema:"regular expression over the path with any of the named groups label, subject and split"`
	Restart    bool              `json:"restart" jsonschema:"the publisher numbers subjects anew on each side, so a number on two sides is two subjects"`
	SideFolder int               `json:"sideFolder" jsonschema:"depth of the folder that names the publisher's side, 0 for none"`
	Split      plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Labels says where the labels are.
type Labels struct {
	From      string            `json:"from" jsonschema:"folder, name (group label of the pattern) or csv"`
	Depth     int               `json:"depth" jsonschema:"folder: how many folders up, 1 is the one that holds the file"`
	Task      string            `json:"task" jsonschema:"multiclass or multilabel"`
	Classes   map[string]string `json:"classes" jsonschema:"renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
	Table     string            `json:"table" jsonschema:"csv: glob of the tables, comma-separated with a header"`
	ID        string            `json:"id" jsonschema:"csv: column with the file's name, with or without folder and extension"`
	Columns   []string          `json:"columns" jsonschema:"csv: one column whose cells are labels, or several that are labels themselves where their cell is positive"`
	Separator string            `json:"separator" jsonschema:"csv: what lies between several labels in one cell"`
	Positive  []string          `json:"positive" jsonschema:"csv: cells that make a column's label true"`
	Subject   string            `json:"subject" jsonschema:"csv: column of the subject"`
	Side      string            `json:"side" jsonschema:"csv: column of the publisher's side"`
}

// Places where labels can be, and ways to fit an image into the square.
const (
	FromFolder = "folder"
	FromName   = "name"
	FromTable  = "csv"
	Stretch    = "stretch"
	Pad        = "pad"
)

const (
	maxSize  = 2048
	maxBytes = 256 << 20 // of a file
)

func defaults() Params {
	return Params{
		Size: 64, Channels: 1, Fit: Stretch,
		Labels: Labels{
			From: FromFolder, Depth: 1, Task: document.Multiclass,
			Classes: map[string]string{}, Columns: []string{}, Positive: []string{"1", "1.0", "true", "True"},
		},
		Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Size < 1 || p.Size > maxSize:
		return fmt.Errorf("size: %d is not between 1 and %d", p.Size, maxSize)
	case p.Channels != 1 && p.Channels != 3:
		return fmt.Errorf("channels: %d, want 1 or 3", p.Channels)
	case p.Fit != Stretch && p.Fit != Pad:
		return fmt.Errorf("fit: %q, want %s or %s", p.Fit, Stretch, Pad)
	case p.SideFolder < 0:
		return fmt.Errorf("sideFolder: %d is negative", p.SideFolder)
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	for _, name := range re.SubexpNames() {
		if !slices.Contains([]string{"", "label", "subject", "split"}, name) {
			return fmt.Errorf("pattern: unknown group %q, want label, subject or split", name)
		}
	}
	if p.Labels.From == FromName && re.SubexpIndex("label") < 0 {
		return fmt.Errorf("pattern: labels come from the name, so it needs a group (?P<label>...)")
	}
	return p.Labels.validate()
}

func (l Labels) validate() error {
	switch {
	case l.Task != document.Multiclass && l.Task != document.Multilabel:
		return fmt.Errorf("labels.task: %q, want %s or %s", l.Task, document.Multiclass, document.Multilabel)
	case !slices.Contains([]string{FromFolder, FromName, FromTable}, l.From):
		return fmt.Errorf("labels.from: %q, want %s, %s or %s", l.From, FromFolder, FromName, FromTable)
	case l.From == FromFolder && l.Depth < 1:
		return fmt.Errorf("labels.depth: %d, want 1 or more", l.Depth)
	case l.From == FromTable && (l.Table == "" || l.ID == "" || len(l.Columns) == 0):
		return fmt.Errorf("labels: from csv needs table, id and columns")
	}
	if _, err := path.Match(l.Table, ""); err != nil {
		return fmt.Errorf("labels.table: %q: %w", l.Table, err)
	}
	return nil
}

// Plugin makes the plugin curate/image.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "image", Version: "1", Summary: "PNG and JPEG images as uint8 arrays of one size",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30,
		Modalities: []string{"image"},
		Components: []action.Component{{Name: "image/jpeg", Version: release()}, {Name: "image/png", Version: release()}},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split }, newRecipe)
}

// release is the Go release, such as go1.26, whose decoders these are. Patch releases decode alike.
func release() string {
	v := runtime.Version()
	if lang := version.Lang(v); lang != "" {
		return lang
	}
	return v
}

type recipe struct {
	Params
	pattern *regexp.Regexp
}

func newRecipe(p Params) (plugins.Recipe, error) {
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	return recipe{p, re}, nil
}

// Plan names every image file.
func (r recipe) Plan(_ context.Context, in plugins.Tree) (plugins.Curation, error) {
	table, err := r.Labels.read(in)
	if err != nil {
		return plugins.Curation{}, err
	}
	out := plugins.Curation{Task: document.Task{Type: r.Labels.Task, Classes: r.Labels.vocabulary()}, Features: r.features()}
	for _, f := range in.Files() {
		if matches(r.Files, f.Path) {
			out.Candidates = append(out.Candidates, r.candidate(f, table))
		}
	}
	return out, nil
}

func (r recipe) features() []string {
	if r.Channels == 1 {
		return []string{"grey"}
	}
	return []string{"red", "green", "blue"}
}

// matches applies a glob to the base name or, if it holds a slash, to the whole path.
func matches(glob, file string) bool {
	if glob == "" {
		return slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(path.Ext(file)))
	}
	if !strings.Contains(glob, "/") {
		file = path.Base(file)
	}
	ok, err := path.Match(glob, file)
	return ok && err == nil
}

func (r recipe) candidate(f plugins.File, table table) plugins.Candidate {
	c := plugins.Candidate{ID: plugins.Key(f.Path), Files: []string{f.Path}}
	groups := r.groups(f.Path)
	labels := []string{folder(f.Path, r.Labels.Depth)}
	c.Split, c.Subject = folder(f.Path, r.SideFolder), groups["subject"]
	switch r.Labels.From {
	case FromName:
		labels = []string{groups["label"]}
	case FromTable:
		row := table.find(f.Path)
		labels, c.Subject, c.Split = row.labels, first(row.subject, c.Subject), first(row.side, c.Split)
		c.Excluded = row.problem
	}
	c.Split = first(groups["split"], c.Split)
	if r.Restart && c.Subject != "" {
		c.Subject = c.Split + "/" + c.Subject
	}
	if c.Excluded == nil {
		c.Labels, c.Excluded = r.Labels.classes(labels)
	}
	if c.Excluded == nil && f.Size > maxBytes {
		c.Excluded = &plugins.Exclusion{Code: "too-large", Reason: fmt.Sprintf("%s has %d bytes, the limit is %d", f.Path, f.Size, maxBytes)}
	}
	return c
}

// groups returns what the named groups of the pattern matched.
func (r recipe) groups(file string) map[string]string {
	out := map[string]string{}
	m := r.pattern.FindStringSubmatch(file)
	for i, name := range r.pattern.SubexpNames() {
		if m != nil && name != "" {
			out[name] = m[i]
		}
	}
	return out
}

// folder is the name of the folder that many levels above a file, "" if there is none.
func folder(file string, depth int) string {
	parts := strings.Split(file, "/")
	if depth < 1 || depth >= len(parts) {
		return ""
	}
	return parts[len(parts)-1-depth]
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// vocabulary is the sorted set of classes that the map names; empty means those that occur.
func (l Labels) vocabulary() []string {
	if l.From == FromTable && len(l.Columns) > 1 && len(l.Classes) == 0 {
		return slices.Sorted(slices.Values(l.Columns))
	}
	set := map[string]bool{}
	for _, c := range l.Classes {
		if c != "" {
			set[c] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// classes maps labels as they are found to classes.
func (l Labels) classes(found []string) ([]string, *plugins.Exclusion) {
	var out []string
	for _, label := range found {
		if label == "" {
			return nil, &plugins.Exclusion{Code: "no-label", Reason: fmt.Sprintf("no label from %s", l.From)}
		}
		class, known := l.Classes[label]
		switch {
		case len(l.Classes) == 0:
			class = label
		case !known:
			return nil, &plugins.Exclusion{Code: "unknown-label", Reason: fmt.Sprintf("label %q is not in labels.classes", label)}
		case class == "":
			return nil, &plugins.Exclusion{Code: "dropped-class", Reason: fmt.Sprintf("label %q is dropped by labels.classes", label)}
		}
		out = append(out, class)
	}
	return out, nil
}
