// Package arrays curates what a publisher gives as NumPy arrays (package npy): samples along the first axis of one array, their labels
// in a second and, where there is one, their names in a third.
//
// A sample is one row of the data, written as a .npy array of float32. Its id is the number of its row, because rows of
// the three arrays belong together by their number and by nothing else; so all must have as many. Its subject is taken out of
// its name. Labels are numbers of classes, one a row, or a column for each class, of which the greatest is positive.
//
// IIIC, as public code prepares it (HaowenWeiJohn/BIOT, datasets/IIIC/process.py), with sides drawn by patient:
//
//	data: all_train_X.npy
//	labels: all_train_Y2_hard.npy
//	keys: all_train_key.npy
//	subject: "^(?P<subject>[^_]+)_"
//	classes: [Other, SZ, LPD, GPD, LRDA, GRDA]
//	rate: 200
//	scale: p95
//
// and with its own sides, which np.random.seed(42) and np.random.shuffle of the sorted patients gave:
//
//	draw: {seed: 42, train: 0.6, validation: 0.2}
//	split: {rule: publisher}
//
// Left out, each with its code: unknown-label, no-subject, not-finite. Kept with a warning: flat-channel, tied-label.
package arrays

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
)

// Params are the parameters of curate/arrays.
type Params struct {
	Data    string            `json:"data" jsonschema:"glob of the one file of samples, matched with the base name or, if it holds a slash, with the whole path"`
	Labels  string            `json:"labels" jsonschema:"glob of the one file of labels: a number a row, or a column a class"`
	Keys    string            `json:"keys" jsonschema:"glob of the one file of names; empty if there are none"`
	Subject string            `json:"subject" jsonschema:"regular expression over a name with the group subject; if empty the name is the subject"`
	Classes []string          `json:"classes" jsonschema:"names of the classes in the order of their numbers or columns"`
	Ties    string            `json:"ties" jsonschema:"several columns are the greatest: all are positive, or the first is, as argmax takes it"`
	Rate    int               `json:"rate" jsonschema:"sampling rate in Hz, 0 if not known"`
	Scale   string            `json:"scale" jsonschema:"none, or p95 to divide each channel by the 95th percentile of its absolute values plus 1e-6"`
	Task    string            `json:"task" jsonschema:"multiclass or multilabel"`
	Draw    Draw              `json:"draw" jsonschema:"the publisher's sides, where they are drawn by NumPy; for the split rule publisher"`
	Split   plugins.SplitRule `json:"split" jsonschema:"the sides"`
}

// Draw is how published code divides the sorted subjects: shuffled by np.random.seed and np.random.shuffle, the first part is train, the
// second validation, and what is left is test.
type Draw struct {
	Seed       int64   `json:"seed" jsonschema:"seed, -1 for none"`
	Train      float64 `json:"train" jsonschema:"share of the subjects, rounded down"`
	Validation float64 `json:"validation" jsonschema:"share of the subjects, rounded down"`
}

// Words of the parameters.
const (
	None      = "none"
	P95       = "p95"
	TiesAll   = "all"
	TiesFirst = "first"
)

// Defaults have no files.
func Defaults() Params {
	return Params{
		Classes: []string{}, Ties: TiesAll, Scale: None, Task: document.Multiclass, Draw: Draw{Seed: -1}, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	for name, glob := range map[string]string{"data": p.Data, "labels": p.Labels, "keys": p.Keys} {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("%s: %q: %w", name, glob, err)
		}
	}
	re, err := regexp.Compile(p.Subject)
	if err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	switch {
	case p.Data == "" || p.Labels == "":
		return errors.New("data and labels: name a file of each")
	case p.Subject != "" && re.SubexpIndex("subject") < 0:
		return errors.New("subject: needs a group (?P<subject>...)")
	case p.Subject != "" && p.Keys == "":
		return errors.New("subject: is taken out of names, so name the file of keys")
	case p.Ties != TiesAll && p.Ties != TiesFirst:
		return fmt.Errorf("ties %q: want %s or %s", p.Ties, TiesAll, TiesFirst)
	case p.Scale != None && p.Scale != P95:
		return fmt.Errorf("scale %q: want %s or %s", p.Scale, None, P95)
	case p.Rate < 0 || p.Rate > 100000:
		return fmt.Errorf("rate %d: want 0 to 100000 Hz", p.Rate)
	case p.Task != document.Multiclass && p.Task != document.Multilabel:
		return fmt.Errorf("task %q: want %s or %s", p.Task, document.Multilabel, document.Multiclass)
	case len(p.Classes) < 2:
		return errors.New("classes: name two at least")
	}
	for i, c := range p.Classes {
		if c == "" || slices.Contains(p.Classes[:i], c) {
			return fmt.Errorf("classes: %q is empty or named twice", c)
		}
	}
	return p.Draw.validate()
}

func (d Draw) validate() error {
	if d.Seed < -1 || d.Seed > 1<<32-1 {
		return fmt.Errorf("draw.seed %d: want one of 32 bits, or -1", d.Seed)
	}
	if !(d.Train >= 0 && d.Validation >= 0 && d.Train+d.Validation <= 1) {
		return fmt.Errorf("draw: shares %v and %v are not between 0 and 1", d.Train, d.Validation)
	}
	return nil
}

// Plugin returns curate/arrays.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "arrays", Version: "1", Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 2 << 30, Modalities: []string{"eeg", "ecg", "gait"},
		Summary: "Turns the rows of a NumPy array, with arrays of labels and names beside it, into samples.",
	}
	return plugins.Curate(spec, Defaults(), func(p Params) plugins.SplitRule { return p.Split }, newRecipe)
}
