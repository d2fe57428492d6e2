// Package verify checks a lock, a benchmark artifact or one artifact against a store, and says how far the check went.
//
// Each level holds what the one before it says, and more:
//
//	records    the chain: every action is the one its plan and inputs give, every record says what the lock says,
//	           every number is the one in its evaluation
//	unchanged  every blob that the artifacts and records name is there; each was read and hashed now, or is to all
//	           appearances (Memory) the one that was read and hashed by an earlier verification
//	bytes      every blob was read and hashed now, each byte once: what is here is what the records name
//	files      every dataset agrees with itself: every file is the one that SHA256SUMS, its index and the root say, and
//	           there is nothing beside them
//	rerun      steps that were done again gave the same, or came as close as the bounds in the lock want; that needs
//	           plugins and is the caller's, here it is bytes
//
// Of an artifact alone nobody says who made it. So "records" is "manifest" there, and the verdict has the scope
// "artifact".
//
// Beside the level stands who vouches (Signed): a level says what the bytes and records are, a signature says who has
// said so, and neither makes up for the other. Whose signature counts is said by the caller's policy (package trust).
// Who rewrites a result and everything that was made of it, up to the lock, makes another benchmark that verifies at
// every level; but he cannot sign it with another's key.
//
// Where the data are not here, the chain is proven from the records: they hold the actions, and those of evaluations the
// numbers. What was not seen is listed step by step.
//
// It needs no network, no engine and no plugin. A level is never rounded up: a blob that is not there is
// reported, not passed over.
package verify

import (
	"bytes"
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/ledger"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
)

// Levels of proof of a chain, weakest first.
const (
	None      = "none"
	Records   = "records"
	Unchanged = "unchanged"
	Bytes     = "bytes"
	Files     = "files"
	Rerun     = "rerun"
)

// Manifest is the weakest level of an artifact alone.
const Manifest = "manifest"

// ArtifactScope says that nothing was followed from the artifact to what made it.
const ArtifactScope = "artifact"

// Problem codes. Codes that end in "missing" or "deleted" mean that something cannot be checked with what is here;
// every other code means that something is not what it should be.
const (
	BlobMissing   = "blob-missing"
	BlobDeleted   = "blob-deleted" // on purpose, as a tombstone says
	BlobAltered   = "blob-altered"
	LockEdited    = "lock-edited"
	ActionDiffers = "action-differs"
	PlanDiffers   = "plan-differs"
	RecordMissing = "record-missing"
	RecordDiffers = "record-differs"
	ResultDiffers = "result-differs"
	FilesDiffer   = "files-differ" // a dataset contradicts itself: its root, SHA256SUMS, the index and the files
	Malformed     = "malformed"
	RerunDiffers  = "rerun-differs"

	RecordUnsigned  = "record-unsigned"  // nobody has signed, and the policy wants it
	RecordUntrusted = "record-untrusted" // not enough of those whom the policy lets vouch have signed
	SignatureWrong  = "signature-wrong"  // a signature that names a key of the policy is not of it

	LedgerNone      = "ledger-none"      // the policy wants records to be proven in a ledger, and there is no proof that counts
	LedgerDiffers   = "ledger-differs"   // the proof is not one, or leaves records out
	LedgerRewritten = "ledger-rewritten" // the ledger is not the one that it was

	ClaimChanged    = "claim-changed"    // a bound of a published number is not the one that was fixed
	BoundsChanged   = "bounds-changed"   // how close a second computation has to come is not what the plan says
	CommitmentWrong = "commitment-wrong" // what is said to have been claimed is not a commitment of the benchmark
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Code   string        `json:"code"`
	Step   string        `json:"step,omitempty"`
	Path   string        `json:"path,omitempty"`
	Digest digest.Digest `json:"digest,omitempty"`
	Want   string        `json:"want,omitempty"`
	Got    string        `json:"got,omitempty"`
}

// Missing says whether the problem is an absence rather than a difference.
func (p Problem) Missing() bool {
	return p.Code == BlobMissing || p.Code == BlobDeleted || p.Code == RecordMissing
}

// Checked counts what was looked at.
type Checked struct {
	Records int      `json:"records"`
	Blobs   int      `json:"blobs"`
	Bytes   int64    `json:"bytes"`
	Files   int      `json:"files,omitempty"`  // of datasets, one by one
	Hashes  int      `json:"hashes,omitempty"` // that lead from files to roots
	Reruns  int      `json:"reruns"`
	Within  int      `json:"within,omitempty"` // of the reruns, those that gave other bytes, as close as the lock's bounds want
	Skipped *Skipped `json:"skipped,omitempty"`
}

// Skipped counts what was not read again.
type Skipped struct {
	Blobs int       `json:"blobs"`
	Bytes int64     `json:"bytes"`
	Since time.Time `json:"since"` // when the first of them was read
}

// Verdict is the outcome.
type Verdict struct {
	Schema   string    `json:"schema"`
	Subject  string    `json:"subject"`
	Scope    string    `json:"scope,omitempty"` // "" is the chain
	Level    string    `json:"level"`
	OK       bool      `json:"ok"`
	Signed   *Signed   `json:"signed,omitempty"` // of a chain
	Ledger   *Ledger   `json:"ledger,omitempty"` // of a benchmark that has a proof of it
	Steps    []Step    `json:"steps,omitempty"`  // of a chain, in the order of the lock
	Claims   []Claim   `json:"claims,omitempty"` // of a chain, in the order of the lock
	Bounds   []Bounds  `json:"bounds,omitempty"` // of a chain, of the steps that have some, in the order of the lock
	Checked  Checked   `json:"checked"`
	Sample   *Sample   `json:"sample,omitempty"`
	Proof    *Proven   `json:"proof,omitempty"`
	Problems []Problem `json:"problems"`
}

// Store gives raw blobs to several goroutines. What it gives need not be checked: this package does that. The error
// for a blob that is not there wraps fs.ErrNotExist. A blob that Open gives as an io.WriterTo is read by that.
type Store interface {
	artifact.Source
	// Records names the records of an action that gave an artifact, several where several have vouched for it, or else one
	// of the action. There are none if none is known. Its word is not trusted.
	Records(ctx context.Context, action, artifact digest.Digest) ([]digest.Digest, error)
}

// Graveyard is a Store that knows tombstones. A tombstone explains why the blobs that it lists are not there, and
// that is all it can do.
type Graveyard interface {
	Store
	// Tombstone names the tombstone of an artifact, "" if none is known. Its word is not trusted.
	Tombstone(ctx context.Context, artifact digest.Digest) (digest.Digest, error)
}

// Memory is what a Store has in addition that remembers which blobs were read and found right. It is used by one
// goroutine.
type Memory interface {
	// Unchanged says since when a blob has, for all that can be told without reading it, the bytes that were read
	// then. The zero time says that it has to be read.
	Unchanged(d digest.Digest) (since time.Time)
	// Right is told of a blob that was opened, read to its end and found right.
	Right(d digest.Digest)
}

// Lock verifies the text of a lock. An error means that the check itself could not be done.
func Lock(ctx context.Context, file string, text []byte, s Store, by *trust.Policy, level string) (Verdict, error) {
	v := newVerifier(ctx, file, s, level)
	if err := v.trusts(by); err != nil {
		return Verdict{}, err
	}
	l := v.parse(file, text, "")
	if l == nil {
		return v.verdict(), ctx.Err()
	}
	v.lock(l)
	v.noLedger("a lock has none; that of its benchmark artifact does")
	return v.verdict(), ctx.Err()
}

// Artifact verifies one artifact for itself, as one does who has nothing but its digest.
func Artifact(ctx context.Context, subject string, ref digest.Digest, s Store, level string) (Verdict, error) {
	v := newVerifier(ctx, subject, s, level)
	v.out.Scope = ArtifactScope
	v.artifact(ref)
	return v.verdict(), ctx.Err()
}

// verifier first follows the chain and collects the parts that it names; then it reads them, as far as the level
// asks for it.
type verifier struct {
	ctx   context.Context // of the one call
	store Store
	level string       // that is asked for
	limit int64        // of what is held in memory at once
	step  string       // that is looked at
	parts []part       // what is read after the chain
	text  bytes.Buffer // the document that was read last

	policy  *trust.Policy
	steps   map[string]*Step                 // of the chain, by name
	order   []string                         // of the steps
	numbers map[string]provenance.Evaluation // by step, as their records have them
	proof   digest.Digest                    // of the ledger that the record of the documents names
	view    *ledger.View                     // what the proof shows, nil if it does not count here

	commitments []digest.Digest // that the record of the documents names
	planned     *plan.Plan      // nil if it cannot be read
	lenient     bool            // what is not there now does not break the chain

	graves   map[digest.Digest]grave   // by artifact
	found    map[digest.Digest]finding // what the blobs of the parts turned out to be
	followed map[digest.Digest]bool    // manifests that the chain led to
	bundles  map[digest.Digest]bool    // records that are Sigstore bundles
	seen     map[digest.Digest]int64   // blobs that were read and hashed, with their sizes
	reported map[Problem]bool
	reading  bool // the chain has been followed, the parts are read
	broken   bool // level records does not hold
	out      Verdict
}

func newVerifier(ctx context.Context, subject string, s Store, level string) *verifier {
	return &verifier{ctx: ctx, store: s, level: level, limit: maxDocument, seen: map[digest.Digest]int64{}, followed: map[digest.Digest]bool{}, bundles: map[digest.Digest]bool{}, graves: map[digest.Digest]grave{}, reported: map[Problem]bool{},
		steps: map[string]*Step{}, numbers: map[string]provenance.Evaluation{},
		out: Verdict{Schema: "cairn/verify/v1", Subject: subject, Level: None, Problems: []Problem{}}}
}

// verdict reads the parts and says which level holds: what is altered proves nothing, and where a part is
// missing the chain may hold nevertheless.
func (v *verifier) verdict() Verdict {
	if v.level != Records {
		v.readParts()
	}
	v.out.OK = len(v.out.Problems) == 0 && v.ctx.Err() == nil
	v.out.Level = v.reached()
	v.conclude()
	return v.out
}

func (v *verifier) reached() string {
	switch {
	case v.broken || v.ctx.Err() != nil:
		return None
	case v.level == Records || !v.out.OK:
		if v.out.Scope == ArtifactScope {
			return Manifest
		}
		return Records
	case v.out.Checked.Skipped != nil:
		return Unchanged
	case v.level == Files:
		return Files
	}
	return Bytes
}

// problem keeps a problem, once.
func (v *verifier) problem(p Problem) {
	if p.Step == "" {
		p.Step = v.step
	}
	breaks := !v.reading && !v.lenient || !p.Missing()
	v.broken = v.broken || breaks
	if step := v.steps[p.Step]; step != nil && breaks {
		step.Level = None
	} else if step != nil {
		step.unseen(p.Path)
	}
	v.keep(p)
}

// keep keeps a problem that has been weighed.
func (v *verifier) keep(p Problem) {
	if !v.reported[p] {
		v.reported[p] = true
		v.out.Problems = append(v.out.Problems, p)
	}
}

// parse reads a lock, also one that was edited and can be read: what it claims can be checked all the same. Else it is nil.
func (v *verifier) parse(file string, text []byte, from digest.Digest) *lock.Lock {
	l, err := lock.Parse(file, text)
	if err != nil {
		p := Problem{Code: LockEdited, Path: file, Digest: from, Got: err.Error()}
		if l != nil {
			p.Want = "the text that cairn wrote"
		}
		v.problem(p)
	}
	return l
}

func (v *verifier) lock(l *lock.Lock) {
	pl := v.plan(l)
	v.planned = pl
	artifacts := map[string]digest.Digest{}
	for _, s := range l.Steps {
		artifacts[s.Name] = s.Artifact
	}
	v.follow(pl, l.Steps, artifacts)
	if pl != nil {
		v.results(pl, l, artifacts)
	}
}
