// Package document defines the JSON documents that steps leave inside their artifacts: dataset.json,
// samples.jsonl and curation.json of a curated dataset; model.json and curve.json of a model;
// predictions.jsonl and metrics.json of an evaluation. It holds their shapes and nothing that reads a disk.
package document

import "github.com/opencontainers/go-digest"

// Names of the documents, relative to the root of an artifact.
const (
	DatasetFile     = "dataset.json"
	SamplesFile     = "samples.jsonl"
	CurationFile    = "curation.json"
	PrintsFile      = "fingerprints.jsonl"
	ModelFile       = "model.json"
	WeightsFile     = "model.safetensors"
	CurveFile       = "curve.json"
	CardFile        = "README.md"
	PredictionsFile = "predictions.jsonl"
	MetricsFile     = "metrics.json"
	SumsFile        = "SHA256SUMS"
	IndexFile       = "SHA256SUMS.index"
)

// SplitFile names the file with the ids of one side, sorted, one a line: nothing else of the data is in it, so that it may be
// shared where the data may not.
func SplitFile(side string) string { return side + ".ids.txt" }

// Entry is a file of a tree whose digest is not known yet.
type Entry struct {
	Path string // slash-separated, relative, clean
	Size int64
}

// Schemas of the documents.
const (
	DatasetSchema  = "cairn/dataset/v1"
	CurationSchema = "cairn/curation/v1"
	ModelSchema    = "cairn/model/v1"
	CurveSchema    = "cairn/curve/v1"
	MetricsSchema  = "cairn/metrics/v1"
)

// Splits are the sides of a dataset, in this order.
func Splits() []string { return []string{"train", "validation", "test"} }

// Task says what is predicted.
type Task struct {
	Type    string   `json:"type"` // "multiclass" (exactly one label a sample) or "multilabel" (any number, none included)
	Classes []string `json:"classes"`
}

// The two task types.
const (
	Multiclass = "multiclass"
	Multilabel = "multilabel"
)

// Dataset is dataset.json. Stage "raw" is what was fetched, "curated" what a recipe made of it.
type Dataset struct {
	Schema   string                    `json:"schema"`
	Stage    string                    `json:"stage"`
	ID       string                    `json:"id,omitempty"`
	Modality string                    `json:"modality,omitempty"`
	Licence  string                    `json:"licence,omitempty"`
	Access   string                    `json:"access,omitempty"`
	Source   map[string]string         `json:"source,omitempty"` // raw: where the bytes came from, without secrets
	Files    int                       `json:"files,omitempty"`
	Bytes    int64                     `json:"bytes,omitempty"`
	Task     *Task                     `json:"task,omitempty"`
	Features []string                  `json:"features,omitempty"` // names of the channels, columns or node features
	Counts   map[string]map[string]int `json:"counts,omitempty"`   // split -> class -> samples
	Samples  map[string]int            `json:"samples,omitempty"`  // split -> samples
	Subjects map[string]int            `json:"subjects,omitempty"` // split -> distinct subjects
}

// Media is one array or file of a sample.
type Media struct {
	Path         string  `json:"path"`                    // relative to the root of the artifact, <shard folder>/<key>.<ext>
	Type         string  `json:"type"`                    // signal, image, nodes, edges, table, text
	Shape        []int   `json:"shape"`                   // as in the .npy header
	DType        string  `json:"dtype"`                   // uint8, int32, float32
	SamplingRate float64 `json:"sampling_rate,omitempty"` // Hz
}

// Source is one raw file that a sample was made from.
type Source struct {
	Path   string        `json:"path"`
	Digest digest.Digest `json:"digest"`
}

// Sample is one line of samples.jsonl; the lines are sorted by id.
type Sample struct {
	ID      string            `json:"id"`
	Dataset string            `json:"dataset"`
	Split   string            `json:"split"`
	Subject string            `json:"subject"`
	Labels  []string          `json:"labels"`
	Media   []Media           `json:"media"`
	Text    string            `json:"text,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Sources []Source          `json:"sources,omitempty"`
}

// Model is model.json: what is needed to run the weights, and what they were trained on.
type Model struct {
	Schema       string         `json:"schema"`
	Architecture string         `json:"architecture"` // names the code that can read the weights, with its version
	Parameters   int64          `json:"parameters"`
	Datasets     []ModelDataset `json:"datasets"`
	Config       any            `json:"config"` // the architecture's own
}

// ModelDataset is one dataset a model has a head for.
type ModelDataset struct {
	ID       string `json:"id"`
	Modality string `json:"modality"`
	Task     Task   `json:"task"`
	Train    int    `json:"train"` // samples seen in one epoch
}

// Curve is curve.json: the loss of every epoch.
type Curve struct {
	Schema string       `json:"schema"`
	Points []CurvePoint `json:"points"`
}

// CurvePoint is one epoch on one dataset.
type CurvePoint struct {
	Epoch      int      `json:"epoch"`
	Dataset    string   `json:"dataset"`
	TrainLoss  float64  `json:"train_loss"`
	Validation *float64 `json:"validation_loss"` // null where the dataset has no validation side
}

// Prediction is one line of predictions.jsonl, sorted by id. Scores follow the task's classes; for
// multiclass they add up to one, for multilabel each is a probability of its own.
type Prediction struct {
	ID     string    `json:"id"`
	Labels []string  `json:"labels"` // the truth
	Scores []float64 `json:"scores"`
}

// Metrics is metrics.json of one model on one split of one dataset.
type Metrics struct {
	Schema    string         `json:"schema"`
	Dataset   string         `json:"dataset"`
	Split     string         `json:"split"`
	Task      Task           `json:"task"`
	Samples   int            `json:"samples"`
	Counts    map[string]int `json:"counts"`  // class -> samples
	Metrics   []Metric       `json:"metrics"` // in the order asked for
	PerClass  []ClassMetric  `json:"per_class"`
	Bootstrap Bootstrap      `json:"bootstrap"`
}

// Metric is one number with its interval. An undefined one is null and says why; it is never 0 or 0.5. A
// replicate of the bootstrap in which the number is undefined is left out; when most of them are, there is no
// interval.
type Metric struct {
	Name       string   `json:"name"`
	Value      *float64 `json:"value"`
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	Replicates int      `json:"replicates"` // those in which the number is defined
	Undefined  string   `json:"undefined,omitempty"`
}

// ClassMetric is one metric of one class, one-versus-rest.
type ClassMetric struct {
	Class     string   `json:"class"`
	Name      string   `json:"name"`
	Value     *float64 `json:"value"`
	Undefined string   `json:"undefined,omitempty"`
}

// Bootstrap says how the intervals were drawn.
type Bootstrap struct {
	Method     string  `json:"method"` // "percentile"
	Replicates int     `json:"replicates"`
	Level      float64 `json:"level"` // 0.95
	Unit       string  `json:"unit"`  // what is resampled: "subject" or "sample"
}
