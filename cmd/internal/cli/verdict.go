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
	b := builder()
	text, err := verdict.New(name, of, verdict.Summary{
		Verifier: verdict.Verifier{ID: b.ID, Version: b.Version}, TimeVerified: time.Now(), ResourceURI: name,
		Policy: verdict.Policy{URI: by.Name}, Result: verdict.Result(v),
		Details: verdict.Details{Benchmark: name, Level: v.Level, Reruns: reruns, Problems: v.Problems}})
	if err != nil {
		return err
	}
	signed, err := envelope.Sign(ctx, provenance.MediaType, text, w.key)
	if err != nil {
		return err
	}
	return cas.ReplaceFile(filepath.Dir(file), file, signed)
}
