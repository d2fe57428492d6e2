package cli

import (
	"context"
	"errors"
	"io"
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

// stdout is the file of a verdict that goes to standard output, and nothing else with it.
const stdout = "-"

// checkAttest refuses two documents on standard output.
func (a *app) checkAttest(file string) error {
	if file == stdout && a.json {
		return &usageError{errors.New("--attest - and --json both write to standard output; give --attest a file")}
	}
	return nil
}

// tell prints a result, beside standard output where the signed verdict goes there.
func (a *app) tell(attest string, v any, text func(io.Writer)) error {
	if attest == stdout {
		text(a.Stderr)
		return nil
	}
	return a.print(v, text)
}

// attest signs a verdict into a file. Its subject is the lock, by the digest of its text, or the artifact.
func (a *app) attest(ctx context.Context, w *workshop, file string, s subject, by *trust.Policy, v verify.Verdict, reruns []verdict.Rerun) error {
	of, name := s.artifact, v.Subject
	if of == "" {
		of = digest.FromBytes(s.lock)
		if l, err := lock.Parse("", s.lock); err == nil {
			name = l.Benchmark
		}
	}
	return a.signVerdict(ctx, w, file, of, verdict.Summary{ResourceURI: name, Policy: verdict.Policy{URI: by.Name}, Result: verdict.Result(v),
		Details: verdict.Details{Benchmark: name, Level: v.Level, Reruns: reruns, Problems: v.Problems}})
}

// attestChallenge signs the outcome of a challenge into a file. It names the verdicts that count, and has no steps of its own, so
// that it can never be counted as a rebuild.
func (a *app) attestChallenge(ctx context.Context, w *workshop, file string, by *trust.Policy, d challengeDocument, problems []verify.Problem) error {
	s := verdict.Summary{ResourceURI: d.Benchmark, Policy: verdict.Policy{URI: by.Name}, Result: verdict.Passed, Inputs: d.inputs,
		Details: verdict.Details{Benchmark: d.Benchmark, Level: verify.Rerun, Problems: problems}}
	if !d.OK {
		s.Result, s.Details.Level = verdict.Failed, verify.None
	}
	return a.signVerdict(ctx, w, file, d.Lock, s)
}

func (a *app) signVerdict(ctx context.Context, w *workshop, file string, of digest.Digest, s verdict.Summary) error {
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
	if file == stdout {
		_, err = a.Stdout.Write(signed)
		return err
	}
	return cas.ReplaceFile(filepath.Dir(file), file, signed)
}
