// Package report shows what a run of a benchmark gave: as one HTML page, as Markdown and as JSON.
//
// A Report is data, put together by whoever has the lock and the documents of the artifacts; this package
// reads no disk, asks no clock and knows no host. One Report has one rendering, byte for byte, so that a
// report can be content-addressed like any other result.
//
// The page is a single file: its style and its charts are inside it, it has no script and asks the network
// for nothing. Every string in it may come from a manifest or a dataset of a stranger and is escaped.
//
// What has no value is shown as such with its reason. No number is rounded in the JSON; the page and the
// Markdown round to three decimals.
package report

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/canonical"
	"github.com/cairn-bench/cairn/manifests/compare"
	"github.com/cairn-bench/cairn/manifests/document"
)

// Schema names the JSON form and its version.
const Schema = "cairn/report/v1"

// Report is everything that is shown. Lists are shown in the order in which they are given.
type Report struct {
	Schema     string      `json:"schema"` // JSON sets it
	Benchmark  Benchmark   `json:"benchmark"`
	Results    []Result    `json:"results"`
	Claims     []Claim     `json:"claims"`
	Datasets   []Dataset   `json:"datasets"`
	Duplicates []Duplicate `json:"duplicates"` // across datasets; those within one are in its Curation
	Models     []Model     `json:"models"`
	Steps      []Step      `json:"steps"`
}

// Benchmark is what was rebuilt.
type Benchmark struct {
	Name        string        `json:"name"`
	Title       string        `json:"title,omitempty"`
	Description string        `json:"description,omitempty"`
	Manifest    digest.Digest `json:"manifest,omitempty"`
	Lock        digest.Digest `json:"lock,omitempty"`
	Digest      digest.Digest `json:"digest,omitempty"` // of the benchmark artifact; a report inside it cannot know it
}

// Result is one number and the way back to the bytes it came from.
type Result struct {
	Evaluation string                 `json:"evaluation"`
	Model      string                 `json:"model"`       // as trained: "multitask" or "single/ecg"
	ModelGroup string                 `json:"model_group"` // as in the manifest: "multitask" or "single"
	SingleTask bool                   `json:"single_task"` // the model was trained on one dataset
	Dataset    string                 `json:"dataset"`
	Split      string                 `json:"split"`
	Metric     string                 `json:"metric"`
	Value      *float64               `json:"value"`
	Low        *float64               `json:"low"`
	High       *float64               `json:"high"`
	Undefined  string                 `json:"undefined,omitempty"` // why there is no value
	Samples    int                    `json:"samples"`
	PerClass   []document.ClassMetric `json:"per_class,omitempty"` // of this metric
	Bootstrap  document.Bootstrap     `json:"bootstrap"`
	Trail      []Trace                `json:"trail"` // from the evaluation back to the raw bytes
}

// Trace is one artifact on the way from a number back to the raw bytes.
type Trace struct {
	Role     string        `json:"role"` // evaluation, model, curated, raw
	Step     string        `json:"step"`
	Plugin   string        `json:"plugin"` // kind/name@version
	Action   action.ID     `json:"action"`
	Artifact digest.Digest `json:"artifact"`
}

// Claim is a published number beside ours.
type Claim struct {
	Evaluation string          `json:"evaluation"`
	Model      string          `json:"model"`
	Dataset    string          `json:"dataset"`
	Metric     string          `json:"metric"`
	Published  float64         `json:"published"`
	Tolerance  float64         `json:"tolerance"`
	Rule       string          `json:"rule,omitempty"`  // "" is within
	Level      float64         `json:"level,omitempty"` // of an interval
	Source     string          `json:"source"`
	Value      *float64        `json:"value"` // ours
	Low        *float64        `json:"low"`
	High       *float64        `json:"high"`
	Verdict    compare.Outcome `json:"verdict"`
	Reason     string          `json:"reason,omitempty"`
}

// Judged shows what became of a claim.
func Judged(v compare.Verdict) Claim {
	c := v.Claim
	return Claim{Evaluation: c.Evaluation, Model: c.Model, Dataset: c.Dataset, Metric: c.Metric, Published: c.Value, Tolerance: c.Tolerance, Rule: c.Rule, Level: c.Level, Source: c.Source,
		Value: v.Value, Low: v.Low, High: v.High, Verdict: v.Outcome, Reason: v.Reason}
}

// Bound says by which rule ours is judged, and how far off it may be.
func (c Claim) Bound() string {
	t := "± " + decimals(c.Tolerance, 3)
	switch c.Rule {
	case "":
		return t
	case manifests.RuleInterval:
		return fmt.Sprintf("in the %s interval of at most %s", percent(c.Level), t)
	}
	return strings.ReplaceAll(c.Rule, "-", " ") + ", " + t
}

// Dataset is the card of one dataset.
type Dataset struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Modality string            `json:"modality"`
	Licence  string            `json:"licence"`
	Access   string            `json:"access"`
	Citation string            `json:"citation,omitempty"`
	Homepage string            `json:"homepage,omitempty"`
	Unnamed  string            `json:"unnamed,omitempty"` // why its samples are not named
	Raw      document.Dataset  `json:"raw"`               // dataset.json of what was fetched
	Curated  document.Dataset  `json:"curated"`           // dataset.json of what was made of it
	Curation document.Curation `json:"curation"`
}

// Duplicate names samples of more than one dataset that are the same or nearly so, or one subject's.
type Duplicate struct {
	Kind     string        `json:"kind"` // as of document.DuplicateGroup
	Digest   digest.Digest `json:"digest,omitempty"`
	Distance int           `json:"distance,omitempty"`
	Samples  []string      `json:"samples"` // sorted, "dataset/split/id"; of a dataset whose samples are not named "dataset/split"
	Crosses  bool          `json:"crosses"` // whether more than one split is touched
}

// Model is one model as trained.
type Model struct {
	ID     string         `json:"id"`
	Group  string         `json:"group"`
	Title  string         `json:"title,omitempty"`
	Plugin string         `json:"plugin"`
	Info   document.Model `json:"info"`
	Curve  document.Curve `json:"curve"`
}

// Step is one step of the run.
type Step struct {
	Name        string        `json:"name"`
	Kind        string        `json:"kind"`
	Plugin      string        `json:"plugin"`      // kind/name@version
	Determinism string        `json:"determinism"` // exact, platform, tolerance, none
	Action      action.ID     `json:"action"`
	Artifact    digest.Digest `json:"artifact"`
}

// JSON returns the report as canonical JSON. A list without entries is [], never null.
func JSON(r Report) ([]byte, error) {
	r.Schema = Schema
	r.Results, r.Claims, r.Datasets = list(r.Results), list(r.Claims), list(r.Datasets)
	r.Duplicates, r.Models, r.Steps = list(r.Duplicates), list(r.Models), list(r.Steps)
	return canonical.Marshal(r)
}

func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}
