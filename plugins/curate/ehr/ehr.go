// Package ehr curates electronic health records that lie in tables, as MIMIC-IV's do, into vectors, one a stay in hospital
// or on a ward.
//
// A sample is one row of the base table and its one array is float32, [features]: columns of the base table and of tables
// joined to it, the age, the number of earlier stays, what was coded in earlier stays, and what was measured, in this order.
// Rows are joined by the cells of a column, never by their places. A category becomes one 0/1 element for each of its
// values; a missing cell is NaN, the quiet one with the bits 0x7fc00000; what is counted is 0 where there is nothing.
//
// A prediction is made a number of hours after the stay begins, and nothing later is looked at: an event counts if its
// time is before that moment, a stay that has ended by then is left out, and a column that is known only at the end (late) is
// refused, unless leaks are allowed, which is for showing what published code did. Codes of diagnoses are given
// after a stay, so those of earlier stays are features, and those of this one can be its labels.
//
//	params:
//	  hours: 24
//	  base: {file: hosp/admissions.csv, id: hadm_id, subject: subject_id, start: admittime, end: dischtime}
//	  columns: [{name: admission_type, type: category}]
//	  joins: [{file: hosp/patients.csv, on: subject_id, columns: [{name: gender, type: category}]}]
//	  age: {column: anchor_age, year: anchor_year}
//	  events: [{file: hosp/labevents.csv, on: hadm_id, time: charttime, item: itemid, value: valuenum, items: {"50912": creatinine}, take: [last]}]
//	  label: {column: hospital_expire_flag, classes: {"0": survived, "1": died}}
package ehr

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
	"github.com/cairn-bench/cairn/plugins/curate/labelmap"
)

// Params are the parameters of the plugin. A file is named by its path, or the end of it; it may be packed, with .gz after
// its name.
type Params struct {
	Base      Base              `json:"base" jsonschema:"the table of which each row is a sample"`
	Hours     float64           `json:"hours" jsonschema:"the prediction is made so many hours after the start, and nothing later is looked at"`
	WholeStay bool              `json:"wholeStay" jsonschema:"look at the events of the whole stay, as published code does; needs leaks: allow"`
	Late      []string          `json:"late" jsonschema:"columns that are known only at the end of a stay, and so no features"`
	Leaks     string            `json:"leaks" jsonschema:"refuse, or allow features that give the outcome away"`
	Columns   []Column          `json:"columns" jsonschema:"features from the base table"`
	Joins     []Join            `json:"joins" jsonschema:"tables with one row for each value of a column of the base table"`
	Age       Age               `json:"age" jsonschema:"age at the start of the stay, from the age in one year, as MIMIC-IV gives it"`
	Prior     bool              `json:"prior" jsonschema:"add the number of the subject's stays that ended before this one began"`
	History   []Codes           `json:"history" jsonschema:"whether a code was given in a stay that ended before this one began"`
	Events    []Events          `json:"events" jsonschema:"tables of what happened when"`
	Label     Label             `json:"label" jsonschema:"what is predicted"`
	Meta      []string          `json:"meta" jsonschema:"columns of the base table or of joined ones that are kept as facts about the sample"`
	Split     plugins.SplitRule `json:"split" jsonschema:"how samples come to train, validation and test"`
}

// Base is the table of stays.
type Base struct {
	File    string `json:"file" jsonschema:"path of the table"`
	ID      string `json:"id" jsonschema:"column of the stay's name"`
	Subject string `json:"subject" jsonschema:"column of the patient"`
	Start   string `json:"start" jsonschema:"column of the time at which the stay begins"`
	End     string `json:"end" jsonschema:"column of the time at which it ends"`
}

// Column is a feature.
type Column struct {
	Name   string   `json:"name" jsonschema:"column"`
	Type   string   `json:"type,omitempty" jsonschema:"number (the default) or category"`
	Values []string `json:"values,omitempty" jsonschema:"category: its values in order; empty means those that occur, sorted"`
}

// Join is a table that says more of each stay.
type Join struct {
	File     string   `json:"file" jsonschema:"path of the table"`
	On       string   `json:"on" jsonschema:"column that it shares with the base table"`
	Columns  []Column `json:"columns,omitempty" jsonschema:"features; others can be the label, the age or facts"`
	Optional bool     `json:"optional,omitempty" jsonschema:"the table may be absent, and its cells are missing then"`
}

// Age says where the age is.
type Age struct {
	Column string `json:"column" jsonschema:"column of the age in years; empty for no age"`
	Year   string `json:"year" jsonschema:"column of the year in which the subject has that age"`
}

// Codes are in a table, one row a code of a stay.
type Codes struct {
	File  string              `json:"file" jsonschema:"path of the table"`
	On    string              `json:"on" jsonschema:"column that names the stay as the base table does"`
	Code  string              `json:"code" jsonschema:"column of the code"`
	Kind  string              `json:"kind,omitempty" jsonschema:"column of the system that the code is of, such as icd_version; it stands before the code then, with a colon: 10:E11"`
	Codes map[string][]string `json:"codes" jsonschema:"name of a feature or class, and the beginnings of its codes"`
}

// Events is a table of what happened when.
type Events struct {
	File     string            `json:"file" jsonschema:"path of the table"`
	On       string            `json:"on" jsonschema:"column that it shares with the base table"`
	Time     string            `json:"time" jsonschema:"column of the time at which it happened or was known"`
	Item     string            `json:"item" jsonschema:"column of what was measured"`
	Value    string            `json:"value,omitempty" jsonschema:"column of the value; empty if events are only counted"`
	Items    map[string]string `json:"items,omitempty" jsonschema:"items that are features, and their names; empty means all that occur"`
	Take     []string          `json:"take" jsonschema:"of an item's events: first, last, min, max, mean, count"`
	Optional bool              `json:"optional,omitempty" jsonschema:"the table may be absent, and there are no such features then"`
}

// Label says what is predicted.
type Label struct {
	Column  string       `json:"column" jsonschema:"column of the label, in the base table or a joined one"`
	Within  float64      `json:"within" jsonschema:"the column is a time, and the label yes if it is less than so many hours after the start, else no"`
	Days    []float64    `json:"days" jsonschema:"the column is a time, and the label how many of these numbers of days after the start it reaches"`
	Last    bool         `json:"last" jsonschema:"take the label of the subject's last row, as CLIMB's code does by mistake; needs leaks: allow"`
	Classes labelmap.Map `json:"classes" jsonschema:"a map, or the name of a shipped one, that renames and merges labels; an empty class drops its samples; if given, other labels are left out"`
	Codes   *Codes       `json:"codes,omitempty" jsonschema:"instead of the column: each of these names of which the stay itself has a code is a label, in any number (multilabel)"`
}

// Words of the parameters.
const (
	Number   = "number"
	Category = "category"
	Refuse   = "refuse"
	Allow    = "allow"
)

// takes are the ways to make one number of an item's events.
var takes = []string{"first", "last", "min", "max", "mean", "count"}

func defaults() Params {
	return Params{
		Base: Base{File: "hosp/admissions.csv", ID: "hadm_id", Subject: "subject_id", Start: "admittime", End: "dischtime"},
		Late: []string{
			"deathtime", "discharge_location", "dischtime", "dod", "drg_code", "drg_mortality", "drg_severity", "edouttime",
			"hospital_expire_flag", "icd_code", "last_careunit", "los", "outtime",
		},
		Leaks: Refuse, Columns: []Column{}, Joins: []Join{}, History: []Codes{}, Events: []Events{},
		Label: Label{Column: "hospital_expire_flag", Days: []float64{}, Classes: labelmap.Map{}}, Meta: []string{}, Split: plugins.DefaultSplit(),
	}
}

// Validate says what is wrong with the parameters, if anything is.
func (p Params) Validate() error {
	switch {
	case p.Base.File == "" || p.Base.ID == "" || p.Base.Subject == "" || p.Base.Start == "":
		return fmt.Errorf("base: file, id, subject and start are required")
	case !(p.Hours >= 0 && p.Hours <= 1e5):
		return fmt.Errorf("hours: %v is not between 0 and 100,000", p.Hours)
	case p.Hours > 0 && p.Base.End == "":
		return fmt.Errorf("base.end is required, as a stay may be over before %v hours", p.Hours)
	case p.Leaks != Refuse && p.Leaks != Allow:
		return fmt.Errorf("leaks: %q, want %s or %s", p.Leaks, Refuse, Allow)
	case p.WholeStay && (p.Leaks == Refuse || p.Base.End == ""):
		return fmt.Errorf("wholeStay: what happens after the prediction gives its outcome away; it needs leaks: %s and base.end", Allow)
	case (p.Age.Column == "") != (p.Age.Year == ""):
		return fmt.Errorf("age: column and year belong together")
	case (len(p.History) > 0 || p.Prior) && p.Base.End == "":
		return fmt.Errorf("base.end is required, as only what has ended is earlier")
	}
	for i, h := range p.History {
		if err := h.validate(); err != nil {
			return fmt.Errorf("history[%d]: %w", i, err)
		}
	}
	for i, e := range p.Events {
		if err := e.validate(); err != nil {
			return fmt.Errorf("events[%d]: %w", i, err)
		}
	}
	if err := p.Label.validate(p); err != nil {
		return fmt.Errorf("label: %w", err)
	}
	return p.validateColumns()
}

func (p Params) validateColumns() error {
	all := slices.Clone(p.Columns)
	for i, j := range p.Joins {
		if j.File == "" || j.On == "" {
			return fmt.Errorf("joins[%d]: file and on are required", i)
		}
		all = append(all, j.Columns...)
	}
	for _, c := range all {
		switch {
		case c.Name == "":
			return fmt.Errorf("columns: a name is empty")
		case c.Type != "" && c.Type != Number && c.Type != Category:
			return fmt.Errorf("column %s: type %q, want %s or %s", c.Name, c.Type, Number, Category)
		case c.Type != Category && len(c.Values) > 0:
			return fmt.Errorf("column %s: values are for type %s", c.Name, Category)
		case p.Leaks == Refuse && (slices.Contains(p.Late, c.Name) || c.Name == p.Label.Column):
			return fmt.Errorf("column %s: it is known only at the end of a stay and gives the outcome away (late); leaks: %s takes it", c.Name, Allow)
		}
	}
	return nil
}

func (e Events) validate() error {
	switch {
	case e.File == "" || e.On == "" || e.Time == "" || e.Item == "":
		return fmt.Errorf("file, on, time and item are required")
	case len(e.Take) == 0:
		return fmt.Errorf("take is required: some of %q", takes)
	}
	for _, t := range e.Take {
		switch {
		case !slices.Contains(takes, t):
			return fmt.Errorf("take: %q, want some of %q", t, takes)
		case t != "count" && e.Value == "":
			return fmt.Errorf("take: %s needs a column of values", t)
		}
	}
	return nil
}

func (c Codes) validate() error {
	switch {
	case c.File == "" || c.On == "" || c.Code == "" || len(c.Codes) == 0:
		return errors.New("file, on, code and codes are required")
	case len(c.Codes) > maxCodes:
		return fmt.Errorf("%d names of codes, the limit is %d", len(c.Codes), maxCodes)
	}
	return nil
}

func (l Label) validate(p Params) error {
	switch {
	case l.Codes != nil && (l.Within > 0 || len(l.Days) > 0 || l.Last || len(l.Classes) > 0):
		return errors.New("codes: the labels are their names, and within, days, last and classes are of a column")
	case l.Codes != nil:
		if err := l.Codes.validate(); err != nil {
			return fmt.Errorf("codes: %w", err)
		}
		return nil
	case l.Column == "":
		return fmt.Errorf("column is required")
	case !(l.Within >= 0) || math.IsInf(l.Within, 0):
		return fmt.Errorf("within: %v is no number of hours", l.Within)
	case l.Within > 0 && len(l.Days) > 0:
		return fmt.Errorf("within and days: want one of them")
	case l.Within > 0 && l.Within <= p.Hours:
		return fmt.Errorf("within: %v hours are over when the prediction is made, after %v", l.Within, p.Hours)
	case l.Last && p.Leaks == Refuse:
		return fmt.Errorf("last: the label of another stay is wrong for this one; it needs leaks: %s", Allow)
	case !slices.IsSorted(l.Days):
		return fmt.Errorf("days: %v are not in order", l.Days)
	}
	return nil
}

// Plugin makes the plugin curate/ehr.
func Plugin() plugins.Plugin {
	spec := catalog.Spec{
		Name: "ehr", Version: "1", Summary: "stays from the tables of health records, joined by id, as float32 vectors of what was known at a moment",
		Determinism: catalog.Exact, Queue: catalog.QueueCPU, MemoryBytes: 8 << 30,
		Modalities: []string{"ehr", "multimodal", "table"},
	}
	return plugins.Curate(spec, defaults(), func(p Params) plugins.SplitRule { return p.Split },
		func(p Params) (plugins.Recipe, error) { return &recipe{Params: p}, nil })
}
