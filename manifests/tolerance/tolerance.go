// Package tolerance judges whether a step that was done again came close enough to what it gave before. It is for plugins
// that promise no more than that (class tolerance), such as trainers on a GPU; of all others the bytes are compared.
//
// Bounds say by which comparison, and how close is close enough. They stand in the manifest, at the model or the evaluation,
// and are pinned in the plan and the lock before the run:
//
//	metrics  of an evaluation: value, low and high of each metric are at most absolute from what they were
//	tensors  of a model: each number of each tensor is at most absolute + relative * |what it was| from what it was, as in
//	         numpy's allclose: a NaN or an infinity is close to itself alone; integers and booleans are the same
//
// What is no number has to be the same. An evaluation has the same files, and says the same of its dataset, split, samples
// and intervals; which samples got which score (predictions.jsonl), and the numbers of single classes, are not compared. A
// model has the same files with the same bytes, but for the tensors in *.safetensors, its curve and its card.
package tolerance

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
)

// The comparisons.
const (
	Metrics = "metrics"
	Tensors = "tensors"
)

// Bounds is a comparison and how close is close enough. The zero value is none.
type Bounds struct {
	Compare  string  `json:"compare" jsonschema:"by which comparison: metrics of an evaluation, tensors of a model"`
	Absolute float64 `json:"absolute" jsonschema:"how far a number may be from what it was"`
	Relative float64 `json:"relative,omitempty" jsonschema:"of tensors: how much farther, as a share of what the number was"`
}

// OfStep is the bounds of a step.
type OfStep struct {
	Step string `json:"step"`
	Bounds
}

// Of is the comparison of a kind of step, "" if it has none.
func Of(k catalog.Kind) string {
	switch k {
	case catalog.Evaluate:
		return Metrics
	case catalog.Pretrain:
		return Tensors
	}
	return ""
}

// None says whether there are no bounds.
func (b Bounds) None() bool { return b == Bounds{} }

// Check says what is wrong with bounds, if anything is.
func (b Bounds) Check() error {
	good := func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
	switch {
	case b.Compare != Metrics && b.Compare != Tensors:
		return fmt.Errorf("there is no comparison %q; there are %s and %s", b.Compare, Metrics, Tensors)
	case !good(b.Absolute) || !good(b.Relative):
		return fmt.Errorf("absolute %v, relative %v: want finite numbers that are not negative", b.Absolute, b.Relative)
	case b.Absolute == 0 && b.Relative == 0:
		return errors.New("absolute and relative are 0: then nothing but the same bytes would do, and the plugin can promise those")
	case b.Compare == Metrics && b.Relative != 0:
		return fmt.Errorf("%s are compared by an absolute distance alone", Metrics)
	}
	return nil
}

// CheckOf says what is wrong with the bounds of a step of a plugin, if anything is.
func (b Bounds) CheckOf(k catalog.Kind, class catalog.Determinism) error {
	switch {
	case class != catalog.Tolerance:
		return fmt.Errorf("the plugin promises %s, so bytes are compared, and nothing else is close enough", class)
	case Of(k) == "":
		return fmt.Errorf("there is no comparison for what %s gives", k)
	case b.Compare != Of(k):
		return fmt.Errorf("compare is %q, want %s: that is what %s gives", b.Compare, Of(k), k)
	}
	return b.Check()
}

func (b Bounds) String() string {
	switch {
	case b.None():
		return "no bounds"
	case b.Relative == 0:
		return fmt.Sprintf("%s within %v", b.Compare, b.Absolute)
	}
	return fmt.Sprintf("%s within %v + %v of what they were", b.Compare, b.Absolute, b.Relative)
}

// Side is one of two artifacts.
type Side struct {
	Files []artifact.File
	Open  func(path string) (io.ReadCloser, error)
}

// Judgement is what became of a comparison.
type Judgement struct {
	Within bool
	Says   string // what is farthest from what it was, or the first thing that is too far
}

func tooFar(format string, args ...any) Judgement {
	return Judgement{Says: fmt.Sprintf(format, args...)}
}

// Judge compares an artifact with what it was. An error means that it could not: what was there cannot be read, or no bounds
// are given. What does not have the form of its kind now is too far.
func (b Bounds) Judge(was, is Side) (Judgement, error) {
	if err := b.Check(); err != nil {
		return Judgement{}, err
	}
	d := artifact.Differ(was.Files, is.Files)
	switch {
	case len(d.Removed) > 0:
		return tooFar("the file %q is missing", d.Removed[0].Path), nil
	case len(d.Added) > 0:
		return tooFar("the file %q is there besides", d.Added[0].Path), nil
	case b.Compare == Metrics:
		return b.metrics(was, is)
	}
	return b.models(d.Changed, was, is)
}

// models compares the files of a model that do not have the same bytes.
func (b Bounds) models(changed []artifact.Change, was, is Side) (Judgement, error) {
	var all spread
	for _, c := range changed {
		switch name := c.Is.Path; {
		case name == document.CurveFile || name == document.CardFile:
		case path.Ext(name) != ".safetensors":
			return tooFar("the file %q has other bytes, and nothing in it is compared within bounds", name), nil
		default:
			if j, err := b.file(name, was, is, &all); err != nil || !j.Within {
				return j, err
			}
		}
	}
	return Judgement{Within: true, Says: all.String()}, nil
}

// malformed is an error in the form of what was given, not in reading it.
type malformed struct{ error }

// judged makes a judgement of what has not the form that it should have now, and leaves other errors.
func judged(name string, err error) (Judgement, error) {
	var form malformed
	if errors.As(err, &form) {
		return tooFar("%q: %v", name, form.error), nil
	}
	return Judgement{}, fmt.Errorf("%s: %w", name, err)
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
