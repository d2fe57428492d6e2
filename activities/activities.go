// Package activities is the contract between workflows and the world: the name, the request, the response
// and the retry class of every activity. It is the whole list of what can touch anything outside a workflow.
//
// Requests and responses hold digests and small structs; they stay in Temporal's history. Bytes go through
// the store.
package activities

import (
	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/action"
)

// Names of the activities.
const (
	Prepare = "cairn.Prepare"
	Execute = "cairn.Execute"
	Publish = "cairn.Publish"
)

// Task queues. Workflows and the light activities run on Control; steps run on the queue their plugin names.
const (
	ControlQueue = "cairn"
	queuePrefix  = "cairn-"
)

// StepQueue is the task queue of steps that ask for io, cpu or gpu.
func StepQueue(resource string) string { return queuePrefix + resource }

// Error types, the one place where it is decided what is worth another try. An error of any other type is
// taken for a passing fault of the world and tried again.
const (
	Invalid  = "Invalid"  // the manifest or its parameters; never retried
	Failed   = "Failed"   // the plugin failed on its input, and would again; never retried
	Differs  = "Differs"  // the result is not what the lock says; never retried
	TooLarge = "TooLarge" // a result does not fit into a history; never retried
)

// NotRetried lists the error types that no other try can help.
func NotRetried() []string { return []string{Invalid, Failed, Differs, TooLarge} }

// PrepareRequest asks for the plan of a manifest and for what of it is still to be done.
type PrepareRequest struct {
	Manifest digest.Digest // the manifest's text, as a blob in the store
	Dir      string        // where the manifest's relative paths start; never part of an identity
	Only     []string      // steps wanted, with all they need; empty means all
}

// Prepared is the plan and the part of it that has no result yet.
type Prepared struct {
	Plan   digest.Digest
	Cached int    // steps whose results were found
	Todo   []Node // in the order of the plan
}

// Node is one step to do.
type Node struct {
	Step   string
	Queue  string
	After  []int   // positions in Todo of the steps it needs
	Inputs []Bound // artifacts of needed steps that were found in the cache
}

// Bound is the artifact of a step.
type Bound struct {
	Step     string
	Artifact digest.Digest
}

// ExecuteRequest asks for one step to be done.
type ExecuteRequest struct {
	Plan   digest.Digest
	Step   string
	Dir    string
	Inputs []Bound
}

// Result is what a step gave.
type Result struct {
	Step     string
	Action   action.ID
	Artifact digest.Digest
	Record   digest.Digest
	Cached   bool // another run had done it by the time this one came to it
	Seconds  float64
}

// PublishRequest asks for the lock and the benchmark artifact of what is there.
type PublishRequest struct {
	Plan     digest.Digest
	Manifest digest.Digest
}

// Published names what a finished run leaves.
type Published struct {
	Lock      digest.Digest // the text of benchmark.lock, as a blob
	Benchmark digest.Digest // the OCI index over all artifacts and records
}
