package host

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/plugins"
)

// RequestSchema names the document that a plugin reads, and its version. The lines of the answer belong to it.
const RequestSchema = "cairn/plugin-request/v1"

// Request is what a plugin reads from its standard input. All paths are absolute.
type Request struct {
	Schema  string          `json:"schema"`
	Kind    catalog.Kind    `json:"kind"`
	Plugin  string          `json:"plugin"` // kind/name@version
	Params  json.RawMessage `json:"params"` // an object with every default
	Seed    string          `json:"seed"`   // decimal, 0 to 2^64-1
	Dataset *action.Dataset `json:"dataset,omitempty"`
	Inputs  []RequestInput  `json:"inputs"`  // sorted by name
	Output  string          `json:"output"`  // an empty folder for what the step gives
	Scratch string          `json:"scratch"` // an empty folder for anything else; TMPDIR is in it
	Workers int             `json:"workers"` // how many threads may work; must not change the bytes
	Source  digest.Digest   `json:"source,omitempty"`
	Partial string          `json:"partial,omitempty"` // of a fetch: a folder that outlives a failed try

	Checkpoints string      `json:"checkpoints,omitempty"` // of a training: where it writes the states that it tells of
	Checkpoint  *SavedState `json:"checkpoint,omitempty"`  // the state to go on from
	Interval    *Every      `json:"interval,omitempty"`    // between two checkpoints

	Fetch *FetchRequest `json:"fetch,omitempty"`
	// Socket leads to the files of the inputs, which then have no path. Only a plugin of this program gets it.
	Socket string `json:"socket,omitempty"`
}

// RequestInput is one artifact that the step reads.
type RequestInput struct {
	Name     string        `json:"name"`
	Artifact digest.Digest `json:"artifact"`
	Path     string        `json:"path,omitempty"` // the folder with its files
}

// SavedState is a checkpoint.
type SavedState struct {
	Step int64  `json:"step"`
	Path string `json:"path"`
}

// Every says how often a training is saved: after so many steps or so many seconds, whichever is first. 0 sets no
// bound.
type Every struct {
	Steps   int64   `json:"steps"`
	Seconds float64 `json:"seconds"`
}

// FetchRequest is what only a fetch is told.
type FetchRequest struct {
	Dir          string  `json:"dir"` // folder of the manifest; relative paths of parameters start here
	Attempts     int     `json:"attempts,omitempty"`
	StallSeconds float64 `json:"stallSeconds,omitempty"`
	Block        int64   `json:"block,omitempty"`
}

// newRequest says what a call says, but for the folders.
func newRequest(spec catalog.Spec, c plugins.Call) Request {
	r := Request{Schema: RequestSchema, Kind: spec.Kind, Plugin: spec.Identity().String(), Params: c.Params, Seed: strconv.FormatUint(c.Seed, 10),
		Dataset: c.Dataset, Inputs: []RequestInput{}, Workers: max(1, c.Workers), Source: c.Source}
	for _, in := range c.Inputs {
		r.Inputs = append(r.Inputs, RequestInput{Name: in.Name, Artifact: in.Artifact})
	}
	if len(r.Params) == 0 {
		r.Params = json.RawMessage("{}")
	}
	switch spec.Kind {
	case catalog.Fetch:
		r.Partial = c.Partial
		r.Fetch = &FetchRequest{Dir: c.Env.Dir, Attempts: c.Env.Retry.Attempts, StallSeconds: c.Env.Retry.Stall.Seconds(), Block: c.Env.Block}
	case catalog.Pretrain:
		i := c.Interval
		if i == (plugins.Interval{}) {
			i = plugins.DefaultInterval
		}
		r.Interval = &Every{Steps: i.Steps, Seconds: i.Time.Seconds()}
	}
	return r
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
