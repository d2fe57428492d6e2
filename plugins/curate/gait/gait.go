// Package gait curates recordings of body-worn and floor sensors that are written as text: one row a time, one column a sensor.
//
// A sample is a window of a recording: its channels in the order of the parameters, in the numbers of the file, as a .npy array of
// float32 with the shape [channels, rows]. Where a column of the file labels each row, windows lie end to end within the runs of one
// label, and what is left over at the end of a run is dropped; otherwise they lie end to end in the file, whose label comes from its
// folder, its name or a table (package label). With `window: 0` a sample is a whole file, with all labels that occur in it.
//
// HuGaDB, inertial sensors and EMG of 18 people:
//
//	files: "HuGaDB_v*.txt"
//	channels: [acc_rf_x, acc_rf_y, ..., EMG_r, EMG_l]
//	rows: {label: act, classes: hugadb-12}
//	pattern: 'HuGaDB_v\d+_.+_(?P<subject>\d+)_\d+\.txt$'
//	window: 128
//	limits: [-32768, 32767]
//
// gaitndd, intervals of a step measured with foot switches, without a line of names:
//
//	files: "*.ts"
//	columns: [time, left-stride, right-stride, left-swing, right-swing, ...]
//	channels: [left-stride, right-stride]
//	labels: {from: name, classes: {als: ALS, hunt: Huntington, park: Parkinson, control: control}}
//	pattern: '^(?P<subject>(?P<label>als|hunt|park|control)\d+)\.ts$'
//
// Left out, each with its code: bad-row, missing-column, short-recording, unknown-label, dropped-class, no-label, clipped-channel. Kept
// with a warning: flat-channel, clipped-channel.
package gait

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// Params are the parameters of curate/gait.
type Params struct {
	Files    string    `json:"files" jsonschema:"glob of the recordings, matched with the base name or, if it holds a slash, with the whole path"`
	Columns  []string  `json:"columns" jsonschema:"names of the columns; if empty the first line that is no comment has them"`
	Channels []string  `json:"channels" jsonschema:"columns that are the rows of a sample, in this order"`
	Rows     Rows      `json:"rows" jsonschema:"labels of single rows, in the place of labels of files"`
	Window   int       `json:"window" jsonschema:"rows of a sample, 0 for a whole file"`
	Rate     float64   `json:"rate" jsonschema:"rows a second, 0 if not known or not even"`
	Limits   []float64 `json:"limits" jsonschema:"lowest and highest number that the sensors can give; empty if not known"`
	Clipped  string    `json:"clipped" jsonschema:"a channel of a window with a hundredth or more of its numbers at the limits: warn or exclude"`
	label.Place
	Split plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Rows says which column labels each row.
type Rows struct {
	Label   string       `json:"label" jsonschema:"name of the column; empty if there is none"`
	Classes labelmap.Map `json:"classes" jsonschema:"class of each label, or the name of a shipped map; an empty class drops its rows"`
}

// What becomes of windows with clipped channels.
const (
	ClippedWarn    = "warn"
	ClippedExclude = "exclude"
)

// Defaults are windows of 128 rows of text files, labelled by their folder.
func Defaults() Params {
	return Params{
		Files: "*.txt", Columns: []string{}, Channels: []string{}, Rows: Rows{Classes: labelmap.Map{}}, Window: 128, Limits: []float64{},
		Clipped: ClippedWarn, Place: label.Default(), Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Files == "":
		return errors.New("files: want a glob such as *.txt")
	case len(p.Channels) == 0:
		return errors.New("channels: name at least one column")
	case p.Window < 0 || p.Window > maxRows:
		return fmt.Errorf("window %d: want 0 to %d rows", p.Window, maxRows)
	case !(p.Rate >= 0 && p.Rate <= 1e6):
		return fmt.Errorf("rate %v: want 0 to 1000000 rows a second", p.Rate)
	case len(p.Limits) != 0 && (len(p.Limits) != 2 || !(p.Limits[0] < p.Limits[1])):
		return fmt.Errorf("limits %v: want the lowest and the highest number", p.Limits)
	case p.Clipped != ClippedWarn && p.Clipped != ClippedExclude:
		return fmt.Errorf("clipped %q: want %s or %s", p.Clipped, ClippedWarn, ClippedExclude)
	case p.Rows.Label != "" && len(p.Rows.Classes.Classes()) == 0:
		return errors.New("rows.classes: map at least one label to a class")
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	for name, list := range map[string][]string{"columns": p.Columns, "channels": p.Channels} {
		for i, c := range list {
			if c == "" || slices.Contains(list[:i], c) {
				return fmt.Errorf("%s: %q is empty or named twice", name, c)
			}
		}
	}
	return p.Place.Validate()
}

// Plugin returns curate/gait.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "gait", Version: "1", Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 1 << 30, Modalities: []string{"gait"},
		Summary: "Turns text recordings of body sensors, such as HuGaDB's, into windows with a label of their rows or their file.",
	}
	return plugins.Curate(spec, Defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}

func (r *recipe) task(found *label.Finder) document.Task {
	if r.Rows.Label == "" {
		return found.Task()
	}
	return document.Task{Type: r.Labels.Task, Classes: r.Rows.Classes.Classes()}
}
