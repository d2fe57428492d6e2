package rerun

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/cairn-bench/cairn/activities/cas"
	"github.com/cairn-bench/cairn/activities/resolve"
	"github.com/cairn-bench/cairn/activities/sandbox"
	"github.com/cairn-bench/cairn/manifests/action"
	"github.com/cairn-bench/cairn/manifests/artifact"
	"github.com/cairn-bench/cairn/manifests/catalog"
	"github.com/cairn-bench/cairn/manifests/plan"
	"github.com/cairn-bench/cairn/manifests/tolerance"
	"github.com/cairn-bench/cairn/manifests/verdict"
	"github.com/cairn-bench/cairn/plugins"
)

// promise is what the plugin of a step promises of a second computation, and what the lock has to judge it by.
type promise struct {
	class  catalog.Determinism
	reason string // why it is not exact
	bounds tolerance.Bounds
	action action.Action
}

// promiseOf is that of the plugin itself, where it is here: a plan could have been written with a weaker one.
func promiseOf(set plugins.Set, s plan.Step, a action.Action) promise {
	out := promise{class: s.Determinism, bounds: s.Rerun, action: a}
	if p, err := set.Find(catalog.Kind(a.Plugin.Kind), a.Plugin.Name); err == nil {
		out.class, out.reason = p.Spec().Determinism, p.Spec().Reason
	}
	return out
}

// elsewhere says whether the promise is about another platform than this.
func (p promise) elsewhere() bool {
	return p.class == catalog.Platform && p.action.Platform != "" && p.action.Platform != resolve.Platform()
}

// idle is why it would be idle to do the step again: nothing is promised by which it could be judged. It is "" if it would not.
func (p promise) idle() string {
	switch {
	case p.class == catalog.None:
		return p.reason
	case p.class == catalog.Tolerance && p.bounds.None():
		return noBounds + " (" + p.reason + ")"
	case p.elsewhere():
		return fmt.Sprintf("it was done on %s, this is %s, and the same bytes are promised on the same platform only", p.action.Platform, resolve.Platform())
	}
	return ""
}

const noBounds = "the lock has no bounds by which to judge it: the manifest has to say rerun: {compare: ...} before the run"

// pair is an artifact of a lock and the one that its step gave now, each in its store.
type pair struct {
	before, after cas.Store
	was, is       digest.Digest
}

// judge compares them: by bytes, or by the bounds where the plugin promises no more.
func (c pair) judge(ctx context.Context, p promise) (outcome, why string, err error) {
	if c.is == c.was {
		return verdict.Agrees, "", nil
	}
	if p.class == catalog.Tolerance && !p.bounds.None() {
		return c.close(ctx, p.bounds)
	}
	switch first := c.firstDifference(ctx); {
	case p.class == catalog.Tolerance:
		return verdict.CouldNot, noBounds + "; " + first, nil
	case p.class == catalog.Platform && p.action.Platform == "":
		return verdict.CouldNot, "its action does not say on which platform it was done; " + first, nil
	default:
		return verdict.Differs, first, nil
	}
}

// close judges by bounds.
func (c pair) close(ctx context.Context, b tolerance.Bounds) (outcome, why string, err error) {
	was, err := sideOf(ctx, c.before, c.was)
	var is tolerance.Side
	if err == nil {
		is, err = sideOf(ctx, c.after, c.is)
	}
	var j tolerance.Judgement
	if err == nil {
		j, err = b.Judge(was, is)
	}
	switch {
	case err != nil:
		return verdict.CouldNot, "", fmt.Errorf("the two could not be compared: %w", err)
	case j.Within:
		return verdict.AgreesWithin, fmt.Sprintf("%s: %s", b, j.Says), nil
	}
	return verdict.Differs, fmt.Sprintf("%s: %s", b, j.Says), nil
}

// sideOf is an artifact of a store, to be compared.
func sideOf(ctx context.Context, s cas.Store, d digest.Digest) (tolerance.Side, error) {
	files, err := filesUnder(ctx, s, d)
	return tolerance.Side{Files: files, Open: func(path string) (io.ReadCloser, error) { return sandbox.OpenFile(ctx, s, d, path) }}, err
}

// firstDifference names the first file, and of it the first byte, in which two artifacts differ, and of evaluations the first
// metric with both values.
func (c pair) firstDifference(ctx context.Context) string {
	before, err := sideOf(ctx, c.before, c.was)
	if err != nil {
		return fmt.Sprintf("the lock's artifact cannot be compared here: %v", err)
	}
	after, err := sideOf(ctx, c.after, c.is)
	if err != nil {
		return err.Error()
	}
	d := artifact.Differ(before.Files, after.Files)
	switch {
	case len(d.Changed) > 0:
		path := d.Changed[0].Is.Path
		text := fmt.Sprintf("the first file that differs is %q, from byte %d on (%d of %d files differ)", path, c.firstByte(ctx, path), len(d.Changed), len(before.Files))
		if metric := tolerance.FirstMetric(before, after); metric != "" {
			text += "; the first number that differs is of " + metric
		}
		return text
	case len(d.Removed) > 0:
		return fmt.Sprintf("the file %q is missing", d.Removed[0].Path)
	case len(d.Added) > 0:
		return fmt.Sprintf("the file %q is there besides", d.Added[0].Path)
	}
	return "the files are the same, and how they are packed differs"
}

func filesUnder(ctx context.Context, s cas.Store, d digest.Digest) ([]artifact.File, error) {
	r, err := artifact.Open(ctx, s, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []artifact.File
	for p, err := range r.All() {
		if err != nil {
			return nil, err
		}
		out = append(out, p.File)
	}
	return out, nil
}

// firstByte is the offset of the first byte in which two files differ, -1 if they cannot be read.
func (c pair) firstByte(ctx context.Context, path string) int64 {
	a, err := sandbox.OpenFile(ctx, c.before, c.was, path)
	if err != nil {
		return -1
	}
	defer a.Close()
	b, err := sandbox.OpenFile(ctx, c.after, c.is, path)
	if err != nil {
		return -1
	}
	defer b.Close()
	x, y := bufio.NewReader(a), bufio.NewReader(b)
	for at := int64(0); ; at++ {
		p, errX := x.ReadByte()
		q, errY := y.ReadByte()
		if errX != nil || errY != nil || p != q {
			return at
		}
	}
}
