package cli

import (
	"context"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/envelope"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/trust"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/manifests/verify"
)

// attest signs a verdict into a file. Its subject is the lock, by the digest of its text, or the artifact.
func (w *workshop) attest(ctx context.Context, file string, s subject, by *trust.Policy, v verify.Verdict, reruns []verdict.Rerun) error {
	of, name := s.artifact, v.Subject
	if of == "" {
		of = digest.FromBytes(s.lock)
		if l, err := lock.Parse("", s.lock); err == nil {
			name = l.Benchmark
		}
	}
	return w.signVerdict(ctx, file, of, verdict.Summary{ResourceURI: name, Policy: verdict.Policy{URI: by.Name}, Result: verdict.Result(v),
		Details: verdict.Details{Benchmark: name, Level: v.Level, Reruns: reruns, Problems: v.Problems}})
}

// attestChallenge signs the outcome of a challenge into a file. It names the verdicts that count, and has no steps of its own, so
// that it can never be counted as a rebuild.
func (w *workshop) attestChallenge(ctx context.Context, file string, by *trust.Policy, d challengeDocument, problems []verify.Problem) error {
	s := verdict.Summary{ResourceURI: d.Benchmark, Policy: verdict.Policy{URI: by.Name}, Result: verdict.Passed, Inputs: d.inputs,
		Details: verdict.Details{Benchmark: d.Benchmark, Level: verify.Rerun, Problems: problems}}
	if !d.OK {
		s.Result, s.Details.Level = verdict.Failed, verify.None
	}
	return w.signVerdict(ctx, file, d.Lock, s)
}

func (w *workshop) signVerdict(ctx context.Context, file string, of digest.Digest, s verdict.Summary) error {
	b := builder()
	s.Verifier, s.TimeVerified = verdict.Verifier{ID: b.ID, Version: b.Version}, time.Now()
	text, err := verdict.New(s.ResourceURI, of, s)
	if err != nil {
		return err
	}
	signed, err := envelope.Sign(ctx, provenance.MediaType, text, w.key)
	if err != nil {
		return err
	}
	return cas.ReplaceFile(filepath.Dir(file), file, signed)
}
