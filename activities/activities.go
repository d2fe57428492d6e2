// Package activities is the contract between workflows and the world: the name, the request, the response
// and the retry class of every activity. It is the whole list of what can touch anything outside a workflow.
//
// Requests and responses hold digests and small structs; they stay in Temporal's history. Bytes go through
// the store.
package activities

import (
	"fmt"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
)

// Names of the activities.
const (
	Prepare = "cairn.Prepare"
	Execute = "cairn.Execute"
	Many    = "cairn.ExecuteMany"
	Compare = "cairn.Compare"
	Publish = "cairn.Publish"
	Await   = "cairn.Await"
	DoAgain = "cairn.Again"
)

// ControlQueue is the task queue of the workers over one store that have one version of the workflow code, where
// workflows and the light activities run. Workers over different stores never share a queue: they could not read
// each other's blobs. Nor do workers of different versions: they would take each other's runs for broken.
func ControlQueue(store string, version int) string {
	return Queues(store) + strconv.Itoa(version)
}

// Queues is how the names of the control queues of one store begin, whatever the version.
func Queues(store string) string { return "cairn-" + store + "-v" }

// StepQueue is the task queue of steps that ask for io, cpu or gpu, beside a control queue.
func StepQueue(control, resource string) string { return control + "-" + resource }

// PrepareRequest asks for the plan of a manifest and for what of it is still to be done.
type PrepareRequest struct {
	Manifest digest.Digest // the manifest's text, as a blob in the store
	Dir      string        // where the manifest's relative paths start; never part of an identity
	Only     []string      `json:",omitempty"` // steps wanted, with all they need; empty means all
	Plan     digest.Digest `json:",omitempty"` // the plan, if it was made before
	From     int           `json:",omitempty"` // position in the plan; what stands before it had its try
	Pins
	Updated []string `json:",omitempty"` // those of Update that were asked for and had what they gave accepted, before From
}

// Pins say what a fetch may give. A pin holds where the lock has the same action for the step; a manifest that was
// edited asks for something else.
type Pins struct {
	Lock   digest.Digest `json:",omitempty"` // the lock's text, as a blob in the store; "" pins nothing
	Update []string      `json:",omitempty"` // datasets that are asked for again, and that the lock does not pin
}

// Documents are the blobs that a request names and that have to stay while the run may want them.
func (r PrepareRequest) Documents() []digest.Digest {
	if r.Lock == "" {
		return []digest.Digest{r.Manifest}
	}
	return []digest.Digest{r.Manifest, r.Lock}
}

// Prepared is the plan and the next part of it that has no result yet. A part is bounded, so that neither this
// message nor the history of the workflow that does the part grows with the plan.
type Prepared struct {
	Plan   digest.Digest
	Cached int    // wanted steps whose results were found
	Todo   []Node // in the order of the plan
	Next   int    // position in the plan of the first step after Todo
	Later  int    `json:",omitempty"` // wanted steps without a result from Next on
	Whole  bool   `json:",omitempty"` // not all steps are wanted, and those that are not have their results
	// Published is set where there was nothing to do.
	Published *Published `json:",omitempty"`
	// Compare is set where the manifest does not want its datasets to have samples in common, and datasets are wanted: the
	// run asks before it begins what is Held, and where nothing is, at its end.
	Compare bool `json:",omitempty"`
}

// Node is one step to do.
type Node struct {
	Step    string
	Queue   string
	After   []int   `json:",omitempty"` // positions in Todo of the steps it needs
	Inputs  []Bound `json:",omitempty"` // artifacts of needed steps that were found in the cache
	Blocked string  `json:",omitempty"` // a step before From that it needs and that has no result
	// Group is of steps that may share one activity, as long as they turn out to be small. Empty is for a step that is
	// always done alone.
	Group string `json:",omitempty"`
	Held  bool   `json:",omitempty"` // it uses what steps without this mark make, and waits until that has been compared
	Wanted
}

// Wanted is what is known beforehand of the result of a fetch.
type Wanted struct {
	// Pinned is the artifact that the lock has for the step; another one is an error of type Differs. Empty
	// means that the step may give anything.
	Pinned digest.Digest `json:",omitempty"`
	// Was is set where Pinned is what the lock has for another action, to compare with: the manifest was edited.
	Was action.ID `json:",omitempty"`
	// Fresh asks again, although there may be a result, and accepts another than Pinned. It is set to the lock, or to
	// NoLock: what was accepted before and never came into that lock is not asked for once more.
	Fresh digest.Digest `json:",omitempty"`
}

// NoLock is the lock that is not there.
const NoLock digest.Digest = "none"

// Holds is the artifact that the step has to give, "" if it may give any.
func (w Wanted) Holds() digest.Digest {
	if w.Was != "" || w.Fresh != "" {
		return ""
	}
	return w.Pinned
}

// Accepted says whether an artifact that was accepted against some lock answers a request to ask again.
func (w Wanted) Accepted(artifact, against digest.Digest) bool {
	return against == w.Fresh && (w.Was != "" || artifact != w.Pinned)
}

// Bound is the artifact of a step.
type Bound struct {
	Step     string
	Artifact digest.Digest
}

// ExecuteRequest asks for one step to be done.
type ExecuteRequest struct {
	Plan   digest.Digest `json:",omitempty"` // in a ManyRequest it stands there
	Step   string
	Dir    string  `json:",omitempty"` // as Plan
	Inputs []Bound `json:",omitempty"`
	// Offline refuses a step that needs the network.
	Offline bool `json:",omitempty"`
	Wanted
}

// ManyRequest asks for steps that are taken for small, with what they have in common said once.
type ManyRequest struct {
	Plan    digest.Digest
	Dir     string
	Offline bool `json:",omitempty"`
	Steps   []ExecuteRequest
}

// Summary names the steps in a few words.
func (r ManyRequest) Summary() string {
	if len(r.Steps) == 0 {
		return "no steps"
	}
	return fmt.Sprintf("%d steps, %s to %s", len(r.Steps), r.Steps[0].Step, r.Steps[len(r.Steps)-1].Step)
}

// ManyResult is what came of it. A step that was begun and is not here is to be done alone.
type ManyResult struct {
	Done []Result
	Left int `json:",omitempty"` // steps at the end of the request that there was no time to begin
}

// Result is what a step gave. The record of it is found through the action cache.
type Result struct {
	Step     string
	Action   action.ID     `json:",omitempty"`
	Artifact digest.Digest `json:",omitempty"`
	Cached   bool          `json:",omitempty"` // another run had done it by the time this one came to it
	Seconds  float64       `json:",omitempty"`
}

// CompareRequest asks whether the datasets that are there have samples in common that the manifest does not want.
type CompareRequest struct {
	Plan     digest.Digest
	Manifest digest.Digest
	Only     []string `json:",omitempty"` // as in the PrepareRequest: what only other datasets have in common is no matter
	Pins
	Shared digest.Digest `json:",omitempty"` // what was found earlier
}

// Compared is what was found, if it is nothing that the manifest forbids.
type Compared struct {
	Shared digest.Digest // what datasets have in common, and of which artifacts that is so, as a blob
}

// PublishRequest asks for the lock and the benchmark artifact of what is there.
type PublishRequest struct {
	Plan     digest.Digest
	Manifest digest.Digest
	Pins
	Shared digest.Digest `json:",omitempty"` // as in Compared, so that it is not worked out twice; it decides nothing
}

// Published names what a finished run leaves.
type Published struct {
	Lock      digest.Digest // the text of benchmark.lock, as a blob
	Report    digest.Digest // report.json, as a blob
	Benchmark digest.Digest // the OCI index over all artifacts and records
}

// Missing is one thing that stands between a worker and what a step fetches. It holds names, never values.
type Missing struct {
	What  string `json:"what"`            // "terms MIMIC-DUA-1.5.0", "credentials KAGGLE_USERNAME and KAGGLE_KEY"
	Do    string `json:"do,omitempty"`    // what a person does about it
	Page  string `json:"page,omitempty"`  // where
	Terms string `json:"terms,omitempty"` // the ID that `cairn approve` takes, if it is terms that nobody has accepted
}

// AwaitRequest asks to hear when a step that was blocked may be tried again: when nothing is missing any more or, if it
// was the publisher who refused, when the credentials are others or after a time that grows with the tries.
type AwaitRequest struct {
	Plan    digest.Digest
	Step    string
	Dir     string
	Missing []Missing `json:",omitempty"` // when it was blocked; none if the publisher refused
	Tries   int       // how often it was blocked before
}

// AgainRequest asks for a step of a lock to be done again, apart from all that is kept, and to be judged. The answer is a
// verdict.Rerun.
type AgainRequest struct {
	Plan     digest.Digest
	Dir      string // as in the PrepareRequest
	Step     string
	Action   digest.Digest // of the lock
	Artifact digest.Digest // of the lock
	Named    bool          `json:",omitempty"` // it is asked for by its name, and so done also where it cannot be judged
}
