// Package verify checks a lock against a store, and says how far the check went.
//
// Level "records" proves the chain: every action is the one its plan and inputs give, every record says what
// the lock says, every number is the one in its evaluation. Level "bytes" also reads every blob that the
// artifacts and records name, hashes it, and compares the files of a dataset with its SHA256SUMS. Level
// "rerun", doing steps again, needs plugins and is the caller's; here it is "bytes".
//
// Records are not signed: who rewrites a result and everything that was made of it, up to the lock, makes
// another benchmark that verifies. That is found by comparing the lock's digest with a published one, and by
// doing steps again.
//
// It needs no network, no engine and no plugin. A level is never rounded up: a blob that is not there is
// reported, not passed over.
package verify

import (
	"context"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/lock"
)

// Levels of proof, weakest first.
const (
	Records = "records"
	Bytes   = "bytes"
	Rerun   = "rerun"
)

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
	FilesDiffer   = "files-differ" // an artifact contradicts itself: SHA256SUMS, or the root, and the files
	Malformed     = "malformed"
	RerunDiffers  = "rerun-differs"
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
	Records int   `json:"records"`
	Blobs   int   `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	Reruns  int   `json:"reruns"`
}

// Verdict is the outcome.
type Verdict struct {
	Schema   string    `json:"schema"`
	Subject  string    `json:"subject"`
	Level    string    `json:"level"`
	OK       bool      `json:"ok"`
	Checked  Checked   `json:"checked"`
	Problems []Problem `json:"problems"`
}

// Store gives raw blobs to several goroutines. Open need not check them; this package does.
type Store interface {
	// Open returns an error that wraps fs.ErrNotExist for a blob that is not there.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
	// Record names the record of an action, "" if none is known. Its word is not trusted.
	Record(ctx context.Context, action digest.Digest) (digest.Digest, error)
}

// Graveyard is a Store that knows tombstones. A tombstone explains why the blobs that it lists are not there, and
// that is all it can do.
type Graveyard interface {
	Store
	// Tombstone names the tombstone of an artifact, "" if none is known. Its word is not trusted.
	Tombstone(ctx context.Context, artifact digest.Digest) (digest.Digest, error)
}

// Lock verifies the text of a lock. An error means that the check itself could not be done.
func Lock(ctx context.Context, file string, text []byte, s Store, level string) (Verdict, error) {
	v := newVerifier(ctx, file, s, level)
	l, err := lock.Parse(file, text)
	if errors.Is(err, lock.ErrTampered) {
		v.problem(Problem{Code: LockEdited, Path: file, Got: err.Error(), Want: "the text that cairn wrote"})
	} else if err != nil {
		v.problem(Problem{Code: LockEdited, Path: file, Got: err.Error()})
		return v.verdict(), ctx.Err()
	}
	v.lock(l)
	return v.verdict(), ctx.Err()
}

// verifier first follows the chain and collects the parts that it names; for level bytes it then reads them.
type verifier struct {
	ctx   context.Context // of the one call
	store Store
	bytes bool
	limit int64  // of what is held in memory at once
	step  string // that is looked at
	parts []part // what level bytes reads

	graves   map[digest.Digest]grave // by artifact
	seen     map[digest.Digest]int64 // blobs that were read and hashed, with their sizes
	reported map[Problem]bool
	reading  bool // the chain has been followed, the parts are read
	broken   bool // level records does not hold
	out      Verdict
}

// newVerifier takes every level but records for one that reads the parts.
func newVerifier(ctx context.Context, subject string, s Store, level string) *verifier {
	return &verifier{ctx: ctx, store: s, bytes: level != Records, limit: maxDocument, seen: map[digest.Digest]int64{}, graves: map[digest.Digest]grave{}, reported: map[Problem]bool{},
		out: Verdict{Schema: "cairn/verify/v1", Subject: subject, Level: "none", Problems: []Problem{}}}
}

// verdict reads the parts and says which level holds: what is altered proves nothing, and where a part is
// missing the chain may hold nevertheless.
func (v *verifier) verdict() Verdict {
	if v.bytes {
		v.readParts()
	}
	v.out.OK = len(v.out.Problems) == 0 && v.ctx.Err() == nil
	switch {
	case v.broken || v.ctx.Err() != nil:
		v.out.Level = "none"
	case v.bytes && v.out.OK:
		v.out.Level = Bytes
	default:
		v.out.Level = Records
	}
	return v.out
}

// problem keeps a problem, once.
func (v *verifier) problem(p Problem) {
	if p.Step == "" {
		p.Step = v.step
	}
	v.broken = v.broken || !v.reading || !p.Missing()
	if !v.reported[p] {
		v.reported[p] = true
		v.out.Problems = append(v.out.Problems, p)
	}
}

func (v *verifier) lock(l *lock.Lock) {
	pl := v.plan(l)
	artifacts := map[string]digest.Digest{}
	for _, s := range l.Steps {
		artifacts[s.Name] = s.Artifact
	}
	for _, s := range l.Steps {
		v.step = s.Name
		v.action(pl, s, artifacts)
		v.artifact(s.Artifact)
		v.record(s)
	}
	v.step = ""
	if pl != nil {
		v.results(pl, l, artifacts)
	}
}
