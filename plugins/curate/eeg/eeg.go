// Package eeg curates electroencephalograms in EDF and EDF+ (package edf).
//
// A sample is one window of a recording: its channels in the order of the parameters, in microvolts, resampled to one rate,
// as a .npy array of float32 with the shape [channels, samples]. A channel is the difference of two electrodes, "FP1-F7", or one
// electrode against the reference it was recorded with, "CZ". By default they are the 16 of the double banana that CLIMB
// takes from the recordings of Temple University Hospital (TUH). Windows lie end to end and what is left over at
// the end of a stretch without gaps is dropped; or they lie around the events of a .rec file or of the annotations.
//
// Labels, subjects and published sides come from folders, names or a table (package label); the label of a window around an
// event is the event's. Without a subject the recording is one, so that its windows never come to two sides.
//
// TUAB, TUH Abnormal EEG:
//
//	labels: {from: folder, depth: 2, classes: {normal: Normal, abnormal: Abnormal}}
//	pattern: '(?P<split>train|eval)/\w+/[^/]+/(?P<subject>[^/_]+)_s'
//	sides: {eval: test}
//	scale: p95
//	split: {rule: publisher, validation: 0.2}
//
// TUEV, TUH EEG Events, as sound:
//
//	seconds: 5
//	events: {from: rec, classes: {"1": SPSW, "2": GPED, "3": PLED, "4": EYEM, "5": ARTF, "6": BCKG}}
//	pattern: '(?P<split>train|eval)/(?P<subject>[^/]+)/'
//	sides: {eval: test}
//	scale: p95
//	split: {rule: publisher, validation: 0.2}
//
// and as published, with `events: {repeats: keep, edges: wrap}` beside from and classes: there every row of a .rec file is a
// sample, also where the rows of several channels are about the same time, so that one window counts several times and with
// different labels; and a window that reaches beyond the recording is filled from its other end. Both are warned of.
//
// Left out, each with its code: bad-header, wrong-size, bad-record, missing-channel, duplicate-channel, mixed-rates,
// unknown-unit, sampling-rate, out-of-range, long-recording, short-recording; and with events: no-events, bad-events, unknown-event, beyond-recording.
// Kept with a warning: flat-channel, repeated-event, wrapped-window.
//
// The resampling is that of scipy.signal.resample_poly, not the Fourier transform of mne that the published code uses: the
// samples agree within the filters' differences, not in their bits.
package eeg

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/label"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// Params are the parameters of curate/eeg.
type Params struct {
	Files    string   `json:"files" jsonschema:"glob of the recordings, matched with the base name or, if it holds a slash, with the whole path"`
	Rate     int      `json:"rate" jsonschema:"sampling rate of the samples in Hz"`
	Seconds  int      `json:"seconds" jsonschema:"length of a window"`
	Channels []string `json:"channels" jsonschema:"rows of a sample: a difference of two electrodes such as FP1-F7, or one electrode"`
	Scale    string   `json:"scale" jsonschema:"none, or p95 to divide each channel of a window by the 95th percentile of its absolute value plus 0.01 microvolt"`
	Events   Events   `json:"events" jsonschema:"windows around events instead of end to end"`
	label.Place
	Sides map[string]string `json:"sides" jsonschema:"renames the publisher's sides to train, validation or test"`
	Split plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Events says which events windows lie around.
type Events struct {
	From    string       `json:"from" jsonschema:"none, rec (a .rec file beside the recording with rows of channel, start, stop and code) or annotations (those of EDF+)"`
	Classes labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, of the class of each code or annotation; an empty class drops it; others are left out"`
	Before  float64      `json:"before" jsonschema:"seconds of the window that lie before the start of the event"`
	Repeats string       `json:"repeats" jsonschema:"events that start together: merge makes one window of them, keep makes one of each"`
	Edges   string       `json:"edges" jsonschema:"a window that reaches beyond the recording: exclude, or wrap to fill it from the other end"`
}

// Words of the parameters.
const (
	None         = "none"
	P95          = "p95"
	Rec          = "rec"
	Annotations  = "annotations"
	Merge        = "merge"
	Keep         = "keep"
	EdgesExclude = "exclude"
	EdgesWrap    = "wrap"
)

// TUH is the montage of 16 bipolar channels.
func TUH() []string {
	return []string{
		"FP1-F7", "F7-T3", "T3-T5", "T5-O1", "FP2-F8", "F8-T4", "T4-T6", "T6-O2",
		"FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
	}
}

// Defaults are windows of ten seconds of the TUH montage at 200 Hz, labelled by their folder.
func Defaults() Params {
	return Params{
		Files: "*.edf", Rate: 200, Seconds: 10, Channels: TUH(), Scale: None,
		Events: Events{From: None, Classes: labelmap.Map{}, Before: 2, Repeats: Merge, Edges: EdgesExclude},
		Place:  label.Default(), Sides: map[string]string{}, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Rate < 1 || p.Rate > 10000:
		return fmt.Errorf("rate %d: want 1 to 10000 Hz", p.Rate)
	case p.Seconds < 1 || p.Seconds > 3600:
		return fmt.Errorf("seconds %d: want 1 to 3600", p.Seconds)
	case p.Scale != None && p.Scale != P95:
		return fmt.Errorf("scale %q: want %s or %s", p.Scale, None, P95)
	case p.Files == "":
		return errors.New("files: want a glob such as *.edf")
	}
	if _, err := path.Match(p.Files, ""); err != nil {
		return fmt.Errorf("files: %q: %w", p.Files, err)
	}
	if _, err := montage(p.Channels); err != nil {
		return err
	}
	if err := p.Events.validate(p.Seconds); err != nil {
		return err
	}
	return p.Place.Validate()
}

func (e Events) validate(seconds int) error {
	switch {
	case !slices.Contains([]string{None, Rec, Annotations}, e.From):
		return fmt.Errorf("events.from %q: want %s, %s or %s", e.From, None, Rec, Annotations)
	case e.Repeats != Merge && e.Repeats != Keep:
		return fmt.Errorf("events.repeats %q: want %s or %s", e.Repeats, Merge, Keep)
	case e.Edges != EdgesExclude && e.Edges != EdgesWrap:
		return fmt.Errorf("events.edges %q: want %s or %s", e.Edges, EdgesExclude, EdgesWrap)
	case e.From == None:
	case len(e.Classes.Classes()) == 0:
		return errors.New("events.classes: map at least one code to a class")
	case !(e.Before >= 0 && e.Before <= float64(seconds)):
		return fmt.Errorf("events.before %v: want 0 to %d seconds, the length of a window", e.Before, seconds)
	}
	return nil
}

// Plugin returns curate/eeg.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "eeg", Version: "2", Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 2 << 30, Modalities: []string{"eeg"},
		Summary: "Turns EDF and EDF+ recordings into resampled windows of EEG in a bipolar montage.",
	}
	return plugins.Curate(spec, Defaults(), func(p Params) plugins.SplitRule { return p.Split }, newRecipe)
}

// pair is a channel: plus against minus, or against the recording's reference if minus is empty.
type pair struct{ name, plus, minus string }

func montage(channels []string) ([]pair, error) {
	var out []pair
	seen := map[pair]bool{}
	for _, name := range channels {
		plus, minus, dash := strings.Cut(name, "-")
		p := pair{plus: electrode(plus), minus: electrode(minus)}
		if p.plus == "" || dash && (p.minus == "" || p.minus == p.plus) || strings.Contains(minus, "-") {
			return nil, fmt.Errorf("channels: %q: want an electrode or two, such as FP1-F7", name)
		}
		if seen[p] {
			return nil, fmt.Errorf("channels: %q is named twice", name)
		}
		seen[p] = true
		p.name = name
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, errors.New("channels: name at least one")
	}
	return out, nil
}

// task is the task of the labels: those of the events if there are any.
func (r *recipe) task(found *label.Finder) document.Task {
	if r.Events.From == None {
		return found.Task()
	}
	return document.Task{Type: r.Labels.Task, Classes: r.Events.Classes.Classes()}
}
