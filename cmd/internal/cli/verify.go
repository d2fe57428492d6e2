package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/lock"
	"github.com/cairn-bench/cairn/manifests/provenance"
	"github.com/cairn-bench/cairn/manifests/verify"
)

func (a *app) verifyCommand() *cobra.Command {
	var level, rerun string
	c := &cobra.Command{
		Use:   "verify LOCK|REF",
		Short: "Check a lock or a benchmark artifact against the store; says how far the proof goes",
		Args:  args(1),
		RunE: func(c *cobra.Command, args []string) error {
			if rerun != "" {
				level = verify.Rerun
			}
			if !slices.Contains([]string{verify.Records, verify.Bytes, verify.Rerun}, level) {
				return &usageError{fmt.Errorf("--level %s: want records, bytes or rerun", level)}
			}
			if level == verify.Rerun && rerun == "" {
				rerun = "all"
			}
			return a.verify(c.Context(), args[0], level, rerun)
		},
	}
	c.Flags().StringVar(&level, "level", verify.Records, "records, bytes or rerun")
	c.Flags().StringVar(&rerun, "rerun", "", "do steps again in a scratch store and compare: all, the name of a step, or sample=N for N of them at random")
	return c
}

func (a *app) verify(ctx context.Context, file, level, rerun string) error {
	w, err := a.open()
	if err != nil {
		return err
	}
	text, v, err := w.verify(ctx, file, level)
	if err != nil {
		return err
	}
	if level == verify.Rerun && v.OK {
		if err := a.rerun(ctx, w, file, text, rerun, &v); err != nil {
			return err
		}
	}
	if err := a.print(v, func(out io.Writer) { printVerdict(out, v) }); err != nil {
		return err
	}
	return verdictError(v)
}

// verify checks a lock file with the benchmark artifact that holds the same lock, or a benchmark artifact by its
// digest or name. It returns the text of the lock.
func (w *workshop) verify(ctx context.Context, name, level string) ([]byte, verify.Verdict, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		ref, refErr := w.ref(ctx, name)
		if refErr != nil {
			return nil, verify.Verdict{}, &usageError{fmt.Errorf("%w, and %w", err, refErr)}
		}
		text, _ := w.lockIn(ctx, ref) // where it cannot be read, the verdict says so
		v, err := verify.Benchmark(ctx, name, ref, evidence{w}, level)
		return text, v, err
	}
	if err != nil {
		return nil, verify.Verdict{}, &usageError{err}
	}
	if ref, ok := w.holder(ctx, text); ok {
		v, err := verify.Benchmark(ctx, name, ref, evidence{w}, level)
		return text, v, err
	}
	v, err := verify.Lock(ctx, name, text, evidence{w}, level)
	return text, v, err
}

// holder finds the benchmark artifact of a lock. One that is damaged counts: it may be the one.
func (w *workshop) holder(ctx context.Context, text []byte) (digest.Digest, bool) {
	l, err := lock.Parse("", text)
	if err != nil {
		return "", false
	}
	ref, err := w.ref(ctx, l.Benchmark)
	if err != nil {
		return "", false
	}
	inside, err := w.lockIn(ctx, ref)
	return ref, err != nil || bytes.Equal(inside, text)
}

// lockIn reads the lock of a benchmark artifact.
func (w *workshop) lockIn(ctx context.Context, ref digest.Digest) ([]byte, error) {
	text, err := cas.ReadAll(ctx, w.layout, ref, maxShown)
	if err != nil {
		return nil, err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(text, &ix); err != nil {
		return nil, fmt.Errorf("%s is not a benchmark artifact: %w", ref, err)
	}
	for _, m := range ix.Manifests {
		if m.Annotations[verify.StepKey] != verify.DocumentsStep || m.ArtifactType == provenance.MediaType {
			continue
		}
		if text, err = cas.ReadAll(ctx, w.layout, m.Digest, maxShown); err != nil {
			return nil, err
		}
		if d, ok := verify.LockOf(text); ok {
			return cas.ReadAll(ctx, w.layout, d, maxShown)
		}
	}
	return nil, fmt.Errorf("%s is not a benchmark artifact", ref)
}

// verdictError chooses the exit code: a difference weighs more than an absence.
func verdictError(v verify.Verdict) error {
	switch {
	case v.OK:
		return nil
	case slices.ContainsFunc(v.Problems, func(p verify.Problem) bool { return !p.Missing() }):
		return exit(exitDiffers, "")
	}
	return exit(exitUnknown, "")
}

func printVerdict(out io.Writer, v verify.Verdict) {
	for _, p := range v.Problems {
		fmt.Fprintf(out, "%s  step %s, %s, %s\n", p.Code, orNone(p.Step), orNone(p.Path), orNone(p.Digest.String()))
		if p.Want != "" || p.Got != "" {
			fmt.Fprintf(out, "    want %s\n    got  %s\n", orNone(p.Want), orNone(p.Got))
		}
	}
	word := "verified"
	if !v.OK {
		word = "NOT verified"
	}
	fmt.Fprintf(out, "%s: %s, level %s (%d records, %d blobs, %d bytes, %d steps done again, %d problems)\n",
		v.Subject, word, v.Level, v.Checked.Records, v.Checked.Blobs, v.Checked.Bytes, v.Checked.Reruns, len(v.Problems))
}

// evidence is the store of a home without its own checks: the verifier makes them.
type evidence struct{ w *workshop }

func (e evidence) Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	return e.w.layout.OpenRaw(ctx, d)
}

func (e evidence) Record(_ context.Context, id digest.Digest) (digest.Digest, error) {
	entry, err := e.w.cache.Peek(action.ID(id))
	return entry.Record, err
}
