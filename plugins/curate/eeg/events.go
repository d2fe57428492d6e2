package eeg

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/edf"
	"github.com/cairn-bench/cairn/plugins/curate/tabular"
)

// event is something that happens at a time.
type event struct {
	number int // from 0, in the order of the file
	start  float64
	codes  []string
	where  string // for a person
	repeat bool   // an event before it starts at the same time
}

// events lists the events of a recording by their starts.
func (r *recipe) events(in plugins.Tree, f plugins.File, notes []edf.Annotation) (out []event, files []string, err error) {
	files = []string{f.Path}
	if r.Events.From == Rec {
		rec := strings.TrimSuffix(f.Path, path.Ext(f.Path)) + ".rec"
		if out, err = readRec(in, rec); err != nil {
			return nil, nil, err
		}
		files = append(files, rec)
	} else {
		for i, a := range notes {
			out = append(out, event{number: i, start: a.Onset, codes: []string{a.Text}, where: fmt.Sprintf("annotation %d", i)})
		}
	}
	out = slices.DeleteFunc(out, r.dropped)
	slices.SortStableFunc(out, func(a, b event) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	return r.together(out), files, nil
}

// dropped says whether the map of classes drops an event by giving it an empty class.
func (r *recipe) dropped(e event) bool {
	class, known := r.Events.Classes.Class(e.codes[0])
	return known && class == ""
}

// readRec reads a .rec file of TUEV, whose rows are channel, start, stop and code.
func readRec(in plugins.Tree, file string) ([]event, error) {
	if !slices.ContainsFunc(in.Files(), func(f plugins.File) bool { return f.Path == file }) {
		return nil, plugins.Exclude("no-events", "there is no %s", file)
	}
	t, err := tabular.Read(in, file, tabular.Format{Columns: []string{"channel", "start", "stop", "code"}})
	if err != nil {
		return nil, plugins.Exclude("bad-events", "%v", err)
	}
	var out []event
	for i, row := range t.Rows {
		if row.Err != nil {
			return nil, plugins.Exclude("bad-events", "%v", row.Err)
		}
		e := event{number: i, codes: []string{t.Cell(row, "code")}, where: fmt.Sprintf("%s:%d", file, row.Line)}
		if e.start, err = strconv.ParseFloat(t.Cell(row, "start"), 64); err != nil {
			return nil, plugins.Exclude("bad-events", "%s: start %q: want seconds", e.where, t.Cell(row, "start"))
		}
		out = append(out, e)
	}
	return out, nil
}

// together merges or marks the events that start at one time; they stand together.
func (r *recipe) together(events []event) []event {
	var out []event
	for _, e := range events {
		last := len(out) - 1
		same := last >= 0 && out[last].start == e.start
		switch {
		case !same || r.Events.Repeats == Keep:
			e.repeat = same
			out = append(out, e)
		default:
			out[last].codes = append(out[last].codes, e.codes...)
		}
	}
	return out
}

// classes maps the codes of an event.
func (r *recipe) classes(e event) ([]string, *plugins.Exclusion) {
	var out []string
	for _, code := range e.codes {
		class, known := r.Events.Classes.Class(code)
		if !known {
			return nil, &plugins.Exclusion{Code: "unknown-event", Reason: fmt.Sprintf("%s: %q is not in events.classes", e.where, code)}
		}
		out = append(out, class)
	}
	return out, nil
}

// place finds the first sample of the window around an event: the first at or after its start, less what lies before.
func (r *recipe) place(o *outline, e event) (first int, err *plugins.Exclusion) {
	n := r.Rate * r.Seconds
	before := int(math.Round(float64(r.Events.Before * float64(r.Rate))))
	for _, s := range o.stretches {
		at := samples(float64(e.start-s.begin), r.Rate)
		if at < 0 || at >= s.n {
			continue
		}
		if at -= before; at >= 0 && at+n <= s.n || r.Events.Edges == EdgesWrap && len(o.stretches) == 1 {
			return s.at + at, nil
		}
	}
	reason := fmt.Sprintf("%s: the %d s around an event at %v s are not all in the recording", e.where, r.Seconds, e.start)
	return 0, &plugins.Exclusion{Code: "beyond-recording", Reason: reason}
}

// samples is the number of the first sample at or after a time, which is taken to the microsecond; -1 for a time that is years away.
func samples(seconds float64, rate int) int {
	const micro, most = 1e6, 1e8
	if !(math.Abs(seconds) < most) {
		return -1
	}
	us := int64(math.Round(float64(seconds * micro)))
	at := us * int64(rate) / micro
	if at*micro < us*int64(rate) {
		at++
	}
	return int(at)
}
