package verify

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/proof"
)

// Levels of a proof of one file.
const (
	Membership = "membership" // the artifact has a file of that path, size and digest; nobody has looked at its bytes
	OneFile    = "file"       // and the bytes at hand are that file
)

// ProofScope says that nothing but one file of one artifact is spoken of.
const ProofScope = "proof"

// ProofDiffers is the code of a proof that proves something else, or nothing.
const ProofDiffers = "proof-differs"

// Proven is what a proof is about.
type Proven struct {
	Artifact digest.Digest `json:"artifact"`
	Path     string        `json:"path"`
	Size     int64         `json:"size"`
	Digest   digest.Digest `json:"digest"`
	Step     string        `json:"step,omitempty"` // that gave the artifact, as a lock says
}

// Proof verifies a proof of one file. file, if not nil, gives the bytes that should be the file. l, if not nil, is a
// lock that should name the artifact.
func Proof(ctx context.Context, subject string, p proof.Proof, file io.Reader, l *lock.Lock) (Verdict, error) {
	v := newVerifier(ctx, subject, nil, Records)
	v.out.Scope = ProofScope
	v.out.Proof = &Proven{Artifact: p.Artifact, Path: p.Path, Size: p.Size, Digest: p.Digest}
	if err := p.Check(ctx); err != nil {
		v.problem(Problem{Code: ProofDiffers, Path: p.Path, Digest: p.Artifact, Want: "a proof that leads from the file to the artifact", Got: err.Error()})
	}
	v.out.Checked.Hashes = len(p.Hashes)
	level := Membership
	if file != nil {
		level = OneFile
		v.isFile(p, file)
	}
	if l != nil {
		v.inLock(p, l)
	}
	if v.out.OK = len(v.out.Problems) == 0 && ctx.Err() == nil; v.out.OK {
		v.out.Level = level
	}
	return v.out, ctx.Err()
}

// isFile compares bytes with the file of a proof. Of a file that is too long no more is read than tells it.
func (v *verifier) isFile(p proof.Proof, file io.Reader) {
	h := &hasher{ctx: v.ctx, Hash: sha256.New()}
	_, err := io.CopyBuffer(h, struct{ io.Reader }{io.LimitReader(file, p.Size+1)}, make([]byte, bufferSize))
	got := digest.NewDigest(digest.SHA256, h)
	v.out.Checked.Bytes = h.n
	switch {
	case err != nil:
		v.problem(Problem{Code: FilesDiffer, Path: p.Path, Digest: p.Artifact, Want: p.Digest.String(), Got: err.Error()})
	case h.n > p.Size:
		v.problem(Problem{Code: FilesDiffer, Path: p.Path, Digest: p.Artifact, Want: fmt.Sprintf("%d bytes", p.Size), Got: "more"})
	case h.n != p.Size || got != p.Digest:
		v.problem(Problem{Code: FilesDiffer, Path: p.Path, Digest: p.Artifact,
			Want: fmt.Sprintf("%s of %d bytes", p.Digest, p.Size), Got: fmt.Sprintf("%s of %d bytes", got, h.n)})
	}
}

func (v *verifier) inLock(p proof.Proof, l *lock.Lock) {
	for _, s := range l.Steps {
		if s.Artifact == p.Artifact {
			v.out.Proof.Step = s.Name
			return
		}
	}
	v.problem(Problem{Code: ProofDiffers, Path: LockFile, Digest: p.Artifact, Want: "an artifact that the lock names", Got: "the lock of " + l.Benchmark + " names others"})
}
