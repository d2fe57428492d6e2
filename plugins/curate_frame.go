package plugins

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/document"
	"github.com/cairn-bench/cairn/manifests/withdrawal"
)

// Frame is the parameters that every curate plugin has beside its own.
type Frame struct {
	Priority []string `json:"priority" jsonschema:"multiclass only: of several positive classes the first of these is the label"`
	Several  string   `json:"several" jsonschema:"multiclass only: a sample with several positive classes that priority does not decide: exclude it, or draw one of them by seed, as some published code does"`
	Empty    string   `json:"empty" jsonschema:"multiclass only: a sample without a positive class: exclude it, or draw any class by seed, as some published code does"`
	Expect   Expect   `json:"expect" jsonschema:"published counts, which what comes out is compared with"`

	Withdrawn []withdrawal.Entry `json:"withdrawn,omitempty" jsonschema:"who is left out because consent was withdrawn; cairn withdraw writes it"`
}

// What becomes of samples whose labels do not fit a task that needs exactly one.
const (
	LabelsExclude = "exclude"
	LabelsDraw    = "draw"
)

// Expect is published counts of a dataset. What is not stated is not compared.
type Expect struct {
	Source  string                    `json:"source" jsonschema:"where the counts were published"`
	Total   int                       `json:"total" jsonschema:"all samples, 0 if not stated"`
	Samples map[string]int            `json:"samples" jsonschema:"samples of each side"`
	Classes map[string]int            `json:"classes" jsonschema:"samples of each class, over all sides"`
	Counts  map[string]map[string]int `json:"counts" jsonschema:"samples of each class on each side"`
	Differ  string                    `json:"differ" jsonschema:"when other counts come out: warn says so in curation.json and the report, fail ends the step"`
}

// What happens when other counts come out.
const (
	DifferWarn = "warn"
	DifferFail = "fail"
)

func defaultFrame() Frame {
	return Frame{Priority: []string{}, Several: LabelsExclude, Empty: LabelsExclude,
		Expect: Expect{Samples: map[string]int{}, Classes: map[string]int{}, Counts: map[string]map[string]int{}, Differ: DifferWarn}}
}

// Validate says what is wrong with the parameters, if anything is.
func (f Frame) Validate() error {
	for i, c := range f.Priority {
		if c == "" || slices.Contains(f.Priority[:i], c) {
			return fmt.Errorf("priority: %q is empty or named twice", c)
		}
	}
	for name, word := range map[string]string{"several": f.Several, "empty": f.Empty} {
		if word != LabelsExclude && word != LabelsDraw {
			return fmt.Errorf("%s %q: want %s or %s", name, word, LabelsExclude, LabelsDraw)
		}
	}
	if err := withdrawal.Validate(f.Withdrawn); err != nil {
		return err
	}
	return f.Expect.validate()
}

func (e Expect) validate() error {
	if e.Differ != DifferWarn && e.Differ != DifferFail {
		return fmt.Errorf("expect.differ %q: want %s or %s", e.Differ, DifferWarn, DifferFail)
	}
	numbers := e.numbers()
	if len(numbers) > 0 && e.Source == "" {
		return fmt.Errorf("expect.source: say where the counts were published")
	}
	for _, n := range numbers {
		if n.Split != "" && !slices.Contains(document.Splits(), n.Split) {
			return fmt.Errorf("expect: side %q: want one of %q", n.Split, document.Splits())
		}
		if n.Published < 0 {
			return fmt.Errorf("expect: %d samples on side %q of class %q: want 0 or more", n.Published, n.Split, n.Class)
		}
	}
	return nil
}

// framed tells the framework's parameters from those of a plugin.
type framed struct {
	keys   []string
	decode func(json.RawMessage) (Frame, error)
}

// addFrame adds the framework's parameters to the schema and the defaults of a plugin.
func addFrame(spec *catalog.Spec) (framed, error) {
	own := catalog.Spec{Name: spec.Name, Version: spec.Version, Summary: spec.Summary, Determinism: spec.Determinism, Reason: spec.Reason, Queue: spec.Queue}
	own, decode := typed(own, catalog.Curate, defaultFrame())
	var mine, ours struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	var schema map[string]json.RawMessage
	for text, into := range map[*json.RawMessage]any{&spec.Params: &mine, &own.Params: &ours} {
		if err := json.Unmarshal(*text, into); err != nil {
			return framed{}, err
		}
	}
	if err := json.Unmarshal(spec.Params, &schema); err != nil {
		return framed{}, err
	}
	for name, property := range ours.Properties {
		if _, taken := mine.Properties[name]; taken {
			return framed{}, fmt.Errorf("parameter %q is the framework's", name)
		}
		if mine.Properties == nil {
			mine.Properties = map[string]json.RawMessage{}
		}
		mine.Properties[name] = property
	}
	keys := slices.Sorted(maps.Keys(ours.Properties))
	for name, v := range map[string]any{"properties": mine.Properties, "required": append(mine.Required, ours.Required...)} {
		text, err := json.Marshal(v)
		if err != nil {
			return framed{}, err
		}
		schema[name] = text
	}
	var err error
	if spec.Params, err = json.Marshal(schema); err != nil {
		return framed{}, err
	}
	spec.Defaults, err = merge(spec.Defaults, own.Defaults)
	return framed{keys, decode}, err
}

// part takes parameters apart into the plugin's and the framework's.
func (f framed) part(params json.RawMessage) (mine, frames json.RawMessage, err error) {
	if len(params) == 0 {
		return nil, nil, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(params, &all); err != nil {
		return nil, nil, err
	}
	ours := map[string]json.RawMessage{}
	for _, name := range f.keys {
		if v, given := all[name]; given {
			ours[name] = v
			delete(all, name)
		}
	}
	if mine, err = json.Marshal(all); err != nil {
		return nil, nil, err
	}
	frames, err = json.Marshal(ours)
	return mine, frames, err
}

// join writes parameters that part took apart.
func join(mine, frames any) (json.RawMessage, error) {
	a, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(frames)
	if err != nil {
		return nil, err
	}
	return merge(a, b)
}

// merge puts the members of two objects into one.
func merge(a, b json.RawMessage) (json.RawMessage, error) {
	var out map[string]json.RawMessage
	if err := json.Unmarshal(a, &out); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
